//! The durable outbox: a job's row, its place in the queue (due or claimed), and its state, which outlives it.

use std::time::Duration;

use async_trait::async_trait;
use shared::{InstanceId, NotificationId, Timestamp, UserId};

use super::{
    Embedded,
    codec::{self, Row, RowOut},
    keys::{self, JobName},
    kv::{Order, Read},
    mails,
    notify_queue::nothing_in,
    tx::Tx,
};
use crate::{Backlog, ClaimedJob, Job, JobState, Letter, Outbox, Result};

/// A job that is not over.
struct JobRow {
    job: Job,
    /// Claims so far.
    attempts: u32,
    place: Place,
}

/// Where a job stands in the queue.
#[derive(Clone, Copy)]
enum Place {
    /// From then on anybody may claim it.
    Due(Timestamp),
    /// Claimed then, under this name.
    Claimed(Timestamp, u64),
}

impl Place {
    fn key(self, name: JobName) -> keys::Key {
        match self {
            Self::Due(at) => keys::job_due(at, name),
            Self::Claimed(at, _) => keys::job_claimed(at, name),
        }
    }

    /// What the holder of the claim shows; random, so that a late one of an earlier claim is known.
    fn receipt(self) -> Option<String> {
        match self {
            Self::Due(_) => None,
            Self::Claimed(_, receipt) => Some(format!("{receipt:016x}")),
        }
    }
}

impl JobRow {
    fn name(&self) -> JobName {
        (self.job.id, self.job.user)
    }

    fn encode(&self) -> Result<Vec<u8>> {
        let row = RowOut::default().bytes(&self.attempts.to_be_bytes());
        let row = match self.place {
            Place::Due(at) => row.byte(0).time(at),
            Place::Claimed(at, receipt) => row.byte(1).time(at).number(receipt),
        };
        Ok(row.bytes(&codec::to_json(&self.job)?).done())
    }

    fn decode(bytes: &[u8]) -> Result<Self> {
        let mut row = Row::new(bytes, "job");
        let attempts = u32::from_be_bytes(row.take()?);
        let place = match row.byte()? {
            0 => Place::Due(row.time()?),
            1 => Place::Claimed(row.time()?, row.number()?),
            _ => return Err(codec::corrupt("job")),
        };
        Ok(Self { job: codec::from_json(row.rest())?, attempts, place })
    }

    fn find(read: &impl Read, name: JobName) -> Result<Option<Self>> {
        read.get(&keys::job(name))?.map(|row| Self::decode(&row)).transpose()
    }

    fn put(&self, tx: &mut Tx) -> Result<()> {
        tx.put(self.place.key(self.name()), Vec::new())?;
        tx.put(keys::job(self.name()), self.encode()?)
    }

    /// Puts it at another place in the queue.
    fn move_to(&mut self, tx: &mut Tx, place: Place) -> Result<()> {
        tx.delete(self.place.key(self.name()));
        self.place = place;
        self.put(tx)
    }
}

/// A job that nobody may claim before `due`. `false`: it was queued before.
pub(super) fn enqueue(tx: &mut Tx, job: Job, due: Timestamp) -> Result<bool> {
    let name = (job.id, job.user);
    if tx.get(&keys::job_state(name))?.is_some() {
        return Ok(false);
    }
    tx.put(keys::job_state(name), codec::to_json(&JobState::untried(&job))?)?;
    JobRow { job, attempts: 0, place: Place::Due(due) }.put(tx)?;
    Ok(true)
}

fn enqueue_all(tx: &mut Tx, jobs: Vec<Job>) -> Result<()> {
    // Due at any `now`. Ids are made in order of time, so the oldest come first.
    jobs.into_iter().try_for_each(|job| enqueue(tx, job, Timestamp::from_millis(0)).map(drop))
}

fn claim(tx: &mut Tx, now: Timestamp, lease: Duration, limit: usize) -> Result<Vec<ClaimedJob>> {
    let name = |key: &[u8]| keys::job_name(key).ok_or_else(|| codec::corrupt("job key"));
    // Abandoned claims first: they have waited longest.
    let stale = keys::jobs_claimed_until(now.before(lease));
    let mut names = tx.collect(&stale, Order::Ascending, limit, |key, _| name(key))?;
    let rest = limit.saturating_sub(names.len());
    names.extend(tx.collect(&keys::jobs_due_until(now), Order::Ascending, rest, |key, _| name(key))?);
    let mut claimed = Vec::with_capacity(names.len());
    for name in names {
        let mut row = JobRow::find(tx, name)?.ok_or_else(|| codec::corrupt("outbox"))?;
        row.attempts = row.attempts.saturating_add(1);
        row.move_to(tx, Place::Claimed(now, rand::random()))?;
        let receipt = row.place.receipt().unwrap_or_default();
        claimed.push(ClaimedJob { attempt: row.attempts, receipt, job: row.job });
    }
    Ok(claimed)
}

/// A receipt that is not the current claim's changes nothing: the job is in other hands, or over.
fn settle(tx: &mut Tx, claimed: &ClaimedJob, state: &JobState, retry_at: Option<Timestamp>) -> Result<()> {
    let name = (claimed.job.id, claimed.job.user);
    let Some(mut row) = JobRow::find(tx, name)? else { return Ok(()) };
    if row.place.receipt().as_ref() != Some(&claimed.receipt) {
        return Ok(());
    }
    tx.put(keys::job_state(name), codec::to_json(state)?)?;
    match retry_at {
        Some(at) => row.move_to(tx, Place::Due(at)),
        None => {
            if let Some(room) = row.job.letter.as_ref().and_then(Letter::room) {
                mails::end(tx, name.0, name.1, room)?;
            }
            tx.delete(row.place.key(name));
            tx.delete(keys::job(name));
            tx.put(keys::job_over(Timestamp::now(), name), Vec::new())
        }
    }
}

#[async_trait]
impl Outbox for Embedded {
    async fn enqueue(&self, jobs: &[Job]) -> Result<()> {
        let jobs = jobs.to_vec();
        self.write(move |tx| enqueue_all(tx, jobs)).await
    }

    /// The consumer's name is not kept: in one process a claim needs no more than its receipt.
    async fn claim(&self, _: InstanceId, now: Timestamp, lease: Duration, limit: usize) -> Result<Vec<ClaimedJob>> {
        let (due, stale) = (keys::jobs_due_until(now), keys::jobs_claimed_until(now.before(lease)));
        // The usual answer is "none", which needs no command. Off the event loop: see `nothing_in`.
        if self.read(move |read| Ok(nothing_in(read, &due)? && nothing_in(read, &stale)?)).await? {
            return Ok(Vec::new());
        }
        self.write(move |tx| claim(tx, now, lease, limit)).await
    }

    async fn backlog(&self, now: Timestamp) -> Result<Backlog> {
        let (due, all) = (keys::jobs_due_until(now), keys::jobs());
        self.read(move |read| {
            let (due, all) = (read.count(&due)?, read.count(&all)?);
            Ok(Backlog { due, later: all.saturating_sub(due) })
        })
        .await
    }

    async fn settle(&self, claimed: &ClaimedJob, state: &JobState, retry_at: Option<Timestamp>) -> Result<()> {
        let (claimed, state) = (claimed.clone(), state.clone());
        self.write(move |tx| settle(tx, &claimed, &state, retry_at)).await
    }

    async fn states(&self, id: NotificationId) -> Result<Vec<JobState>> {
        let span = keys::job_states(id);
        self.read(move |read| read.collect(&span, Order::Ascending, usize::MAX, |_, row| codec::from_json(row))).await
    }

    async fn states_of(&self, id: NotificationId, users: &[UserId]) -> Result<Vec<Option<JobState>>> {
        let users = users.to_vec();
        self.read(move |read| {
            let state = |user| read.get(&keys::job_state((id, user)))?.map(|row| codec::from_json(&row)).transpose();
            users.into_iter().map(state).collect()
        })
        .await
    }
}
