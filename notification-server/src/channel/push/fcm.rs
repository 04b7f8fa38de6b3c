//! Firebase Cloud Messaging, HTTP v1: for apps, in the name of a service account of the operator's project.

use std::{collections::BTreeMap, fs, time::Duration};

use anyhow::Context;
use async_trait::async_trait;
use domain::{Domain, notifications::FCM};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::StatusCode;
use serde::{Deserialize, Serialize};
use shared::{Timestamp, settings};
use store::{Job, PushKind, PushSubscription};
use tokio::sync::Mutex;

use super::{Meaning, Payload, Service, Verdict, fitting, ttl};
use crate::outgoing::{Answer, Chosen, exchange};

/// Bytes of a message.
const MESSAGE_BYTES: usize = 4096;
const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// How long what asks for an access token is good.
const ASSERTION: Duration = Duration::from_secs(3600);
/// An access token is replaced so long before it ends.
const MARGIN: Duration = Duration::from_secs(60);

pub struct Fcm {
    domain: Domain,
    http: Chosen,
    account: Account,
    key: EncodingKey,
    url: String,
    /// The access token, and until when it is used. One is asked for at a time.
    access: Mutex<Option<(String, Timestamp)>>,
}

/// What is read of a service account's file.
#[derive(Deserialize)]
struct Account {
    project_id: String,
    client_email: String,
    private_key: String,
    token_uri: String,
}

/// RFC 7523.
#[derive(Serialize)]
struct Assertion<'a> {
    iss: &'a str,
    scope: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    /// Seconds.
    expires_in: u64,
}

#[derive(Serialize)]
struct Request<'a> {
    message: Message<'a>,
}

#[derive(Serialize)]
struct Message<'a> {
    token: &'a str,
    notification: Shown<'a>,
    /// Texts alone may be in it.
    data: BTreeMap<&'a str, String>,
    android: Android,
}

#[derive(Serialize)]
struct Shown<'a> {
    title: &'a str,
    body: &'a str,
}

#[derive(Serialize)]
struct Android {
    #[serde(skip_serializing_if = "Option::is_none")]
    collapse_key: Option<String>,
    ttl: String,
    priority: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    notification: Option<Counted>,
}

/// The number at the app's icon.
#[derive(Serialize)]
struct Counted {
    notification_count: u64,
}

impl Fcm {
    /// `None`: no account is configured. An error names the file that cannot be right.
    pub fn new(domain: Domain, settings: &settings::Fcm) -> anyhow::Result<Option<Self>> {
        let Some(file) = &settings.service_account else { return Ok(None) };
        let wrong = || format!("configuration: notification.fcm.service_account: {}", file.display());
        let text = fs::read_to_string(file).with_context(wrong)?;
        let account: Account = serde_json::from_str(&text).with_context(wrong)?;
        let key = EncodingKey::from_rsa_pem(account.private_key.as_bytes()).with_context(wrong)?;
        let url = format!("{}/v1/projects/{}/messages:send", settings.url.trim_end_matches('/'), account.project_id);
        Ok(Some(Self { domain, http: Chosen::new(false)?, account, key, url, access: Mutex::default() }))
    }

    /// The access token: the one at hand, or a new one.
    async fn access(&self) -> Result<String, Verdict> {
        let mut access = self.access.lock().await;
        let now = Timestamp::now();
        if let Some((token, until)) = access.as_ref()
            && *until > now
        {
            return Ok(token.clone());
        }
        let (uri, iat) = (self.account.token_uri.as_str(), now.as_millis() / 1000);
        let exp = now.after(ASSERTION).as_millis() / 1000;
        let assertion = Assertion { iss: &self.account.client_email, scope: SCOPE, aud: uri, iat, exp };
        let assertion = jsonwebtoken::encode(&Header::new(Algorithm::RS256), &assertion, &self.key)
            .map_err(|e| Verdict::later(format!("no access token: {e}")))?;
        let form = [("grant_type", GRANT), ("assertion", assertion.as_str())];
        let answer = exchange(self.http.post(uri).form(&form)).await;
        let answer = match answer {
            Ok(answer) if answer.status.is_success() => answer,
            // Whatever is wrong with the account is the operator's to mend.
            answer => {
                let refused = Verdict::of(answer, |_| Meaning::Later);
                return Err(Verdict { said: format!("no access token: {}", refused.said), ..refused });
            }
        };
        let granted: Granted =
            serde_json::from_str(&answer.text).map_err(|e| Verdict::later(format!("no access token: {e}")))?;
        let until = now.after(Duration::from_secs(granted.expires_in).saturating_sub(MARGIN));
        *access = Some((granted.access_token.clone(), until));
        Ok(granted.access_token)
    }
}

fn request<'a>(job: &Job, token: &'a str, payload: &Payload<'a>) -> Request<'a> {
    let mut data = BTreeMap::from([("id", payload.id.to_string()), ("createdAt", payload.created_at.to_string())]);
    if let Some(value) = payload.data {
        data.insert("data", value.to_string());
    }
    if let Some(category) = payload.category {
        data.insert("category", category.into());
    }
    if let Some(badge) = payload.badge {
        data.insert("badge", badge.to_string());
    }
    let notification = payload.badge.map(|notification_count| Counted { notification_count });
    let ttl = format!("{}s", ttl(job).as_secs());
    let android = Android { collapse_key: job.collapse_key.clone(), ttl, priority: "HIGH", notification };
    Request {
        message: Message { token, notification: Shown { title: payload.title, body: payload.body }, data, android },
    }
}

/// By the error codes that FCM documents.
fn meaning(answer: &Answer) -> Meaning {
    match answer.status.as_u16() {
        200 => Meaning::Accepted,
        // UNREGISTERED
        404 => Meaning::Gone,
        // 401: the access token, or the operator's key at Apple or at a push service, is not good (any more).
        401 | 429 | 500..=599 => Meaning::Later,
        // INVALID_ARGUMENT, SENDER_ID_MISMATCH
        _ => Meaning::Refused,
    }
}

#[async_trait]
impl Service for Fcm {
    const KIND: PushKind = PushKind::Fcm;
    const NAME: &'static str = FCM;

    fn domain(&self) -> &Domain {
        &self.domain
    }

    async fn send(&self, job: &Job, subscription: &PushSubscription) -> Verdict {
        let write = |payload: &Payload| serde_json::to_vec(&request(job, &subscription.endpoint, payload));
        let body = match fitting(job, MESSAGE_BYTES, write) {
            Ok(body) => body,
            Err(e) => return Verdict::refused(e.to_string()),
        };
        let access = match self.access().await {
            Ok(access) => access,
            Err(verdict) => return verdict,
        };
        let request = self.http.post(&self.url).bearer_auth(&access).header("content-type", "application/json");
        let answer = exchange(request.body(body)).await;
        if answer.as_ref().is_ok_and(|answer| answer.status == StatusCode::UNAUTHORIZED) {
            self.access.lock().await.take_if(|(token, _)| *token == access);
        }
        Verdict::of(answer, meaning)
    }
}
