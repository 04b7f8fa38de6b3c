//! Webhooks: notifications posted to a URL of the user's own, signed as Standard Webhooks
//! (<https://www.standardwebhooks.com>), whose libraries verify them.

use async_trait::async_trait;
use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{Domain, notifications::WEBHOOK};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;
use shared::Timestamp;
use store::{Job, PushKind, PushSubscription};

use super::{Meaning, Payload, Service, Verdict};
use crate::outgoing::{Answer, Outgoing};

/// What is posted.
#[derive(Serialize)]
struct Event<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    timestamp: Timestamp,
    data: Payload<'a>,
}

pub struct Webhook {
    domain: Domain,
    outgoing: Outgoing,
}

impl Webhook {
    pub fn new(domain: Domain, outgoing: Outgoing) -> Self {
        Self { domain, outgoing }
    }
}

#[async_trait]
impl Service for Webhook {
    const KIND: PushKind = PushKind::Webhook;
    const NAME: &'static str = WEBHOOK;

    fn domain(&self) -> &Domain {
        &self.domain
    }

    async fn send(&self, job: &Job, subscription: &PushSubscription) -> Verdict {
        let event = Event { kind: "notification", timestamp: job.created_at, data: Payload::of(job) };
        let secret = subscription.secret.as_deref().unwrap_or_default();
        // The same with every attempt at the same place: by it a receiver knows what it has already.
        let id = format!("{}.{}", job.id, subscription.id());
        match request(&id, secret, Timestamp::now(), &event) {
            Ok((headers, body)) => {
                Verdict::of(self.outgoing.post(&subscription.endpoint, headers, body).await, meaning)
            }
            Err(e) => {
                tracing::error!(notification = %job.id, "a webhook cannot be signed: {e:#}");
                Verdict::refused("internal error")
            }
        }
    }
}

/// The headers and the body.
fn request(id: &str, secret: &str, now: Timestamp, event: &Event) -> anyhow::Result<(HeaderMap, Vec<u8>)> {
    let body = serde_json::to_vec(event)?;
    let seconds = (now.as_millis() / 1000).to_string();
    let key = STANDARD.decode(secret.trim_start_matches("whsec_"))?;
    let mut signing = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &key));
    for part in [id.as_bytes(), b".", seconds.as_bytes(), b".", &body] {
        signing.update(part);
    }
    let signature = format!("v1,{}", STANDARD.encode(signing.sign()));
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (HeaderName::from_static("webhook-id"), HeaderValue::from_str(id)?),
        (HeaderName::from_static("webhook-timestamp"), HeaderValue::from_str(&seconds)?),
        (HeaderName::from_static("webhook-signature"), HeaderValue::from_str(&signature)?),
    ];
    Ok((headers.into_iter().collect(), body))
}

/// As Standard Webhooks say. Whatever else is wrong is the user's to mend, before the last attempt.
fn meaning(answer: &Answer) -> Meaning {
    match answer.status.as_u16() {
        200..=299 => Meaning::Accepted,
        410 => Meaning::Gone,
        _ => Meaning::Later,
    }
}
