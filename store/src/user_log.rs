//! A user's own log: what concerns one user alone, on all their devices. Numbered like a room's log, trimmed to the
//! last [`USER_CHANGES_KEPT`].
//!
//! It is an index, not the truth: which rooms a user is in, and how far they have read, is asked of the rooms. A process
//! that dies between the room's write and this one leaves out an entry, never a room.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use shared::{EventId, NotificationId, RoomId, UserId, protocol::Position};

use crate::{InboxItem, Result};

/// Changes a user's log keeps.
pub const USER_CHANGES_KEPT: u64 = 1_000;

/// One entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UserChange {
    pub rev: u64,
    pub event_id: EventId,
    pub body: UserChangeBody,
}

impl UserChange {
    pub fn position(&self) -> Position {
        Position { rev: self.rev, event_id: self.event_id }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum UserChangeBody {
    RoomAdded(RoomId),
    RoomRemoved(RoomId),
    /// The user's own read mark in the room was moved to `seq`, by saying so (not by sending or joining).
    ReadMark {
        room: RoomId,
        seq: u64,
    },
    Contact {
        user: UserId,
        added: bool,
    },
    Block {
        user: UserId,
        added: bool,
    },
    /// A contact request of `user` (`incoming`) or to them waits, or waits no more. Becoming a contact ends it without
    /// an entry of its own.
    Request {
        user: UserId,
        incoming: bool,
        pending: bool,
    },
    /// As it was on the bus; as it is now when read from the log.
    Notification(InboxItem),
    /// This one in the user's inbox was read, or all that were there.
    NotificationRead(Option<NotificationId>),
    /// What the user wants to be told of was set anew.
    NotifySettings,
    /// Something that is no longer there: a notification that left the inbox.
    Nothing,
}

/// The changes after a position, or why they cannot be told.
#[derive(Debug, Clone, PartialEq)]
pub enum UserChanges {
    /// In order, dense; empty when the position is the head.
    Page { changes: Vec<UserChange>, has_more: bool },
    /// The position is not in the log: trimmed, or another event has that `rev`.
    Reset { head: Position },
}

/// Written by the engines themselves where a room, a contact or a notification is; here for the rest, and for reading.
#[async_trait]
pub trait UserLog: Send + Sync {
    /// Where each user's log stands, in order; one without any change is at [`Position::BEGINNING`]. Round trips do not
    /// grow with `users`.
    async fn user_positions(&self, users: &[UserId]) -> Result<Vec<Position>>;
    /// The changes after `after`, at most `limit`. Rev 0, with any event id, is the beginning; it is known while the
    /// first change is kept, and while there is none.
    async fn user_changes(&self, user: UserId, after: Position, limit: usize) -> Result<UserChanges>;
    /// Notes that the user's read mark moved: one change, published. Checks nothing.
    async fn note_read_mark(&self, user: UserId, room: RoomId, seq: u64) -> Result<Position>;
}
