//! What a loop does while the store is away: says so once, counts, and waits longer each time.

use std::time::Duration;

use domain::{DomainError, outage};

use crate::retry;

const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Failures in a row of one loop.
pub struct Outage {
    what: &'static str,
    row: outage::Outage,
}

impl Outage {
    pub fn new(what: &'static str) -> Self {
        Self { what, row: outage::Outage::new(what) }
    }

    /// It failed (again): how long to wait.
    pub fn failed(&mut self, e: &DomainError) -> Duration {
        metrics::counter!("chatapp_notification_loop_failures_total", "loop" => self.what).increment(1);
        let failures = self.row.failed(e);
        // Half of it fixed, or an outage would begin with a burst of tries.
        let longest = retry::ceiling(FIRST_WAIT, LONGEST_WAIT, failures);
        longest.mul_f64(0.5 + rand::random::<f64>() / 2.0)
    }

    /// It worked.
    pub fn over(&mut self) {
        self.row.over();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_start_anew_after_it_worked() {
        let mut outage = Outage::new("work");
        let e = DomainError::Unavailable(anyhow::anyhow!("gone"));
        let first = outage.failed(&e);
        assert!(first >= FIRST_WAIT / 2 && first <= FIRST_WAIT);
        let last = (0..50).map(|_| outage.failed(&e)).last().unwrap();
        assert!(last >= LONGEST_WAIT / 2 && last <= LONGEST_WAIT);
        outage.over();
        assert!(outage.failed(&e) <= FIRST_WAIT);
    }
}
