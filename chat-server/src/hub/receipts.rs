//! Marks of others on their way to a worker's connections: collected for each room, and told as one `RECEIPT` in
//! `chat.receiptMs`. In no log: who missed some asks for all (`GET /api/rooms/{id}/receipts`).
//!
//! Without collecting, a room of 256 members who each mark every message would get 65,000 frames a message; so it is
//! one for each connection and second.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    rc::Rc,
    time::Duration,
};

use indexmap::IndexMap;
use shared::{
    RoomId, UserId,
    protocol::{Receipt, ServerFrame},
};
use store::{MarkEvent, Marks};
use tokio::time::Instant;

use super::{Peer, State};
use crate::dialect::Encoded;

/// Members told of in one frame, some 40 kB; who marked later waits for the next.
const IN_A_FRAME: usize = 256;
/// Members of one room that wait at most; the marks of others are not told.
const WAITING_IN_A_ROOM: usize = 4096;
/// Of all rooms of a worker: some 6 MB.
const WAITING: usize = 65_536;
/// Messages of a room whose authors are known: 1 kB a room. Authors of older ones are not told that those arrived.
const RECENT: usize = 64;

/// A member whose marks moved.
#[derive(Debug, Clone, PartialEq)]
pub struct Moved {
    pub user: UserId,
    pub marks: Marks,
    /// Where the delivered mark was before the first of these moves.
    delivered_after: u64,
    /// The read mark moved, in a room small enough that all are told.
    read: bool,
}

/// What waits to be told, by room.
pub struct Receipts {
    every: Duration,
    /// Members of a room beyond which read marks are not told.
    small: u64,
    rooms: HashMap<RoomId, IndexMap<UserId, Moved>>,
    /// One for each room of `rooms`, soonest first.
    due: VecDeque<(Instant, RoomId)>,
    waiting: usize,
}

impl Receipts {
    pub fn new(every: Duration, small: u64) -> Self {
        Self { every, small, rooms: HashMap::new(), due: VecDeque::new(), waiting: 0 }
    }

    /// Marks moved. O(1): a member who moves on while waiting is one entry.
    pub fn note(&mut self, event: &MarkEvent, now: Instant) {
        let MarkEvent { room, user, before, now: marks, members } = *event;
        let read = marks.read > before.read && members <= self.small;
        if !read && marks.delivered <= before.delivered {
            return;
        }
        let moved = self.rooms.entry(room).or_insert_with(|| {
            self.due.push_back((now + self.every, room));
            IndexMap::new()
        });
        if let Some(moved) = moved.get_mut(&user) {
            moved.marks.read = moved.marks.read.max(marks.read);
            moved.marks.delivered = moved.marks.delivered.max(marks.delivered);
            moved.delivered_after = moved.delivered_after.min(before.delivered);
            moved.read |= read;
        } else if moved.len() < WAITING_IN_A_ROOM && self.waiting < WAITING {
            moved.insert(user, Moved { user, marks, delivered_after: before.delivered, read });
            self.waiting += 1;
        } else {
            metrics::counter!("chatapp_receipts_dropped_total").increment(1);
        }
    }

    /// When the next room is to be told.
    pub fn next_due(&self) -> Option<Instant> {
        self.due.front().map(|(at, _)| *at)
    }

    /// A room whose time has come, with whom it is to be told of: at most [`IN_A_FRAME`], first come first. The others
    /// are due after as long again.
    pub fn take_due(&mut self, now: Instant) -> Option<(RoomId, Vec<Moved>)> {
        let (_, room) = self.due.pop_front_if(|(at, _)| *at <= now)?;
        let waiting = self.rooms.get_mut(&room)?;
        let moved: Vec<Moved> = waiting.drain(..waiting.len().min(IN_A_FRAME)).map(|(_, moved)| moved).collect();
        self.waiting -= moved.len();
        if waiting.is_empty() {
            self.rooms.remove(&room);
        } else {
            self.due.push_back((now + self.every, room));
        }
        Some((room, moved))
    }
}

/// Who wrote a room's newest messages.
#[derive(Default)]
pub struct Authors {
    /// Number of the last one.
    last: u64,
    /// Oldest first, dense, up to `last`; at most [`RECENT`].
    recent: VecDeque<UserId>,
}

impl Authors {
    /// A message was delivered. One that does not follow the last begins anew.
    pub fn note(&mut self, seq: u64, author: UserId) {
        if seq != self.last + 1 {
            self.recent.clear();
        } else if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.last = seq;
        self.recent.push_back(author);
    }

    /// The messages of each author, ascending.
    fn messages(&self) -> BTreeMap<UserId, Vec<u64>> {
        let first = self.last + 1 - self.recent.len() as u64;
        let mut messages = BTreeMap::<UserId, Vec<u64>>::new();
        for (seq, author) in (first..).zip(&self.recent) {
            messages.entry(*author).or_default().push(seq);
        }
        messages
    }
}

/// Which of `moved` are told to each user: of members of a small room all that was read, of messages of their own what
/// was delivered, never their own marks.
struct Audience<'a> {
    moved: &'a [Moved],
    /// Told to everybody.
    read: Vec<usize>,
    messages: BTreeMap<UserId, Vec<u64>>,
}

impl<'a> Audience<'a> {
    fn new(moved: &'a [Moved], authors: &Authors) -> Self {
        let read = (0..moved.len()).filter(|i| moved[*i].read).collect();
        Self { moved, read, messages: authors.messages() }
    }

    /// Indices into `moved`, ascending. O(1) for who wrote nothing lately in a large room, else O(moved).
    fn told_to(&self, user: UserId) -> Vec<usize> {
        let others = |i: &usize| self.moved[*i].user != user;
        let Some(own) = self.messages.get(&user) else {
            return self.read.iter().copied().filter(others).collect();
        };
        let concerns = |i: &usize| {
            let Moved { delivered_after, marks, read, .. } = &self.moved[*i];
            let next = own.partition_point(|seq| seq <= delivered_after);
            *read || own.get(next).is_some_and(|seq| *seq <= marks.delivered)
        };
        (0..self.moved.len()).filter(others).filter(concerns).collect()
    }
}

impl State {
    pub(super) fn take_mark(&mut self, event: &MarkEvent, now: Instant) {
        if self.rooms.contains_key(&event.room) {
            self.receipts.note(event, now);
        }
    }

    /// One frame to each live connection that is told of anybody, encoded once for those who are told of the same.
    /// O(connections of the room + told × [`IN_A_FRAME`]).
    pub(super) fn tell_receipts(&mut self, room_id: RoomId, moved: &[Moved]) {
        let Some(room) = self.rooms.get(&room_id) else { return };
        let audience = Audience::new(moved, &room.authors);
        let mut alike = BTreeMap::<Vec<usize>, Vec<&Rc<Peer>>>::new();
        for member in room.members.iter().filter(|m| m.is_live()) {
            let told = audience.told_to(member.peer.viewer.user);
            if !told.is_empty() {
                alike.entry(told).or_default().push(&member.peer);
            }
        }
        let receipt = |i: usize| {
            let Moved { user, marks, .. } = moved[i];
            Receipt { room_id, user_id: user, delivered_seq: marks.delivered, read_seq: marks.read }
        };
        for (told, peers) in alike {
            let frame = ServerFrame::Receipt { room_id, receipts: told.into_iter().map(receipt).collect() };
            let mut encoded = Encoded::new(&frame);
            metrics::counter!("chatapp_receipt_frames_total").increment(peers.len() as u64);
            for peer in peers {
                self.out.push(peer, encoded.frame(peer.dialect));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_secs(1);

    fn mark(room: RoomId, user: UserId, before: (u64, u64), now: (u64, u64), members: u64) -> MarkEvent {
        let marks = |(delivered, read)| Marks { delivered, read };
        MarkEvent { room, user, before: marks(before), now: marks(now), members }
    }

    #[test]
    fn what_moves_within_a_second_is_told_once_as_it_is_then() {
        let (mut receipts, room, user, now) = (Receipts::new(EVERY, 32), RoomId::new(), UserId::new(), Instant::now());
        receipts.note(&mark(room, user, (3, 0), (4, 0), 10), now);
        receipts.note(&mark(room, user, (4, 0), (5, 5), 10), now + EVERY / 2);
        assert_eq!(receipts.take_due(now + EVERY / 2), None, "not before the second is over");
        let moved = Moved { user, marks: Marks { delivered: 5, read: 5 }, delivered_after: 3, read: true };
        assert_eq!(receipts.take_due(now + EVERY), Some((room, vec![moved])));
        assert_eq!((receipts.take_due(now + EVERY), receipts.next_due(), receipts.waiting), (None, None, 0));
    }

    #[test]
    fn a_read_mark_alone_is_nothing_to_tell_in_a_large_room() {
        let (mut receipts, room, user, now) = (Receipts::new(EVERY, 32), RoomId::new(), UserId::new(), Instant::now());
        receipts.note(&mark(room, user, (3, 0), (3, 3), 33), now);
        assert_eq!(receipts.next_due(), None);
        receipts.note(&mark(room, user, (3, 0), (3, 3), 32), now);
        assert_eq!(receipts.next_due(), Some(now + EVERY));
    }

    #[test]
    fn more_than_a_frame_holds_waits_for_the_next_and_what_waits_is_bounded() {
        let (mut receipts, room, now) = (Receipts::new(EVERY, 32), RoomId::new(), Instant::now());
        for _ in 0..5000 {
            receipts.note(&mark(room, UserId::new(), (0, 0), (1, 0), 5000), now);
        }
        let mut told = 0;
        let mut at = now;
        while let Some(due) = receipts.next_due() {
            assert!(due >= at + EVERY, "once a second");
            at = due;
            let (_, moved) = receipts.take_due(at).unwrap();
            assert!(moved.len() <= IN_A_FRAME);
            assert_eq!(receipts.take_due(at), None);
            told += moved.len();
        }
        assert_eq!((told, receipts.waiting), (WAITING_IN_A_ROOM, 0));
    }

    #[test]
    fn authors_are_told_of_their_own_messages_and_nobody_of_themself() {
        let [alice, bob, carol, dave] = std::array::from_fn(|_| UserId::new());
        let mut authors = Authors::default();
        for (seq, author) in [(7, alice), (8, bob), (9, alice), (10, carol)] {
            authors.note(seq, author);
        }
        let moved = |user, delivered_after, delivered, read| Moved {
            user,
            marks: Marks { delivered, read: 0 },
            delivered_after,
            read,
        };
        let moved = [
            moved(bob, 8, 9, false),
            moved(dave, 0, 6, false),
            moved(carol, 9, 10, false),
            moved(alice, 7, 8, false),
            moved(dave, 0, 1, true),
        ];
        let audience = Audience::new(&moved, &authors);
        assert_eq!(audience.told_to(alice), [0, 4], "of 9, and what is told to all");
        assert_eq!(audience.told_to(bob), [3, 4], "of 8");
        assert_eq!(audience.told_to(carol), [4], "her own mark is not told to her");
        assert_eq!(audience.told_to(dave), Vec::<usize>::new());
        assert_eq!(audience.told_to(UserId::new()), [4]);
    }

    #[test]
    fn the_authors_of_the_last_messages_are_known_and_after_a_gap_none_before_it() {
        let mut authors = Authors::default();
        let (old, new) = (UserId::new(), UserId::new());
        (1..=10).for_each(|seq| authors.note(seq, old));
        (11..=10 + RECENT as u64).for_each(|seq| authors.note(seq, new));
        assert_eq!(authors.messages().keys().collect::<Vec<_>>(), [&new]);
        authors.note(500, old);
        assert_eq!(authors.messages(), BTreeMap::from([(old, vec![500])]));
    }
}
