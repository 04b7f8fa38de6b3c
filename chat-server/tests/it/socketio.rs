//! Clients of Socket.IO and users of the native protocol, in the same rooms.

use rstest::rstest;
use serde_json::{Value, json};

use crate::{
    raw_socketio::{Raw, Way},
    support::{Engine, World},
};

/// Of an event or a reply, without what differs from run to run.
fn brief(mut value: Value) -> Value {
    fn strip(value: &mut Value) {
        if let Value::Object(fields) = value {
            for key in ["timestamp", "token", "expiresIn", "id"] {
                if let Some(field) = fields.remove(key) {
                    assert!(field.is_string() || field.is_u64(), "{key}: {field}");
                }
            }
        }
        if let Value::Array(items) = value {
            items.iter_mut().for_each(strip);
        }
    }
    strip(&mut value);
    if let Some(messages) = value.get_mut("messages") {
        strip(messages);
    }
    value
}

#[rstest]
#[tokio::test]
async fn somebody_on_socket_io_and_a_native_user_talk_in_one_room(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
    #[values(Way::Socket, Way::Polling)] way: Way,
) {
    let world = World::start(engine).await;
    let bob = world.user("bob").await;
    let mut native = world.connect(&bob).await;
    let mut alice = Raw::nobody(&world, way).await;
    let (added, events) = alice.ask_among_events("add_user", json!("alice")).await;
    let me = added["userId"].as_str().unwrap().to_owned();
    assert_eq!(events, [json!(["user_added", {"userId": me, "username": "alice"}])]);
    assert_eq!(brief(added), json!({"ok": true, "userId": me, "username": "alice"}));

    let created = alice.ask("create_room", json!({"name": "Tea", "handle": "tea"})).await;
    let room = created["room"].as_str().unwrap().to_owned();
    assert_eq!(created, json!({"ok": true, "room": room, "name": "Tea", "handle": "tea"}));
    let joined = native.ask("JOIN_ROOM", json!({"handle": "tea"})).await;
    assert_eq!(joined["type"], "ROOM_JOINED");
    assert_eq!(alice.event().await, json!(["user_joined", {"room": room, "userId": bob.id, "username": "bob"}]));

    // By handle and by id; whoever sends is told the message too, before its acknowledgement or after.
    for (named, text, seq) in [("tea", "hello", 1), (&*room, "é€", 2)] {
        let say = json!({"room": named, "message": text, "clientMessageId": text});
        let (reply, mut events) = alice.ask_among_events("send_message", say).await;
        let expected = json!({"ok": true, "room": room, "seq": seq, "clientMessageId": text});
        assert_eq!(brief(reply.clone()), expected);
        if events.is_empty() {
            events.push(alice.event().await);
        }
        assert_eq!(events[0][1]["id"], reply["id"]);
        let message = json!(["message", {
            "room": room, "seq": seq, "userId": me, "username": "alice", "message": text, "type": "text", "clientMessageId": text,
        }]);
        assert_eq!(brief(events[0].clone()), message);
        let told = native.next().await;
        assert_eq!((&told["type"], &told["payload"]["content"]), (&json!("NEW_MESSAGE"), &json!(text)));
    }
    let (again, _) =
        alice.ask_among_events("send_message", json!({"room": room, "message": "é€", "clientMessageId": "é€"})).await;
    assert_eq!((&again["duplicate"], &again["seq"]), (&json!(true), &json!(2)));

    native.tell("TYPING_STATUS", json!({"roomId": room, "isTyping": true})).await;
    let typing = |is: bool| json!(["typing", {"room": room, "userId": bob.id, "username": "bob", "isTyping": is}]);
    assert_eq!(alice.event().await, typing(true));
    let (_, told) = native.ask_among_events("SEND_MESSAGE", json!({"roomId": room, "content": "hi"})).await;
    if told.is_empty() {
        native.until("NEW_MESSAGE").await;
    }
    let events = [alice.event().await, alice.event().await];
    assert!(events.contains(&typing(false)), "{events:?}");
    assert!(events.iter().any(|e| e[0] == "message" && e[1]["message"] == "hi" && e[1]["userId"] == json!(bob.id)));
    native.quiet().await;

    assert_eq!(alice.ask("typing", json!({"room": "tea", "isTyping": true})).await, json!({"ok": true}));
    let told = native.next().await;
    assert_eq!((&told["type"], &told["payload"]["isTyping"]), (&json!("TYPING_UPDATE"), &json!(true)));
    assert_eq!(alice.ask("leave_room", json!({"room": "tea"})).await, json!({"ok": true, "room": room}));
    let told = native.until("USER_LEFT").await.pop().unwrap();
    assert_eq!(told["payload"]["userId"], json!(me));

    // Who joins is shown what was said.
    let (joined, _) = alice.ask_among_events("join_room", json!({"room": "tea"})).await;
    let texts: Vec<&Value> = joined["messages"].as_array().unwrap().iter().map(|m| &m["message"]).collect();
    assert_eq!((&joined["ok"], &joined["memberCount"], texts.len()), (&json!(true), &json!(2), 3), "{joined}");
    let mut names: Vec<&Value> = joined["users"].as_array().unwrap().iter().map(|u| &u["username"]).collect();
    names.sort_by_key(|name| name.to_string());
    assert_eq!(names, ["alice", "bob"]);
    native.until("USER_JOINED").await;
    native.ask("LEAVE_ROOM", json!({"roomId": room})).await;
    assert_eq!(alice.event().await, json!(["user_left", {"room": room, "userId": bob.id, "username": "bob"}]));
    alice.quiet().await;
}

#[rstest]
#[tokio::test]
async fn each_refusal_is_told_as_an_acknowledgement_or_as_an_event(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
    #[values(Way::Socket, Way::Polling)] way: Way,
) {
    let world = World::start(engine).await;
    world.user("taken").await;
    let mut owner = Raw::guest(&world, Way::Socket, "owner").await;
    let room = owner.ask("create_room", json!({"name": "Tea", "handle": "tea"})).await["room"].clone();
    let mut alice = Raw::nobody(&world, way).await;
    let cases = [
        ("join_room", json!({"room": "tea"}), "UNAUTHORIZED"),
        ("add_user", json!("taken"), "USERNAME_TAKEN"),
        ("add_user", json!("TAKEN"), "USERNAME_TAKEN"),
        ("add_user", json!("no name"), "INVALID_MESSAGE"),
        ("add_user", json!({"name": "x"}), "INVALID_MESSAGE"),
        ("add_user", json!("alice"), ""),
        ("add_user", json!("alice2"), "INVALID_MESSAGE"),
        ("join_room", json!({"room": "nowhere"}), "ROOM_NOT_FOUND"),
        ("join_room", json!({"room": "00000000-0000-7000-8000-000000000000"}), "ROOM_NOT_FOUND"),
        ("leave_room", json!({"room": "tea"}), "NOT_A_MEMBER"),
        ("leave_room", json!({"room": "nowhere"}), "ROOM_NOT_FOUND"),
        ("send_message", json!({"room": "tea", "message": "x"}), "NOT_A_MEMBER"),
        ("typing", json!({"room": "tea", "isTyping": true}), "NOT_A_MEMBER"),
        ("join_room", json!({"room": room}), ""),
        ("join_room", json!({"room": room}), "ALREADY_A_MEMBER"),
        ("join_room", json!({"room": "tea"}), "ALREADY_A_MEMBER"),
        ("send_message", json!({"room": "tea"}), "INVALID_MESSAGE"),
        ("send_message", json!({"message": "x"}), "INVALID_MESSAGE"),
        ("send_message", json!({"room": "tea", "image": {"_placeholder": true, "num": 0}}), "INVALID_MESSAGE"),
        ("create_room", json!({"name": "other", "handle": "tea"}), "HANDLE_TAKEN"),
        ("no_such_event", json!({}), "INVALID_MESSAGE"),
    ];
    for (event, argument, code) in cases {
        let (reply, _) = alice.ask_among_events(event, argument.clone()).await;
        if code.is_empty() {
            assert_eq!(reply["ok"], true, "{event} {argument}: {reply}");
            continue;
        }
        assert_eq!(reply["error"]["code"], code, "{event} {argument}: {reply}");
        assert!(reply.get("ok").is_none() && reply["error"]["message"].is_string(), "{reply}");
        alice.emit(event, argument.clone()).await;
        let told = alice.event().await;
        assert_eq!((&told[0], &told[1]), (&json!("error"), &reply["error"]), "{event} {argument}");
    }
}

#[rstest]
#[tokio::test]
async fn a_token_in_auth_is_somebody_and_a_bad_one_is_told_why(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
    #[values(Way::Socket, Way::Polling)] way: Way,
) {
    let world = World::start(engine).await;
    let alice = world.user("alice").await;
    let mut raw = Raw::open(&world, way).await;
    let refused = raw.ask_packet(r#"40{"token":"nonsense"}"#).await;
    let why: Value = serde_json::from_str(refused.strip_prefix("44").unwrap()).unwrap();
    assert_eq!(why["data"], json!({"code": "UNAUTHORIZED"}), "{why}");
    let elsewhere = raw.ask_packet("40/admin,").await;
    assert_eq!(elsewhere, r#"44/admin,{"message":"Invalid namespace"}"#);
    let connected = raw.ask_packet(&format!("40{}", json!({"token": alice.token}))).await;
    assert!(connected.starts_with("40{"), "{connected}");
    assert_eq!(raw.event().await, json!(["user_added", {"userId": alice.id, "username": "alice"}]));
    raw.quiet().await;
    // A login that ends ends its connection, and cannot connect again.
    let viewer = world.domain.identity.identify(&alice.token).await.unwrap();
    world.domain.accounts.log_out(&viewer).await.unwrap();
    assert_eq!(raw.any().await, None);
    let mut late = Raw::open(&world, way).await;
    let refused = late.ask_packet(&format!("40{}", json!({"token": alice.token}))).await;
    assert!(refused.starts_with("44"), "{refused}");
}

#[tokio::test]
async fn what_is_no_packet_and_what_comes_out_of_turn_ends_the_connection() {
    let world = World::start(Engine::Embedded).await;
    for packet in ["42[\"hi\"]", "4abc", "41", "abc", "40[]", "451-[\"hi\"]", "0", "2"] {
        let mut raw = Raw::open(&world, Way::Socket).await;
        raw.send(packet).await;
        assert_eq!(raw.closed().await, 1002, "{packet} before CONNECT");
    }
    for packet in
        ["40", "40{}", "4abc", "42{}", "42abc[\"hi\"]", "4511-[\"hi\"]", "4519-[\"hi\"]", "44{}", "42[\"hi\"", "45"]
    {
        let mut raw = Raw::nobody(&world, Way::Socket).await;
        raw.send(packet).await;
        assert_eq!(raw.closed().await, 1002, "{packet} after CONNECT");
    }
    let mut between = Raw::nobody(&world, Way::Socket).await;
    between.send("451-[\"hi\"]").await;
    between.send("42[\"hi\"]").await;
    assert_eq!(between.closed().await, 1002);
    let mut leaving = Raw::nobody(&world, Way::Socket).await;
    leaving.send("41").await;
    assert_eq!(leaving.closed().await, 1000);
    let mut polling = Raw::nobody(&world, Way::Polling).await;
    polling.send("40").await;
    assert_eq!(polling.any().await, None);
}

#[tokio::test]
async fn who_does_not_connect_in_time_is_cut_off_and_who_is_nobody_is_not() {
    let world = World::with(Engine::Embedded, |settings| settings.limits.authenticate_seconds = 1).await;
    let mut nobody = Raw::nobody(&world, Way::Polling).await;
    for way in [Way::Socket, Way::Polling] {
        let mut raw = Raw::open(&world, way).await;
        assert_eq!(raw.any().await, None, "{way:?}");
    }
    nobody.quiet().await;
}
