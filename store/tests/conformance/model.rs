//! A store's rooms and users' logs as plainly as they can be said: vectors in memory. What an engine chooses (names of
//! events, times, how far it trims in one call) is told to the model after the fact; everything else it must say itself.

mod messages;
mod reading;
mod roles;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use shared::{
    EventId, RoomId, Timestamp, UserId,
    protocol::{Position, Role},
};
use store::{
    Actor, Appended, Change, ChangeBody, Head, Joined, MarkEvent, Marked, Marks, Membership, NewMessage, RoomEvent,
    RoomRecord, StoreError, StoredMessage, TypingEvent, UserChange, UserChangeBody,
};

use self::roles::UNTOLD;

/// An answer, its error as text so that it can be compared.
pub type Answer<T> = Result<T, String>;

pub fn answer<T>(result: store::Result<T>) -> Answer<T> {
    result.map_err(|e| e.to_string())
}

fn fail<T>(error: StoreError) -> Answer<T> {
    Err(error.to_string())
}

/// What the engine chose for a change.
#[derive(Clone, Copy)]
pub struct Chosen {
    pub event_id: EventId,
    pub at: Timestamp,
}

/// What comes on a room's topic.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    Change(Box<RoomEvent>),
    Marked(MarkEvent),
    Typing(TypingEvent),
}

#[derive(Default)]
pub struct Model {
    rooms: BTreeMap<RoomId, Room>,
    /// Those that were deleted, as they were then.
    ended: BTreeMap<RoomId, Room>,
    /// Each user's own log.
    users: HashMap<UserId, Vec<UserChange>>,
    contacts: BTreeSet<(UserId, UserId)>,
}

pub struct Room {
    record: RoomRecord,
    /// All there ever were; those up to the floor are gone.
    messages: Vec<StoredMessage>,
    pub floor: u64,
    /// Bodies as they were made; answers take the current state.
    pub changes: Vec<Change>,
    /// How many of them there were once it was made.
    pub made: usize,
    /// In order of joining.
    members: Vec<Membership>,
    banned: BTreeMap<UserId, UserId>,
    marks: HashMap<UserId, Marks>,
    keys: HashMap<(UserId, String), (NewMessage, Appended)>,
    /// What was published since it was made. A change's own time and name are filled in at the end.
    heard: Vec<Heard>,
}

impl Model {
    /// A room as the engine has just made it.
    pub fn add_room(&mut self, record: RoomRecord, members: Vec<Membership>, changes: Vec<Change>) {
        for member in &members {
            self.note(member.user, UserChangeBody::RoomAdded(record.id));
        }
        let room = Room {
            messages: Vec::new(),
            floor: 0,
            made: changes.len(),
            changes,
            marks: members.iter().map(|m| (m.user, Marks::default())).collect(),
            members,
            banned: BTreeMap::new(),
            keys: HashMap::new(),
            heard: Vec::new(),
            record,
        };
        self.rooms.insert(room.record.id, room);
    }

    /// A room that is there, or was.
    pub fn known(&self, id: RoomId) -> Option<&Room> {
        self.rooms.get(&id).or_else(|| self.ended.get(&id))
    }

    pub fn room(&self, id: RoomId) -> Answer<&Room> {
        self.rooms.get(&id).ok_or_else(|| StoreError::RoomNotFound.to_string())
    }

    pub fn room_mut(&mut self, id: RoomId) -> Answer<&mut Room> {
        self.rooms.get_mut(&id).ok_or_else(|| StoreError::RoomNotFound.to_string())
    }

    pub fn join(&mut self, room: RoomId, user: &Actor, max: u64, chosen: Chosen) -> Answer<Joined> {
        let to = self.room_mut(room)?;
        if to.member(user.id).is_ok() {
            return fail(StoreError::AlreadyAMember);
        }
        if to.banned.contains_key(&user.id) {
            return fail(StoreError::Banned);
        }
        if to.members.len() as u64 >= max {
            return fail(StoreError::RoomFull);
        }
        let position = to.change(user, ChangeBody::Joined, chosen);
        let (joined_seq, joined_rev) = (to.messages.len() as u64, position.rev);
        let role = if to.members.is_empty() { Role::Owner } else { Role::Member };
        let membership = Membership { user: user.id, role, joined_seq, joined_rev, joined_at: chosen.at };
        to.members.push(membership.clone());
        to.marks.insert(user.id, Marks { delivered: joined_seq, read: joined_seq });
        self.note(user.id, UserChangeBody::RoomAdded(room));
        Ok(Joined { membership, position })
    }

    pub fn leave(&mut self, room: RoomId, user: &Actor, chosen: Chosen) -> Answer<Position> {
        let from = self.room_mut(room)?;
        let owned = from.member(user.id)?.role == Role::Owner;
        match from.heir(user.id).filter(|_| owned) {
            None => Ok(self.take_out(room, user, ChangeBody::Left, chosen)),
            Some(heir) => {
                self.take_out(room, user, ChangeBody::Left, UNTOLD);
                Ok(self.room_mut(room)?.give(&heir, Role::Owner, chosen))
            }
        }
    }

    /// Moves the delivered mark, and the read mark too where that is asked.
    pub fn mark(&mut self, room: RoomId, user: UserId, seq: u64, read: bool) -> Answer<Marked> {
        let marked_in = self.room_mut(room)?;
        marked_in.member(user)?;
        let before = marked_in.marks(user);
        let seq = seq.min(marked_in.messages.len() as u64);
        let now =
            Marks { delivered: before.delivered.max(seq), read: if read { before.read.max(seq) } else { before.read } };
        if now != before {
            marked_in.marks.insert(user, now);
            let members = marked_in.members.len() as u64;
            marked_in.heard.push(Heard::Marked(MarkEvent { room, user, before, now, members }));
        }
        Ok(Marked { before, now })
    }

    pub fn typing(&mut self, event: &TypingEvent) {
        // It is not asked whether the room is there.
        if let Some(room) = self.rooms.get_mut(&event.room).or_else(|| self.ended.get_mut(&event.room)) {
            room.heard.push(Heard::Typing(event.clone()));
        }
    }

    pub fn contact(&mut self, owner: UserId, user: UserId, added: bool) {
        let pair = (owner, user);
        if if added { self.contacts.insert(pair) } else { self.contacts.remove(&pair) } {
            self.note(owner, UserChangeBody::Contact { user, added });
        }
    }

    pub fn contacts(&self, owner: UserId) -> Vec<UserId> {
        self.contacts.iter().filter(|(o, _)| *o == owner).map(|(_, contact)| *contact).collect()
    }

    /// One more entry of the user's own log; its name is the engine's to choose, see [`learn`](Self::learn).
    pub fn note(&mut self, user: UserId, body: UserChangeBody) {
        let log = self.users.entry(user).or_default();
        log.push(UserChange { rev: log.len() as u64 + 1, event_id: UNNAMED, body });
    }

    /// The entries whose names are not known yet.
    pub fn unnamed(&mut self, user: UserId) -> Vec<&mut UserChange> {
        self.users.entry(user).or_default().iter_mut().filter(|c| c.event_id == UNNAMED).collect()
    }

    pub fn user_log(&self, user: UserId) -> &[UserChange] {
        self.users.get(&user).map_or(&[], Vec::as_slice)
    }

    /// Where the named part of a user's log ends.
    pub fn user_position(&self, user: UserId) -> Position {
        let named = self.user_log(user).iter().rfind(|c| c.event_id != UNNAMED);
        named.map_or(Position::BEGINNING, UserChange::position)
    }
}

/// The name of no event.
const UNNAMED: EventId = EventId::from_bits(0);

impl Room {
    fn member(&self, user: UserId) -> Answer<&Membership> {
        self.members.iter().find(|m| m.user == user).ok_or_else(|| StoreError::NotAMember.to_string())
    }

    pub fn marks(&self, user: UserId) -> Marks {
        self.marks.get(&user).copied().unwrap_or_default()
    }

    fn change(&mut self, user: &Actor, body: ChangeBody, chosen: Chosen) -> Position {
        let rev = self.changes.len() as u64 + 1;
        let change = Change { rev, event_id: chosen.event_id, at: chosen.at, user: user.id, body };
        let username = user.username.clone();
        let event = RoomEvent { room: self.record.id, change: change.clone(), username };
        self.heard.push(Heard::Change(Box::new(event)));
        self.changes.push(change);
        self.position()
    }

    /// The changes after this one, as the engine made them: their times are learnt, and the names it did not tell.
    pub fn learn(&mut self, log: &[Change], after: Position) {
        for (change, made) in self.changes[after.rev as usize..].iter_mut().zip(log) {
            change.at = made.at;
            if change.event_id == UNNAMED {
                change.event_id = made.event_id;
            }
        }
    }

    pub fn position(&self) -> Position {
        let last = self.changes.last().unwrap();
        Position { rev: last.rev, event_id: last.event_id }
    }

    pub fn head(&self) -> Head {
        let Position { rev, event_id } = self.position();
        let (seq, members) = (self.messages.len() as u64, self.members.len() as u64);
        Head { seq, rev, event_id, floor: self.floor, members }
    }

    pub fn members_after(&self, after: u64, limit: usize) -> Vec<Membership> {
        self.members.iter().filter(|m| m.joined_rev > after).take(limit).cloned().collect()
    }

    /// All that was published, in order.
    pub fn heard(&self) -> Vec<Heard> {
        let mut heard = self.heard.clone();
        for event in &mut heard {
            if let Heard::Change(event) = event {
                let Change { event_id, at, .. } = self.changes[event.change.rev as usize - 1];
                (event.change.event_id, event.change.at) = (event_id, at);
            }
        }
        heard
    }
}
