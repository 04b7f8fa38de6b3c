//! Who types, as this worker's members have been told. In no log: it ends by being said, by a message, by leaving, or
//! by itself, so that whoever vanishes does not type for ever.
//!
//! A connection attached meanwhile is told of those who begin after that.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use shared::{RoomId, UserId, protocol::ServerFrame};
use store::TypingEvent;
use tokio::time::Instant;

use super::State;
use crate::dialect::Encoded;

/// Typists shown in one room; a client can show no more than a few.
const SHOWN_IN_A_ROOM: usize = 100;
/// Typists of all rooms of a worker, each a name and an id: some 2 MB.
const SHOWN: usize = 10_000;

/// Those who type, and when they end.
pub struct Typing {
    lasts: Duration,
    rooms: HashMap<RoomId, BTreeMap<UserId, Typist>>,
    /// One for each typist, soonest first.
    ends: BTreeSet<(Instant, RoomId, UserId)>,
}

struct Typist {
    username: String,
    until: Instant,
}

impl Typing {
    /// Nobody. Typing `lasts` so long after it was last said.
    pub fn new(lasts: Duration) -> Self {
        Self { lasts, rooms: HashMap::new(), ends: BTreeSet::new() }
    }

    /// The user says that they type. `true`: the others do not know yet. O(log typists).
    pub fn begin(&mut self, room: RoomId, user: UserId, username: &str, now: Instant) -> bool {
        let until = now + self.lasts;
        let typists = self.rooms.entry(room).or_default();
        if let Some(typist) = typists.get_mut(&user) {
            self.ends.remove(&(typist.until, room, user));
            typist.until = until;
            self.ends.insert((until, room, user));
            return false;
        }
        if typists.len() >= SHOWN_IN_A_ROOM || self.ends.len() >= SHOWN {
            self.forget_if_empty(room);
            return false;
        }
        typists.insert(user, Typist { username: username.to_owned(), until });
        self.ends.insert((until, room, user));
        true
    }

    /// The user has stopped. Their name, if the others were told that they type. O(1) in a room where nobody does.
    pub fn end(&mut self, room: RoomId, user: UserId) -> Option<String> {
        let typist = self.rooms.get_mut(&room)?.remove(&user)?;
        self.ends.remove(&(typist.until, room, user));
        self.forget_if_empty(room);
        Some(typist.username)
    }

    /// One whose time is over, if there is one.
    pub fn over(&mut self, now: Instant) -> Option<(RoomId, UserId, String)> {
        let (until, room, user) = *self.ends.first()?;
        if until > now {
            return None;
        }
        // Whoever has an end here is in their room's list.
        Some((room, user, self.end(room, user).unwrap_or_default()))
    }

    /// When the next one's time is over.
    pub fn next_end(&self) -> Option<Instant> {
        self.ends.first().map(|(until, ..)| *until)
    }

    fn forget_if_empty(&mut self, room: RoomId) {
        if self.rooms.get(&room).is_some_and(BTreeMap::is_empty) {
            self.rooms.remove(&room);
        }
    }
}

impl State {
    /// Somebody types, or has stopped. O(members), only where that is news.
    pub(super) fn take_typing(&mut self, event: &TypingEvent, now: Instant) {
        let TypingEvent { room, user, username, typing } = event;
        if !self.rooms.contains_key(room) {
            return;
        }
        if !*typing {
            self.end_typing(*room, *user);
        } else if self.typing.begin(*room, *user, username, now) {
            self.tell_typing(*room, *user, username.clone(), true);
        }
    }

    /// They have stopped, as whatever they did shows.
    pub(super) fn end_typing(&mut self, room: RoomId, user: UserId) {
        if let Some(username) = self.typing.end(room, user) {
            self.tell_typing(room, user, username, false);
        }
    }

    /// Ends those whose time is over; at most [`SHOWN`].
    pub(super) fn end_typing_over(&mut self, now: Instant) {
        while let Some((room, user, username)) = self.typing.over(now) {
            self.tell_typing(room, user, username, false);
        }
    }

    /// To the live connections of all others: behind a gate the client has not been shown the room yet.
    fn tell_typing(&mut self, room_id: RoomId, user_id: UserId, username: String, is_typing: bool) {
        let Some(room) = self.rooms.get(&room_id) else { return };
        let frame = ServerFrame::TypingUpdate { room_id, user_id, username, is_typing };
        let mut encoded = Encoded::new(&frame);
        for member in room.members.iter().filter(|m| m.is_live() && m.peer.viewer.user != user_id) {
            self.out.push(&member.peer, encoded.frame(member.peer.dialect));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LASTS: Duration = Duration::from_secs(6);

    fn typing() -> (Typing, RoomId, UserId, Instant) {
        (Typing::new(LASTS), RoomId::new(), UserId::new(), Instant::now())
    }

    #[test]
    fn the_others_are_told_when_it_begins_and_when_it_ends_and_of_no_repeat() {
        let (mut typing, room, user, now) = typing();
        assert!(typing.begin(room, user, "u", now));
        assert!(!typing.begin(room, user, "u", now + LASTS / 2));
        assert_eq!(typing.end(room, user).as_deref(), Some("u"));
        assert_eq!(typing.end(room, user), None);
        assert!(typing.begin(room, user, "u", now + LASTS));
    }

    #[test]
    fn it_ends_by_itself_so_long_after_it_was_last_said() {
        let (mut typing, room, user, now) = typing();
        let other = UserId::new();
        typing.begin(room, user, "u", now);
        typing.begin(room, other, "o", now + LASTS / 3);
        typing.begin(room, user, "u", now + LASTS / 2);
        assert_eq!(typing.over(now + LASTS), None, "it was said again");
        assert_eq!(typing.next_end(), Some(now + LASTS / 3 + LASTS));
        let late = now + LASTS * 2;
        assert_eq!(typing.over(late), Some((room, other, "o".into())));
        assert_eq!(typing.over(late), Some((room, user, "u".into())));
        assert_eq!((typing.over(late), typing.next_end(), typing.rooms.len()), (None, None, 0));
    }

    #[test]
    fn a_room_shows_a_hundred_typists_and_a_worker_ten_thousand() {
        let (mut typing, room, _, now) = typing();
        assert_eq!((0..150).filter(|_| typing.begin(room, UserId::new(), "u", now)).count(), SHOWN_IN_A_ROOM);
        assert_eq!((0..11_000).filter(|_| typing.begin(RoomId::new(), UserId::new(), "u", now)).count(), SHOWN - 100);
        assert_eq!((typing.ends.len(), typing.rooms.len()), (SHOWN, SHOWN - 100 + 1));
    }
}
