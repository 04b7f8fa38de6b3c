//! The order of one room's messages at one member.

use std::ops::Range;

/// Holes remembered for one member and room; of more, what comes late is taken for doubled.
const MAX_HOLES: usize = 64;

/// How far a member has been told of a room whose messages are numbered from 1 without gaps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Track {
    next: u64,
    /// Skipped so far, in order.
    holes: Vec<Range<u64>>,
}

/// How a message came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// Later than all before it.
    Next,
    /// After a later one.
    Late,
    /// It was here before.
    Again,
}

impl Track {
    /// Everything up to `seq` is known.
    pub fn after(seq: u64) -> Self {
        Self { next: seq + 1, holes: Vec::new() }
    }

    /// Message `seq` comes.
    pub fn take(&mut self, seq: u64) -> Arrival {
        if seq >= self.next {
            if seq > self.next && self.holes.len() < MAX_HOLES {
                self.holes.push(self.next..seq);
            }
            self.next = seq + 1;
            return Arrival::Next;
        }
        let Some(at) = self.holes.iter().position(|hole| hole.contains(&seq)) else { return Arrival::Again };
        let hole = self.holes.remove(at);
        let parts = [hole.start..seq, seq + 1..hole.end];
        self.holes.splice(at..at, parts.into_iter().filter(|part| !part.is_empty()));
        Arrival::Late
    }

    /// The last message that came.
    pub fn last(&self) -> u64 {
        self.next - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(track: &mut Track, seqs: &[u64]) -> Vec<Arrival> {
        seqs.iter().map(|seq| track.take(*seq)).collect()
    }

    #[test]
    fn messages_in_order_are_next() {
        let mut track = Track::after(4);
        assert_eq!(take(&mut track, &[5, 6, 7]), [Arrival::Next; 3]);
        assert_eq!(track.last(), 7);
    }

    #[test]
    fn what_comes_after_a_later_one_is_late_and_then_it_is_here() {
        use Arrival::*;
        let mut track = Track::after(0);
        assert_eq!(
            take(&mut track, &[1, 6, 3, 2, 3, 4, 5, 5, 7]),
            [Next, Next, Late, Late, Again, Late, Late, Again, Next]
        );
        assert!(track.holes.is_empty());
    }

    #[test]
    fn what_was_here_comes_again() {
        let mut track = Track::after(2);
        assert_eq!(take(&mut track, &[2, 3, 3]), [Arrival::Again, Arrival::Next, Arrival::Again]);
    }

    #[test]
    fn holes_are_bounded() {
        let mut track = Track::after(0);
        assert!((1..=1000).all(|n| track.take(n * 2) == Arrival::Next));
        assert_eq!(track.holes.len(), MAX_HOLES);
    }
}
