//! Held connections: those whose client said it will resume. Until it has, they are in no room but those it joined
//! since, so nothing has to be kept back for them; and how a connection enters a room from a position it was told.

use std::{
    rc::{Rc, Weak},
    time::Duration,
};

use domain::{DomainError, Result};
use shared::{
    RoomId,
    protocol::{Position, ServerFrame, command::Resume},
};
use socket::CloseCode;
use tokio::time::{Instant, sleep_until};

use super::{Hub, Peer, members::Mode, users};

/// Rooms a `RESUME` may name in all its frames. Far more than one is in: direct rooms that others opened are not limited.
const ROOMS_NAMED: usize = 10_000;

/// What the client of a held connection has said so far.
pub struct Hold {
    /// Put together from `RESUME`s with `more`.
    asked: Resume,
    /// They named more than [`ROOMS_NAMED`]: refused with the last of them.
    too_many: bool,
    /// Where the user's own log stood when the first page of a `SYNC` was read.
    synced: Option<Position>,
    /// When the connection is closed if nothing more has come; `None`: it is being made live.
    until: Option<Instant>,
}

impl Peer {
    /// Is it held?
    pub fn is_held(&self) -> bool {
        self.hold.borrow().is_some()
    }

    /// Takes the rooms of one more `RESUME`. `Some`: it was the last one, and here is all of it.
    pub fn collect(&self, input: Resume) -> Result<Option<Resume>> {
        let mut hold = self.hold.borrow_mut();
        let hold = hold.as_mut().filter(|hold| hold.synced.is_none()).ok_or_else(|| {
            DomainError::invalid("type", "only a connection with `?hold=1` or `resume`, and only once, before SYNC")
        })?;
        let Resume { user, rooms, more } = input;
        hold.asked.user = user.or(hold.asked.user);
        if !hold.too_many {
            hold.asked.rooms.extend(rooms);
            hold.too_many = hold.asked.rooms.len() > ROOMS_NAMED;
        }
        if more {
            return Ok(None);
        }
        let asked = std::mem::take(&mut hold.asked);
        if std::mem::take(&mut hold.too_many) {
            return Err(DomainError::invalid("rooms", format!("more than {ROOMS_NAMED}: use SYNC")));
        }
        Ok(Some(asked))
    }

    /// The user's own log stood at `position` when a page of `SYNC` was read; gives where it stood at the first one.
    pub fn synced_from(&self, position: Position) -> Position {
        let mut hold = self.hold.borrow_mut();
        hold.as_mut().map_or(position, |hold| *hold.synced.get_or_insert(position))
    }
}

impl Hub {
    /// From now on the connection is held, for a bounded time.
    pub fn hold(&self, peer: &Rc<Peer>) {
        let time = Duration::from_secs(self.domain.settings.chat.hold_seconds);
        let hold = Hold { asked: Resume::default(), too_many: false, synced: None, until: Some(Instant::now() + time) };
        peer.hold.replace(Some(Box::new(hold)));
        // One for each held connection; ends within the time a hold may last.
        actix_web::rt::spawn(close_when_late(Rc::downgrade(peer), time));
    }

    /// The client has begun to resume (`false`), or it must begin anew in time (`true`).
    pub fn hold_expects(&self, peer: &Peer, expects: bool) {
        let time = Duration::from_secs(self.domain.settings.chat.hold_seconds);
        if let Some(hold) = peer.hold.borrow_mut().as_mut() {
            hold.until = expects.then(|| Instant::now() + time);
        }
    }

    /// The connection is no longer held: the user's own log after `from` is told by the one task that tells it to all
    /// their connections. Rooms that others added meanwhile are told now.
    pub fn go_live(self: &Rc<Self>, peer: &Rc<Peer>, from: Position) {
        let user = peer.viewer.user;
        self.update(|state| {
            peer.own_after.set(Some(from.rev));
            if let Some(entry) = state.users.get_mut(&user) {
                entry.own.rewind(from);
            }
        });
        peer.hold.replace(None);
        self.end_busy(peer);
        users::start_telling(self, user);
    }

    /// Puts the connection into a followed room, for the events after `from`, all it has been told. `false`: more than
    /// that has been delivered here; read the log from there first. One step, so nothing comes in between.
    /// `visible_after`: as [`Member`](super::members::Member)'s, as of `from` or later.
    pub fn open_at(&self, peer: &Rc<Peer>, room: RoomId, from: Position, visible_after: Option<u64>) -> bool {
        self.update(|state| {
            let last = state.rooms.get(&room).and_then(|r| r.track.last());
            let open = last.is_some_and(|last| last == from || last.rev < from.rev);
            open && state.insert_member(peer, room, Mode::Live { after: from.rev }, visible_after).is_some()
        })
    }

    /// Has more been delivered here than up to `from`?
    pub fn is_past(&self, room: RoomId, from: Position) -> bool {
        let state = self.state.borrow();
        state.rooms.get(&room).and_then(|r| r.track.last()).is_some_and(|last| last != from && last.rev >= from.rev)
    }

    /// Puts the connection into a followed room where its delivery stands now, and tells it to fetch the room anew.
    pub fn open_anew(&self, peer: &Rc<Peer>, room: RoomId) {
        self.update(|state| {
            let Some(last) = state.rooms.get(&room).and_then(|r| r.track.last()) else { return };
            if state.insert_member(peer, room, Mode::Live { after: last.rev }, None).is_some() {
                let frame = peer.dialect.encode(&ServerFrame::Reset { room_id: room, position: last }, None);
                state.out.push(peer, frame);
            }
        });
    }
}

async fn close_when_late(peer: Weak<Peer>, time: Duration) {
    loop {
        let until = {
            let Some(peer) = peer.upgrade() else { return };
            let Some(until) = peer.hold.borrow().as_ref().map(|hold| hold.until) else { return };
            if until.is_some_and(|until| until <= Instant::now()) {
                return peer.outbound.close(CloseCode::NotResumed);
            }
            until.unwrap_or_else(|| Instant::now() + time)
        };
        sleep_until(until).await;
    }
}
