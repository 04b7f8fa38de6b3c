//! The judge: facts go in, a verdict comes out. It talks to nobody and knows no clock, so that each breach can be fed
//! to it in a test.
//!
//! Facts are what clients did and what the server told them, in the order in which it happened; the verdict compares
//! them with the histories, read when all is quiet. Reading order: [`Ledger`] → `stream`, `view` → `verdict`.

mod possible;
mod stream;
mod verdict;
mod view;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use client::{
    Ack,
    protocol::{Message, Position, ServerFrame},
    shared::{EventId, MessageId, RoomId, UserId},
};

use self::{
    possible::Possible,
    stream::{Step, Stream},
    view::{Change, Misfit, View, What},
};
use super::breach::{Breach, Breaches};

/// A device is a number the driver gives: one user may have several.
pub type Device = usize;

/// A room's messages, oldest first, and what they are current to.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    pub items: Vec<Message>,
    pub position: Position,
}

/// What the server counts for a user in a room.
#[derive(Debug, Clone, Copy)]
pub struct Account {
    pub user: UserId,
    pub room: RoomId,
    pub unread: u64,
    pub mentions: u64,
    pub last_read_seq: u64,
}

/// The state when all was quiet, read over REST.
#[derive(Debug, Clone, Default)]
pub struct Truth {
    pub histories: BTreeMap<RoomId, History>,
    pub accounts: Vec<Account>,
}

/// Counts that are no breach.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Messages, however often each was tried.
    pub sent: u64,
    pub acknowledged: u64,
    /// Edits, deletions and reactions that were acknowledged.
    pub changes: u64,
    /// Events of a new message at a device of somebody else.
    pub delivered: u64,
    /// Times that the server said: fetch the room anew.
    pub resets: u64,
}

/// Everything that happened so far. It grows with the number of messages and of devices, and with nothing else.
#[derive(Debug, Default)]
pub struct Ledger {
    rooms: BTreeMap<RoomId, Room>,
    watched: BTreeMap<(Device, RoomId), Watched>,
    /// By key: the first word of its content.
    messages: HashMap<String, Sent>,
    /// By key, emoji and user: is it given?
    reactions: HashMap<(String, String, UserId), Possible<bool>>,
    marks: HashMap<(UserId, RoomId), Mark>,
    tally: Tally,
    breaches: Breaches,
}

/// What all devices must agree on.
#[derive(Debug, Default)]
struct Room {
    /// The largest `seq` acknowledged: what is sent after that must get a larger one.
    newest: u64,
    /// The event of each `rev`.
    events: HashMap<u64, EventId>,
}

#[derive(Debug)]
struct Watched {
    owner: UserId,
    stream: Stream,
    view: View,
    /// Its user may not see what was sent before they came.
    partial: bool,
}

#[derive(Debug)]
struct Sent {
    room: RoomId,
    author: UserId,
    /// [`Room::newest`] when it was first tried.
    floor: u64,
    stored: Option<(MessageId, u64)>,
    content: Possible<String>,
    deleted: Possible<bool>,
}

/// How far a user has read.
#[derive(Debug, Clone, Copy, Default)]
struct Mark {
    /// The server said so.
    certain: u64,
    /// The server may have heard so.
    possible: u64,
}

/// The word that stays a message's first, whatever is edited: what tells it from all others.
pub fn key_of(content: &str) -> &str {
    content.split(' ').next().unwrap_or_default()
}

impl Ledger {
    /// A device begins to watch a room, from what it fetched on.
    pub fn watch(&mut self, device: Device, owner: UserId, room: RoomId, history: &History) {
        let rev = history.position.rev;
        let view = View::fetched(rev, &history.items);
        let watched = Watched { owner, stream: Stream::new(rev), view, partial: false };
        self.watched.insert((device, room), watched);
        self.rooms.entry(room).or_default();
    }

    /// What was sent before its user came is hidden from a device: it may be told that such a message has changed, and
    /// nothing of what it says.
    pub fn hide_older(&mut self, device: Device, room: RoomId) {
        if let Some(watched) = self.watched.get_mut(&(device, room)) {
            watched.partial = true;
        }
    }

    /// A device no longer watches a room: its user has left.
    pub fn unwatch(&mut self, device: Device, room: RoomId) {
        self.watched.remove(&(device, room));
    }

    /// A message is about to be tried for the first time. Its content begins with a key that no other has.
    pub fn attempt_message(&mut self, room: RoomId, author: UserId, content: &str) {
        let floor = self.rooms.entry(room).or_default().newest;
        let sent = Sent {
            room,
            author,
            floor,
            stored: None,
            content: Possible::certain(content.to_owned()),
            deleted: Possible::certain(false),
        };
        self.messages.insert(key_of(content).to_owned(), sent);
        self.tally.sent += 1;
    }

    /// The server said where the message of `key` is stored; it may say so again, and must then say the same.
    pub fn acknowledge_message(&mut self, key: &str, ack: &Ack) {
        let Some(sent) = self.messages.get_mut(key) else { return };
        let stored = (ack.id, ack.seq);
        if let Some(before) = sent.stored.replace(stored) {
            if before != stored {
                self.breaches.note(Breach::Doubled, format_args!("{key} was stored as {before:?}, then as {stored:?}"));
            }
            return;
        }
        if ack.seq <= sent.floor {
            let floor = sent.floor;
            let what = format_args!("{key} got seq {}, though {floor} was acknowledged before it was sent", ack.seq);
            self.breaches.note(Breach::Reordered, what);
        }
        self.tally.acknowledged += 1;
        let room = self.rooms.entry(sent.room).or_default();
        room.newest = room.newest.max(ack.seq);
    }

    /// An edit is about to be tried.
    pub fn attempt_edit(&mut self, content: &str) {
        if let Some(sent) = self.messages.get_mut(key_of(content)) {
            sent.content.attempt(content.to_owned());
        }
    }

    /// The server said that the edit is done.
    pub fn acknowledge_edit(&mut self, content: &str) {
        if let Some(sent) = self.messages.get_mut(key_of(content)) {
            sent.content.succeed(content.to_owned());
            self.tally.changes += 1;
        }
    }

    /// A deletion is about to be tried.
    pub fn attempt_deletion(&mut self, key: &str) {
        if let Some(sent) = self.messages.get_mut(key) {
            sent.deleted.attempt(true);
        }
    }

    /// The server said that the message is deleted.
    pub fn acknowledge_deletion(&mut self, key: &str) {
        if let Some(sent) = self.messages.get_mut(key) {
            sent.deleted.succeed(true);
            self.tally.changes += 1;
        }
    }

    /// A reaction is about to be given or taken back.
    pub fn attempt_reaction(&mut self, key: &str, emoji: &str, user: UserId, add: bool) {
        self.reaction(key, emoji, user).attempt(add);
    }

    /// The server said that it was.
    pub fn acknowledge_reaction(&mut self, key: &str, emoji: &str, user: UserId, add: bool) {
        self.reaction(key, emoji, user).succeed(add);
        self.tally.changes += 1;
    }

    fn reaction(&mut self, key: &str, emoji: &str, user: UserId) -> &mut Possible<bool> {
        let at = (key.to_owned(), emoji.to_owned(), user);
        self.reactions.entry(at).or_insert_with(|| Possible::certain(false))
    }

    /// A user told the server how far they have read; `certain` where it said that it heard.
    pub fn mark(&mut self, user: UserId, room: RoomId, seq: u64, certain: bool) {
        let mark = self.marks.entry((user, room)).or_default();
        mark.possible = mark.possible.max(seq);
        if certain {
            mark.certain = mark.certain.max(seq);
        }
    }

    /// The server told a device something. What is no event of a room's log says nothing.
    pub fn tell(&mut self, device: Device, frame: &ServerFrame) {
        let Some(change) = Change::of(frame) else { return };
        let Some(watched) = self.watched.get_mut(&(device, change.room)) else { return };
        let (room, rev) = (change.room, change.rev);
        let noted = *self.rooms.entry(room).or_default().events.entry(rev).or_insert(change.event_id);
        if noted != change.event_id {
            let what = format_args!("rev {rev} of {room} was told as two events: {noted:?}, {:?}", change.event_id);
            self.breaches.note(Breach::Diverged, what);
        }
        match watched.stream.take(rev) {
            Step::Known => return,
            Step::Forward => {}
            Step::Again => {
                return self.breaches.note(Breach::Doubled, format_args!("device {device} was told rev {rev} again"));
            }
            Step::Late => {
                let at = watched.stream.at();
                let what = format_args!("device {device} was told rev {rev} after {at}");
                return self.breaches.note(Breach::Reordered, what);
            }
        }
        if matches!(change.what, What::Written(message) if message.user_id != watched.owner) {
            self.tally.delivered += 1;
        }
        match watched.view.apply(rev, &change.what) {
            Ok(()) => {}
            Err(Misfit::Doubled(seq)) => {
                self.breaches.note(Breach::Doubled, format_args!("device {device} was told of seq {seq} twice"));
            }
            Err(Misfit::Unknown(_)) if watched.partial && !change.what.shows_content() => {}
            Err(Misfit::Unknown(seq)) => {
                let what = format_args!("device {device} was told of a change of seq {seq}, which it never had");
                self.breaches.note(Breach::Diverged, what);
            }
        }
    }

    /// The server told a device that it must fetch the room, whose events go on after `position`.
    pub fn reset(&mut self, device: Device, room: RoomId, position: Position) {
        if let Some(watched) = self.watched.get_mut(&(device, room)) {
            watched.stream.reset(position.rev);
            self.tally.resets += 1;
        }
    }

    /// The device did.
    pub fn refetch(&mut self, device: Device, room: RoomId, history: &History) {
        if let Some(watched) = self.watched.get_mut(&(device, room)) {
            watched.view = View::fetched(history.position.rev, &history.items);
        }
    }

    /// A device was told that its user is no longer a member, though nobody left.
    pub fn lose_membership(&mut self, device: Device, room: RoomId) {
        let what = format_args!("device {device} was told that its user is no member of {room}");
        self.breaches.note(Breach::Diverged, what);
    }

    /// Have all devices been told of everything up to these positions?
    pub fn has_reached(&self, heads: &BTreeMap<RoomId, Position>) -> bool {
        let behind = |(&(_, room), watched): (&(Device, RoomId), &Watched)| {
            heads.get(&room).is_some_and(|head| watched.stream.at() < head.rev)
        };
        !self.watched.iter().any(behind)
    }

    /// What was counted so far.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// What was seen to be wrong so far; the rest shows in [`judge`](Self::judge) only.
    pub fn seen(&self) -> &Breaches {
        &self.breaches
    }

    /// The rooms a device watches.
    pub fn watched_by(&self, device: Device) -> BTreeSet<RoomId> {
        self.watched.keys().filter(|(of, _)| *of == device).map(|(_, room)| *room).collect()
    }
}

#[cfg(test)]
mod tests;
