//! What every process does beside serving: renews its lease and its signing key, settles what dead processes left
//! half done, publishes that users are gone once their grace has passed, and removes what rooms do not keep and guests who
//! were not seen for long.

use std::{convert::Infallible, time::Duration};

use shared::Timestamp;
use store::Maintenance;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::{Domain, Result, outage::Outage};

/// How often a signing key is published again.
pub const KEY_BEAT: Duration = Duration::from_secs(60);
/// A lease is renewed so many times before it would end.
const BEATS_A_LEASE: u32 = 6;
/// How often half-done work of dead processes is looked for.
const SWEEP: Duration = Duration::from_secs(5);
/// How often users who are due are looked for: their grace has passed, or they have looked away for long.
const DUE_TICK: Duration = Duration::from_millis(500);
/// How often guests who were not seen for long are looked for.
const GUESTS: Duration = Duration::from_secs(60);
/// A user taken to be settled is not given to another process for so long.
const DUE_LEASE: Duration = Duration::from_secs(5);
/// Users handled in one tick; the rest come with the next.
const USERS_A_TICK: usize = 500;

/// How often files that nothing has any more, and deletions that are not over, are looked for.
const FILES_TICK: Duration = Duration::from_secs(15);

/// Messages removed in one step of the store, so that it is free for others in between.
const MESSAGES_A_STEP: usize = 1000;
/// Steps in one tick; the rest comes with the next.
const STEPS_A_TICK: usize = 100;
/// So many steps in a row that find nothing end a tick. One is not enough: a step looks at some of the rooms only, those
/// that have waited longest.
const QUIET_STEPS: usize = 8;

/// What a draining server tells a client to wait before it connects again: 0 to 5 s at random, so that a deploy is no
/// stampede.
pub fn reconnect_after() -> Duration {
    Duration::from_millis(rand::random_range(0..5000))
}

/// Runs until `shutdown`; failures of the store are logged and tried again with the next tick.
pub async fn run(domain: Domain, shutdown: CancellationToken) {
    let lease = Duration::from_secs(domain.settings.presence.lease_seconds);
    let retention = Duration::from_secs(domain.settings.store.retention_seconds);
    tokio::join!(
        every(KEY_BEAT, &shutdown, "publish the signing key", || domain.identity.republish_key()),
        every(lease / BEATS_A_LEASE, &shutdown, "renew the lease", || domain.presence.beat(lease)),
        every(SWEEP, &shutdown, "sweep", || sweep(&domain)),
        every(retention, &shutdown, "remove old messages", || trim(&*domain.store.maintenance)),
        every(GUESTS, &shutdown, "remove idle guests", || remove_idle_guests(&domain)),
        every(DUE_TICK, &shutdown, "settle presence", || settle_due(&domain)),
    );
}

/// What a process that has the files does beside it: removes those that nothing has any more, and ends deletions of
/// accounts, with which files go. May be dropped at any time.
pub async fn clean_files(domain: &Domain) -> Infallible {
    every(FILES_TICK, &CancellationToken::new(), "remove files", || remove_files(domain)).await;
    std::future::pending().await
}

/// The last thing a process does with an open store: gives its lease back, and settles whom it leaves.
pub async fn leave(domain: &Domain) -> Result<()> {
    domain.presence.leave(USERS_A_TICK).await?;
    settle_due(domain).await
}

async fn every<F, Fut>(period: Duration, shutdown: &CancellationToken, what: &'static str, mut work: F)
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<()>>,
{
    let mut outage = Outage::new(what);
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = ticks.tick() => {}
        }
        match work().await {
            Ok(()) => outage.over(),
            Err(e) => drop(outage.failed(&e)),
        }
    }
}

async fn sweep(domain: &Domain) -> Result<()> {
    let settled = domain.store.maintenance.sweep(Timestamp::now()).await?;
    if settled > 0 {
        tracing::info!(settled, "settled what processes left half done");
    }
    let touched = domain.presence.reap(USERS_A_TICK).await?;
    if touched > 0 {
        tracing::info!(touched, "took over users of a process that died");
    }
    Ok(())
}

async fn remove_idle_guests(domain: &Domain) -> Result<()> {
    let removed = domain.accounts.remove_idle_guests(Timestamp::now()).await?;
    if removed > 0 {
        tracing::info!(removed, "removed guests who were not seen for long");
    }
    Ok(())
}

async fn trim(maintenance: &dyn Maintenance) -> Result<()> {
    let (mut removed, mut quiet) = (0, 0);
    for _ in 0..STEPS_A_TICK {
        let step = maintenance.trim(Timestamp::now(), MESSAGES_A_STEP).await?;
        removed += step;
        quiet = if step == 0 { quiet + 1 } else { 0 };
        if quiet == QUIET_STEPS {
            break;
        }
    }
    if removed > 0 {
        tracing::info!(removed, "removed messages that their rooms do not keep");
    }
    Ok(())
}

async fn remove_files(domain: &Domain) -> Result<()> {
    let ended = domain.accounts.end_deletions(Timestamp::now(), &domain.files).await;
    let removed = domain.files.clean().await?;
    if removed > 0 {
        tracing::info!(removed, "removed files that nothing has any more");
    }
    ended.map(drop)
}

async fn settle_due(domain: &Domain) -> Result<()> {
    let users = domain.store.presence.due_users(Timestamp::now(), DUE_LEASE, USERS_A_TICK).await?;
    for user in users {
        domain.presence.settle_due(user).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use async_trait::async_trait;

    use super::*;

    /// Has something to remove in these steps only.
    struct Scripted {
        full: Vec<usize>,
        steps: AtomicUsize,
    }

    #[async_trait]
    impl Maintenance for Scripted {
        async fn sweep(&self, _: Timestamp) -> store::Result<usize> {
            Ok(0)
        }

        async fn trim(&self, _: Timestamp, limit: usize) -> store::Result<usize> {
            let step = self.steps.fetch_add(1, Relaxed);
            Ok(if self.full.contains(&step) { limit } else { 0 })
        }

        async fn close(&self) -> store::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn quiet_rooms_do_not_keep_the_others_waiting_and_a_tick_has_an_end() {
        for (full, steps) in
            [(vec![], QUIET_STEPS), (vec![0, 5, 12], 13 + QUIET_STEPS), ((0..1000).collect(), STEPS_A_TICK)]
        {
            let store = Scripted { full, steps: AtomicUsize::new(0) };
            trim(&store).await.unwrap();
            assert_eq!(store.steps.load(Relaxed), steps, "{:?}", store.full);
        }
    }
}
