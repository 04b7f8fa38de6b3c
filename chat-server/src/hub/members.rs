//! Who of this worker's connections gets a room's events, and from which change on.

use std::rc::Rc;

use bytes::Bytes;
use indexmap::IndexMap;
use shared::UserId;

use super::Peer;

/// Events a gate holds; its connection is told to fetch the room anew if more come before it opens.
pub const GATE_EVENTS: usize = 256;

/// A room's connections on this worker. Adding and removing are O(1), delivering is one dense walk.
#[derive(Default)]
pub struct Members {
    by_connection: IndexMap<u64, Member>,
}

/// One connection in one room.
pub struct Member {
    pub peer: Rc<Peer>,
    pub mode: Mode,
    /// Names this attachment: leaving and coming back gives another.
    pub attach: u64,
    /// Messages up to this `seq` are hidden from them; `None`: not known yet, and nothing edited is shown until it is.
    pub visible_after: Option<u64>,
}

/// What happens to an event.
pub enum Mode {
    /// Goes out if it is later than this `rev`.
    Live { after: u64 },
    /// Waits until it is known what the client has seen.
    Gated(Box<Gate>),
}

/// Live events that wait for the reply they must come after.
#[derive(Default)]
pub struct Gate {
    /// By `rev`, ascending; at most [`GATE_EVENTS`].
    items: Vec<(u64, Item)>,
    /// More came than it holds.
    pub overflowed: bool,
    /// Was live after this `rev` before; what the member goes back to when the gate is given up.
    pub was: Option<u64>,
}

pub enum Item {
    Frame(Bytes),
    /// The member's own leaving.
    Left,
}

impl Member {
    pub fn is_live(&self) -> bool {
        matches!(self.mode, Mode::Live { .. })
    }
}

impl Mode {
    /// The room goes on from `rev`: what is before it will not be told.
    pub fn reset(&mut self, rev: u64) {
        match self {
            Self::Live { after } => *after = rev,
            Self::Gated(gate) => gate.overflowed = true,
        }
    }
}

impl Gate {
    /// An empty one, for a member that was live after `was` before.
    pub fn over(was: Option<u64>) -> Self {
        Self { was, ..Self::default() }
    }

    pub fn hold(&mut self, rev: u64, item: Item) {
        if self.items.len() < GATE_EVENTS {
            self.items.push((rev, item));
        } else {
            self.overflowed = true;
        }
    }

    /// What is later than `rev`, in order.
    pub fn later_than(self, rev: u64) -> impl Iterator<Item = (u64, Item)> {
        self.items.into_iter().filter(move |(held, _)| *held > rev)
    }
}

impl Members {
    pub fn is_empty(&self) -> bool {
        self.by_connection.is_empty()
    }

    pub fn insert(&mut self, member: Member) {
        self.by_connection.insert(member.peer.id, member);
    }

    pub fn get_mut(&mut self, connection: u64) -> Option<&mut Member> {
        self.by_connection.get_mut(&connection)
    }

    pub fn remove(&mut self, connection: u64) -> Option<Member> {
        self.by_connection.swap_remove(&connection)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Member> {
        self.by_connection.values()
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Member> {
        self.by_connection.values_mut()
    }

    /// The connections of one user.
    pub fn of(&self, user: UserId) -> Vec<u64> {
        self.iter().filter(|m| m.peer.viewer.user == user).map(|m| m.peer.id).collect()
    }
}
