//! A loop that fails says so once, not with every tick, and once when it works again.

use crate::DomainError;

/// Failures in a row of one loop.
pub struct Outage {
    /// What cannot be done, as `cannot {what}`.
    what: &'static str,
    failures: u32,
}

impl Outage {
    pub fn new(what: &'static str) -> Self {
        Self { what, failures: 0 }
    }

    /// It failed; the first of a row is logged. Gives how many that makes.
    pub fn failed(&mut self, e: &DomainError) -> u32 {
        if self.failures == 0 {
            tracing::warn!("cannot {}", self.what);
            e.log();
        }
        self.failures = self.failures.saturating_add(1);
        self.failures
    }

    /// It worked.
    pub fn over(&mut self) {
        if self.failures > 0 {
            tracing::info!(failures = self.failures, "can {} again", self.what);
            self.failures = 0;
        }
    }
}
