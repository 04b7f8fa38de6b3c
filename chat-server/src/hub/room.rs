//! One room this worker follows: how far its log has been delivered, and what waits while part of it is missing.

use std::{cell::Cell, collections::VecDeque, rc::Rc, sync::Arc};

use domain::rooms::Direct;
use shared::protocol::{HistoryVisibility, Position};
use store::RoomEvent;
use tokio::sync::Notify;

use super::{members::Members, receipts::Authors};

/// Events held while a room's log is read; beyond it they are dropped and read from the log as well.
pub const HELD_EVENTS: usize = 1024;

/// What becomes of an event.
#[derive(Debug, PartialEq)]
pub enum Verdict {
    /// The next one: it has been counted, deliver it.
    Deliver,
    /// Seen before.
    Old,
    /// Kept until the log has been read.
    Held,
    /// Something is missing before it (it is held): the log must be read now.
    Gap,
}

/// How far a room's log has been delivered on this worker. Pure.
#[derive(Debug)]
pub struct Track {
    /// The last change delivered; `None` until the head is known.
    last: Option<Position>,
    /// The log is being read: events wait.
    reading: bool,
    held: VecDeque<Arc<RoomEvent>>,
    /// Held events were dropped: reading must go on once more.
    dropped: bool,
}

/// What comes after the log has been read.
#[derive(Debug)]
pub enum Settled {
    /// This was held and is the next one to [`read`](Track::read).
    Next(Arc<RoomEvent>),
    /// Something is still missing.
    Again,
    /// Nothing is missing: the room is live.
    Live,
}

impl Track {
    /// A room whose head is not known yet.
    pub fn starting() -> Self {
        Self { last: None, reading: true, held: VecDeque::new(), dropped: false }
    }

    pub fn last(&self) -> Option<Position> {
        self.last
    }

    /// Events may have been missed. `false`: the log is being read already, and will be once more.
    pub fn suspect(&mut self) -> bool {
        if self.reading {
            self.dropped = true;
            return false;
        }
        self.reading = true;
        true
    }

    /// An event of the bus.
    pub fn take(&mut self, event: &Arc<RoomEvent>) -> Verdict {
        let (Some(last), false) = (self.last, self.reading) else {
            self.hold(event);
            return Verdict::Held;
        };
        let position = position(event);
        if position.rev == last.rev + 1 {
            self.last = Some(position);
            return Verdict::Deliver;
        }
        // Another event of the same number: the log lost writes and went on differently. Reading it will say so.
        let forked = position.rev == last.rev && position.event_id != last.event_id;
        if position.rev > last.rev || forked {
            self.reading = true;
            self.hold(event);
            return Verdict::Gap;
        }
        Verdict::Old
    }

    fn hold(&mut self, event: &Arc<RoomEvent>) {
        if self.held.len() < HELD_EVENTS {
            self.held.push_back(event.clone());
        } else {
            self.dropped = true;
        }
    }

    /// An event of the log, or one that was held. `true`: it has been counted, deliver it.
    pub fn read(&mut self, event: &RoomEvent) -> bool {
        let next = self.last.is_some_and(|last| event.change.rev == last.rev + 1);
        if next {
            self.last = Some(position(event));
        }
        next
    }

    /// The room is to be taken as seen up to here: its head when it begins, or after a reset.
    pub fn jump(&mut self, to: Position) {
        self.last = Some(to);
    }

    /// The log was read to its end: what was held meanwhile? To be asked until nothing is next.
    pub fn settle(&mut self) -> Settled {
        while let Some(event) = self.held.front() {
            let rev = event.change.rev;
            let last = self.last.map_or(0, |last| last.rev);
            if rev > last + 1 {
                return Settled::Again;
            }
            if rev == last + 1 {
                return Settled::Next(event.clone());
            }
            self.held.pop_front();
        }
        if std::mem::take(&mut self.dropped) {
            return Settled::Again;
        }
        self.reading = false;
        self.held = VecDeque::new();
        Settled::Live
    }
}

fn position(event: &RoomEvent) -> Position {
    Position { rev: event.change.rev, event_id: event.change.event_id }
}

/// A room of this worker.
pub struct Room {
    /// Names this entry: ending and beginning to follow gives another.
    pub epoch: u64,
    pub track: Track,
    pub members: Members,
    pub authors: Authors,
    /// Those who are about to add members.
    pub pins: u32,
    /// Live when the track is not reading.
    pub latch: Rc<Latch>,
    /// A message has been edited here: what members may see is to be known.
    pub edited: bool,
    /// What the last change of the room said; `None`: there was none since the room is followed.
    pub history: Option<HistoryVisibility>,
    /// Whose room it is: where it is a direct one, and somebody here must be told.
    pub direct: Option<Direct>,
}

impl Room {
    pub fn new(epoch: u64) -> Self {
        let (track, members, authors) = (Track::starting(), Members::default(), Authors::default());
        Self {
            epoch,
            track,
            members,
            authors,
            pins: 0,
            latch: Rc::default(),
            edited: false,
            history: None,
            direct: None,
        }
    }

    pub fn is_idle(&self) -> bool {
        self.members.is_empty() && self.pins == 0
    }
}

/// What has come of following a room; waited for by many.
#[derive(Default)]
pub struct Latch {
    state: Cell<Followed>,
    changed: Notify,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Followed {
    /// Its log is being read.
    #[default]
    NotYet,
    Live,
    /// There is no such room: its entry is gone.
    NoRoom,
    /// It cannot be read: its entry is gone.
    Failed,
}

impl Latch {
    pub fn set(&self, state: Followed) {
        self.state.set(state);
        self.changed.notify_waiters();
    }

    /// Waits until it is anything but [`Followed::NotYet`].
    pub async fn settled(&self) -> Followed {
        while self.state.get() == Followed::NotYet {
            self.changed.notified().await;
        }
        self.state.get()
    }
}

#[cfg(test)]
mod tests {
    use shared::{EventId, RoomId, Timestamp, UserId};
    use store::{Change, ChangeBody};

    use super::*;

    fn named(rev: u64, event_id: u64) -> Arc<RoomEvent> {
        let (event_id, at, user) = (EventId::from_bits(event_id), Timestamp::from_millis(0), UserId::new());
        let change = Change { rev, event_id, at, user, body: ChangeBody::Joined };
        Arc::new(RoomEvent { room: RoomId::new(), change, username: "u".into() })
    }

    fn event(rev: u64) -> Arc<RoomEvent> {
        named(rev, rev)
    }

    fn live_at(rev: u64) -> Track {
        let mut track = Track::starting();
        track.jump(position(&event(rev)));
        assert_eq!(settle(&mut track), (vec![], true));
        track
    }

    /// What was held and comes next, and whether the room is live after it.
    fn settle(track: &mut Track) -> (Vec<u64>, bool) {
        let mut revs = Vec::new();
        loop {
            match track.settle() {
                Settled::Next(event) => {
                    assert!(track.read(&event));
                    revs.push(event.change.rev);
                }
                Settled::Again => return (revs, false),
                Settled::Live => return (revs, true),
            }
        }
    }

    #[test]
    fn the_next_change_is_delivered_and_an_old_one_is_not() {
        let mut track = live_at(5);
        assert_eq!(track.take(&event(6)), Verdict::Deliver);
        assert_eq!(track.take(&event(6)), Verdict::Old);
        assert_eq!(track.take(&event(3)), Verdict::Old);
        assert_eq!(track.take(&event(7)), Verdict::Deliver);
    }

    #[test]
    fn after_a_jump_events_wait_until_the_log_has_filled_it() {
        let mut track = live_at(5);
        assert_eq!(track.take(&event(8)), Verdict::Gap);
        assert_eq!(track.take(&event(9)), Verdict::Held);
        assert!(track.read(&event(6)) && track.read(&event(7)) && track.read(&event(8)));
        assert!(!track.read(&event(8)), "never twice");
        assert_eq!(settle(&mut track), (vec![9], true));
        assert_eq!(track.take(&event(10)), Verdict::Deliver);
    }

    #[test]
    fn a_second_gap_among_the_held_is_read_too() {
        let mut track = live_at(5);
        track.take(&event(7));
        track.take(&event(10));
        assert!(track.read(&event(6)));
        assert_eq!(settle(&mut track), (vec![7], false));
        assert!(track.read(&event(8)) && track.read(&event(9)));
        assert_eq!(settle(&mut track), (vec![10], true));
    }

    #[test]
    fn held_events_are_bounded_and_what_is_dropped_is_read_again() {
        let mut track = live_at(0);
        for rev in 2..HELD_EVENTS as u64 + 10 {
            track.take(&event(rev));
        }
        assert!(track.read(&event(1)));
        assert_eq!(settle(&mut track), ((2..HELD_EVENTS as u64 + 2).collect(), false));
        assert_eq!(settle(&mut track), (vec![], true));
    }

    #[test]
    fn another_event_of_the_same_number_is_a_gap() {
        let mut track = live_at(5);
        assert_eq!(track.take(&named(5, 99)), Verdict::Gap);
    }

    #[test]
    fn a_suspicion_while_reading_makes_it_read_once_more() {
        let mut track = live_at(5);
        assert!(track.suspect());
        assert!(!track.suspect());
        assert_eq!(settle(&mut track), (vec![], false));
        assert_eq!(settle(&mut track), (vec![], true));
    }
}
