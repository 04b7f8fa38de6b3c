//! Where a member stands in their rooms: what a connection needs to go on in a room from where its client left off.

use shared::{
    RoomId, UserId,
    protocol::{HistoryVisibility, Position},
};

use super::Rooms;
use crate::Result;

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
        let views = self.store.rooms.views(user, rooms).await?;
        let standing = |view: store::RoomView| Standing {
            room: view.record.id,
            position: view.head.position(),
            joined_rev: view.membership.joined_rev,
            visible_after: match view.record.history_visibility {
                HistoryVisibility::All => 0,
                HistoryVisibility::Joined => view.membership.joined_seq,
            },
            read_seq: view.read_seq,
            unread: view.unread,
            mentions: view.mentions,
        };
        Ok(views.into_iter().map(|view| view.map(standing)).collect())
    }
}
