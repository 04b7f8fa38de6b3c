//! Filling a gap: the bus is only a wake-up, the log is the truth.

use std::{collections::HashSet, rc::Rc, time::Duration};

use domain::{DomainError, Result, messages::Missed};
use shared::{
    RoomId,
    protocol::{Position, ServerFrame},
};
use socket::CloseCode;
use store::RoomEvent;
use tokio::time::Instant;

use super::{
    CONCURRENT_READS, Hub, State, added,
    room::{Followed, Settled},
};
use crate::dialect::Encoded;

/// Changes read at once; fewer than a connection's queue holds.
const PAGE: usize = 100;
/// Changes after which the room is to be fetched anew instead.
const MOST: usize = 1000;
/// How long a turn of what is told from a log waits for readers who are behind.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often it looks whether they still are.
const BREATH: Duration = Duration::from_millis(2);
pub const FIRST_RETRY: Duration = Duration::from_millis(100);
pub const LAST_RETRY: Duration = Duration::from_secs(2);

/// Reads a room's log from where its delivery stands until nothing is missing. One at a time for a room; ends when
/// the room is no longer followed.
pub(super) async fn repair(hub: Rc<Hub>, room: RoomId) {
    let Some(epoch) = hub.epoch(room) else { return };
    let mut wait = FIRST_RETRY;
    let mut read = 0;
    while hub.epoch(room) == Some(epoch) {
        match step(&hub, room, epoch, &mut read).await {
            Ok(true) => return,
            Ok(false) => {
                wait = FIRST_RETRY;
                hub.let_send(room).await;
            }
            Err(e) if is_outage(&e) => {
                e.log();
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(LAST_RETRY);
            }
            Err(DomainError::RoomNotFound) => return end(&hub, room, epoch),
            // It will not be read the next time either.
            Err(e) => {
                e.log();
                if !skip(&hub, room, epoch).await {
                    return;
                }
            }
        }
    }
}

/// Will the same be answered when the store is back?
pub fn is_outage(e: &DomainError) -> bool {
    matches!(e, DomainError::Unavailable(_))
}

/// One page. `true`: the room is live again, or there is nothing to do. `RoomNotFound`: it was deleted.
async fn step(hub: &Rc<Hub>, room: RoomId, epoch: u64, read: &mut usize) -> Result<bool> {
    let Some(last) = hub.state.borrow().rooms.get(&room).and_then(|r| r.track.last()) else { return Ok(true) };
    match hub.missed(room, last).await? {
        Missed::Events { events, has_more } => {
            *read += events.len();
            deliver(hub, room, epoch, events).await?;
            if !has_more {
                *read = 0;
                // An edit may be among what is held.
                hub.learn_bounds(room).await?;
                return Ok(hub.update(|state| settle(state, room)));
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
        Missed::Gone => Err(DomainError::RoomNotFound),
    }
}

/// The room is not there any more, and its log can say so to nobody: its members lose it.
fn end(hub: &Hub, room: RoomId, epoch: u64) {
    hub.update(|state| {
        let entry = state.rooms.get(&room).filter(|entry| entry.epoch == epoch);
        let peers: Vec<_> = entry.iter().flat_map(|entry| entry.members.iter()).map(|m| m.peer.clone()).collect();
        peers.iter().for_each(|peer| state.remove_from_room(peer, room, None));
    });
    hub.abandon(&[(room, epoch)], Followed::NoRoom);
}

/// Delivers what was read, a turn at a time; the sockets send in between, and what members may see of an edit is asked.
async fn deliver(hub: &Rc<Hub>, room: RoomId, epoch: u64, events: Vec<RoomEvent>) -> Result<()> {
    let mut events = events.iter().peekable();
    while events.peek().is_some() && hub.epoch(room) == Some(epoch) {
        hub.learn_bounds(room).await?;
        hub.update(|state| {
            while !state.turn.is_over()
                && let Some(event) = events.next_if(|event| !state.lacks_bounds(event))
            {
                state.read(event);
            }
        });
        hub.let_send(room).await;
    }
    Ok(())
}

impl State {
    /// Delivers an event of the log where it is the next one.
    fn read(&mut self, event: &RoomEvent) {
        if self.rooms.get_mut(&event.room).is_some_and(|room| room.track.read(event)) {
            self.deliver(event);
        }
    }
}

impl Hub {
    /// Lets the room's sockets send what was pushed before more is: what is told from the log comes faster than anybody
    /// reads it, and a queue that overflows for that is no slow reader's. Nobody is waited for longer than
    /// [`PATIENCE`]; meanwhile the room's events are held.
    async fn let_send(&self, room: RoomId) {
        tokio::task::yield_now().await;
        let deadline = Instant::now() + PATIENCE;
        let is_roomy = || {
            let state = self.state.borrow();
            state
                .rooms
                .get(&room)
                .is_none_or(|entry| entry.members.iter().all(|member| member.peer.outbound.is_roomy()))
        };
        while !is_roomy() && Instant::now() < deadline {
            tokio::time::sleep(BREATH).await;
        }
    }
}

/// Delivers what was held, no more than a turn's, and no edit before it is known who may see it. `true`: nothing is
/// missing any more.
pub(super) fn settle(state: &mut State, room: RoomId) -> bool {
    while !state.turn.is_over()
        && let Some(entry) = state.rooms.get_mut(&room)
    {
        match entry.track.settle() {
            Settled::Next(event) => {
                if state.lacks_bounds(&event) {
                    return false;
                }
                state.read(&event);
            }
            Settled::Again => return false,
            Settled::Live => {
                entry.latch.set(Followed::Live);
                return true;
            }
        }
    }
    !state.rooms.contains_key(&room)
}

/// The room's log cannot be read here: it goes on from its head, or, where not even that can be read, its members are
/// closed. `false`: the room has ended.
pub(super) async fn skip(hub: &Rc<Hub>, room: RoomId, epoch: u64) -> bool {
    let mut wait = FIRST_RETRY;
    while hub.epoch(room) == Some(epoch) {
        match hub.domain.rooms.positions(&[room]).await.map(|mut heads| heads.pop().flatten()) {
            Ok(Some(head)) if hub.epoch(room) == Some(epoch) => {
                let last = hub.state.borrow().rooms.get(&room).and_then(|r| r.track.last());
                if last != Some(head) {
                    reset(hub, room, head);
                    return true;
                }
                break;
            }
            Ok(None) => {
                end(hub, room, epoch);
                return false;
            }
            Err(e) if is_outage(&e) => {
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(LAST_RETRY);
            }
            _ => break,
        }
    }
    tracing::error!(%room, "the room's log cannot be read: its members are closed");
    hub.update(|state| {
        for member in state.rooms.get(&room).filter(|r| r.epoch == epoch).iter().flat_map(|r| r.members.iter()) {
            member.peer.outbound.close(CloseCode::InternalError);
        }
    });
    hub.abandon(&[(room, epoch)], Followed::Failed);
    false
}

/// Tells every member to fetch the room anew, and goes on from its head.
fn reset(hub: &Rc<Hub>, room: RoomId, head: Position) {
    tracing::warn!(%room, "the room's log cannot be told from where it was left: members are reset");
    let frame = ServerFrame::Reset { room_id: room, position: head };
    let mut encoded = Encoded::new(&frame);
    let members = hub.update(|state| {
        let Some(entry) = state.rooms.get_mut(&room) else { return HashSet::new() };
        entry.track.jump(head);
        // What is jumped over may have said who sees what.
        entry.forget_bounds();
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
    actix_web::rt::spawn(added::verify_members(hub.clone(), room, members));
}

impl Hub {
    /// A page of a room's log.
    pub async fn missed(&self, room: RoomId, after: Position) -> Result<Missed> {
        // The semaphore is never closed.
        let _turn = self.reads.acquire().await;
        self.domain.messages.missed(room, after, PAGE).await
    }

    /// The first page of each of a few rooms, read at once: in memory they are together as much as one.
    pub async fn missed_in(&self, rooms: &[(RoomId, Position)]) -> Vec<Result<Missed>> {
        let reads = rooms.len().min(CONCURRENT_READS);
        let _turns = self.reads.acquire_many(u32::try_from(reads).unwrap_or(1)).await;
        self.domain.messages.missed_in(rooms, PAGE).await
    }

    fn epoch(&self, room: RoomId) -> Option<u64> {
        self.state.borrow().rooms.get(&room).map(|r| r.epoch)
    }
}
