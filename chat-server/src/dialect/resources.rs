//! Resources: one public room. Whatever a client sends is said there, and what is said there is all it hears of.

use bytes::Bytes;
use serde::Serialize;
use serde_json::json;
use shared::{
    RoomId, UserId,
    protocol::{
        ChatCommand, ClientFrame, MessageType, ServerFrame,
        command::SendMessage,
        resources::{Resource, content_of},
    },
};

/// A client's text: said in the room.
pub fn decode(room: RoomId, text: &str) -> ClientFrame<ChatCommand> {
    let message = SendMessage {
        room_id: Some(room),
        recipient_id: None,
        content: content_of(text),
        kind: MessageType::Text,
        client_message_id: None,
        reply_to: None,
        attachments: Vec::new(),
    };
    ClientFrame { command: ChatCommand::SendMessage(message), request_id: None }
}

/// The first frame; `token` is what the client came with, or its guest's.
pub fn welcome(user: UserId, token: Option<&str>) -> Bytes {
    frame(&json!({ "type": "welcome", "clientID": user, "token": token }))
}

/// A frame of ours, where there is a word for it: what is about the room, and what is about no room.
pub fn encode(room: Option<RoomId>, said: &ServerFrame) -> Option<Bytes> {
    #[derive(Serialize)]
    struct Message {
        #[serde(rename = "type")]
        kind: &'static str,
        #[serde(flatten)]
        resource: Resource,
    }
    match said {
        ServerFrame::NewMessage { message, .. } if Some(message.room_id) == room => {
            Some(frame(&Message { kind: "message", resource: Resource::from(message.clone()) }))
        }
        ServerFrame::MessageDeleted { room_id, message_id, .. } if Some(*room_id) == room => {
            Some(frame(&json!({ "type": "delete", "id": message_id })))
        }
        ServerFrame::Error { code, message, .. } => {
            Some(frame(&json!({ "type": "error", "error": message, "code": code })))
        }
        // Messages may be missing, and nothing here says how to get them but reading anew.
        ServerFrame::Reset { room_id, .. } if Some(*room_id) == room => {
            let error = "messages may have been missed: read them again";
            Some(frame(&json!({ "type": "error", "error": error, "code": "UNAVAILABLE" })))
        }
        _ => None,
    }
}

fn frame(said: &impl Serialize) -> Bytes {
    // Into memory, and without maps whose keys are no text: that does not fail.
    socket::text_frame(serde_json::to_string(said).unwrap_or_default())
}
