//! What is said in rooms: sending, changing and reading messages.

use serde::Serialize;
use serde_json::json;
use shared::{
    MessageId, RoomId, Timestamp, UserId,
    protocol::{Message, MessageType, Position, ServerFrame},
};

use super::{Chat, unexpected};
use crate::{Result, pending::Repeat};

/// Where a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Recipient {
    #[serde(rename = "roomId")]
    Room(RoomId),
    /// Through the direct room with them.
    #[serde(rename = "recipientId")]
    User(UserId),
}

impl From<RoomId> for Recipient {
    fn from(room: RoomId) -> Self {
        Self::Room(room)
    }
}

impl From<UserId> for Recipient {
    fn from(user: UserId) -> Self {
        Self::User(user)
    }
}

/// A message to send. Sending the same value again, after whatever error, never makes a second message.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OutgoingMessage {
    #[serde(flatten)]
    pub to: Recipient,
    pub content: String,
    #[serde(rename = "type")]
    pub kind: MessageType,
    /// Unique for this message; a random UUID unless set otherwise.
    pub client_message_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<MessageId>,
}

impl OutgoingMessage {
    /// A text for a room or a user.
    pub fn new(to: impl Into<Recipient>, content: impl Into<String>) -> Self {
        Self {
            to: to.into(),
            content: content.into(),
            kind: MessageType::Text,
            client_message_id: uuid::Uuid::new_v4().to_string(),
            reply_to: None,
        }
    }
}

/// The server's word that a message is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Ack {
    pub id: MessageId,
    pub room_id: RoomId,
    pub seq: u64,
    pub rev: u64,
    pub timestamp: Timestamp,
    /// It had been stored before: this is the first result again.
    pub duplicate: bool,
}

/// Which part of a history; without `before` and `after`, its end.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct PageQuery {
    /// Messages with a smaller `seq`, newest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    /// Messages with a larger `seq`, oldest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// At most 200; the server's default is 50.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// A part of a room's history.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HistoryPage {
    /// Newest first; oldest first when asked by `after`.
    pub items: Vec<Message>,
    pub has_more: bool,
    /// What the page is current to.
    pub position: Position,
}

impl Chat {
    /// Sends a text; returns once it is stored. To be able to repeat it after an error, use [`send`](Self::send).
    pub async fn send_message(&self, to: impl Into<Recipient>, content: &str) -> Result<Ack> {
        self.send(&OutgoingMessage::new(to, content)).await
    }

    /// Sends a message; returns once it is stored. It is repeated over a reconnect.
    pub async fn send(&self, message: &OutgoingMessage) -> Result<Ack> {
        match self.0.call("SEND_MESSAGE", message, Repeat::Harmless).await? {
            ServerFrame::MessageAck { id, room_id, seq, rev, timestamp, duplicate, .. } => {
                Ok(Ack { id, room_id, seq, rev, timestamp, duplicate })
            }
            other => Err(unexpected(&other)),
        }
    }

    /// Gives a message another content; only its author may. Gives when.
    pub async fn edit_message(&self, message: MessageId, content: &str) -> Result<Timestamp> {
        let payload = json!({ "messageId": message, "content": content });
        match self.0.call("EDIT_MESSAGE", payload, Repeat::Once).await? {
            ServerFrame::EditMessageAck { edited_at, .. } => Ok(edited_at),
            other => Err(unexpected(&other)),
        }
    }

    /// Deletes a message.
    pub async fn delete_message(&self, message: MessageId) -> Result<()> {
        match self.0.call("DELETE_MESSAGE", json!({ "messageId": message }), Repeat::Once).await? {
            ServerFrame::DeleteMessageAck { .. } => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    /// Gives a message an emoji, or takes it back (`add: false`); gives how many have given it now. Twice is once.
    pub async fn react(&self, message: MessageId, emoji: &str, add: bool) -> Result<u64> {
        let payload = json!({ "messageId": message, "emoji": emoji, "add": add });
        match self.0.call("REACT", payload, Repeat::Harmless).await? {
            ServerFrame::ReactAck { count, .. } => Ok(count),
            other => Err(unexpected(&other)),
        }
    }

    /// A page of a room's history.
    pub async fn history(&self, room: RoomId, query: PageQuery) -> Result<HistoryPage> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Payload {
            room_id: RoomId,
            #[serde(flatten)]
            query: PageQuery,
        }
        match self.0.call("GET_HISTORY", Payload { room_id: room, query }, Repeat::Harmless).await? {
            ServerFrame::History { items, has_more, position, .. } => Ok(HistoryPage { items, has_more, position }),
            other => Err(unexpected(&other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_spelt_as_the_protocol_says_and_keeps_its_key() {
        let room = RoomId::new();
        let message = OutgoingMessage::new(room, "hi");
        let value = serde_json::to_value(&message).unwrap();
        let key = &message.client_message_id;
        assert_eq!(value, json!({ "roomId": room, "content": "hi", "type": "text", "clientMessageId": key }));
        let user = UserId::new();
        assert_eq!(serde_json::to_value(OutgoingMessage::new(user, "")).unwrap()["recipientId"], json!(user));
        assert_ne!(OutgoingMessage::new(room, "hi").client_message_id, *key);
    }
}
