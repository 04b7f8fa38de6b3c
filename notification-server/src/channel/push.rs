//! What all pushes have in common: where they go, what they say, and what the answer means.

pub mod web_push;
pub mod webhook;

use domain::{Domain, DomainError};
use serde::Serialize;
use serde_json::Value;
use shared::{NotificationId, Timestamp, UserId};
use store::{Job, PushKind, PushSubscription};

use super::Outcome;
use crate::outgoing::{Answer, SendError};

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

/// What an answer means. Where it says that nobody is there any more, the subscription is removed.
pub async fn conclude(
    domain: &Domain,
    user: UserId,
    subscription: &PushSubscription,
    answer: Result<Answer, SendError>,
) -> Outcome {
    let answer = match answer {
        Ok(answer) => answer,
        Err(SendError::Target(why)) => return Outcome::Failed { why: why.to_string() },
        Err(SendError::Failed(why)) => return Outcome::Retry { why: why.into(), after: None },
    };
    let said = match answer.text.as_str() {
        "" => answer.status.to_string(),
        text => format!("{}: {text}", answer.status),
    };
    match meaning(answer.status.as_u16(), subscription.kind) {
        Meaning::Accepted => Outcome::Delivered { detail: Some(said) },
        Meaning::Refused => Outcome::Failed { why: said },
        Meaning::Later => Outcome::Retry { why: said, after: answer.retry_after },
        Meaning::Gone => match domain.store.push.remove_subscription(user, &subscription.id()).await {
            Ok(_) => Outcome::Failed { why: format!("{said}; the subscription was removed") },
            Err(e) => not_now(&e.into()),
        },
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Accepted,
    Refused,
    Later,
    Gone,
}

/// RFC 8030 §5, §8.4 and what push services document; for webhooks the specification of Standard Webhooks.
fn meaning(status: u16, kind: PushKind) -> Meaning {
    match (status, kind) {
        (200..=299, _) => Meaning::Accepted,
        (410, _) | (404, PushKind::WebPush) => Meaning::Gone,
        (408 | 425 | 429 | 500..=599, _) => Meaning::Later,
        // A webhook is the user's: what is wrong with it may be mended before the last attempt.
        (_, PushKind::Webhook) => Meaning::Later,
        (_, PushKind::WebPush) => Meaning::Refused,
    }
}

#[cfg(test)]
mod tests {
    use store::PushKind::{WebPush, Webhook};

    use super::{Meaning::*, *};

    #[test]
    fn what_an_answer_means() {
        let cases = [
            (200, WebPush, Accepted),
            (201, WebPush, Accepted),
            (202, WebPush, Accepted),
            (204, Webhook, Accepted),
            // Redirects are not followed.
            (307, WebPush, Refused),
            (302, Webhook, Later),
            (400, WebPush, Refused),
            (401, WebPush, Refused),
            (403, WebPush, Refused),
            (404, WebPush, Gone),
            (404, Webhook, Later),
            (410, WebPush, Gone),
            (410, Webhook, Gone),
            (413, WebPush, Refused),
            (429, WebPush, Later),
            (500, WebPush, Later),
            (502, Webhook, Later),
            (503, WebPush, Later),
        ];
        for (status, kind, expected) in cases {
            assert_eq!(meaning(status, kind), expected, "{status} {kind:?}");
        }
    }
}
