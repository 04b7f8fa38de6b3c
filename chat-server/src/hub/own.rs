//! A user's own log on this worker: how far it has been told, and what comes next. Pure.

use std::collections::VecDeque;

use shared::protocol::Position;
use store::UserChange;

/// Changes that wait to be told; more are read from the log.
pub const QUEUED_CHANGES: usize = 64;

/// How far a user's own log has been told on this worker.
#[derive(Debug, Default)]
pub struct Own {
    /// The last change that was told; `None` until the head is known.
    last: Option<Position>,
    /// Those right after it, as the bus brought them.
    queue: VecDeque<UserChange>,
    /// Something is missing: the log must be read.
    behind: bool,
    /// A connection went live further back: the log is to be told again from there, to those who lack it.
    back: Option<Position>,
    /// A task is telling what there is.
    telling: bool,
}

/// What the telling task does next.
#[derive(Debug, PartialEq)]
pub enum Next {
    /// Tell these one by one, each where it [is next](Own::is_next), then say so with [`Own::told`].
    Tell(Vec<UserChange>),
    /// Read the log after this position and tell that.
    Read(Position),
    /// Nothing is left; the task ends.
    End,
}

impl Own {
    /// The head when the user began to be followed. Later ones are not taken: the log goes on from the first.
    pub fn begin(&mut self, head: Position) {
        self.last.get_or_insert(head);
    }

    pub fn last(&self) -> Option<Position> {
        self.last
    }

    /// A change of the bus.
    pub fn take(&mut self, change: &UserChange) {
        let Some(last) = self.last else { return self.suspect() };
        let tail = self.queue.back().map_or(last, UserChange::position);
        if change.rev == tail.rev + 1 && self.queue.len() < QUEUED_CHANGES {
            self.queue.push_back(change.clone());
        } else if change.rev > tail.rev || (change.rev == tail.rev && change.event_id != tail.event_id) {
            self.suspect();
        }
    }

    /// Changes may have been missed.
    pub fn suspect(&mut self) {
        self.behind = true;
        self.queue.clear();
    }

    /// A connection goes on from here. What is being told does not go on past it: see [`is_next`](Self::is_next).
    pub fn rewind(&mut self, from: Position) {
        let Some(last) = self.last.filter(|last| *last != from) else { return };
        self.suspect();
        if from.rev < last.rev && self.back.is_none_or(|back| from.rev < back.rev) {
            self.back = Some(from);
        }
    }

    /// The log still holds all that was told: now it may be told from further back. `false`: that is not needed.
    pub fn go_back(&mut self) -> bool {
        let Some(back) = self.back.take() else { return false };
        self.last = Some(back);
        self.suspect();
        true
    }

    /// The log cannot be told from where it was left: it goes on from its head.
    pub fn reset(&mut self, head: Position) {
        *self = Self { last: Some(head), telling: self.telling, ..Self::default() };
    }

    /// May this be told now? Not when a connection went live before it meanwhile.
    pub fn is_next(&self, position: Position) -> bool {
        self.back.is_none() && self.last.is_some_and(|last| position.rev == last.rev + 1)
    }

    /// `true`: there is something to do and nobody doing it; the caller starts the task.
    pub fn start(&mut self) -> bool {
        let idle = self.last.is_none() || (!self.behind && self.queue.is_empty());
        !idle && !std::mem::replace(&mut self.telling, true)
    }

    pub fn next_step(&mut self) -> Next {
        match self.last {
            Some(last) if std::mem::take(&mut self.behind) => Next::Read(last),
            Some(_) if !self.queue.is_empty() => Next::Tell(self.queue.iter().cloned().collect()),
            _ => {
                self.telling = false;
                Next::End
            }
        }
    }

    /// This one has been told, if it is the next; `false`: it is not.
    pub fn told(&mut self, position: Position) -> bool {
        if !self.is_next(position) {
            return false;
        }
        self.last = Some(position);
        while self.queue.front().is_some_and(|change| change.rev <= position.rev) {
            self.queue.pop_front();
        }
        self.behind |= self.queue.front().is_some_and(|change| change.rev > position.rev + 1);
        true
    }
}

#[cfg(test)]
mod tests {
    use shared::EventId;
    use store::UserChangeBody;

    use super::*;

    fn named(rev: u64, event_id: u64) -> UserChange {
        UserChange { rev, event_id: EventId::from_bits(event_id), body: UserChangeBody::Nothing }
    }

    fn change(rev: u64) -> UserChange {
        named(rev, rev)
    }

    fn at(rev: u64) -> Own {
        let mut own = Own::default();
        own.begin(change(rev).position());
        own
    }

    #[test]
    fn changes_are_told_in_order_and_once_by_one_task() {
        let mut own = at(3);
        own.take(&change(3));
        assert!(!own.start(), "an old one is nothing to do");
        own.take(&change(4));
        own.take(&change(5));
        assert!(own.start() && !own.start());
        assert_eq!(own.next_step(), Next::Tell(vec![change(4), change(5)]));
        own.take(&change(6));
        assert!(!own.start(), "the task that is there takes it along");
        assert!(own.told(change(4).position()) && own.told(change(5).position()));
        assert_eq!(own.next_step(), Next::Tell(vec![change(6)]));
        assert!(own.told(change(6).position()));
        assert_eq!(own.next_step(), Next::End);
        assert_eq!(own.last(), Some(change(6).position()));
    }

    #[test]
    fn a_jump_another_event_of_the_same_number_and_a_full_queue_are_read_from_the_log() {
        for surprise in [change(5), named(3, 99)] {
            let mut own = at(3);
            own.take(&surprise);
            assert!(own.start());
            assert_eq!(own.next_step(), Next::Read(change(3).position()), "{surprise:?}");
        }
        let mut own = at(0);
        (1..=QUEUED_CHANGES as u64 + 1).for_each(|rev| own.take(&change(rev)));
        assert!(own.start());
        assert_eq!(own.next_step(), Next::Read(change(0).position()));
    }

    #[test]
    fn what_comes_while_the_log_is_read_is_neither_lost_nor_told_twice() {
        let mut own = at(3);
        own.take(&change(6));
        assert!(own.start());
        assert_eq!(own.next_step(), Next::Read(change(3).position()));
        own.take(&change(4));
        own.take(&change(7));
        (4..=6).for_each(|rev| assert!(own.told(change(rev).position())));
        assert_eq!(own.next_step(), Next::Read(change(6).position()), "7 was not the next at that time");
        assert!(own.told(change(7).position()));
        assert_eq!(own.next_step(), Next::End);
    }

    #[test]
    fn who_goes_live_further_back_is_told_from_there_though_a_batch_is_being_told() {
        let mut own = at(4);
        (5..=7).for_each(|rev| own.take(&change(rev)));
        assert!(own.start());
        assert_eq!(own.next_step(), Next::Tell((5..=7).map(change).collect()));
        assert!(own.told(change(5).position()) && own.is_next(change(6).position()));
        own.rewind(change(4).position());
        assert!(!own.is_next(change(6).position()) && !own.told(change(6).position()));
        assert_eq!(own.next_step(), Next::Read(change(5).position()), "does the log still hold what was told?");
        assert!(own.go_back() && !own.go_back());
        assert_eq!(own.next_step(), Next::Read(change(4).position()));
        assert!(own.told(change(5).position()) && own.told(change(6).position()));
    }

    #[test]
    fn what_comes_before_the_head_is_known_waits_for_it() {
        let mut own = Own::default();
        own.take(&change(1));
        assert!(!own.start());
        own.begin(change(1).position());
        assert!(own.start());
        assert_eq!(own.next_step(), Next::Read(change(1).position()));
    }
}
