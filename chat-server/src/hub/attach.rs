//! Attaching connections to rooms without a gap and without a double.

use std::rc::Rc;

use bytes::Bytes;
use domain::Result;
use shared::{
    RoomId,
    protocol::{Position, ServerFrame},
};

use store::RoomEvent;

use super::{
    Hub, Peer, Pins, State, added,
    members::{Gate, Item, Mode},
};
use crate::{dialect::Encoded, session::on_event::on_event};

/// A connection in a room behind a gate: live events wait, until what the client has seen is known. Dropped unopened,
/// the connection is as it was before.
pub struct GateGuard {
    hub: Rc<Hub>,
    peer: Rc<Peer>,
    room: RoomId,
    attach: Option<u64>,
    done: bool,
}

impl Hub {
    /// Pushes the first frame and attaches the connection to all rooms of its user, at their heads.
    pub fn attach_all(&self, peer: &Rc<Peer>, pins: &Pins, first: Option<Bytes>) {
        self.update(|state| {
            state.out.push(peer, first);
            peer.rooms.borrow_mut().reserve(pins.rooms().len());
            for room in pins.rooms() {
                if let Some(last) = state.rooms.get(&room).and_then(|r| r.track.last()) {
                    state.insert_member(peer, room, Mode::Live { after: last.rev }, None);
                }
            }
            let own = state.users.get(&peer.viewer.user).and_then(|user| user.own.last());
            peer.own_after.set(own.map(|last| last.rev));
        });
    }

    /// Puts the connection into the room behind a gate.
    pub async fn gate(self: &Rc<Self>, peer: &Rc<Peer>, room: RoomId) -> Result<GateGuard> {
        let _pins = self.follow(&[room]).await?;
        let attach = self.update(|state| {
            let was = state.rooms.get_mut(&room)?.members.get_mut(peer.id).and_then(|member| match &member.mode {
                Mode::Live { after } => Some(*after),
                Mode::Gated(gate) => gate.was,
            });
            state.insert_member(peer, room, Mode::Gated(Box::new(Gate::over(was))), None)
        });
        Ok(self.guard(peer, room, attach))
    }

    /// The same for a connection nobody put there yet, by a command or otherwise.
    pub(super) async fn gate_unless_there(self: &Rc<Self>, peer: &Rc<Peer>, room: RoomId) -> Result<Option<GateGuard>> {
        let _pins = self.follow(&[room]).await?;
        if peer.is_busy() {
            self.look_later(peer, room);
            return Ok(None);
        }
        let there = peer.rooms.borrow().contains(room);
        let attach = match there {
            true => None,
            false => self.update(|state| state.insert_member(peer, room, Mode::Gated(Box::default()), None)),
        };
        Ok(attach.map(|attach| self.guard(peer, room, Some(attach))))
    }

    /// `attach` is `None` for a connection that has gone: then there is nothing to open.
    fn guard(self: &Rc<Self>, peer: &Rc<Peer>, room: RoomId, attach: Option<u64>) -> GateGuard {
        GateGuard { hub: self.clone(), peer: peer.clone(), room, attach, done: false }
    }

    /// Takes the connection out of the room without a word.
    pub fn leave(&self, peer: &Rc<Peer>, room: RoomId) {
        self.update(|state| state.detach(peer, room));
    }

    pub fn is_in(&self, peer: &Peer, room: RoomId) -> bool {
        peer.rooms.borrow().contains(room)
    }

    /// How far the connection has been told the room it is in; `None`: it is not in it.
    pub fn live_at(&self, peer: &Peer, room: RoomId) -> Option<Position> {
        self.is_in(peer, room).then(|| self.state.borrow().rooms.get(&room)?.track.last()).flatten()
    }

    /// Takes the connection out of everything.
    pub fn forget(&self, peer: &Rc<Peer>) {
        self.update(|state| state.forget(peer));
    }

    /// A command begins that changes the connection's rooms; ends with [`end_busy`](Self::end_busy).
    pub fn begin_busy(&self, peer: &Peer) {
        peer.busy.set(true);
    }

    /// What others did to the user's rooms meanwhile is done now.
    pub fn end_busy(self: &Rc<Self>, peer: &Rc<Peer>) {
        peer.busy.set(false);
        if peer.is_held() {
            return;
        }
        for room in peer.later.take() {
            actix_web::rt::spawn(added::settle_room(self.clone(), peer.viewer.user, room));
        }
    }

    /// This room is to be looked at when the connection is no longer busy.
    pub fn look_later(&self, peer: &Peer, room: RoomId) {
        peer.later.borrow_mut().insert(room);
    }

    /// Forgets what is to be looked at: all is about to be. `false`: there was nothing.
    pub fn look_now(&self, peer: &Peer) -> bool {
        !peer.later.take().is_empty()
    }
}

impl GateGuard {
    /// Sends `reply`, which shows the room at `position`, then the events `since` then, then what the gate held.
    pub fn open(mut self, reply: Option<Bytes>, position: Position, since: &[RoomEvent]) {
        self.done = true;
        let (peer, room) = (self.peer.clone(), self.room);
        self.hub.update(|state| {
            state.out.push(&peer, reply);
            let Some(entry) = state.rooms.get_mut(&room) else { return };
            let head = entry.track.last();
            let Some(member) = entry.members.get_mut(peer.id).filter(|m| Some(m.attach) == self.attach) else { return };
            let after = since.last().map_or(position.rev, |event| event.change.rev);
            let Mode::Gated(gate) = std::mem::replace(&mut member.mode, Mode::Live { after }) else { return };
            for event in since {
                let direct = state.rooms.get(&room).and_then(|entry| entry.direct.as_ref());
                let frame = Encoded::in_room(&on_event(event), direct).frame(peer.dialect);
                let direct = direct.is_some();
                state.out.push(&peer, frame);
                state.arrivals.note(&peer, direct, event);
            }
            if gate.overflowed {
                // Nobody is told a room with a hole in it: fetch it again.
                let position = head.unwrap_or(position);
                state.reset_member(&peer, room, position);
                return;
            }
            state.replay(&peer, room, *gate, after);
        });
    }
}

impl GateGuard {
    /// Nobody asked for the frame: it is not sent where a command has taken over meanwhile.
    pub fn open_unasked(self, frame: &ServerFrame, position: Position, since: &[RoomEvent]) {
        let member =
            |state: &mut State| state.rooms.get_mut(&self.room)?.members.get_mut(self.peer.id).map(|m| m.attach);
        if self.hub.update(member) == self.attach {
            let reply = self.peer.dialect.encode(frame, None);
            self.open(reply, position, since);
        }
    }
}

impl Drop for GateGuard {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        let was = self.hub.update(|state| {
            let member = state.rooms.get_mut(&self.room)?.members.get_mut(self.peer.id)?;
            match &member.mode {
                Mode::Gated(gate) if Some(member.attach) == self.attach => Some(gate.was),
                _ => None,
            }
        });
        match was {
            None => {}
            Some(None) => self.hub.leave(&self.peer, self.room),
            Some(Some(after)) => self.hub.reopen(&self.peer, self.room, after),
        }
    }
}

impl Hub {
    /// The gate was given up: the events it held go out, as if it had not been.
    fn reopen(&self, peer: &Rc<Peer>, room: RoomId, after: u64) {
        self.update(|state| {
            let Some(entry) = state.rooms.get_mut(&room) else { return };
            let head = entry.track.last();
            let Some(member) = entry.members.get_mut(peer.id) else { return };
            let Mode::Gated(gate) = std::mem::replace(&mut member.mode, Mode::Live { after }) else { return };
            match head.filter(|_| gate.overflowed) {
                Some(head) => state.reset_member(peer, room, head),
                None => state.replay(peer, room, *gate, after),
            }
        });
    }
}

impl State {
    /// What a gate held, from `after` on.
    fn replay(&mut self, peer: &Rc<Peer>, room: RoomId, gate: Gate, after: u64) {
        for (_, item) in gate.later_than(after) {
            match item {
                Item::Frame(frame) => self.out.push(peer, Some(frame)),
                Item::Left => return self.remove_from_room(peer, room, None),
            }
        }
    }

    /// One connection is to fetch the room anew.
    fn reset_member(&mut self, peer: &Rc<Peer>, room: RoomId, position: Position) {
        if let Some(member) = self.rooms.get_mut(&room).and_then(|r| r.members.get_mut(peer.id)) {
            member.mode = Mode::Live { after: position.rev };
        }
        let frame = peer.dialect.encode(&ServerFrame::Reset { room_id: room, position }, None);
        self.out.push(peer, frame);
    }
}
