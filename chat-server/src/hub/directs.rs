//! Whose direct rooms those are in which connections are that are told: read when they enter, never for a message.

use std::rc::Rc;

use domain::Result;
use futures_util::{StreamExt, TryStreamExt, stream};
use shared::{RoomId, UserId};

use super::{CONCURRENT_READS, Hub, Peer};
use crate::dialect::Dialect;

impl Peer {
    /// Is it told who else is in a direct room, and how its people are?
    pub(super) fn is_messaging(&self) -> bool {
        self.dialect == Dialect::Messaging
    }
}

impl Hub {
    /// Whose rooms these are, for a connection that is about to enter them: their entries are pinned. One read for each
    /// that may be direct and is not known yet; none for connections that are not told. Gives who the others are.
    pub async fn learn_directs(
        self: &Rc<Self>,
        peer: &Peer,
        rooms: impl Iterator<Item = RoomId>,
    ) -> Result<Vec<UserId>> {
        if !peer.is_messaging() {
            return Ok(Vec::new());
        }
        let rooms: Vec<RoomId> = rooms.collect();
        let unknown = |room: &RoomId| {
            let state = self.state.borrow();
            room.may_be_direct() && state.rooms.get(room).is_some_and(|entry| entry.direct.is_none())
        };
        let unknown: Vec<RoomId> = rooms.iter().copied().filter(unknown).collect();
        let reads = unknown.into_iter().map(|room| async move {
            // The semaphore is never closed.
            let _turn = self.reads.acquire().await;
            Ok::<_, domain::DomainError>((room, self.domain.rooms.direct(room).await?))
        });
        let found: Vec<_> = stream::iter(reads).buffer_unordered(CONCURRENT_READS).try_collect().await?;
        let mut state = self.state.borrow_mut();
        for (room, direct) in found {
            if let Some(entry) = state.rooms.get_mut(&room) {
                entry.direct = direct;
            }
        }
        let other = |room| state.rooms.get(room).and_then(|entry| entry.direct.as_ref()?.other(peer.viewer.user));
        Ok(rooms.iter().filter_map(other).collect())
    }
}
