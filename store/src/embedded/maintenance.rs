//! Sweeping, closing and health. Every operation is one command, so there are never intents to settle.

use std::{ops::ControlFlow, time::Duration};

use async_trait::async_trait;
use shared::Timestamp;
use tokio::time::Instant;

use super::{
    Embedded, READERS, codec, ending,
    keys::{self, Key, Space, Span},
    kv::{Order, Read},
    log::day,
    notify_queue::nothing_in,
    retention, secrets, signing_keys,
    tx::Tx,
};
use crate::{Finding, Health, Maintenance, Result, StoreError, log::DEDUPE_KEPT};

/// Keys of one kind that one command removes, and commands of one kind in one sweep: a sweep never holds the writer
/// for long, and what is left is for the next.
pub(super) const STEP: usize = 500;
const STEPS: usize = 40;
/// How long the state of a job that is over can be asked for.
const STATES_KEPT: Duration = Duration::from_secs(7 * 24 * 3600);
/// A writer that does not answer in this time cannot be written to.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(5);

/// Removes up to [`STEP`] things that ended; says how many.
type Step = fn(&mut Tx, Timestamp) -> Result<usize>;

/// The first keys of a span.
fn first_keys(tx: &Tx, span: &Span) -> Result<Vec<Vec<u8>>> {
    tx.collect(span, Order::Ascending, STEP, |key, _| Ok(key.to_vec()))
}

fn delete(tx: &mut Tx, bytes: Vec<u8>) {
    tx.delete(Key { space: Space::State, bytes });
}

/// The days that cannot hold a known key any more.
fn old_dedupe_keys(now: Timestamp) -> Span {
    keys::dedupe_before(day(now.before(DEDUPE_KEPT)))
}

fn sweep_dedupe(tx: &mut Tx, now: Timestamp) -> Result<usize> {
    let old = first_keys(tx, &old_dedupe_keys(now))?;
    let swept = old.len();
    old.into_iter().for_each(|key| delete(tx, key));
    Ok(swept)
}

fn sweep_sessions(tx: &mut Tx, now: Timestamp) -> Result<usize> {
    let ended = first_keys(tx, &keys::expired_sessions(now))?;
    let swept = ended.len();
    for key in ended {
        tx.delete(keys::session_of_expiry(&key));
        delete(tx, key);
    }
    Ok(swept)
}

fn sweep_secrets(tx: &mut Tx, now: Timestamp) -> Result<usize> {
    let ended = first_keys(tx, &keys::ended_secrets(now))?;
    let swept = ended.len();
    for key in ended {
        secrets::sweep_user(tx, &key, now)?;
        delete(tx, key);
    }
    Ok(swept)
}

/// What deleted and removed messages left behind.
fn sweep_leavings(tx: &mut Tx, _: Timestamp) -> Result<usize> {
    let mut swept = 0;
    for leaving in first_keys(tx, &keys::leavings())? {
        let room = STEP - swept;
        let left = tx.collect(&keys::left_behind(&leaving), Order::Ascending, room, |key, _| Ok(key.to_vec()))?;
        swept += left.len();
        let is_all = left.len() < room;
        left.into_iter().for_each(|key| delete(tx, key));
        if !is_all {
            break;
        }
        delete(tx, leaving);
        swept += 1;
    }
    Ok(swept)
}

fn sweep_states(tx: &mut Tx, now: Timestamp) -> Result<usize> {
    let over = first_keys(tx, &keys::jobs_over_until(now.before(STATES_KEPT)))?;
    let swept = over.len();
    for key in over {
        let name = keys::job_name(&key).ok_or_else(|| codec::corrupt("job key"))?;
        tx.delete(keys::job_state(name));
        delete(tx, key);
    }
    Ok(swept)
}

/// There is no index by expiry: there are a handful of keys.
fn sweep_signing_keys(tx: &mut Tx, now: Timestamp) -> Result<usize> {
    let mut ended = Vec::new();
    tx.scan(&keys::signing_keys(), Order::Ascending, &mut |key, row| {
        if signing_keys::decode(row)?.0 <= now {
            ended.push(key.to_vec());
        }
        Ok(if ended.len() < STEP { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })?;
    let swept = ended.len();
    ended.into_iter().for_each(|key| delete(tx, key));
    Ok(swept)
}

impl Embedded {
    async fn sweep_all(&self, step: Step, now: Timestamp) -> Result<()> {
        for _ in 0..STEPS {
            if self.write(move |tx| step(tx, now)).await? < STEP {
                break;
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Maintenance for Embedded {
    async fn sweep(&self, now: Timestamp) -> Result<usize> {
        let jobs: [(Span, Step); 7] = [
            (keys::ending_until(now), ending::sweep),
            (keys::leavings(), sweep_leavings),
            (old_dedupe_keys(now), sweep_dedupe),
            (keys::expired_sessions(now), sweep_sessions),
            (keys::ended_secrets(now), sweep_secrets),
            (keys::jobs_over_until(now.before(STATES_KEPT)), sweep_states),
            (keys::signing_keys(), sweep_signing_keys),
        ];
        for (span, step) in jobs {
            if !self.read(move |read| nothing_in(read, &span)).await? {
                self.sweep_all(step, now).await?;
            }
        }
        self.buckets.lock().prune(Instant::now());
        self.presence.lock().forget_idle(now);
        Ok(0)
    }

    async fn trim(&self, now: Timestamp, limit: usize) -> Result<usize> {
        let mut removed = 0;
        for room in self.read(move |read| retention::overfull_rooms(read, now, limit)).await? {
            while removed < limit {
                let step = retention::MESSAGES_A_STEP.min(limit - removed);
                let done = self.write(move |tx| retention::trim(tx, room, now, step)).await?;
                removed += done;
                if done < step {
                    break;
                }
            }
        }
        Ok(removed)
    }

    async fn close(&self) -> Result<()> {
        let drained = self.writer.close().await;
        self.dispatcher.close();
        // All permits: no reader holds the database any more. One that comes later finds the semaphore closed.
        let _all = self.readers.acquire_many(READERS).await;
        self.readers.close();
        let kv = self.kv.lock().take();
        // Waits for the database's own threads.
        let dropped = tokio::task::spawn_blocking(move || drop(kv)).await;
        drained?;
        dropped.map_err(|e| StoreError::Unexpected(anyhow::Error::new(e).context("close the database")))
    }
}

#[async_trait]
impl Health for Embedded {
    async fn check(&self) -> Result<Vec<Finding>> {
        // Written with the value it has: the cost of one commit.
        let write = self.write(|tx| {
            let format = tx.get(&keys::format())?.ok_or_else(|| codec::corrupt("format version"))?;
            tx.put(keys::format(), format)
        });
        match tokio::time::timeout(HEALTH_TIMEOUT, write).await {
            Ok(written) => written.map(|()| Vec::new()),
            Err(_) => Err(StoreError::Unavailable(anyhow::anyhow!("the writer does not answer"))),
        }
    }
}
