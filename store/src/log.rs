//! A room's log: `seq` numbers messages, `rev` numbers changes, both dense from 1.
//!
//! Messages are kept by `seq` as their current state. The change log is thin: it points at messages and holds no
//! content, so a deleted text is gone; it keeps the last [`CHANGES_KEPT`].

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use shared::{
    EventId, MessageId, RoomId, Timestamp, UserId,
    protocol::{MessageType, Position},
};

use crate::{Actor, Result};

/// Changes a room's log keeps; whoever is further behind fetches the room anew.
pub const CHANGES_KEPT: u64 = 10_000;
/// How long a dedupe key is known.
pub const DEDUPE_KEPT: Duration = Duration::from_secs(24 * 3600);

/// A message in its current state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredMessage {
    pub room: RoomId,
    pub seq: u64,
    pub author: UserId,
    pub kind: MessageType,
    /// Empty once deleted.
    pub content: String,
    pub at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_message_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<MessageId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
}

impl StoredMessage {
    pub fn id(&self) -> MessageId {
        MessageId { room: self.room, seq: self.seq }
    }
}

/// A message to append.
#[derive(Debug, Clone, PartialEq)]
pub struct NewMessage {
    pub room: RoomId,
    pub author: Actor,
    pub kind: MessageType,
    pub content: String,
    /// Dedupe key, scoped to (room, author).
    pub client_message_id: Option<String>,
    pub reply_to: Option<MessageId>,
    /// The room becomes due for notification so long after this message, unless it is due already.
    pub notify_after: Duration,
}

/// What came of an append.
#[derive(Debug, Clone, PartialEq)]
pub struct Appended {
    pub seq: u64,
    pub rev: u64,
    pub event_id: EventId,
    /// The store's clock.
    pub at: Timestamp,
    /// The dedupe key was known: this is the first result.
    pub duplicate: bool,
}

/// One entry of the change log, its message filled in from the current state.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    pub rev: u64,
    pub event_id: EventId,
    pub at: Timestamp,
    /// The author, the one who deleted, the one who joined or left.
    pub user: UserId,
    pub body: ChangeBody,
}

#[derive(Debug, Clone, PartialEq)]
pub enum ChangeBody {
    Message(StoredMessage),
    /// The message of this `seq` lost its content.
    Deleted {
        seq: u64,
    },
    Joined,
    Left,
}

/// A change as it crosses the bus.
#[derive(Debug, Clone, PartialEq)]
pub struct RoomEvent {
    pub room: RoomId,
    pub change: Change,
    /// Name of `change.user` when it happened.
    pub username: String,
}

/// Which messages a page starts from; bounds are exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageFrom {
    /// The newest first.
    Newest,
    /// Those before this `seq`, newest first.
    Before(u64),
    /// Those after this `seq`, oldest first.
    After(u64),
    /// Half before, the message itself and half after, newest first.
    Around(u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRequest {
    pub from: PageFrom,
    pub limit: usize,
    /// Only messages with a greater `seq` (visibility); 0: all.
    pub visible_after: u64,
    /// The page ends before the contents exceed this many bytes; it has at least one message, and if that one exceeds
    /// them by itself, nothing else.
    pub max_bytes: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub struct HistoryPage {
    pub items: Vec<StoredMessage>,
    /// More in the direction of the page (for `Around`: older ones).
    pub has_more: bool,
    /// What the page is current to: read together with, or before, the items.
    pub position: Position,
}

/// The changes after a position, or why they cannot be told.
#[derive(Debug, Clone, PartialEq)]
pub enum Changes {
    /// In order, dense; empty when the position is the head.
    Page { changes: Vec<Change>, has_more: bool },
    /// The position is not in the log: trimmed, or another event has that `rev`.
    Reset { head: Position },
}

#[async_trait]
pub trait RoomLog: Send + Sync {
    /// One atomic step: dedupe key known → the first result (or
    /// [`IdempotencyConflict`](crate::StoreError::IdempotencyConflict) for another kind, content or `reply_to`), looked
    /// up before every other check; author a member, else [`NotAMember`](crate::StoreError::NotAMember) or
    /// [`RoomNotFound`](crate::StoreError::RoomNotFound) → `seq`, `rev` → written → author's read mark to the head →
    /// due for notification → published. O(1) whatever the room's size.
    async fn append(&self, message: &NewMessage) -> Result<Appended>;
    /// Removes the content: one change. A message deleted before: `Ok(None)`, no change.
    /// [`RoomNotFound`](crate::StoreError::RoomNotFound), [`MessageNotFound`](crate::StoreError::MessageNotFound).
    async fn delete_message(&self, id: MessageId, by: &Actor) -> Result<Option<Position>>;
    async fn message(&self, id: MessageId) -> Result<Option<StoredMessage>>;
    /// A page in O(page). [`RoomNotFound`](crate::StoreError::RoomNotFound).
    async fn history(&self, room: RoomId, page: PageRequest) -> Result<HistoryPage>;
    /// Moves the mark to `min(seq, head.seq)`, only forward; gives where it stands now.
    /// [`RoomNotFound`](crate::StoreError::RoomNotFound), [`NotAMember`](crate::StoreError::NotAMember).
    async fn mark_read(&self, room: RoomId, user: UserId, seq: u64) -> Result<u64>;
    /// Read marks of these members (0: nothing read), for deciding whom to notify.
    async fn read_marks(&self, room: RoomId, users: &[UserId]) -> Result<Vec<u64>>;
    /// The changes after `after`, at most `limit`. Rev 0, with any event id, is the beginning of the log.
    /// [`RoomNotFound`](crate::StoreError::RoomNotFound).
    async fn changes(&self, room: RoomId, after: Position, limit: usize) -> Result<Changes>;
}
