//! What the promise forbids, counted, with a few examples of each.

use std::fmt;

/// A way to break the promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breach {
    /// Acknowledged, and not in the history as it was acknowledged.
    Lost,
    /// Stored twice, or told twice on one connection.
    Doubled,
    /// Told, or numbered, in another order than it was written.
    Reordered,
    /// A change that a member was never told of, nor told to fetch.
    Hole,
    /// What a member built from events differs from the history.
    Diverged,
    /// An unread or mention count that a fresh reader of the history would not give.
    UnreadWrong,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::Lost => "lost",
            Self::Doubled => "doubled",
            Self::Reordered => "reordered",
            Self::Hole => "hole",
            Self::Diverged => "diverged",
            Self::UnreadWrong => "unread wrong",
        })
    }
}

/// Breaches of all kinds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Breaches {
    pub lost: u64,
    pub doubled: u64,
    pub reordered: u64,
    pub holes: u64,
    pub diverged: u64,
    pub unread_wrong: u64,
    /// The first of each kind, in words; at most [`EXAMPLES`] in all.
    pub examples: Vec<String>,
}

/// More would only say the same again.
const EXAMPLES: usize = 24;
/// Of one kind, so that each kind that occurs has some.
const EXAMPLES_OF_A_KIND: u64 = 4;

impl Breaches {
    /// Notes one.
    pub fn note(&mut self, breach: Breach, what: impl fmt::Display) {
        self.note_many(breach, 1, what);
    }

    /// Notes `count` that have one description.
    pub fn note_many(&mut self, breach: Breach, count: u64, what: impl fmt::Display) {
        let counter = self.counter(breach);
        let first = *counter < EXAMPLES_OF_A_KIND;
        *counter += count;
        if first && count > 0 && self.examples.len() < EXAMPLES {
            self.examples.push(format!("{breach}: {what}"));
        }
    }

    /// Adds those of another.
    pub fn add(&mut self, other: &Self) {
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.reordered += other.reordered;
        self.holes += other.holes;
        self.diverged += other.diverged;
        self.unread_wrong += other.unread_wrong;
        self.examples.extend(other.examples.iter().cloned());
        self.examples.truncate(EXAMPLES);
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.lost + self.doubled + self.reordered + self.holes + self.diverged + self.unread_wrong
    }

    fn counter(&mut self, breach: Breach) -> &mut u64 {
        match breach {
            Breach::Lost => &mut self.lost,
            Breach::Doubled => &mut self.doubled,
            Breach::Reordered => &mut self.reordered,
            Breach::Hole => &mut self.holes,
            Breach::Diverged => &mut self.diverged,
            Breach::UnreadWrong => &mut self.unread_wrong,
        }
    }
}
