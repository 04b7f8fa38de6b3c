//! The order in which one device was told of a room's changes: each `rev` once, none left out.

use std::ops::RangeInclusive;

/// What the next `rev` says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It is at, or beyond, what follows; what was passed over is missing for now.
    Forward,
    /// From before the device began to watch, or covered by a refetch: says nothing.
    Known,
    /// It was told before.
    Again,
    /// A later one came before it.
    Late,
}

/// How far a device has come in a room's log.
#[derive(Debug)]
pub(super) struct Stream {
    /// Up to here the device was not told by events but fetched.
    start: u64,
    /// The newest told, or `start`.
    at: u64,
    /// Passed over; in order, not touching. A hole costs one entry, whatever its length.
    missing: Vec<RangeInclusive<u64>>,
    /// Missing where the server then said `reset`: the device was told to fetch.
    pub resets: u64,
}

impl Stream {
    pub fn new(start: u64) -> Self {
        Self { start, at: start, missing: Vec::new(), resets: 0 }
    }

    /// The newest `rev` told.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// The server said that the device must fetch; its events go on after `at`.
    pub fn reset(&mut self, at: u64) {
        *self = Self { resets: self.resets + 1, ..Self::new(at) };
    }

    pub fn take(&mut self, rev: u64) -> Step {
        if rev > self.at {
            if rev > self.at + 1 {
                self.missing.push(self.at + 1..=rev - 1);
            }
            self.at = rev;
            return Step::Forward;
        }
        if rev <= self.start {
            return Step::Known;
        }
        let Some(hole) = self.missing.iter().position(|hole| hole.contains(&rev)) else { return Step::Again };
        let hole = self.missing.remove(hole);
        let rest = [*hole.start()..=rev - 1, rev + 1..=*hole.end()];
        self.missing.extend(rest.into_iter().filter(|part| !part.is_empty()));
        Step::Late
    }

    /// Changes up to `head` that the device was never told of, in order.
    pub fn holes(&self, head: u64) -> Vec<RangeInclusive<u64>> {
        let mut holes = self.missing.clone();
        if head > self.at {
            holes.push(self.at + 1..=head);
        }
        holes.sort_by_key(|hole| *hole.start());
        holes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(start: u64, revs: &[u64]) -> (Stream, Vec<Step>) {
        let mut stream = Stream::new(start);
        let steps = revs.iter().map(|rev| stream.take(*rev)).collect();
        (stream, steps)
    }

    #[test]
    fn a_dense_stream_has_nothing_to_say() {
        let (stream, steps) = stream(3, &[4, 5, 6]);
        assert_eq!(steps, [Step::Forward, Step::Forward, Step::Forward]);
        assert_eq!((stream.at(), stream.holes(6)), (6, vec![]));
    }

    #[test]
    fn what_was_passed_over_is_a_hole_and_what_comes_later_is_late() {
        let (mut stream, steps) = stream(0, &[1, 5, 3]);
        assert_eq!(steps, [Step::Forward, Step::Forward, Step::Late]);
        assert_eq!(stream.holes(7), [2..=2, 4..=4, 6..=7]);
        assert_eq!(stream.take(3), Step::Again);
        assert_eq!(stream.take(2), Step::Late);
        assert_eq!(stream.holes(5), [4..=4]);
    }

    #[test]
    fn what_is_told_twice_is_seen_and_what_was_before_the_start_is_not_held_against_it() {
        let (_, steps) = stream(3, &[2, 4, 4, 3]);
        assert_eq!(steps, [Step::Known, Step::Forward, Step::Again, Step::Known]);
    }

    #[test]
    fn a_reset_forgives_what_was_missing_and_is_counted() {
        let (mut stream, _) = stream(0, &[1, 4]);
        stream.reset(9);
        assert_eq!((stream.holes(9), stream.resets), (vec![], 1));
        assert_eq!(stream.take(11), Step::Forward);
        assert_eq!(stream.holes(11), [10..=10]);
    }
}
