//! `/chat`: rooms and messages over a socket that keeps itself.

use std::sync::Arc;

use serde::Serialize;
use serde_json::json;
use shared::{
    MessageId, RoomId, Timestamp, UserId,
    protocol::{Member, Message, MessageType, Position, Room, RoomType, ServerFrame},
};

use crate::{
    Endpoint, Error, Events, Identity, Options, Result, TokenProvider, pending::Repeat, positions::Positions,
    socket::Link,
};

/// A connection to `/chat`. Clones share it; when the last is dropped it is closed.
#[derive(Clone)]
pub struct Chat(Link);

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

/// What a member finds in a room.
#[derive(Debug, Clone, PartialEq)]
pub struct JoinedRoom {
    pub room: Room,
    pub position: Position,
    /// The last ones.
    pub messages: Vec<Message>,
    /// The first ones.
    pub users: Vec<Member>,
    pub member_count: u64,
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
    /// Connects to `endpoint` (`/chat` where it has no path) with default [`Options`]. Fails if the first attempt does;
    /// later losses are repaired.
    pub async fn connect(endpoint: impl Into<Endpoint>, tokens: impl TokenProvider) -> Result<(Self, Events)> {
        Self::connect_with(endpoint, tokens, Options::default()).await
    }

    /// [`connect`](Self::connect) with the options given.
    pub async fn connect_with(
        endpoint: impl Into<Endpoint>,
        tokens: impl TokenProvider,
        options: Options,
    ) -> Result<(Self, Events)> {
        let positions = Arc::new(Positions::default());
        let (link, events) = Link::open(endpoint.into(), "/chat", Arc::new(tokens), positions, options).await?;
        Ok((Self(link), events))
    }

    /// Who the connection speaks for.
    pub fn identity(&self) -> &Identity {
        self.0.identity()
    }

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

    /// Joins a room by its id.
    pub async fn join_room(&self, room: RoomId) -> Result<JoinedRoom> {
        self.join(json!({ "roomId": room })).await
    }

    /// Joins a public room by its handle.
    pub async fn join_room_by_handle(&self, handle: &str) -> Result<JoinedRoom> {
        self.join(json!({ "handle": handle })).await
    }

    async fn join(&self, payload: serde_json::Value) -> Result<JoinedRoom> {
        match self.0.call("JOIN_ROOM", payload, Repeat::Once).await? {
            ServerFrame::RoomJoined { room, position, messages, users, member_count } => {
                Ok(JoinedRoom { room, position, messages, users, member_count })
            }
            other => Err(unexpected(&other)),
        }
    }

    /// Leaves a room.
    pub async fn leave_room(&self, room: RoomId) -> Result<()> {
        match self.0.call("LEAVE_ROOM", json!({ "roomId": room }), Repeat::Once).await? {
            ServerFrame::RoomLeft { .. } => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    /// Makes a public or private room; `handle` is for public ones.
    pub async fn create_room(&self, name: &str, kind: RoomType, handle: Option<&str>) -> Result<Room> {
        let mut payload = json!({ "name": name, "type": kind });
        if let Some(handle) = handle {
            payload["handle"] = handle.into();
        }
        match self.0.call("CREATE_ROOM", payload, Repeat::Once).await? {
            ServerFrame::RoomCreated { room } => Ok(room),
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

    /// Moves the own read mark forward. There is no reply: a mark that is lost with the connection is made good by the
    /// next one.
    pub async fn mark_read(&self, room: RoomId, seq: u64) -> Result<()> {
        self.0.tell("MARK_READ", json!({ "roomId": room, "seq": seq })).await
    }

    /// Deletes a message.
    pub async fn delete_message(&self, message: MessageId) -> Result<()> {
        match self.0.call("DELETE_MESSAGE", json!({ "messageId": message }), Repeat::Once).await? {
            ServerFrame::DeleteMessageAck { .. } => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    /// Asks the server for its time; tells that the whole way works.
    pub async fn ping(&self) -> Result<Timestamp> {
        match self.0.call("PING", json!({}), Repeat::Harmless).await? {
            ServerFrame::Pong { server_time } => Ok(server_time),
            other => Err(unexpected(&other)),
        }
    }

    /// Ends the connection as a loss of the network would, without a close handshake; then it comes back and resumes as
    /// after any loss. For tests of applications.
    pub async fn cut(&self) {
        self.0.cut().await;
    }

    /// Closes the connection and waits until it is closed. Calls under way fail.
    pub async fn close(self) {
        self.0.close().await;
    }
}

/// A reply of the wrong type.
pub(crate) fn unexpected(frame: &ServerFrame) -> Error {
    let value = serde_json::to_value(frame).unwrap_or_default();
    Error::Unexpected(format!("a reply of type {}", value["type"]))
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
