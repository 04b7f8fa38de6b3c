//! `/chat`: rooms and messages over a socket that keeps itself and resumes.

mod messages;

use std::sync::Arc;

pub use messages::{Ack, HistoryPage, OutgoingMessage, PageQuery, Recipient};
use serde_json::json;
use shared::{
    RoomId, Timestamp,
    protocol::{Member, Message, Position, Room, RoomType, ServerFrame},
};

use crate::{
    Endpoint, Error, Events, Identity, Options, Result, TokenProvider, pending::Repeat, positions::Positions,
    socket::Link,
};

/// A connection to `/chat`. Clones share it; when the last is dropped it is closed.
#[derive(Clone)]
pub struct Chat(Link);

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

/// A part of the user's rooms.
#[derive(Debug, Clone, PartialEq)]
pub struct SyncPage {
    /// Where the user's own log stands.
    pub user: Position,
    /// Each with its `position`, unread count and last message.
    pub rooms: Vec<Room>,
    /// For the next page; `None` at the end.
    pub next_cursor: Option<String>,
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

    /// Moves the own read mark, and with it the delivered one, up to `seq`. There is no reply: a mark that is lost with
    /// the connection is made good by the next one. `Api::mark_read` says whether it was stored.
    pub async fn mark_read(&self, room: RoomId, seq: u64) -> Result<()> {
        self.0.tell("MARK_READ", json!({ "roomId": room, "seq": seq })).await
    }

    /// Moves the own delivered mark up to `seq`; without a reply, as [`mark_read`](Self::mark_read).
    pub async fn mark_delivered(&self, room: RoomId, seq: u64) -> Result<()> {
        self.0.tell("MARK_DELIVERED", json!({ "roomId": room, "seq": seq })).await
    }

    /// Tells the room that the user types, or has stopped; without a reply. It ends by itself 6 s after the last word.
    pub async fn typing(&self, room: RoomId, is_typing: bool) -> Result<()> {
        self.0.tell("TYPING_STATUS", json!({ "roomId": room, "isTyping": is_typing })).await
    }

    /// A page of the user's rooms as they are now. The connection syncs by itself when it begins; this is to look again.
    pub async fn sync(&self, cursor: Option<&str>) -> Result<SyncPage> {
        let payload = cursor.map_or(json!({}), |cursor| json!({ "cursor": cursor }));
        match self.0.call("SYNC", payload, Repeat::Harmless).await? {
            ServerFrame::Synced { user, rooms, next_cursor } => Ok(SyncPage { user, rooms, next_cursor }),
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
