//! The judge: every message of a run is expected once at each member of its room who is connected when it is sent, in
//! the order of the room. Pure; times are microseconds since the run began. Cost of a delivery: constant.

mod order;

use std::collections::{BTreeMap, VecDeque};

use hdrhistogram::Histogram;

use crate::{frame::Delivery, latency};
pub use order::{Arrival, Track};

/// Messages that may be unfinished at once: who sends must wait beyond it. 40 bytes each.
pub const MAX_UNFINISHED: usize = 1 << 20;

/// Index of a room in the run.
pub type RoomIndex = u32;

/// What became of the messages so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    pub published: u64,
    pub acknowledged: u64,
    /// Answered by an error.
    pub refused: u64,
    /// Deliveries there must be in all: for each message that was not refused, one at each member connected.
    pub expected: u64,
    /// Deliveries that were expected and came, each counted once.
    pub delivered: u64,
    /// Of those, to members who had been away.
    pub caught_up: u64,
    pub doubled: u64,
    /// Came after a later message of the same room.
    pub reordered: u64,
    /// At somebody they were not for, of another run, or refused before.
    pub foreign: u64,
    /// Connections that ended without being asked to.
    pub dropped: u64,
    pub unreadable: u64,
    /// Errors by code; those of messages are refusals.
    pub errors: BTreeMap<String, u64>,
    /// Other frames by type.
    pub others: BTreeMap<String, u64>,
}

/// What is known once the run is over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Deliveries that never came.
    pub lost: u64,
    /// Messages without any answer, and at nobody: it is not known whether they are stored.
    pub unanswered: u64,
    /// The first losses, in words.
    pub examples: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    None,
    Stored,
    Refused,
}

#[derive(Debug)]
struct Unfinished {
    room: RoomIndex,
    /// Deliveries that have not come.
    remaining: u32,
    expected: u32,
    answer: Answer,
    /// Its latency counts.
    measured: bool,
    /// In its room; 0: not known yet.
    seq: u64,
    due: u64,
}

impl Unfinished {
    fn is_finished(&self) -> bool {
        self.remaining == 0 && self.answer != Answer::None
    }
}

pub struct Judge {
    /// By number, beginning with `first`.
    unfinished: VecDeque<Unfinished>,
    first: u64,
    finished: u64,
    /// The rooms of each member, and how far they have been told.
    members: Vec<Vec<(RoomIndex, Track)>>,
    /// Members who have left and not caught up yet: what they are told of counts in no latency.
    away: Vec<bool>,
    /// Members of each room who are connected and read.
    present: Vec<u32>,
    pub tally: Tally,
    /// From due to delivered.
    pub delivery: Histogram<u64>,
    /// From due to acknowledged.
    pub acknowledgement: Histogram<u64>,
}

impl Judge {
    /// For so many rooms and members, of whom nobody is in a room yet.
    pub fn new(rooms: usize, members: usize) -> Self {
        Self {
            unfinished: VecDeque::new(),
            first: 0,
            finished: 0,
            members: (0..members).map(|_| Vec::new()).collect(),
            away: vec![false; members],
            present: vec![0; rooms],
            tally: Tally::default(),
            delivery: latency::histogram(),
            acknowledgement: latency::histogram(),
        }
    }

    /// A member is connected and told of everything in `room` after its message `seq`.
    pub fn enter(&mut self, member: usize, room: RoomIndex, seq: u64) {
        self.members[member].push((room, Track::after(seq)));
        self.present[room as usize] += 1;
    }

    /// A member leaves, to come back, or has caught up; all messages are expected at them all the same.
    pub fn set_away(&mut self, member: usize, away: bool) {
        self.away[member] = away;
    }

    /// A member's connection is gone for good, and nobody wanted that.
    pub fn drop_out(&mut self, member: usize) {
        self.tally.dropped += 1;
        for (room, _) in &self.members[member] {
            self.present[*room as usize] -= 1;
        }
    }

    /// A message is sent; gives its number.
    pub fn publish(&mut self, room: RoomIndex, due: u64, measured: bool) -> u64 {
        let expected = self.present[room as usize];
        self.tally.published += 1;
        self.tally.expected += u64::from(expected);
        let answer = Answer::None;
        self.unfinished.push_back(Unfinished { room, remaining: expected, expected, answer, measured, seq: 0, due });
        self.first + self.unfinished.len() as u64 - 1
    }

    /// The message is stored. `seq`: its number in its room.
    pub fn acknowledge(&mut self, number: u64, seq: u64, now: u64) {
        let Some(message) = find(&mut self.unfinished, self.first, number) else { return };
        if message.answer != Answer::None {
            return;
        }
        message.answer = Answer::Stored;
        self.tally.acknowledged += 1;
        if message.measured {
            latency::record(&mut self.acknowledgement, now.saturating_sub(message.due));
        }
        if message.seq != 0 && message.seq != seq {
            self.tally.doubled += 1;
        }
        message.seq = seq;
        self.retire(number);
    }

    /// The answer to a command was an error; `number` where the command was a message.
    pub fn refuse(&mut self, number: Option<u64>, code: &str) {
        count(&mut self.tally.errors, code);
        let Some(number) = number else { return };
        let Some(message) = find(&mut self.unfinished, self.first, number) else { return };
        if message.answer != Answer::None {
            return;
        }
        message.answer = Answer::Refused;
        self.tally.refused += 1;
        // What was delivered all the same was not for them.
        let delivered = u64::from(message.expected - message.remaining);
        self.tally.expected -= u64::from(message.expected);
        self.tally.delivered -= delivered;
        self.tally.foreign += delivered;
        message.remaining = 0;
        self.retire(number);
    }

    /// A member was told of a message.
    pub fn deliver(&mut self, member: usize, delivery: Delivery, now: u64) {
        let next = self.first + self.unfinished.len() as u64;
        let Some(number) = delivery.number.filter(|number| *number < next) else {
            self.tally.foreign += 1;
            return;
        };
        // Everybody has had it, and it comes once more.
        let Some(message) = find(&mut self.unfinished, self.first, number) else {
            self.tally.doubled += 1;
            return;
        };
        let track = self.members[member].iter_mut().find(|(room, _)| *room == message.room);
        let Some((_, track)) = track.filter(|_| message.answer != Answer::Refused) else {
            self.tally.foreign += 1;
            return;
        };
        match track.take(delivery.seq) {
            Arrival::Next => {}
            Arrival::Late => self.tally.reordered += 1,
            Arrival::Again => {
                self.tally.doubled += 1;
                return;
            }
        }
        // Stored twice, or once more than there are members to tell.
        if (message.seq != 0 && message.seq != delivery.seq) || message.remaining == 0 {
            self.tally.doubled += 1;
            return;
        }
        message.seq = delivery.seq;
        message.remaining -= 1;
        self.tally.delivered += 1;
        if self.away[member] {
            self.tally.caught_up += 1;
        } else if message.measured {
            latency::record(&mut self.delivery, now.saturating_sub(message.due));
        }
        if message.is_finished() {
            self.retire(number);
        }
    }

    /// A frame of another type.
    pub fn other(&mut self, kind: &str) {
        count(&mut self.tally.others, kind);
    }

    /// Forgets what is finished, in order.
    fn retire(&mut self, number: u64) {
        if find(&mut self.unfinished, self.first, number).is_some_and(|message| message.is_finished()) {
            self.finished += 1;
        }
        while self.unfinished.front().is_some_and(Unfinished::is_finished) {
            self.unfinished.pop_front();
            self.first += 1;
        }
    }

    /// Number in its room of the last message a member was told of; 0: of none.
    pub fn last_heard(&self, member: usize, room: RoomIndex) -> u64 {
        let track = self.members[member].iter().find(|(of, _)| *of == room);
        track.map_or(0, |(_, track)| track.last())
    }

    /// Messages that were answered and delivered to everybody.
    pub fn finished(&self) -> u64 {
        self.finished
    }

    /// Messages that were not.
    pub fn unfinished(&self) -> u64 {
        self.tally.published - self.finished
    }

    /// There is room for one more.
    pub fn has_room(&self) -> bool {
        self.unfinished.len() < MAX_UNFINISHED
    }

    /// What is missing now is lost.
    pub fn verdict(&self) -> Verdict {
        let mut verdict = Verdict::default();
        for (at, message) in self.unfinished.iter().enumerate().filter(|(_, message)| !message.is_finished()) {
            if message.answer == Answer::None && message.remaining == message.expected {
                verdict.unanswered += 1;
                continue;
            }
            verdict.lost += u64::from(message.remaining);
            if message.remaining > 0 && verdict.examples.len() < 5 {
                verdict.examples.push(format!(
                    "message {} of room {}: {} of {} members were not told",
                    self.first + at as u64,
                    message.room,
                    message.remaining,
                    message.expected
                ));
            }
            verdict.unanswered += u64::from(message.answer == Answer::None);
        }
        verdict
    }
}

fn find(unfinished: &mut VecDeque<Unfinished>, first: u64, number: u64) -> Option<&mut Unfinished> {
    unfinished.get_mut(usize::try_from(number.checked_sub(first)?).ok()?)
}

/// Keys are the server's codes and types: few.
fn count(counts: &mut BTreeMap<String, u64>, key: &str) {
    match counts.get_mut(key) {
        Some(count) => *count += 1,
        None => drop(counts.insert(key.to_owned(), 1)),
    }
}

#[cfg(test)]
mod tests;
