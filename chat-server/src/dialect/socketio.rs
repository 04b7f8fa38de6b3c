//! The Socket.IO dialect: events with names and one argument, and acknowledgements. How its messages travel is
//! Engine.IO's ([`engineio`]); what they do is [`crate::socketio`]'s.

pub mod packet;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::{
    ErrorCode, FieldProblem, RoomId,
    protocol::{
        BadFrame, Member, Message, Room, RoomType, ServerFrame,
        command::{CreateRoom, JoinRoom},
    },
};

use packet::Event;

/// What a client asks.
#[derive(Debug, PartialEq)]
pub enum Command {
    AddUser(String),
    CreateRoom(CreateRoom),
    JoinRoom(JoinRoom),
    LeaveRoom(JoinRoom),
    SendMessage(Say),
    Typing { room: JoinRoom, is_typing: bool },
}

#[derive(Debug, PartialEq)]
pub struct Say {
    pub room: JoinRoom,
    pub content: String,
    pub client_message_id: Option<String>,
    /// The bytes of an image.
    pub image: Option<Bytes>,
}

#[derive(Deserialize)]
struct InRoom {
    room: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct InTyping {
    room: String,
    is_typing: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct InMessage {
    room: String,
    #[serde(default)]
    message: String,
    client_message_id: Option<String>,
    image: Option<Placeholder>,
}

#[derive(Deserialize)]
struct InCreate {
    name: String,
    handle: Option<String>,
    description: Option<String>,
    #[serde(rename = "type")]
    kind: Option<RoomType>,
}

/// Where a binary part belongs.
#[derive(Deserialize)]
struct Placeholder {
    #[serde(rename = "_placeholder")]
    is_one: bool,
    num: usize,
}

/// A client's event as a command.
pub fn decode(mut event: Event) -> Result<Command, BadFrame> {
    let parts = std::mem::take(&mut event.attachments);
    Ok(match &*event.name {
        "add_user" => Command::AddUser(read(&event)?),
        "create_room" => {
            let InCreate { name, handle, description, kind } = read(&event)?;
            let kind = kind.unwrap_or(RoomType::Public);
            Command::CreateRoom(CreateRoom {
                name,
                handle,
                description,
                kind,
                history_visibility: None,
                retention: None,
            })
        }
        "join_room" => Command::JoinRoom(room(read::<InRoom>(&event)?.room)),
        "leave_room" => Command::LeaveRoom(room(read::<InRoom>(&event)?.room)),
        "send_message" => {
            let InMessage { room: named, message, client_message_id, image } = read(&event)?;
            let image = image.map(|image| part(&event, &parts, &image)).transpose()?;
            Command::SendMessage(Say { room: room(named), content: message, client_message_id, image })
        }
        "typing" => {
            let InTyping { room: named, is_typing } = read(&event)?;
            Command::Typing { room: room(named), is_typing }
        }
        _ => return Err(bad(&event, "unknown event", "event", "not one of this server".into())),
    })
}

fn part(event: &Event, parts: &[Bytes], placeholder: &Placeholder) -> Result<Bytes, BadFrame> {
    let part = parts.get(placeholder.num).filter(|_| placeholder.is_one);
    part.cloned().ok_or_else(|| bad(event, "the image is not there", "image", "send its bytes".into()))
}

/// A room is named by its id, or by its handle.
fn room(named: String) -> JoinRoom {
    match named.parse::<RoomId>() {
        Ok(id) => JoinRoom { room_id: Some(id), handle: None },
        Err(_) => JoinRoom { room_id: None, handle: Some(named) },
    }
}

fn read<'a, T: Deserialize<'a>>(event: &'a Event) -> Result<T, BadFrame> {
    let json = event.argument.as_deref().map_or("null", |argument| argument.get());
    serde_json::from_str(json).map_err(|e| {
        let message = format!("the argument of {} is malformed: {e}", event.name);
        bad(event, &message, "argument", e.to_string())
    })
}

fn bad(event: &Event, message: &str, field: &str, problem: String) -> BadFrame {
    let details = vec![FieldProblem { field: field.into(), problem }];
    BadFrame { request_id: event.ack.clone(), message: message.into(), details }
}

/// A frame of ours: an acknowledgement where it answers a command that asked for one (`ack`), else an event. `None`: the
/// dialect has no word for it.
pub fn encode(frame: &ServerFrame, ack: Option<&str>) -> Option<Bytes> {
    if let (ServerFrame::Error { .. }, None) = (frame, ack) {
        return Some(event("error", &error(frame)?));
    }
    match ack {
        Some(ack) => reply(frame).map(|reply| acknowledge(ack, &reply)),
        None => told(frame),
    }
}

/// `{ok: true, …}` or `{error: {code, message, …}}`.
fn reply(frame: &ServerFrame) -> Option<Value> {
    Some(match frame {
        ServerFrame::Error { .. } => json!({"error": error(frame)?}),
        ServerFrame::RoomCreated { room } => room_reply(room),
        ServerFrame::RoomJoined { room, messages, users, member_count, .. } => {
            let mut reply = room_reply(room);
            reply["messages"] = messages.iter().map(message).collect();
            reply["users"] = users.iter().map(member).collect();
            reply["memberCount"] = json!(member_count);
            reply
        }
        ServerFrame::RoomLeft { room_id } => json!({"ok": true, "room": room_id}),
        ServerFrame::MessageAck { id, room_id, seq, timestamp, client_message_id, duplicate, .. } => {
            let mut reply = json!({"ok": true, "id": id, "room": room_id, "seq": seq, "timestamp": timestamp});
            if let Some(id) = client_message_id {
                reply["clientMessageId"] = json!(id);
            }
            if *duplicate {
                reply["duplicate"] = json!(true);
            }
            reply
        }
        _ => return None,
    })
}

/// An event, or nothing.
fn told(frame: &ServerFrame) -> Option<Bytes> {
    Some(match frame {
        ServerFrame::AuthSuccess { user_id, username, .. } => {
            event("user_added", &json!({"userId": user_id, "username": username}))
        }
        ServerFrame::NewMessage { message: new, .. } => event("message", &message(new)),
        ServerFrame::UserJoined { room_id, user_id, username, .. } => {
            event("user_joined", &json!({"room": room_id, "userId": user_id, "username": username}))
        }
        ServerFrame::UserLeft { room_id, user_id, username, .. } => {
            event("user_left", &json!({"room": room_id, "userId": user_id, "username": username}))
        }
        ServerFrame::TypingUpdate { room_id, user_id, username, is_typing } => {
            let typing = json!({"room": room_id, "userId": user_id, "username": username, "isTyping": is_typing});
            event("typing", &typing)
        }
        ServerFrame::RoomRemoved { room_id, .. } => {
            event("error", &about(ErrorCode::NotAMember, "you are no longer in this room", *room_id))
        }
        ServerFrame::Reset { room_id, .. } => {
            let lost = "messages of this room may be missing here: read them over REST";
            event("error", &about(ErrorCode::Unavailable, lost, *room_id))
        }
        _ => return None,
    })
}

fn about(code: ErrorCode, message: &str, room: RoomId) -> Value {
    json!({"code": code, "message": message, "room": room})
}

fn error(frame: &ServerFrame) -> Option<Value> {
    let ServerFrame::Error { code, message, details, retry_after_ms } = frame else { return None };
    let mut error = json!({"code": code, "message": message});
    if !details.is_empty() {
        error["details"] = json!(details);
    }
    if let Some(retry_after_ms) = retry_after_ms {
        error["retryAfterMs"] = json!(retry_after_ms);
    }
    Some(error)
}

fn room_reply(room: &Room) -> Value {
    let mut reply = json!({"ok": true, "room": room.id});
    for (key, value) in [("name", &room.name), ("handle", &room.handle)] {
        if let Some(value) = value {
            reply[key] = json!(value);
        }
    }
    reply
}

fn member(member: &Member) -> Value {
    json!({"userId": member.user_id, "username": member.username})
}

fn message(message: &Message) -> Value {
    let mut shown = json!({
        "id": message.id,
        "room": message.room_id,
        "seq": message.seq,
        "userId": message.user_id,
        "username": message.username,
        "message": message.content,
        "type": message.kind,
        "timestamp": message.timestamp,
    });
    if let Some(id) = &message.client_message_id {
        shown["clientMessageId"] = json!(id);
    }
    if !message.attachments.is_empty() {
        shown["attachments"] = json!(message.attachments);
    }
    shown
}

/// The socket is connected to the namespace, under this name.
pub fn connected(sid: &str) -> Bytes {
    engineio::packet::text(&format!("0{}", json!({"sid": sid})))
}

/// It is not, and why.
pub fn refused(namespace: &str, message: &str, code: Option<ErrorCode>) -> Bytes {
    let mut why = json!({"message": message});
    if let Some(code) = code {
        why["data"] = json!({"code": code});
    }
    match namespace {
        "/" => engineio::packet::text(&format!("4{why}")),
        other => engineio::packet::text(&format!("4{other},{why}")),
    }
}

/// A command's own answer.
pub fn acknowledge(ack: &str, reply: &impl Serialize) -> Bytes {
    engineio::packet::text(&format!("3{ack}{}", json!([reply])))
}

fn event(name: &str, argument: &Value) -> Bytes {
    engineio::packet::text(&format!("2{}", json!([name, argument])))
}

#[cfg(test)]
mod tests;
