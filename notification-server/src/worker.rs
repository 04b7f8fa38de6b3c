//! The outbox worker: claims jobs, delivers each by its channels, and writes down how it stands.
//!
//! A crash between delivering and writing means that the job is claimed again: at least once, never silently not.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use domain::{
    Domain, DomainError,
    notifications::{CHANNELS, EMAIL, Gate, INBOX, gate},
};
use futures_util::{FutureExt, future::join_all};
use shared::Timestamp;
use store::{Attempt, ClaimedJob, Job, JobState};
use tokio::{
    task::{JoinError, JoinSet},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    channel::{Channel, Outcome},
    outage::Outage,
    progress::{self, FAILED, Try},
    retry::Schedule,
};

/// Jobs in delivery at the same time; bounds tasks and memory.
const CONCURRENCY: usize = 64;
/// New jobs are claimed once so many places are free, rather than one by one.
const CLAIM_AT_LEAST: usize = 16;
/// How often the outbox is looked at while it is empty.
const POLL: Duration = Duration::from_millis(200);
/// A channel that has not answered by then is tried again; so it does, where that is earlier, after half of the lease.
const DELIVERY_LIMIT: Duration = Duration::from_secs(30);

/// Why a message's notification is not delivered any more.
pub const OVERTAKEN: &str = "a later message took its place";

pub struct Worker {
    domain: Domain,
    channels: Vec<Arc<dyn Channel>>,
    schedule: Schedule,
}

impl Worker {
    pub fn new(domain: Domain, channels: Vec<Arc<dyn Channel>>, schedule: Schedule) -> Self {
        Self { domain, channels, schedule }
    }

    /// Runs until `shutdown`, then lets what is under way end within `http.shutdownSeconds`.
    pub async fn run(self, shutdown: CancellationToken) {
        let this = Arc::new(self);
        let mut outage = Outage::new("work on the outbox");
        let mut running = JoinSet::new();
        while !shutdown.is_cancelled() {
            while let Some(ended) = running.try_join_next() {
                note(ended, &mut outage);
            }
            let free = CONCURRENCY.saturating_sub(running.len());
            let full = free < CLAIM_AT_LEAST;
            // Never dropped half-way: what was claimed would be lost to everybody until the lease ends.
            let pause = if full { POLL } else { this.claim(free, &mut running, &mut outage).await };
            tokio::select! {
                () = shutdown.cancelled() => {}
                Some(ended) = running.join_next(), if full => note(ended, &mut outage),
                () = sleep(pause) => {}
            }
        }
        let limit = Duration::from_secs(this.domain.settings.http.shutdown_seconds);
        let rest = async {
            while let Some(ended) = running.join_next().await {
                note(ended, &mut outage);
            }
        };
        if timeout(limit, rest).await.is_err() {
            tracing::warn!("deliveries did not end in time; they are tried again once their claims have ended");
        }
    }

    /// Claims up to `free` jobs and starts them; gives how long to wait before the next claim.
    async fn claim(
        self: &Arc<Self>,
        free: usize,
        running: &mut JoinSet<domain::Result<()>>,
        outage: &mut Outage,
    ) -> Duration {
        let Self { domain, schedule, .. } = self.as_ref();
        let claimed = domain.store.outbox.claim(domain.instance, Timestamp::now(), schedule.lease, free).await;
        match claimed {
            Ok(jobs) => {
                outage.over();
                metrics::counter!("chatapp_outbox_claims_total").increment(jobs.len() as u64);
                let pause = if jobs.is_empty() { POLL } else { Duration::ZERO };
                for job in jobs {
                    let this = self.clone();
                    running.spawn(async move { this.work_on(job).await });
                }
                pause
            }
            Err(e) => outage.failed(&e.into()),
        }
    }

    /// One attempt at a job, by all channels that are not over yet. An error leaves the claim to end by its lease.
    async fn work_on(&self, claimed: ClaimedJob) -> domain::Result<()> {
        let job = &claimed.job;
        let (earlier, ended) = if claimed.attempt > 1 { self.earlier(job).await? } else { (Vec::new(), 0) };
        let lost = claimed.attempt.saturating_sub(ended.saturating_add(1));
        let mut this = Try { lost, at: Timestamp::now(), random: rand::random(), schedule: &self.schedule };
        let open = progress::open(&earlier, self.wanted(job).await?);
        let outcomes: Vec<(String, Outcome)> = match self.unwanted(job).await? {
            Some(outcome) => open.into_iter().map(|place| (place, outcome.clone())).collect(),
            None => {
                let due = progress::due(&earlier, open, this.at);
                let (spent, due) = progress::exhausted(&earlier, due, &this);
                let (held_back, due) = self.held_back(&claimed, due).await?;
                let job = &self.filled_in(job, &due).await?;
                let delivered = join_all(due.into_iter().map(|place| self.deliver(place, job))).await;
                spent.into_iter().chain(held_back).chain(delivered).collect()
            }
        };
        let tried: Vec<(String, &str)> =
            outcomes.iter().map(|(place, outcome)| (place.clone(), word(outcome))).collect();
        this.at = Timestamp::now();
        let (attempts, retry_at) = progress::conclude(earlier, outcomes, &this);
        let (user, request_hash, claim) = (job.user, job.request_hash, claimed.attempt);
        let state = JobState { user, done: retry_at.is_none(), attempts, claim, request_hash };
        self.domain.store.outbox.settle(&claimed, &state, retry_at).await?;
        for (place, outcome) in tried {
            let attempt = state.attempts.iter().find(|attempt| attempt.channel == place);
            tell(job, channel_of(&place), outcome, attempt.filter(|attempt| attempt.state == FAILED));
        }
        Ok(())
    }

    /// A job as its places are to have it: with the texts of its message and, for devices, the number they show.
    async fn filled_in(&self, job: &Job, open: &[String]) -> domain::Result<Job> {
        let job = self.domain.notifications.with_text(job.clone()).await?;
        let pushed = |place: &String| self.channel(channel_of(place)).is_some_and(|channel| channel.kind().is_some());
        let badge = match open.iter().any(pushed) {
            true => Some(self.domain.rooms.unread_of(job.user).await?.total),
            false => None,
        };
        Ok(Job { badge, ..job })
    }

    /// What earlier attempts came to, and with which claim.
    async fn earlier(&self, job: &Job) -> domain::Result<(Vec<Attempt>, u32)> {
        let states = self.domain.store.outbox.states_of(job.id, &[job.user]).await?;
        Ok(states.into_iter().flatten().next().map(|state| (state.attempts, state.claim)).unwrap_or_default())
    }

    /// The places a job is for: those of the channels it names, else of all that are for such jobs. A channel that is not
    /// here is a place, too, so that it is told what became of it; and so is one without a subscription. Reads the user's
    /// subscriptions where one of the channels serves any.
    async fn wanted(&self, job: &Job) -> domain::Result<Vec<String>> {
        let names: Vec<&str> = match &job.channels {
            Some(named) => named.iter().map(String::as_str).collect(),
            None => self.channels.iter().filter(|c| c.is_for_all()).map(|channel| channel.name()).collect(),
        };
        let kind = |name: &str| self.channel(name).and_then(|channel| channel.kind());
        let subscriptions = match names.iter().any(|name| kind(name).is_some()) {
            true => self.domain.notifications.pushed_to(job.user).await?,
            false => Vec::new(),
        };
        let mut wanted = Vec::new();
        for name in names {
            let own = subscriptions.iter().filter(|one| kind(name) == Some(one.kind));
            let places = own.map(|one| format!("{name}/{}", one.id()));
            let before = wanted.len();
            wanted.extend(places);
            if wanted.len() == before {
                wanted.push(name.to_owned());
            }
        }
        Ok(wanted)
    }

    fn channel(&self, name: &str) -> Option<&Arc<dyn Channel>> {
        self.channels.iter().find(|channel| channel.name() == name)
    }

    /// Why no channel is to be tried (any more).
    async fn unwanted(&self, job: &Job) -> domain::Result<Option<Outcome>> {
        if job.expires_at.is_some_and(|end| end <= Timestamp::now()) {
            return Ok(Some(Outcome::Suppressed { why: "expired".into() }));
        }
        let cancelled = self.domain.notifications.cancelled(job).await?;
        Ok(cancelled.map(|why| Outcome::Suppressed { why: why.into() }))
    }

    /// What the user's settings, and a later message, keep from being tried now; and the rest.
    async fn held_back(
        &self,
        claimed: &ClaimedJob,
        open: Vec<String>,
    ) -> domain::Result<(Vec<(String, Outcome)>, Vec<String>)> {
        let job = &claimed.job;
        // A letter about an account is no notification: the user has asked for it.
        if job.letter.as_ref().is_some_and(|letter| letter.room().is_none()) || open.iter().all(|place| place == INBOX)
        {
            return Ok((Vec::new(), open));
        }
        let reach = self.domain.store.notify_preferences.reach(job.user).await?;
        // Only what waited can have been overtaken.
        let overtaken = claimed.attempt > 1 && self.domain.notifications.superseded(job).await?;
        let (mut held, mut rest) = (Vec::new(), Vec::new());
        for place in open {
            let outcome = match gate(&reach, channel_of(&place), Timestamp::now()) {
                Gate::Off => Outcome::Suppressed { why: "switched off by the user".into() },
                // The inbox looks for itself, in the user's turn; an e-mail is of all that came.
                _ if overtaken && place != INBOX && place != EMAIL => Outcome::Suppressed { why: OVERTAKEN.into() },
                Gate::Held(until) => Outcome::Held { why: format!("do not disturb until {until}"), until },
                Gate::Open => {
                    rest.push(place);
                    continue;
                }
            };
            held.push((place, outcome));
        }
        Ok((held, rest))
    }

    async fn deliver(&self, place: String, job: &Job) -> (String, Outcome) {
        let retry = |why| Outcome::Retry { why, after: None };
        let name = channel_of(&place);
        let channel = match self.channel(name) {
            Some(channel) => channel,
            None if CHANNELS.contains(&name) => {
                return (place, Outcome::Suppressed { why: "this channel is not configured".into() });
            }
            // During a deploy: a newer process knows it.
            None => return (place, retry("this channel is not known here".into())),
        };
        // A defect of one channel is not to keep the others from being written down.
        let delivering = AssertUnwindSafe(channel.deliver(job, &place)).catch_unwind();
        let limit = DELIVERY_LIMIT.min(self.schedule.lease / 2);
        let outcome = match timeout(limit, delivering).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => {
                tracing::error!(channel = name, notification = %job.id, "a channel panicked");
                retry("internal error".into())
            }
            Err(_) => retry(format!("no answer within {} s", limit.as_secs())),
        };
        (place, outcome)
    }
}

/// The channel of a place.
fn channel_of(place: &str) -> &str {
    place.split_once('/').map_or(place, |(name, _)| name)
}

/// A job's end. What ended badly comes again when its claim has ended.
fn note(ended: Result<domain::Result<()>, JoinError>, outage: &mut Outage) {
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(e)) => {
            outage.failed(&e);
        }
        Err(e) => {
            outage.failed(&DomainError::Unexpected(anyhow::Error::new(e).context("a delivery")));
        }
    }
}

const fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Delivered { .. } => "delivered",
        Outcome::Suppressed { .. } => "suppressed",
        Outcome::Retry { .. } => "retried",
        Outcome::Held { .. } => "held",
        Outcome::Gathered { .. } => "gathered",
        Outcome::Failed { .. } => FAILED,
    }
}

/// Counts an attempt, by its channel and outcome. One after which nothing will be tried again has failed, and is the
/// operator's to look at: it is logged with what finds its state (`GET /notify/{id}`), without what it or its service
/// said.
fn tell(job: &Job, channel: &str, outcome: &'static str, failed: Option<&Attempt>) {
    let outcome = if failed.is_some() { FAILED } else { outcome };
    metrics::counter!("chatapp_notification_attempts_total", "channel" => channel.to_owned(), "outcome" => outcome)
        .increment(1);
    if let Some(Attempt { channel: place, tries, .. }) = failed {
        tracing::warn!(notification = %job.id, user = %job.user, place, tries, "a notification was not delivered");
    }
}
