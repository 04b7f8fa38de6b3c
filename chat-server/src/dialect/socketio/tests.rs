use shared::{
    EventId, MessageId, Timestamp, UserId,
    protocol::{MessageType, Position, command::CreateRoom},
};

use super::*;
use crate::dialect::{Dialect, Encoded};

fn event(name: &str, argument: Value) -> Event {
    let argument = Some(serde_json::value::to_raw_value(&argument).unwrap());
    Event { name: name.into(), argument, ack: Some("7".into()), attachments: vec![Bytes::from_static(b"part")] }
}

fn command(name: &str, argument: Value) -> Command {
    decode(event(name, argument)).unwrap()
}

/// The packet of a frame, without the frame's header.
fn packet(frame: &ServerFrame, ack: Option<&str>) -> String {
    let frame = encode(frame, ack).unwrap();
    let header = if frame[1] == 126 { 4 } else { 2 };
    String::from_utf8(frame[header..].to_vec()).unwrap()
}

fn a_message(room_id: RoomId, user_id: UserId) -> ServerFrame {
    let message = Message {
        id: MessageId { room: room_id, seq: 3 },
        room_id,
        seq: 3,
        user_id,
        username: "alice".into(),
        content: "hi \"there\"".into(),
        kind: MessageType::Text,
        timestamp: Timestamp::now(),
        client_message_id: None,
        reply_to: None,
        reply_count: 0,
        mentions: Vec::new(),
        mention_all: false,
        attachments: Vec::new(),
        reactions: Vec::new(),
        edited_at: None,
        deleted_at: None,
    };
    ServerFrame::NewMessage { message, rev: 4, event_id: EventId::from_bits(1) }
}

#[test]
fn events_are_commands_and_a_room_is_named_by_id_or_handle() {
    let id = RoomId::new();
    let by_id = || JoinRoom { room_id: Some(id), handle: None };
    let by_handle = || JoinRoom { room_id: None, handle: Some("tea".into()) };
    assert_eq!(command("add_user", json!("alice")), Command::AddUser("alice".into()));
    assert_eq!(command("join_room", json!({"room": id, "x": 1})), Command::JoinRoom(by_id()));
    assert_eq!(command("leave_room", json!({"room": "tea"})), Command::LeaveRoom(by_handle()));
    let typing = Command::Typing { room: by_handle(), is_typing: true };
    assert_eq!(command("typing", json!({"room": "tea", "isTyping": true})), typing);
    let say = |content: &str, image: Option<&'static [u8]>| {
        let image = image.map(Bytes::from_static);
        Command::SendMessage(Say { room: by_handle(), content: content.into(), client_message_id: None, image })
    };
    assert_eq!(command("send_message", json!({"room": "tea", "message": "hi"})), say("hi", None));
    let image = json!({"_placeholder": true, "num": 0});
    assert_eq!(command("send_message", json!({"room": "tea", "image": image})), say("", Some(b"part")));
    let Command::CreateRoom(CreateRoom { name, kind, handle: None, .. }) =
        command("create_room", json!({"name": "Tea"}))
    else {
        panic!("a room to be made");
    };
    assert_eq!((&*name, kind), ("Tea", RoomType::Public));
}

#[test]
fn what_is_no_command_says_why_to_who_asked() {
    for (name, argument) in [
        ("nothing", json!({})),
        ("add_user", json!({})),
        ("add_user", json!(null)),
        ("join_room", json!("tea")),
        ("join_room", json!({})),
        ("typing", json!({"room": "tea"})),
        ("send_message", json!({"room": 1})),
        ("send_message", json!({"room": "tea", "image": {"_placeholder": true, "num": 1}})),
        ("send_message", json!({"room": "tea", "image": {"_placeholder": false, "num": 0}})),
        ("send_message", json!({"room": "tea", "image": "AQID"})),
        ("create_room", json!({"name": "x", "type": "secret"})),
    ] {
        let bad = decode(event(name, argument.clone())).unwrap_err();
        assert_eq!((bad.request_id.as_deref(), bad.details.len()), (Some("7"), 1), "{name} {argument}");
    }
    let silent = Event { name: "add_user".into(), argument: None, ack: None, attachments: Vec::new() };
    assert!(decode(silent).is_err());
}

#[test]
fn frames_are_events_or_acknowledgements_or_nothing() {
    let (room_id, user_id) = (RoomId::new(), UserId::new());
    let error = ServerFrame::Error {
        code: ErrorCode::RateLimitExceeded,
        message: "slower".into(),
        details: Vec::new(),
        retry_after_ms: Some(5),
    };
    let spelt = r#"{"code":"RATE_LIMIT_EXCEEDED","message":"slower","retryAfterMs":5}"#;
    assert_eq!(packet(&error, None), format!(r#"42["error",{spelt}]"#));
    assert_eq!(packet(&error, Some("12")), format!(r#"4312[{{"error":{spelt}}}]"#));
    assert_eq!(
        packet(&ServerFrame::RoomLeft { room_id }, Some("0")),
        format!(r#"430[{{"ok":true,"room":"{room_id}"}}]"#)
    );
    assert_eq!(encode(&ServerFrame::RoomLeft { room_id }, None), None, "nobody asked");
    let joined =
        ServerFrame::UserJoined { room_id, user_id, username: "é".into(), rev: 1, event_id: EventId::from_bits(1) };
    let who = format!(r#"{{"room":"{room_id}","userId":"{user_id}","username":"é"}}"#);
    assert_eq!(packet(&joined, None), format!(r#"42["user_joined",{who}]"#));
    assert!(packet(&a_message(room_id, user_id), None).starts_with(r#"42["message",{"id":"#));
    let position = Position { rev: 1, event_id: EventId::from_bits(1) };
    assert!(packet(&ServerFrame::Reset { room_id, position }, None).contains("UNAVAILABLE"));
    let removed = ServerFrame::RoomRemoved { room_id, user_position: None };
    assert!(packet(&removed, None).starts_with(r#"42["error",{"code":"NOT_A_MEMBER","#));
    let deleted = ServerFrame::RoomDeleted { room_id, user_id, rev: 1, event_id: EventId::from_bits(1) };
    for silent in [ServerFrame::Reconnect { after_ms: 1, url: None }, ServerFrame::TokenExpiring { in_ms: 1 }, deleted]
    {
        assert_eq!(encode(&silent, None), None, "{silent:?}");
    }
}

#[test]
fn an_event_is_encoded_once_for_all_who_speak_the_dialect() {
    let event = a_message(RoomId::new(), UserId::new());
    let mut encoded = Encoded::new(&event);
    let (one, two) = (encoded.frame(Dialect::SocketIo).unwrap(), encoded.frame(Dialect::SocketIo).unwrap());
    assert_eq!((one.as_ptr(), one.len()), (two.as_ptr(), two.len()));
    assert_ne!(encoded.frame(Dialect::Native).unwrap(), one);
}
