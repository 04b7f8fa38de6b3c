//! When a failed attempt is made again: exponential backoff with full jitter, so that what failed together does not
//! come back together.

use std::time::Duration;

/// How often and how soon jobs are tried, and how long a claim holds.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// The first wait is at most this; each further one at most twice the one before.
    pub base: Duration,
    /// No wait is longer (but for one that the other side asked for).
    pub cap: Duration,
    /// After so many attempts a job has failed. A claim whose holder died counts as one.
    pub attempts: u32,
    /// A job claimed for longer than this is anybody's. No delivery takes more than half of it.
    pub lease: Duration,
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            base: Duration::from_secs(1),
            cap: Duration::from_secs(5 * 60),
            attempts: 10,
            lease: Duration::from_secs(60),
        }
    }
}

impl Schedule {
    /// The wait after attempt number `attempt` (from 1); `random` is uniform in 0..1.
    pub fn wait(&self, attempt: u32, random: f64) -> Duration {
        ceiling(self.base, self.cap, attempt).mul_f64(random)
    }
}

/// The longest wait after so many (from 1) failures in a row.
pub fn ceiling(base: Duration, cap: Duration, failures: u32) -> Duration {
    let doubled = 2u32.saturating_pow(failures.saturating_sub(1));
    base.saturating_mul(doubled).min(cap)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_wait_doubles_up_to_the_cap() {
        let schedule = Schedule::default();
        let longest = |attempt| schedule.wait(attempt, 1.0).as_secs();
        let waits: Vec<u64> = (1..=10).map(longest).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
        assert_eq!(longest(u32::MAX), 300);
    }

    #[test]
    fn the_jitter_covers_the_whole_wait() {
        let schedule = Schedule::default();
        assert_eq!(schedule.wait(3, 0.0), Duration::ZERO);
        assert_eq!(schedule.wait(3, 0.5), Duration::from_secs(2));
    }
}
