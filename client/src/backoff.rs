//! How long to wait before the next attempt: exponential with full jitter, so that the clients of a server that
//! went away do not come back all at once.

use std::time::Duration;

/// Delays of one series of attempts: each uniform in `0..=min(cap, base · 2ⁿ)`.
#[derive(Debug, Clone)]
pub struct Backoff {
    base: Duration,
    cap: Duration,
    attempt: u32,
}

impl Backoff {
    /// The first delay is at most `base`, none is more than `cap`.
    pub fn new(base: Duration, cap: Duration) -> Self {
        Self { base, cap, attempt: 0 }
    }

    /// The next delay.
    pub fn next_delay(&mut self) -> Duration {
        self.delay_at(rand::random::<f64>())
    }

    /// Begins the series anew: an attempt succeeded.
    pub fn reset(&mut self) {
        self.attempt = 0;
    }

    /// The next delay for a random number in `0.0..1.0`.
    fn delay_at(&mut self, random: f64) -> Duration {
        let ceiling = self.base.saturating_mul(2u32.saturating_pow(self.attempt)).min(self.cap);
        self.attempt = self.attempt.saturating_add(1);
        ceiling.mul_f64(random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: Duration = Duration::from_millis(250);
    const CAP: Duration = Duration::from_secs(15);

    #[test]
    fn the_ceiling_doubles_up_to_the_cap_and_stays_there() {
        let mut backoff = Backoff::new(BASE, CAP);
        let ceilings: Vec<u128> = (0..8).map(|_| backoff.delay_at(1.0).as_millis()).collect();
        assert_eq!(ceilings, [250, 500, 1000, 2000, 4000, 8000, 15_000, 15_000]);
        for _ in 0..200 {
            assert_eq!(backoff.delay_at(1.0), CAP);
        }
    }

    #[test]
    fn the_jitter_takes_the_whole_range_down_to_zero() {
        let mut backoff = Backoff::new(BASE, CAP);
        assert_eq!(backoff.delay_at(0.0), Duration::ZERO);
        assert_eq!(backoff.delay_at(0.5), BASE);
    }

    #[test]
    fn delays_differ_between_clients() {
        let delays: std::collections::HashSet<_> = (0..50).map(|_| Backoff::new(BASE, CAP).next_delay()).collect();
        assert!(delays.len() > 40, "{} different delays of 50", delays.len());
    }

    #[test]
    fn a_reset_begins_the_series_anew() {
        let mut backoff = Backoff::new(BASE, CAP);
        for _ in 0..5 {
            backoff.next_delay();
        }
        backoff.reset();
        assert_eq!(backoff.delay_at(1.0), BASE);
    }
}
