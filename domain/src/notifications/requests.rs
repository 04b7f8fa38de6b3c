//! Notifications that services ask for, and how they stand.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use shared::{NotificationId, Timestamp, UserId};
use store::{Attempt, Job, JobState};
use utoipa::ToSchema;

use super::{CHANNELS, Notifications, as_carried};
use crate::{
    DomainError, Result,
    validate::{Check, check_key},
};

/// Users one request may name.
const MAX_RECIPIENTS: usize = 1000;
/// Bytes of `data`.
const MAX_DATA: usize = 4096;
/// The longest a notification may wait to be delivered: 28 days.
const MAX_TTL: u64 = 28 * 24 * 3600;

/// The body of `POST /notify`: exactly one of `userId` and `userIds`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotifyRequest {
    pub user_id: Option<UserId>,
    pub user_ids: Option<Vec<UserId>>,
    pub title: String,
    pub body: String,
    /// Handed to the devices as it is; up to 4 KiB.
    pub data: Option<serde_json::Value>,
    pub category: Option<String>,
    /// Only by these channels; default: all the user has.
    pub channels: Option<Vec<String>>,
    /// A later one with this key takes this one's place while it is unread.
    pub collapse_key: Option<String>,
    /// Not delivered later than so many seconds from now.
    pub ttl: Option<u64>,
}

/// For so long after its first attempts a repeat completes a request that was queued in part. Much shorter than states
/// are kept.
const COMPLETED_FOR: Duration = Duration::from_secs(24 * 3600);

/// How one recipient's notification stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotifyState {
    pub user_id: UserId,
    /// No attempt will follow.
    pub done: bool,
    /// Empty until the first attempt.
    pub channels: Vec<ChannelState>,
}

/// How it stands on one channel; of pushes, with one subscription (`webpush/ID`).
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChannelState {
    pub channel: String,
    /// `queued` (it will be tried, or tried again), `delivered` (it is in the inbox, or its service has accepted it),
    /// `suppressed` (by the rule in `detail`) or `failed` (it will not be tried again).
    pub state: String,
    /// What the service answered: its status, how it names what it accepted, and the beginning of what it said. Or why it
    /// is not delivered (yet). At most 200 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Attempts so far. Being held in quiet hours is none.
    pub attempts: u32,
    /// While it is `queued`: when it is tried (again).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<Timestamp>,
    /// Since when it is so.
    pub at: Timestamp,
}

impl Notifications {
    /// Queues a notification: stored when it returns. Every recipient must exist. With an idempotency key, which is
    /// `caller`'s own, a repeat gives the id of the first request while that is known (7 days after its last change),
    /// before anything else is looked at. Of two that come at the same time with one key but different content both may be
    /// queued, and both are refused.
    pub async fn notify(&self, caller: [u8; 16], key: Option<&str>, request: NotifyRequest) -> Result<NotificationId> {
        check_key("Idempotency-Key", key)?;
        let users = recipients(&request)?;
        let hash = match key {
            Some(_) => Some(hash_of(&users, &request)?),
            None => None,
        };
        let id = key.map_or_else(NotificationId::new, |key| NotificationId::of_request(caller, key));
        if hash.is_some() && self.queued_before(id, hash, users.len()).await? {
            return Ok(id);
        }
        check(&users, &request)?;
        let cards = self.names.cards_of(users.iter().copied()).await?;
        if users.iter().any(|user| !cards.contains_key(user)) {
            return Err(DomainError::UserNotFound);
        }
        let now = Timestamp::now();
        let job = |user| Job {
            id,
            user,
            title: request.title.clone(),
            body: request.body.clone(),
            data: request.data.clone(),
            category: request.category.clone(),
            channels: request.channels.clone(),
            collapse_key: request.collapse_key.clone(),
            expires_at: request.ttl.map(|ttl| now.after(Duration::from_secs(ttl))),
            created_at: now,
            message: None,
            after: 0,
            badge: None,
            letter: None,
            request_hash: hash,
        };
        let jobs: Vec<Job> = users.into_iter().map(job).collect();
        self.store.outbox.enqueue(&jobs).await?;
        if hash.is_some() {
            // Another request with this key may have come at the same time.
            self.queued_before(id, hash, jobs.len()).await?;
        }
        Ok(id)
    }

    /// Was this request queued for all its recipients? Not so where a process died while it queued: a repeat queues the
    /// rest, unless it comes so late that some states may have been forgotten instead.
    async fn queued_before(&self, id: NotificationId, hash: Option<u64>, recipients: usize) -> Result<bool> {
        let states = self.store.outbox.states(id).await?;
        if states.iter().any(|state| state.request_hash != hash) {
            return Err(DomainError::IdempotencyConflict);
        }
        let late = Timestamp::now().before(COMPLETED_FOR);
        let old = states.iter().flat_map(|state| &state.attempts).any(|attempt| attempt.at < late);
        Ok(states.len() == recipients || old)
    }

    /// How a notification stands, for each recipient and channel; what an e-mail carries with others, as it stands there.
    pub async fn state(&self, id: NotificationId) -> Result<Vec<NotifyState>> {
        let states = self.store.outbox.states(id).await?;
        if states.is_empty() {
            return Err(DomainError::NotFound("there is no such notification"));
        }
        let states = as_carried(&self.store, states.into_iter().map(Some).collect()).await?;
        Ok(states.into_iter().flatten().map(to_state).collect())
    }
}

/// Whom it is for, in order, without repetition.
fn recipients(request: &NotifyRequest) -> Result<Vec<UserId>> {
    match (request.user_id, &request.user_ids) {
        (Some(user), None) => Ok(vec![user]),
        (None, Some(users)) => {
            let mut users = users.clone();
            users.sort_unstable();
            users.dedup();
            Ok(users)
        }
        _ => Err(DomainError::invalid("userId", "give either userId or userIds")),
    }
}

fn check(users: &[UserId], request: &NotifyRequest) -> Result<()> {
    let mut check = Check::default();
    check.that((1..=MAX_RECIPIENTS).contains(&users.len()), "userIds", format!("name 1 to {MAX_RECIPIENTS} users"));
    check.line("title", &request.title, 1, 200).optional_text("body", Some(&request.body), 2000);
    for (field, text) in [("category", &request.category), ("collapseKey", &request.collapse_key)] {
        if let Some(text) = text {
            check.line(field, text, 1, 64);
        }
    }
    let data = request.data.as_ref().map_or(0, |data| data.to_string().len());
    check.that(data <= MAX_DATA, "data", format!("use up to {MAX_DATA} bytes"));
    check.that(request.ttl.is_none_or(|ttl| (1..=MAX_TTL).contains(&ttl)), "ttl", format!("use 1 to {MAX_TTL} s"));
    if let Some(channels) = &request.channels {
        let known = channels.iter().all(|c| CHANNELS.contains(&c.as_str()));
        check.that(known && !channels.is_empty(), "channels", format!("use some of {}", CHANNELS.join(", ")));
    }
    check.done()
}

/// Of everything that was asked for.
fn hash_of(users: &[UserId], request: &NotifyRequest) -> Result<u64> {
    let asked = (
        users,
        (&request.title, &request.body, &request.data, &request.category),
        (&request.channels, &request.collapse_key, request.ttl),
    );
    let text = serde_json::to_vec(&asked).map_err(anyhow::Error::new)?;
    let mut first = [0; 8];
    first.copy_from_slice(&Sha256::digest(&text)[..8]);
    Ok(u64::from_be_bytes(first))
}

impl From<Attempt> for ChannelState {
    fn from(attempt: Attempt) -> Self {
        Self {
            channel: attempt.channel,
            state: attempt.state,
            detail: attempt.detail,
            attempts: attempt.tries,
            next_attempt_at: attempt.next_at,
            at: attempt.at,
        }
    }
}

fn to_state(state: JobState) -> NotifyState {
    let channels = state.attempts.into_iter().map(ChannelState::from).collect();
    NotifyState { user_id: state.user, done: state.done, channels }
}
