//! Apple Push Notification service: HTTP/2, with a key of the operator's (token-based authentication).

use std::{fs, time::Duration};

use anyhow::Context;
use async_trait::async_trait;
use domain::{Domain, notifications::APNS};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use shared::{NotificationId, Timestamp, settings};
use store::{Job, PushKind, PushSubscription};

use super::{Meaning, Payload, Service, Verdict, fitting, ttl};
use crate::outgoing::{Answer, Chosen, exchange};

/// Bytes of a payload.
const PAYLOAD_BYTES: usize = 4096;
/// A token is used for so long: Apple refuses those older than an hour, and more than one in 20 minutes.
const TOKEN_USED: Duration = Duration::from_secs(50 * 60);

pub struct Apns {
    domain: Domain,
    http: Chosen,
    key: EncodingKey,
    key_id: String,
    team_id: String,
    topic: String,
    url: String,
    /// The token, and when it was signed.
    token: Mutex<Option<(String, Timestamp)>>,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    iat: i64,
}

#[derive(Serialize)]
struct Pushed<'a> {
    aps: Aps<'a>,
    id: NotificationId,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Value>,
    #[serde(rename = "createdAt")]
    created_at: Timestamp,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Aps<'a> {
    alert: Alert<'a>,
    sound: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    badge: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<&'a str>,
    /// What the device shows together.
    #[serde(skip_serializing_if = "Option::is_none")]
    thread_id: Option<&'a str>,
}

#[derive(Serialize)]
struct Alert<'a> {
    title: &'a str,
    body: &'a str,
}

/// What Apple says of a push it did not take.
#[derive(Deserialize)]
struct Refusal {
    reason: String,
}

impl Apns {
    /// `None`: no key is configured. An error names the file that cannot be right.
    pub fn new(domain: Domain, settings: &settings::Apns) -> anyhow::Result<Option<Self>> {
        let (Some(file), Some(key_id), Some(team_id), Some(topic)) =
            (&settings.key_file, &settings.key_id, &settings.team_id, &settings.topic)
        else {
            return Ok(None);
        };
        let wrong = || format!("configuration: notification.apns.key_file: {}", file.display());
        let key = EncodingKey::from_ec_pem(&fs::read(file).with_context(wrong)?).with_context(wrong)?;
        Ok(Some(Self {
            domain,
            http: Chosen::new(true)?,
            key,
            key_id: key_id.clone(),
            team_id: team_id.clone(),
            topic: topic.clone(),
            url: settings.url.trim_end_matches('/').to_owned(),
            token: Mutex::default(),
        }))
    }

    fn token(&self) -> jsonwebtoken::errors::Result<String> {
        let mut kept = self.token.lock();
        let now = Timestamp::now();
        if let Some((token, signed)) = kept.as_ref()
            && now < signed.after(TOKEN_USED)
        {
            return Ok(token.clone());
        }
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(self.key_id.clone());
        let claims = Claims { iss: &self.team_id, iat: now.as_millis() / 1000 };
        let token = jsonwebtoken::encode(&header, &claims, &self.key)?;
        *kept = Some((token.clone(), now));
        Ok(token)
    }
}

/// At most 64 bytes, and no room's id to the service.
fn collapse_id(key: &str) -> String {
    Sha256::digest(key)[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn pushed<'a>(job: &'a Job, payload: &Payload<'a>) -> Pushed<'a> {
    let alert = Alert { title: payload.title, body: payload.body };
    let (badge, thread_id) = (payload.badge, job.collapse_key.as_deref());
    let aps = Aps { alert, sound: "default", badge, category: payload.category, thread_id };
    Pushed { aps, id: payload.id, data: payload.data, created_at: payload.created_at }
}

fn reason(answer: &Answer) -> String {
    serde_json::from_str::<Refusal>(&answer.text).map(|refusal| refusal.reason).unwrap_or_default()
}

/// By the reasons that Apple documents.
fn meaning(answer: &Answer) -> Meaning {
    match (answer.status.as_u16(), reason(answer).as_str()) {
        (200, _) => Meaning::Accepted,
        (410, _) | (400, "BadDeviceToken" | "DeviceTokenNotForTopic") => Meaning::Gone,
        // The operator's token or key: theirs to mend.
        (403 | 429 | 500..=599, _) => Meaning::Later,
        _ => Meaning::Refused,
    }
}

#[async_trait]
impl Service for Apns {
    const KIND: PushKind = PushKind::Apns;
    const NAME: &'static str = APNS;

    fn domain(&self) -> &Domain {
        &self.domain
    }

    async fn send(&self, job: &Job, subscription: &PushSubscription) -> Verdict {
        let body = match fitting(job, PAYLOAD_BYTES, |payload| serde_json::to_vec(&pushed(job, payload))) {
            Ok(body) => body,
            Err(e) => return Verdict::refused(e.to_string()),
        };
        let token = match self.token() {
            Ok(token) => token,
            Err(e) => return Verdict::refused(format!("the token cannot be signed: {e}")),
        };
        let expires = Timestamp::now().after(ttl(job)).as_millis() / 1000;
        let mut request = self
            .http
            .post(&format!("{}/3/device/{}", self.url, subscription.endpoint))
            .bearer_auth(&token)
            .header("apns-topic", &self.topic)
            .header("apns-push-type", "alert")
            .header("apns-priority", "10")
            .header("apns-expiration", expires)
            // The same with every attempt.
            .header("apns-id", job.id.to_string());
        if let Some(key) = &job.collapse_key {
            request = request.header("apns-collapse-id", collapse_id(key));
        }
        let answer = exchange(request.body(body)).await;
        let outworn = matches!(&answer, Ok(answer) if reason(answer) == "ExpiredProviderToken");
        if outworn {
            self.token.lock().take_if(|(kept, _)| *kept == token);
        }
        Verdict::of(answer, meaning)
    }
}
