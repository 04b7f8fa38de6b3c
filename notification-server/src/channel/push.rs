//! What all pushes have in common: where they go, what they say, and what the answer means.

pub mod apns;
pub mod fcm;
pub mod web_push;
pub mod webhook;

use std::time::Duration;

use async_trait::async_trait;
use domain::{Domain, DomainError};
use serde::Serialize;
use serde_json::Value;
use shared::{NotificationId, Timestamp, UserId};
use store::{Job, PushKind, PushSubscription};

use super::{Channel, Outcome};
use crate::outgoing::{Answer, SPARED, SendError};

/// What a device gets.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Payload<'a> {
    pub id: NotificationId,
    pub title: &'a str,
    pub body: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<&'a str>,
    /// Unread messages in all rooms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub badge: Option<u64>,
    pub created_at: Timestamp,
}

impl<'a> Payload<'a> {
    pub fn of(job: &'a Job) -> Self {
        Self {
            id: job.id,
            title: &job.title,
            body: &job.body,
            data: job.data.as_ref(),
            category: job.category.as_deref(),
            badge: job.badge,
            created_at: job.created_at,
        }
    }
}

/// How long a push service keeps what has no `ttl` for a device that is away.
const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// How long a push service is to keep it.
pub fn ttl(job: &Job) -> Duration {
    let left = |end: Timestamp| u64::try_from(end.as_millis() - Timestamp::now().as_millis()).unwrap_or(0);
    job.expires_at.map_or(KEPT, |end| Duration::from_millis(left(end)))
}

/// A kind of push: what is its own. The rest is the same for all of them.
#[async_trait]
pub trait Service: Send + Sync {
    const KIND: PushKind;
    /// The channel's.
    const NAME: &'static str;
    fn domain(&self) -> &Domain;
    /// One attempt at one subscription of this kind.
    async fn send(&self, job: &Job, subscription: &PushSubscription) -> Verdict;
}

#[async_trait]
impl<S: Service> Channel for S {
    fn name(&self) -> &'static str {
        S::NAME
    }

    fn kind(&self) -> Option<PushKind> {
        Some(S::KIND)
    }

    async fn deliver(&self, job: &Job, place: &str) -> Outcome {
        match find(self.domain(), job.user, place).await {
            Ok(subscription) => {
                let verdict = self.send(job, &subscription).await;
                conclude(self.domain(), job.user, &subscription, verdict).await
            }
            Err(outcome) => outcome,
        }
    }
}

/// The subscription that a place names, or what comes of having none.
async fn find(domain: &Domain, user: UserId, place: &str) -> Result<PushSubscription, Outcome> {
    let Some((_, id)) = place.split_once('/') else {
        return Err(Outcome::Suppressed { why: "the user has no such subscription".into() });
    };
    match domain.notifications.pushed_to(user).await {
        Ok(all) => {
            let gone = || Outcome::Suppressed { why: "the subscription was removed".into() };
            all.into_iter().find(|one| one.id() == id).ok_or_else(gone)
        }
        Err(e) => Err(not_now(&e)),
    }
}

fn not_now(error: &DomainError) -> Outcome {
    if !matches!(error, DomainError::Unavailable(_)) {
        error.log();
    }
    Outcome::Retry { why: "the store is away".into(), after: None }
}

/// What an answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    Accepted,
    Refused,
    Later,
    /// Nobody is there any more.
    Gone,
}

/// What came of an attempt, to whoever asks about it.
pub struct Verdict {
    pub meaning: Meaning,
    pub said: String,
    pub after: Option<Duration>,
}

impl Verdict {
    /// It was not sent, and never will be.
    pub fn refused(said: impl Into<String>) -> Self {
        Self { meaning: Meaning::Refused, said: said.into(), after: None }
    }

    /// Not now, for this reason.
    pub fn later(said: impl Into<String>) -> Self {
        Self { meaning: Meaning::Later, said: said.into(), after: None }
    }

    /// By the answer, as `meaning` reads it.
    pub fn of(answer: Result<Answer, SendError>, meaning: impl FnOnce(&Answer) -> Meaning) -> Self {
        match answer {
            Ok(answer) => {
                let named = answer.id.as_ref().map(|id| format!(" as {id}")).unwrap_or_default();
                let said = match answer.text.as_str() {
                    "" => format!("{}{named}", answer.status),
                    text => format!("{}{named}: {text}", answer.status),
                };
                Self { meaning: meaning(&answer), said, after: answer.retry_after }
            }
            Err(SendError::Target(why)) => Self::refused(why.to_string()),
            Err(SendError::Failed(why)) => Self::later(why),
            Err(e @ SendError::Slow) => Self { after: Some(SPARED), ..Self::later(e.to_string()) },
        }
    }
}

/// The outcome. Where nobody is there any more, the subscription is removed.
async fn conclude(domain: &Domain, user: UserId, subscription: &PushSubscription, verdict: Verdict) -> Outcome {
    let Verdict { meaning, said, after } = verdict;
    match meaning {
        Meaning::Accepted => Outcome::Delivered { detail: Some(said) },
        Meaning::Refused => Outcome::Failed { why: said },
        Meaning::Later => Outcome::Retry { why: said, after },
        Meaning::Gone => match domain.store.push.remove_subscription(user, &subscription.id()).await {
            Ok(_) => Outcome::Failed { why: format!("{said}; the subscription was removed") },
            Err(e) => not_now(&e.into()),
        },
    }
}

/// A job as `encode` writes it, in at most `limit` bytes: without `data`, then with less of the body, where it would be
/// too long.
pub fn fitting(
    job: &Job,
    limit: usize,
    encode: impl Fn(&Payload) -> serde_json::Result<Vec<u8>>,
) -> serde_json::Result<Vec<u8>> {
    let mut payload = Payload::of(job);
    let mut bytes = encode(&payload)?;
    if bytes.len() > limit {
        payload.data = None;
        bytes = encode(&payload)?;
    }
    while bytes.len() > limit && !payload.body.is_empty() {
        // A character of the body is at most six bytes of JSON.
        let over = (bytes.len() - limit).div_ceil(6);
        let keep = payload.body.chars().count().saturating_sub(over);
        let end = payload.body.char_indices().nth(keep).map_or(0, |(at, _)| at);
        payload.body = &payload.body[..end];
        bytes = encode(&payload)?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A job with this text.
    pub fn job(title: &str, body: &str, data: Option<Value>) -> Job {
        Job {
            id: NotificationId::new(),
            user: UserId::new(),
            title: title.into(),
            body: body.into(),
            data,
            category: None,
            channels: None,
            collapse_key: None,
            expires_at: None,
            created_at: Timestamp::from_millis(0),
            message: None,
            request_hash: None,
            after: 0,
            badge: None,
            letter: None,
        }
    }

    #[test]
    fn what_is_pushed_fits() {
        const LIMIT: usize = 1000;
        let written = |job: &Job| fitting(job, LIMIT, |payload| serde_json::to_vec(payload)).unwrap();
        let read = |job: &Job| serde_json::from_slice::<Value>(&written(job)).unwrap();
        let small = job("Tea", "Is ready", Some(json!({ "cups": 2 })));
        assert_eq!(read(&small)["data"]["cups"], 2);
        let heavy = job("Tea", "Is ready", Some(json!({ "x": "y".repeat(LIMIT) })));
        assert_eq!((&read(&heavy)["body"], read(&heavy).get("data")), (&json!("Is ready"), None));
        for (char, title) in [('a', "Tea"), ('é', "T"), ('\u{1}', "T"), ('🫖', "🫖")] {
            let long = job(title, &char.to_string().repeat(LIMIT), None);
            let length = written(&long).len();
            assert!((LIMIT - 6..=LIMIT).contains(&length), "{char:?}: {length}");
            assert!(read(&long)["body"].as_str().unwrap().starts_with(char));
        }
    }
}
