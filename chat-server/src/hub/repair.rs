//! Filling a gap: the bus is only a wake-up, the log is the truth.

use std::{collections::HashSet, rc::Rc, time::Duration};

use domain::{Result, messages::Missed};
use shared::{
    RoomId,
    protocol::{Position, ServerFrame},
};

use super::{Hub, State, room::Settled, users};
use crate::dialect::Encoded;

/// Changes read at once; fewer than a connection's queue holds.
const PAGE: usize = 100;
/// Changes after which the room is to be fetched anew instead.
const MOST: usize = 1000;
pub const FIRST_RETRY: Duration = Duration::from_millis(100);
pub const LAST_RETRY: Duration = Duration::from_secs(2);

/// Reads a room's log from where its delivery stands until nothing is missing. One at a time for a room; ends when
/// the room is no longer followed.
pub(super) async fn repair(hub: Rc<Hub>, room: RoomId) {
    let Some(epoch) = hub.epoch(room) else { return };
    let mut wait = FIRST_RETRY;
    let mut read = 0;
    while hub.epoch(room) == Some(epoch) {
        match step(&hub, room, &mut read).await {
            Ok(true) => return,
            Ok(false) => {
                wait = FIRST_RETRY;
                // Let the sockets send this page before the next is pushed.
                tokio::task::yield_now().await;
            }
            Err(e) => {
                e.log();
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(LAST_RETRY);
            }
        }
    }
}

/// One page. `true`: the room is live again, or there is nothing to do.
async fn step(hub: &Rc<Hub>, room: RoomId, read: &mut usize) -> Result<bool> {
    let Some(last) = hub.state.borrow().rooms.get(&room).and_then(|r| r.track.last()) else { return Ok(true) };
    if hub.lacks_bounds(room) {
        hub.learn_bounds(room).await?;
    }
    match hub.missed(room, last).await? {
        Missed::Events { events, has_more } => {
            *read += events.len();
            hub.update(|state| events.iter().for_each(|event| _ = state.lacks_bounds(event)));
            if hub.lacks_bounds(room) {
                hub.learn_bounds(room).await?;
            }
            hub.update(|state| {
                for event in &events {
                    let next = state.rooms.get_mut(&room).is_some_and(|r| r.track.read(event));
                    if next {
                        state.deliver(event);
                    }
                }
            });
            if !has_more {
                *read = 0;
                // An edit may be among what is held.
                return Ok(!hub.lacks_bounds(room) && hub.update(|state| settle(state, room)));
            }
            if *read >= MOST {
                *read = 0;
                if let Some(head) = hub.domain.rooms.positions(&[room]).await?.pop().flatten() {
                    reset(hub, room, head);
                }
            }
            Ok(false)
        }
        Missed::Reset { head } => {
            reset(hub, room, head);
            Ok(false)
        }
        Missed::Gone => {
            hub.update(|state| {
                let peers: Vec<_> = match state.rooms.get(&room) {
                    Some(entry) => entry.members.iter().map(|m| m.peer.clone()).collect(),
                    None => Vec::new(),
                };
                peers.iter().for_each(|peer| state.remove_from_room(peer, room, None));
                if let Some(entry) = state.rooms.remove(&room) {
                    entry.latch.open();
                    state.stale.insert(store::Topic::Room(room));
                }
            });
            Ok(true)
        }
    }
}

/// Delivers what was held. `true`: nothing is missing any more.
pub(super) fn settle(state: &mut State, room: RoomId) -> bool {
    let Some(entry) = state.rooms.get_mut(&room) else { return true };
    let (next, live) = match entry.track.settle() {
        Settled::Live(next) => (next, true),
        Settled::Again(next) => (next, false),
    };
    if live {
        entry.latch.open();
    }
    next.iter().for_each(|event| state.deliver(event));
    live
}

/// Tells every member to fetch the room anew, and goes on from its head.
fn reset(hub: &Rc<Hub>, room: RoomId, head: Position) {
    tracing::warn!(%room, "the room's log cannot be told from where it was left: members are reset");
    let frame = ServerFrame::Reset { room_id: room, position: head };
    let mut encoded = Encoded::new(&frame);
    let members = hub.update(|state| {
        let Some(entry) = state.rooms.get_mut(&room) else { return HashSet::new() };
        entry.track.jump(head);
        let mut members = HashSet::new();
        for member in entry.members.iter_mut() {
            member.mode.reset(head.rev);
            if member.is_live() {
                state.out.push(&member.peer, encoded.frame(member.peer.dialect));
            }
            members.insert(member.peer.viewer.user);
        }
        members
    });
    // Who left meanwhile is not told so by the log any more.
    actix_web::rt::spawn(users::verify_members(hub.clone(), room, members));
}

impl Hub {
    /// A page of a room's log.
    pub async fn missed(&self, room: RoomId, after: Position) -> Result<Missed> {
        // The semaphore is never closed.
        let _turn = self.reads.acquire().await;
        self.domain.messages.missed(room, after, PAGE).await
    }

    fn epoch(&self, room: RoomId) -> Option<u64> {
        self.state.borrow().rooms.get(&room).map(|r| r.epoch)
    }
}
