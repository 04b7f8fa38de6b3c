//! Rooms and who is in them. The room is the truth; a user's list of rooms is an index settled from it.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use shared::{
    EventId, RoomId, Timestamp, UserId,
    protocol::{HistoryVisibility, Position, Retention, Role, RoomType},
};

use crate::{Result, StoredMessage};

/// What is fixed or rarely changes of a room.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RoomRecord {
    pub id: RoomId,
    /// Unique without case (ASCII lower case), for public rooms.
    pub handle: Option<String>,
    /// None for direct rooms.
    pub name: Option<String>,
    pub description: Option<String>,
    pub kind: RoomType,
    pub created_by: UserId,
    pub created_at: Timestamp,
    pub history_visibility: HistoryVisibility,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
    /// Names what was asked for when it was made under an idempotency key, as it may have changed since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<String>,
}

/// Where a room's log stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Number of the last message; 0: none yet.
    pub seq: u64,
    /// Number of the last change; at least 1 (a room begins with its first member's join).
    pub rev: u64,
    /// Name of the last change.
    pub event_id: EventId,
    /// Messages up to this one are gone by retention; 0: none.
    pub floor: u64,
    pub members: u64,
}

impl Head {
    pub fn position(&self) -> Position {
        Position { rev: self.rev, event_id: self.event_id }
    }
}

/// Who does something, with the name to show in the event.
#[derive(Debug, Clone, PartialEq)]
pub struct Actor {
    pub id: UserId,
    pub username: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Membership {
    pub user: UserId,
    pub role: Role,
    /// The room's `seq` when they joined: unread counts from here, and `joined` visibility shows what is after.
    pub joined_seq: u64,
    /// The change that was their join; unique in the room, members are listed in its order.
    pub joined_rev: u64,
    pub joined_at: Timestamp,
}

/// What came of a join.
#[derive(Debug, Clone, PartialEq)]
pub struct Joined {
    pub membership: Membership,
    /// The room's position just after the join.
    pub position: Position,
}

/// A room as one of its members sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct RoomView {
    pub record: RoomRecord,
    pub head: Head,
    pub membership: Membership,
    /// Their own read mark.
    pub read_seq: u64,
    /// `head.seq − max(read_seq, joined_seq, floor) − deleted in between`; computed, never counted.
    pub unread: u64,
    /// Messages after the same mark that name the member or everybody and are not deleted; computed, never counted.
    pub mentions: u64,
    /// The newest message by `seq`, if they may see it (a deleted one comes without content).
    pub last_message: Option<StoredMessage>,
}

#[async_trait]
pub trait Rooms: Send + Sync {
    /// Makes a room with its first members, in order: the first is owner, but of a direct room, which has none; each is
    /// one change (`Joined`).
    /// [`HandleTaken`](crate::StoreError::HandleTaken) leaves nothing behind. `RoomAdded` in each member's own log,
    /// published.
    /// A room of that id that is there already is left as it is: opening a direct room twice is opening it once
    /// (members of a direct room cannot leave it).
    async fn create_room(&self, room: &RoomRecord, members: &[Actor]) -> Result<()>;
    async fn room(&self, id: RoomId) -> Result<Option<(RoomRecord, Head)>>;
    /// By handle, in any case.
    async fn room_id_by_handle(&self, handle: &str) -> Result<Option<RoomId>>;
    /// Adds a member: one change (`Joined`), the user's index, `RoomAdded` to them. Their read mark is the head. Who joins
    /// an empty room is its owner, whatever `role` says.
    /// [`RoomNotFound`](crate::StoreError::RoomNotFound), [`AlreadyAMember`](crate::StoreError::AlreadyAMember),
    /// [`RoomFull`](crate::StoreError::RoomFull) at `max_members`,
    /// [`Banned`](crate::StoreError::Banned).
    async fn join(&self, room: RoomId, user: &Actor, role: Role, max_members: u64) -> Result<Joined>;
    /// Removes a member: one change (`Left`), the user's index, `RoomRemoved` to them. Their read mark goes too.
    /// Where the owner leaves others behind, the room passes on in the same step, by a change after it (`Role`): to the
    /// admin who joined first, else to the member who did.
    /// [`RoomNotFound`](crate::StoreError::RoomNotFound), [`NotAMember`](crate::StoreError::NotAMember).
    async fn leave(&self, room: RoomId, user: &Actor) -> Result<Position>;
    /// Where each room's log stands, in order; `None`: no such room. Round trips do not grow with `rooms`.
    async fn positions(&self, rooms: &[RoomId]) -> Result<Vec<Option<Position>>>;
    /// `None`: no such room or not a member.
    async fn membership(&self, room: RoomId, user: UserId) -> Result<Option<Membership>>;
    /// Members in order of joining, those with `joined_rev` strictly greater than `after`.
    async fn members(&self, room: RoomId, after: u64, limit: usize) -> Result<Vec<Membership>>;
    /// The rooms a user is a member of, pending intents settled from the rooms. In order of id. One that was deleted just
    /// now may still be among them.
    async fn rooms_of(&self, user: UserId) -> Result<Vec<RoomId>>;
    /// The rooms in each user's own list, in order of id: [`rooms_of`](Self::rooms_of), but what is under way is not
    /// settled. Whenever such a list changes,
    /// [`AccessChanged`](crate::BusEvent::AccessChanged) of its user is published in the same step. One round trip.
    async fn listed_rooms(&self, users: &[UserId]) -> Result<Vec<Vec<RoomId>>>;
    /// One answer for each room, in order; `None` where they are no member. Round trips do not grow with `rooms`.
    async fn views(&self, user: UserId, rooms: &[RoomId]) -> Result<Vec<Option<RoomView>>>;
    /// [`views`](Self::views) whose `last_message` is `None` without being read.
    async fn standings(&self, user: UserId, rooms: &[RoomId]) -> Result<Vec<Option<RoomView>>>;
    /// Public rooms whose folded name starts with the folded `prefix`, in order of (folded name, id), those after this
    /// name and id, whether there is such a room or not.
    async fn public_rooms(&self, prefix: &str, after: Option<(&str, RoomId)>, limit: usize) -> Result<Vec<RoomId>>;
}
