//! The log's changes as events, for whoever delivers them to members.

use futures_util::future::join_all;
use shared::{RoomId, protocol::Position};
use store::{Change, Changes, RoomEvent};

use super::{Messages, showing::name_of};
use crate::{Result, pages::PAGE_BYTES};

/// The changes after a position, as events.
#[derive(Debug)]
pub enum Missed {
    Events {
        events: Vec<RoomEvent>,
        has_more: bool,
    },
    /// They cannot be told: the room must be fetched anew.
    Reset {
        head: Position,
    },
    /// The room is gone.
    Gone,
}

impl Messages {
    /// The changes of a room after `after`, at most `limit` and as many as fit a page's bytes (at least one), for whoever
    /// delivers them to members. Checks no membership.
    pub async fn missed(&self, room: RoomId, after: Position, limit: usize) -> Result<Missed> {
        self.missed_page((room, after), limit, PAGE_BYTES).await
    }

    /// The same for several rooms at once, one answer for each, in order: together they have no more bytes than one page,
    /// unless single changes do.
    pub async fn missed_in(&self, rooms: &[(RoomId, Position)], limit: usize) -> Vec<Result<Missed>> {
        let max_bytes = PAGE_BYTES / rooms.len().max(1);
        join_all(rooms.iter().map(|room| self.missed_page(*room, limit, max_bytes))).await
    }

    async fn missed_page(&self, (room, after): (RoomId, Position), limit: usize, max_bytes: usize) -> Result<Missed> {
        match self.store.log.changes(room, after, limit, max_bytes).await {
            Ok(Changes::Page { changes, has_more }) => {
                let cards = self.names.cards_of(changes.iter().map(|c| c.user)).await?;
                let event = |change: Change| {
                    let username = name_of(&cards, change.user);
                    RoomEvent { room, change, username }
                };
                Ok(Missed::Events { events: changes.into_iter().map(event).collect(), has_more })
            }
            Ok(Changes::Reset { head }) => Ok(Missed::Reset { head }),
            Err(store::StoreError::RoomNotFound) => Ok(Missed::Gone),
            Err(e) => Err(e.into()),
        }
    }
}
