//! What all pushes have in common: where they go, what they say, and what the answer means.

pub mod apns;
pub mod fcm;
pub mod web_push;
pub mod webhook;

use std::time::Duration;

use domain::{Domain, DomainError};
use serde::Serialize;
use serde_json::Value;
use shared::{NotificationId, Timestamp, UserId};
use store::{Job, PushKind, PushSubscription};

use super::Outcome;
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

/// The places of a channel: `NAME/ID` for each of the user's subscriptions of this kind, or its bare name where there is
/// none, so that it is told why nothing was sent.
pub async fn places(domain: &Domain, user: UserId, kind: PushKind, name: &str) -> domain::Result<Vec<String>> {
    let all = domain.notifications.pushed_to(user).await?;
    let places: Vec<String> =
        all.iter().filter(|one| one.kind == kind).map(|one| format!("{name}/{}", one.id())).collect();
    Ok(if places.is_empty() { vec![name.to_owned()] } else { places })
}

/// The subscription that a place names, or what comes of having none.
pub async fn find(domain: &Domain, user: UserId, place: &str) -> Result<PushSubscription, Outcome> {
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
    /// By the answer, as `meaning` reads it.
    pub fn of(answer: Result<Answer, SendError>, meaning: impl FnOnce(&Answer) -> Meaning) -> Self {
        match answer {
            Ok(answer) => {
                let said = match answer.text.as_str() {
                    "" => answer.status.to_string(),
                    text => format!("{}: {text}", answer.status),
                };
                Self { meaning: meaning(&answer), said, after: answer.retry_after }
            }
            Err(SendError::Target(why)) => Self { meaning: Meaning::Refused, said: why.to_string(), after: None },
            Err(SendError::Failed(why)) => Self { meaning: Meaning::Later, said: why.into(), after: None },
            Err(e @ SendError::Slow) => Self { meaning: Meaning::Later, said: e.to_string(), after: Some(SPARED) },
        }
    }
}

/// The outcome. Where nobody is there any more, the subscription is removed.
pub async fn conclude(domain: &Domain, user: UserId, subscription: &PushSubscription, verdict: Verdict) -> Outcome {
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
