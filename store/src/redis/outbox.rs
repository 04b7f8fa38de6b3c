//! The outbox: jobs in one hash, when each is due in a sorted set, their states in a hash for each request.
//!
//! A sorted set and not a stream: who claims says what time it is, and a stream's idle times know only Redis' clock.

use std::time::Duration;

use async_trait::async_trait;
use redis::cmd;
use shared::{InstanceId, NotificationId, Timestamp, UserId};

use super::{
    Engine,
    codec::{from_json, json, parse},
    connection::corrupt,
    intents::millis,
    mails::waiting,
    scripts::{self, Call},
};
use crate::{Backlog, ClaimedJob, Job, JobState, Letter, Outbox, Result};

/// How long the states of a request are kept after the last change.
pub(super) const STATES_KEPT: Duration = Duration::from_secs(7 * 24 * 3600);
/// Jobs given to one call.
const CLAIM: usize = 1000;
/// Jobs stored in one step.
const BATCH: usize = 200;

/// The field of a job, and its place among those that are due.
pub(super) fn job_name(id: NotificationId, user: UserId) -> String {
    format!("{id}:{user}")
}

#[async_trait]
impl Outbox for Engine {
    async fn enqueue(&self, jobs: &[Job]) -> Result<()> {
        for same in jobs.chunk_by(|a, b| a.id == b.id).flat_map(|same| same.chunks(BATCH)) {
            let Some(id) = same.first().map(|job| job.id) else { continue };
            let mut enqueue = Call::new(&scripts::ENQUEUE)
                .keys([self.keys.outbox_due(), self.keys.outbox_jobs(), self.keys.outbox_states(id)])
                .arg(millis(STATES_KEPT))
                .arg(id.to_string());
            for job in same {
                enqueue = enqueue.arg(job.user.to_string()).arg(json(&JobState::untried(job))?).arg(json(job)?);
            }
            self.connections.run::<i64>("enqueue jobs", enqueue).await?;
        }
        Ok(())
    }

    async fn claim(
        &self,
        _consumer: InstanceId,
        now: Timestamp,
        lease: Duration,
        limit: usize,
    ) -> Result<Vec<ClaimedJob>> {
        let claim = Call::new(&scripts::CLAIM_JOBS)
            .keys([self.keys.outbox_due(), self.keys.outbox_jobs()])
            .arg(now.as_millis())
            .arg(now.after(lease).as_millis())
            .arg(limit.min(CLAIM));
        let answer: Vec<String> = self.connections.run("claim jobs", claim).await?;
        let jobs = answer.chunks_exact(3).map(|claimed| match claimed {
            [_, attempt, job] => Ok(ClaimedJob {
                job: from_json(job)?,
                attempt: parse(attempt, "an attempt")?,
                receipt: attempt.clone(),
            }),
            _ => Err(corrupt("a job")),
        });
        jobs.collect()
    }

    async fn backlog(&self, now: Timestamp) -> Result<Backlog> {
        let key = self.keys.outbox_due();
        let due = cmd("ZCOUNT").arg(&key).arg("-inf").arg(now.as_millis()).to_owned();
        let (due, all): (u64, u64) =
            self.connections.ask_atomic("count jobs", vec![due, cmd("ZCARD").arg(&key).to_owned()]).await?;
        Ok(Backlog { due, later: all.saturating_sub(due) })
    }

    async fn settle(&self, claimed: &ClaimedJob, state: &JobState, retry_at: Option<Timestamp>) -> Result<()> {
        let (keys, id, user) = (&self.keys, claimed.job.id, claimed.job.user);
        let room = claimed.job.letter.as_ref().and_then(Letter::room);
        let settle = Call::new(&scripts::SETTLE_JOB)
            .keys([keys.outbox_due(), keys.outbox_jobs(), keys.outbox_states(id), keys.outbox_mails()])
            .arg(job_name(id, user))
            .arg(&claimed.receipt)
            .arg(user.to_string())
            .arg(json(state)?)
            .arg(millis(STATES_KEPT))
            .arg(room.map_or_else(String::new, |room| waiting(user, room)))
            .arg(retry_at.map(Timestamp::as_millis));
        self.connections.run::<i64>("settle a job", settle).await.map(drop)
    }

    async fn states(&self, id: NotificationId) -> Result<Vec<JobState>> {
        let read = cmd("HVALS").arg(self.keys.outbox_states(id)).to_owned();
        let texts: Vec<String> = self.connections.ask("read job states", &read).await?;
        let mut states: Vec<JobState> = texts.iter().map(|text| from_json(text)).collect::<Result<_>>()?;
        states.sort_by_key(|state| state.user);
        Ok(states)
    }

    async fn states_of(&self, id: NotificationId, users: &[UserId]) -> Result<Vec<Option<JobState>>> {
        if users.is_empty() {
            return Ok(Vec::new());
        }
        let mut read = cmd("HMGET");
        read.arg(self.keys.outbox_states(id));
        for user in users {
            read.arg(user.to_string());
        }
        let texts: Vec<Option<String>> = self.connections.ask("read job states", &read).await?;
        texts.iter().map(|text| text.as_deref().map(from_json).transpose()).collect()
    }
}
