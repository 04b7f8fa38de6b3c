//! What a run found, for people and for programs.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;

use super::{Counts, Plan, breach::Breaches, meter::Latency};

/// The outcome of a run.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// No breach of any kind.
    pub passed: bool,
    /// Messages, however often each was tried.
    pub sent: u64,
    pub acknowledged: u64,
    /// Acknowledged edits, deletions and reactions.
    pub changes: u64,
    /// Events of new messages at others than their author.
    pub delivered: u64,
    pub lost: u64,
    pub doubled: u64,
    pub reordered: u64,
    /// Changes that a member was never told of.
    pub holes: u64,
    /// Members' states that differ from the history.
    pub diverged: u64,
    /// Unread or mention counts, or read marks, that are not right.
    pub unread_wrong: u64,
    /// Connections this tool cut.
    pub cuts: u64,
    /// Connections that ended, however.
    pub disconnects: u64,
    pub resumes: u64,
    /// Times the server said: fetch the room anew.
    pub resets: u64,
    /// By code; they are answers, not breaches.
    pub errors: BTreeMap<String, u64>,
    pub latency_ms: Latency,
    pub users: usize,
    pub rooms: usize,
    /// How long the load lasted.
    pub seconds: f64,
    pub seed: u64,
    /// The first breaches, in words.
    pub examples: Vec<String>,
}

impl Report {
    pub(super) fn new(plan: &Plan, counts: &Counts, breaches: &Breaches, latency_ms: Latency, seconds: f64) -> Self {
        Self {
            passed: breaches.total() == 0,
            sent: counts.tally.sent,
            acknowledged: counts.tally.acknowledged,
            changes: counts.tally.changes,
            delivered: counts.tally.delivered,
            lost: breaches.lost,
            doubled: breaches.doubled,
            reordered: breaches.reordered,
            holes: breaches.holes,
            diverged: breaches.diverged,
            unread_wrong: breaches.unread_wrong,
            cuts: counts.cuts,
            disconnects: counts.disconnects,
            resumes: counts.resumes,
            resets: counts.tally.resets,
            errors: counts.errors.clone(),
            latency_ms,
            users: plan.users,
            rooms: plan.rooms,
            seconds: (seconds * 10.0).round() / 10.0,
            seed: plan.seed,
            examples: breaches.examples.clone(),
        }
    }

    /// One JSON object, over several lines.
    pub fn to_json(&self) -> String {
        // Plain values with text as keys: it cannot fail.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}

/// A table for a person.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Latency { p50, p99, p999, samples } = self.latency_ms;
        writeln!(f, "  {} users in {} rooms for {:.1} s, seed {}\n", self.users, self.rooms, self.seconds, self.seed)?;
        for (name, value) in [
            ("sent", self.sent),
            ("acknowledged", self.acknowledged),
            ("edits, deletions, reactions", self.changes),
            ("delivered to others", self.delivered),
            ("connections cut", self.cuts),
            ("connections lost in all", self.disconnects),
            ("resumed", self.resumes),
            ("reset by the server", self.resets),
        ] {
            writeln!(f, "  {name:<28}{value:>10}")?;
        }
        for (code, times) in &self.errors {
            writeln!(f, "  {:<28}{times:>10}", format!("error {code}"))?;
        }
        writeln!(f, "  {:<28}{p50:>10.1}  p99 {p99:.1}  p99.9 {p999:.1}  of {samples}", "latency in ms, p50")?;
        writeln!(f)?;
        for (name, value) in [
            ("lost", self.lost),
            ("doubled", self.doubled),
            ("reordered", self.reordered),
            ("holes", self.holes),
            ("diverged", self.diverged),
            ("unread wrong", self.unread_wrong),
        ] {
            writeln!(f, "  {name:<28}{value:>10}{}", if value > 0 { "  <- broken" } else { "" })?;
        }
        for example in &self.examples {
            write!(f, "\n  {example}")?;
        }
        let verdict = if self.passed { "The promise was kept." } else { "\nThe promise was BROKEN." };
        write!(f, "\n  {verdict}")
    }
}
