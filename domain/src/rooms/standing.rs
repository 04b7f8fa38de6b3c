//! Where a member stands in their rooms: what a connection needs to go on in a room from where its client left off.

use futures_util::{StreamExt, TryStreamExt, stream};
use shared::{
    RoomId, UserId,
    protocol::{HistoryVisibility, Position},
};

use super::{Rooms, hidden_up_to, reading::CONCURRENT_READS};
use crate::{DomainError, Result};

/// A member in a room, all of it read at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    pub room: RoomId,
    /// The room's head.
    pub position: Position,
    /// The change that was their join: who has seen less has been away.
    pub joined_rev: u64,
    /// Messages up to this `seq` are hidden from them.
    pub visible_after: u64,
    pub read_seq: u64,
    pub unread: u64,
    pub mentions: u64,
}

impl Rooms {
    /// One answer for each room, in order; `None` where the user is no member. Round trips do not grow with `rooms`.
    pub async fn standings(&self, user: UserId, rooms: &[RoomId]) -> Result<Vec<Option<Standing>>> {
        let views = self.store.rooms.standings(user, rooms).await?;
        let standing = |view: store::RoomView| Standing {
            room: view.record.id,
            position: view.head.position(),
            joined_rev: view.membership.joined_rev,
            visible_after: hidden_up_to(&view.record, &view.membership),
            read_seq: view.read_seq,
            unread: view.unread,
            mentions: view.mentions,
        };
        Ok(views.into_iter().map(|view| view.map(standing)).collect())
    }

    /// Up to which `seq` the room's messages are hidden from each of these users, in order; from who is no member, all.
    /// One read, and one for each user in a room that shows its history only since one joined.
    pub async fn hidden_up_to(&self, room: RoomId, users: &[UserId]) -> Result<Vec<u64>> {
        let (record, _) = self.store.rooms.room(room).await?.ok_or(DomainError::RoomNotFound)?;
        if record.history_visibility == HistoryVisibility::All {
            return Ok(vec![0; users.len()]);
        }
        let reads = users.iter().map(|user| self.store.rooms.membership(room, *user));
        let memberships: Vec<_> = stream::iter(reads).buffered(CONCURRENT_READS).try_collect().await?;
        Ok(memberships.into_iter().map(|found| found.map_or(u64::MAX, |m| hidden_up_to(&record, &m))).collect())
    }
}
