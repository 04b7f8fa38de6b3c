//! The Messaging API on its socket: JSON text frames `{"type", "data", "requestId?"}`. `docs/dialects.md` has the table.

use std::borrow::Cow;

use bytes::Bytes;
use domain::{Viewer, rooms::Direct};
use serde::{Deserialize, Serialize};
use serde_json::{json, value::RawValue};
use shared::{
    FieldProblem, MessageId, RoomId, Timestamp, UserId,
    protocol::{
        BadFrame, ChatCommand, ClientFrame, ServerFrame,
        command::{JoinRoom, LeaveRoom, Mark, TypingStatus},
        messaging::{Message, NewMessage},
    },
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    request_id: Option<String>,
}

#[derive(Deserialize)]
struct Group {
    #[serde(rename = "groupID")]
    group_id: RoomId,
}

#[derive(Deserialize)]
struct Read {
    #[serde(rename = "messageID")]
    message_id: MessageId,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Typing {
    #[serde(rename = "recipientID")]
    recipient_id: Option<UserId>,
    #[serde(rename = "groupID")]
    group_id: Option<RoomId>,
    /// By default: yes.
    is_typing: Option<bool>,
}

/// Longest `requestId` that is echoed, in bytes.
const MAX_REQUEST_ID: usize = 128;

/// A user's text as a command.
pub fn decode(viewer: &Viewer, text: &str) -> Result<ClientFrame<ChatCommand>, BadFrame> {
    let envelope: Envelope = serde_json::from_str(text)
        .map_err(|e| bad(None, "frame", format!("not a frame {{\"type\", \"data\"}}: {e}")))?;
    let Envelope { kind, data, request_id } = envelope;
    if request_id.as_ref().is_some_and(|id| id.len() > MAX_REQUEST_ID) {
        return Err(bad(None, "requestId", format!("longer than {MAX_REQUEST_ID} bytes")));
    }
    match command(viewer, &kind, data.map_or("{}", RawValue::get)) {
        Ok(command) => Ok(ClientFrame { command, request_id }),
        Err((field, problem)) => Err(bad(request_id, field, problem)),
    }
}

fn command(viewer: &Viewer, kind: &str, data: &str) -> Result<ChatCommand, (&'static str, String)> {
    let unreadable = |e: serde_json::Error| ("data", e.to_string());
    Ok(match kind {
        "ping" => ChatCommand::Ping,
        "send_message" | "message" => {
            let input: NewMessage = serde_json::from_str(data).map_err(unreadable)?;
            if input.is_anothers(viewer.user) {
                return Err(("data.senderID", "is not you".into()));
            }
            ChatCommand::SendMessage(input.into_command())
        }
        "join_group" => {
            let Group { group_id } = serde_json::from_str(data).map_err(unreadable)?;
            ChatCommand::JoinRoom(JoinRoom { room_id: Some(group_id), handle: None })
        }
        "leave_group" => {
            let Group { group_id } = serde_json::from_str(data).map_err(unreadable)?;
            ChatCommand::LeaveRoom(LeaveRoom { room_id: group_id })
        }
        "mark_read" => {
            let Read { message_id } = serde_json::from_str(data).map_err(unreadable)?;
            ChatCommand::MarkRead(Mark { room_id: message_id.room, seq: message_id.seq })
        }
        "typing" => {
            let Typing { recipient_id, group_id, is_typing } = serde_json::from_str(data).map_err(unreadable)?;
            let room_id = match (group_id, recipient_id) {
                (Some(group), None) => group,
                (None, Some(other)) => RoomId::direct(viewer.user, other),
                _ => return Err(("data", "give either recipientID or groupID".into())),
            };
            ChatCommand::TypingStatus(TypingStatus { room_id, is_typing: is_typing.unwrap_or(true) })
        }
        _ => return Err(("type", "not a type of this socket".into())),
    })
}

fn bad(request_id: Option<String>, field: &str, problem: String) -> BadFrame {
    let message = format!("{field}: {problem}");
    BadFrame { request_id, message, details: vec![FieldProblem { field: field.into(), problem }] }
}

/// A frame of ours, where this dialect has a word for it. `direct`: whose room it is about, where that is a direct one.
pub fn encode(frame: &ServerFrame, direct: Option<&Direct>, request_id: Option<&str>) -> Option<Bytes> {
    let said = |kind, data: serde_json::Value| Some(text(kind, &data, request_id));
    match frame {
        ServerFrame::AuthSuccess { user_id, .. } => {
            said("connected", json!({ "userID": user_id, "timestamp": Timestamp::now() }))
        }
        ServerFrame::Pong { server_time } => said("pong", json!({ "timestamp": server_time })),
        ServerFrame::NewMessage { message, .. } => {
            let direct = direct.map(|direct| direct.other(message.user_id));
            let kind = if direct.is_some() { "direct_message" } else { "group_message" };
            Some(text(kind, &Message::new(message.clone(), direct), request_id))
        }
        ServerFrame::MessageAck { id, room_id, timestamp, client_message_id, .. } => {
            let mut data = json!({ "id": id, "conversationID": room_id, "timestamp": timestamp });
            if let Some(key) = client_message_id {
                data["clientMessageId"] = json!(key);
            }
            said("message_sent", data)
        }
        ServerFrame::Receipt { room_id, receipts } => {
            let read = receipts.iter().filter(|receipt| receipt.read_seq > 0);
            let frames = read.map(|receipt| {
                let message = MessageId { room: *room_id, seq: receipt.read_seq };
                let data = json!({ "messageID": message, "conversationID": room_id, "userID": receipt.user_id });
                text("message_read", &data, request_id)
            });
            // Several frames go out as one piece: each has its own header.
            let frames: Vec<u8> = frames.flatten().collect();
            (!frames.is_empty()).then(|| frames.into())
        }
        ServerFrame::PresenceUpdate(presence) => {
            let mut data = json!({
                "userID": presence.user_id, "username": presence.username, "status": presence.status,
            });
            if let Some(at) = presence.last_seen {
                data["lastSeen"] = json!(at);
            }
            said("user_status", data)
        }
        ServerFrame::Error { code, message, .. } => {
            said("error", json!({ "success": false, "error": message, "code": code }))
        }
        // Messages may be missing, and nothing here says how to get them but reading anew.
        ServerFrame::Reset { room_id, .. } => said(
            "error",
            json!({
                "success": false, "error": "messages may have been missed: read this conversation again",
                "code": "UNAVAILABLE", "conversationID": room_id,
            }),
        ),
        _ => None,
    }
}

fn text(kind: &str, data: &impl Serialize, request_id: Option<&str>) -> Bytes {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Said<'a, T> {
        #[serde(rename = "type")]
        kind: &'a str,
        data: &'a T,
        #[serde(skip_serializing_if = "Option::is_none")]
        request_id: Option<&'a str>,
    }
    // Into memory, and without maps whose keys are no text: that does not fail.
    socket::text_frame(serde_json::to_string(&Said { kind, data, request_id }).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use domain::Login;
    use shared::{SessionId, protocol::command::SendMessage};

    use super::*;

    fn viewer() -> Viewer {
        let login = Login::Session(SessionId::new());
        Viewer { user: UserId::new(), username: "ann".into(), guest: false, login, scope: None }
    }

    #[test]
    fn commands_are_read_in_this_spelling() {
        let (viewer, other, room) = (viewer(), UserId::new(), RoomId::new());
        let read = |text: &str| decode(&viewer, text).unwrap();
        let sent = read(&format!(
            r#"{{"type":"message","data":{{"senderID":"{}","recipientID":"{other}","groupID":null,"content":"x","messageType":"image","y":1}},"requestId":"7"}}"#,
            viewer.user
        ));
        let ChatCommand::SendMessage(SendMessage { room_id, recipient_id, content, kind, .. }) = sent.command else {
            panic!("it is sent")
        };
        assert_eq!((room_id, recipient_id, content.as_str()), (None, Some(other), "x"));
        assert_eq!((kind, sent.request_id.as_deref()), (shared::protocol::MessageType::Image, Some("7")));
        assert_eq!(read(r#"{"type":"ping"}"#).command, ChatCommand::Ping);
        let typing = read(&format!(r#"{{"type":"typing","data":{{"recipientID":"{other}"}}}}"#)).command;
        let room_id = RoomId::direct(viewer.user, other);
        assert_eq!(typing, ChatCommand::TypingStatus(TypingStatus { room_id, is_typing: true }));
        let id = MessageId { room, seq: 3 };
        let marked = read(&format!(r#"{{"type":"mark_read","data":{{"messageID":"{id}"}}}}"#)).command;
        assert_eq!(marked, ChatCommand::MarkRead(Mark { room_id: room, seq: 3 }));
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let (viewer, long) = (viewer(), "x".repeat(129));
        let somebody = UserId::new();
        for (text, expected) in [
            ("", "frame"),
            ("[]", "frame"),
            (r#"{"type":7}"#, "frame"),
            (r#"{"type":"PING"}"#, "type"),
            (r#"{"type":"join_group"}"#, "data"),
            (r#"{"type":"leave_group","data":{"groupID":"x"}}"#, "data"),
            (r#"{"type":"mark_read","data":[]}"#, "data"),
            (r#"{"type":"typing","data":{}}"#, "data"),
            (r#"{"type":"message","data":null}"#, "data"),
            (&format!(r#"{{"type":"message","data":{{"senderID":"{somebody}"}}}}"#), "data.senderID"),
            (&format!(r#"{{"type":"ping","requestId":"{long}"}}"#), "requestId"),
        ] {
            assert_eq!(decode(&viewer, text).unwrap_err().details[0].field, expected, "{text}");
        }
    }
}
