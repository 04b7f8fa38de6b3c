//! A room's log as plainly as it can be said: vectors in memory. What an engine chooses (names of events, times) is
//! told to the model after the fact; everything else it must say itself.

use std::collections::{BTreeMap, HashMap};

use shared::{
    EventId, MessageId, RoomId, Timestamp, UserId,
    protocol::{HistoryVisibility, Position, Role},
};
use store::{
    Actor, Appended, Change, ChangeBody, Changes, Head, HistoryPage, Joined, Membership, NewMessage, PageFrom,
    PageRequest, RoomRecord, RoomView, StoreError, StoredMessage,
};

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

#[derive(Default)]
pub struct Model {
    rooms: BTreeMap<RoomId, Room>,
}

pub struct Room {
    record: RoomRecord,
    pub messages: Vec<StoredMessage>,
    /// A message is pointed at: its `content` here is what was sent, answers take the current state.
    pub changes: Vec<(Change, String)>,
    /// How many of them there were once it was made.
    pub made: usize,
    /// In order of joining.
    members: Vec<Membership>,
    marks: HashMap<UserId, u64>,
    keys: HashMap<(UserId, String), (NewMessage, Appended)>,
}

impl Model {
    /// A room as the engine has just made it.
    pub fn add_room(&mut self, record: RoomRecord, members: Vec<Membership>, changes: Vec<(Change, String)>) {
        let marks = members.iter().map(|m| (m.user, 0)).collect();
        let (made, messages, keys) = (changes.len(), Vec::new(), HashMap::new());
        let room = Room { record, messages, changes, made, members, marks, keys };
        self.rooms.insert(room.record.id, room);
    }

    pub fn room(&self, id: RoomId) -> Answer<&Room> {
        self.rooms.get(&id).ok_or_else(|| StoreError::RoomNotFound.to_string())
    }

    pub fn room_mut(&mut self, id: RoomId) -> Answer<&mut Room> {
        self.rooms.get_mut(&id).ok_or_else(|| StoreError::RoomNotFound.to_string())
    }

    pub fn append(&mut self, new: &NewMessage, chosen: Chosen) -> Answer<Appended> {
        let room = self.room_mut(new.room)?;
        let key = new.client_message_id.clone().map(|key| (new.author.id, key));
        if let Some((first, appended)) = key.as_ref().and_then(|key| room.keys.get(key)) {
            let same = (first.kind, &first.content, first.reply_to) == (new.kind, &new.content, new.reply_to);
            let repeated = Appended { duplicate: true, ..appended.clone() };
            return if same { Ok(repeated) } else { fail(StoreError::IdempotencyConflict) };
        }
        room.member(new.author.id)?;
        let seq = room.messages.len() as u64 + 1;
        let message = StoredMessage {
            room: new.room,
            seq,
            author: new.author.id,
            kind: new.kind,
            content: new.content.clone(),
            at: chosen.at,
            client_message_id: new.client_message_id.clone(),
            reply_to: new.reply_to,
            deleted_at: None,
        };
        room.messages.push(message.clone());
        let position = room.change(&new.author, ChangeBody::Message(message), chosen);
        room.marks.insert(new.author.id, seq);
        let appended =
            Appended { seq, rev: position.rev, event_id: position.event_id, at: chosen.at, duplicate: false };
        if let Some(key) = key {
            room.keys.insert(key, (new.clone(), appended.clone()));
        }
        Ok(appended)
    }

    pub fn delete(&mut self, id: MessageId, by: &Actor, chosen: Chosen) -> Answer<Option<Position>> {
        let room = self.room_mut(id.room)?;
        let index = id.seq.wrapping_sub(1) as usize;
        let Some(message) = room.messages.get_mut(index) else { return fail(StoreError::MessageNotFound) };
        if message.deleted_at.is_some() {
            return Ok(None);
        }
        message.content.clear();
        message.deleted_at = Some(chosen.at);
        Ok(Some(room.change(by, ChangeBody::Deleted { seq: id.seq }, chosen)))
    }

    pub fn message(&self, id: MessageId) -> Option<StoredMessage> {
        self.room(id.room).ok()?.messages.get(id.seq.wrapping_sub(1) as usize).cloned()
    }

    pub fn join(&mut self, room: RoomId, user: &Actor, max: u64, chosen: Chosen) -> Answer<Joined> {
        let room = self.room_mut(room)?;
        if room.member(user.id).is_ok() {
            return fail(StoreError::AlreadyAMember);
        }
        if room.members.len() as u64 >= max {
            return fail(StoreError::RoomFull);
        }
        let position = room.change(user, ChangeBody::Joined, chosen);
        let (joined_seq, joined_rev) = (room.messages.len() as u64, position.rev);
        let membership = Membership { user: user.id, role: Role::Member, joined_seq, joined_rev, joined_at: chosen.at };
        room.members.push(membership.clone());
        room.marks.insert(user.id, joined_seq);
        Ok(Joined { membership, position })
    }

    pub fn leave(&mut self, room: RoomId, user: &Actor, chosen: Chosen) -> Answer<Position> {
        let room = self.room_mut(room)?;
        room.member(user.id)?;
        room.members.retain(|m| m.user != user.id);
        room.marks.remove(&user.id);
        Ok(room.change(user, ChangeBody::Left, chosen))
    }

    pub fn mark_read(&mut self, room: RoomId, user: UserId, seq: u64) -> Answer<u64> {
        let room = self.room_mut(room)?;
        room.member(user)?;
        let mark = (*room.marks.get(&user).unwrap_or(&0)).max(seq.min(room.messages.len() as u64));
        room.marks.insert(user, mark);
        Ok(mark)
    }

    pub fn rooms_of(&self, user: UserId) -> Vec<RoomId> {
        self.rooms.values().filter(|r| r.member(user).is_ok()).map(|r| r.record.id).collect()
    }

    pub fn view(&self, room: RoomId, user: UserId) -> Option<RoomView> {
        let room = self.room(room).ok()?;
        let membership = room.member(user).ok()?.clone();
        let read_seq = room.mark(user);
        let from = read_seq.max(membership.joined_seq);
        let unread = room.messages.iter().filter(|m| m.seq > from && m.deleted_at.is_none()).count() as u64;
        let visible_after = match room.record.history_visibility {
            HistoryVisibility::All => 0,
            HistoryVisibility::Joined => membership.joined_seq,
        };
        let last_message = room.messages.last().filter(|m| m.seq > visible_after).cloned();
        Some(RoomView { record: room.record.clone(), head: room.head(), membership, read_seq, unread, last_message })
    }

    pub fn changes(&self, room: RoomId, after: Position, limit: usize) -> Answer<Changes> {
        let room = self.room(room)?;
        let known = room.changes.iter().position(|(c, _)| (c.rev, c.event_id) == (after.rev, after.event_id));
        let Some(next) = known.map(|index| index + 1).or((after.rev == 0).then_some(0)) else {
            return Ok(Changes::Reset { head: room.position() });
        };
        let rest = &room.changes[next..];
        let changes = rest.iter().take(limit).map(|(change, _)| room.current(change)).collect();
        Ok(Changes::Page { changes, has_more: rest.len() > limit })
    }

    /// `None` where the contract leaves the answer open: around a message that is not there to be seen.
    pub fn history(&self, room: RoomId, page: PageRequest) -> Answer<Option<HistoryPage>> {
        let room = self.room(room)?;
        let visible = || room.messages.iter().filter(|m| m.seq > page.visible_after);
        let (wanted, limit): (Vec<&StoredMessage>, usize) = match page.from {
            PageFrom::Newest => (visible().rev().collect(), page.limit),
            PageFrom::Before(seq) => (visible().rev().filter(|m| m.seq < seq).collect(), page.limit),
            PageFrom::After(seq) => (visible().filter(|m| m.seq > seq).collect(), page.limit),
            PageFrom::Around(seq) => {
                if !visible().any(|m| m.seq == seq) {
                    return Ok(None);
                }
                let half = page.limit as u64 / 2;
                let newer = (room.messages.len() as u64 - seq).min(half) as usize;
                let limit = newer + 1 + half as usize;
                (visible().rev().filter(|m| m.seq <= seq + half).collect(), limit)
            }
        };
        let (mut items, mut bytes) = (Vec::new(), 0);
        for message in wanted.iter().take(limit) {
            bytes += message.content.len();
            if bytes > page.max_bytes && !items.is_empty() {
                break;
            }
            items.push((*message).clone());
        }
        let has_more = wanted.len() > items.len();
        Ok(Some(HistoryPage { items, has_more, position: room.position() }))
    }
}

impl Room {
    fn member(&self, user: UserId) -> Answer<&Membership> {
        self.members.iter().find(|m| m.user == user).ok_or_else(|| StoreError::NotAMember.to_string())
    }

    pub fn mark(&self, user: UserId) -> u64 {
        self.marks.get(&user).copied().unwrap_or(0)
    }

    fn change(&mut self, user: &Actor, body: ChangeBody, chosen: Chosen) -> Position {
        let rev = self.changes.len() as u64 + 1;
        let change = Change { rev, event_id: chosen.event_id, at: chosen.at, user: user.id, body };
        self.changes.push((change, user.username.clone()));
        self.position()
    }

    /// A change with its message as it is now.
    pub fn current(&self, change: &Change) -> Change {
        let mut change = change.clone();
        if let ChangeBody::Message(message) = &mut change.body {
            *message = self.messages[message.seq as usize - 1].clone();
        }
        change
    }

    pub fn position(&self) -> Position {
        let (last, _) = self.changes.last().unwrap();
        Position { rev: last.rev, event_id: last.event_id }
    }

    pub fn head(&self) -> Head {
        let Position { rev, event_id } = self.position();
        Head { seq: self.messages.len() as u64, rev, event_id, floor: 0, members: self.members.len() as u64 }
    }

    pub fn members_after(&self, after: u64, limit: usize) -> Vec<Membership> {
        self.members.iter().filter(|m| m.joined_rev > after).take(limit).cloned().collect()
    }
}
