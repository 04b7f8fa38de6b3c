//! Token buckets, in memory. A bucket is one moment: when it will be full again. One that is full is not kept.

use std::{collections::HashMap, time::Duration};

use async_trait::async_trait;
use tokio::time::Instant;

use super::Embedded;
use crate::{Limits, Result, Taken};

/// Buckets kept before the full ones are looked for again.
const PRUNE_FROM: usize = 1024;

/// By key: when the bucket is full.
#[derive(Default)]
pub(super) struct Buckets {
    full_at: HashMap<String, Instant>,
    /// Looking for full ones costs one walk, so only when there are twice as many as the last walk left.
    prune_at: usize,
}

impl Buckets {
    /// Drops the buckets that are full again.
    pub(super) fn prune(&mut self, now: Instant) {
        self.full_at.retain(|_, full_at| *full_at > now);
        self.prune_at = PRUNE_FROM.max(2 * self.full_at.len());
    }

    fn take(&mut self, key: &str, (burst, refill): (u32, Duration), want: u32, now: Instant) -> Taken {
        if burst == 0 {
            return Taken { granted: 0, retry_after: if want == 0 { Duration::ZERO } else { refill } };
        }
        let one = refill / burst;
        // What is missing, in time; a bucket made smaller since is no emptier than empty.
        let missing = self.full_at.get(key).map_or(Duration::ZERO, |at| at.saturating_duration_since(now)).min(refill);
        let has = if one.is_zero() {
            burst
        } else {
            let tokens = (refill - missing).as_nanos() / one.as_nanos();
            u32::try_from(tokens).unwrap_or(burst).min(burst)
        };
        let granted = want.min(has);
        if granted > 0 {
            if self.full_at.len() >= self.prune_at.max(PRUNE_FROM) {
                self.prune(now);
            }
            self.full_at.insert(key.to_owned(), now + missing + one * granted);
        }
        let retry_after = if granted > 0 || want == 0 { Duration::ZERO } else { one.saturating_sub(refill - missing) };
        Taken { granted, retry_after }
    }
}

impl Buckets {
    fn give_back(&mut self, key: &str, (burst, refill): (u32, Duration), count: u32, now: Instant) {
        let Some(full_at) = self.full_at.get_mut(key) else { return };
        match full_at.checked_sub(refill / burst.max(1) * count) {
            Some(sooner) if sooner > now => *full_at = sooner,
            _ => drop(self.full_at.remove(key)),
        }
    }
}

#[async_trait]
impl Limits for Embedded {
    async fn take(&self, key: &str, burst: u32, refill: Duration, want: u32) -> Result<Taken> {
        Ok(self.buckets.lock().take(key, (burst, refill), want, Instant::now()))
    }

    async fn give_back(&self, key: &str, burst: u32, refill: Duration, count: u32) -> Result<()> {
        self.buckets.lock().give_back(key, (burst, refill), count, Instant::now());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: (u32, Duration) = (10, Duration::from_secs(10));

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn a_bucket_gives_its_burst_then_what_flows_in() {
        let (mut buckets, start) = (Buckets::default(), Instant::now());
        let mut take = |want, at| buckets.take("alice", RATE, want, start + at);
        assert_eq!(take(7, seconds(0)), Taken { granted: 7, retry_after: Duration::ZERO });
        assert_eq!(take(7, seconds(0)).granted, 3);
        assert_eq!(take(1, seconds(0)), Taken { granted: 0, retry_after: seconds(1) });
        let later = Duration::from_millis(1400);
        assert_eq!(take(5, later).granted, 1);
        assert_eq!(take(5, later), Taken { granted: 0, retry_after: Duration::from_millis(600) });
        assert_eq!(take(50, seconds(100)).granted, 10);
    }

    #[test]
    fn buckets_are_apart_and_nothing_wanted_takes_nothing() {
        let (mut buckets, now) = (Buckets::default(), Instant::now());
        assert_eq!(buckets.take("alice", RATE, 10, now).granted, 10);
        assert_eq!(buckets.take("bob", RATE, 10, now).granted, 10);
        assert_eq!(buckets.take("carol", RATE, 0, now), Taken { granted: 0, retry_after: Duration::ZERO });
        assert_eq!(buckets.take("carol", (0, seconds(1)), 1, now).granted, 0);
        assert_eq!(buckets.take("carol", (5, Duration::ZERO), 9, now).granted, 5);
    }

    #[test]
    fn full_buckets_are_not_kept() {
        let (mut buckets, start) = (Buckets::default(), Instant::now());
        for i in 0..u32::try_from(4 * PRUNE_FROM).unwrap() {
            buckets.take(&i.to_string(), RATE, 1, start + seconds(u64::from(i)));
        }
        assert!(buckets.full_at.len() <= PRUNE_FROM, "{}", buckets.full_at.len());
    }
}
