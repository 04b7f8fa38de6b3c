//! Web Push (RFC 8030): encrypted for the device (RFC 8188, RFC 8291), sent in the deployment's name (RFC 8292).

use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{
    Domain,
    notifications::{WEB_PUSH, push_key},
};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use moka::sync::Cache;
use reqwest::{
    StatusCode, Url,
    header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};
use serde::Serialize;
use sha2::{Digest, Sha256};
use shared::Timestamp;
use store::{Job, PushKind, PushSubscription};
use tokio::sync::OnceCell;
use web_push_native::{Auth, p256::PublicKey};

use super::{Meaning, Service, Verdict, fitting, ttl};
use crate::outgoing::{Answer, Outgoing, SendError};

/// Plain bytes of a push: services take 4096 encrypted ones (RFC 8030 §7.2), of which 103 are not the message's.
const PLAIN_BYTES: usize = 3993;
/// The same where a service says that this is too much for it.
const SHORT_BYTES: usize = 1024;
/// How long one signed statement of who we are serves; services accept 24 h (RFC 8292 §2).
const NAMED: Duration = Duration::from_secs(12 * 3600);
/// Push services whose statements are kept.
const SERVICES: u64 = 1000;

pub struct WebPush {
    domain: Domain,
    outgoing: Outgoing,
    contact: String,
    identity: OnceCell<Identity>,
    /// `Authorization` by the origin of the push service; signed anew in the middle of its life.
    statements: Cache<String, HeaderValue>,
}

/// What came of a request.
type Exchanged = Result<Answer, SendError>;

/// Who this deployment is to push services.
struct Identity {
    key: EncodingKey,
    /// Base64url, as browsers take it for `applicationServerKey`.
    public: String,
}

#[derive(Serialize)]
struct Claims<'a> {
    aud: &'a str,
    exp: i64,
    sub: &'a str,
}

impl WebPush {
    /// `contact`: where the operator is reached.
    pub fn new(domain: Domain, outgoing: Outgoing, contact: String) -> Self {
        let statements = Cache::builder().max_capacity(SERVICES).time_to_live(NAMED / 2).build();
        Self { domain, outgoing, contact, identity: OnceCell::new(), statements }
    }

    /// The key that browsers subscribe with. The same in all processes and after every start.
    pub async fn public_key(&self) -> domain::Result<&str> {
        Ok(&self.identity().await?.public)
    }

    async fn identity(&self) -> domain::Result<&Identity> {
        let load = async || {
            let kept = push_key(&self.domain.store).await?;
            let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &kept)
                .map_err(|e| anyhow::anyhow!("the key for pushes that is kept: {e}"))?;
            let public = URL_SAFE_NO_PAD.encode(pair.public_key());
            Ok(Identity { key: EncodingKey::from_ec_der(&kept), public })
        };
        self.identity.get_or_try_init(load).await
    }

    /// `Authorization: vapid t=…,k=…` for the service of this endpoint.
    async fn authorization(&self, endpoint: &str) -> domain::Result<HeaderValue> {
        let url = Url::parse(endpoint).context("an endpoint that is kept")?;
        let origin = url.origin().ascii_serialization();
        if let Some(value) = self.statements.get(&origin) {
            return Ok(value);
        }
        let identity = self.identity().await?;
        let exp = Timestamp::now().after(NAMED).as_millis() / 1000;
        let claims = Claims { aud: &origin, exp, sub: &self.contact };
        let token = jsonwebtoken::encode(&Header::new(Algorithm::ES256), &claims, &identity.key)
            .context("sign for a push service")?;
        let value = format!("vapid t={token},k={}", identity.public);
        let mut value = HeaderValue::from_str(&value).context("a signed statement")?;
        value.set_sensitive(true);
        self.statements.insert(origin, value.clone());
        Ok(value)
    }

    /// One attempt with at most so many plain bytes.
    async fn post(&self, job: &Job, subscription: &PushSubscription, bytes: usize) -> domain::Result<Exchanged> {
        let (headers, body) = self.request(job, subscription, bytes).await?;
        Ok(self.outgoing.post(&subscription.endpoint, headers, body).await)
    }

    async fn request(
        &self,
        job: &Job,
        subscription: &PushSubscription,
        bytes: usize,
    ) -> domain::Result<(HeaderMap, Vec<u8>)> {
        let plain = fitting(job, bytes, |payload| serde_json::to_vec(payload)).context("write a push")?;
        let body = encrypt(subscription, plain).context("encrypt for a device")?;
        let ttl = ttl(job);
        let mut headers: HeaderMap = [
            (AUTHORIZATION, self.authorization(&subscription.endpoint).await?),
            (CONTENT_ENCODING, HeaderValue::from_static("aes128gcm")),
            (CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
            (HeaderName::from_static("ttl"), HeaderValue::from(ttl.as_secs())),
            (HeaderName::from_static("urgency"), HeaderValue::from_static("high")),
        ]
        .into_iter()
        .collect();
        if let Some(key) = &job.collapse_key {
            // At most 32 characters of base64url (RFC 8030 §5.4), and no room's id to the service.
            let topic = URL_SAFE_NO_PAD.encode(&Sha256::digest(key)[..24]);
            let topic = HeaderValue::from_str(&topic).context("a topic")?;
            headers.insert(HeaderName::from_static("topic"), topic);
        }
        Ok((headers, body))
    }
}

#[async_trait]
impl Service for WebPush {
    const KIND: PushKind = PushKind::WebPush;
    const NAME: &'static str = WEB_PUSH;

    fn domain(&self) -> &Domain {
        &self.domain
    }

    async fn send(&self, job: &Job, subscription: &PushSubscription) -> Verdict {
        let too_large =
            |answer: &Exchanged| answer.as_ref().is_ok_and(|answer| answer.status == StatusCode::PAYLOAD_TOO_LARGE);
        let answer = match self.post(job, subscription, PLAIN_BYTES).await {
            // Rather a short notification than none.
            Ok(answer) if too_large(&answer) => self.post(job, subscription, SHORT_BYTES).await,
            answer => answer,
        };
        match answer {
            Ok(answer) => Verdict::of(answer, meaning),
            Err(e) => {
                e.log();
                Verdict::later("internal error")
            }
        }
    }
}

/// RFC 8291, with a key pair of its own for each message.
fn encrypt(subscription: &PushSubscription, plain: Vec<u8>) -> anyhow::Result<Vec<u8>> {
    let keys = subscription.keys.as_ref().context("a subscription without keys")?;
    let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text.trim_end_matches('='));
    let public = PublicKey::from_sec1_bytes(&bytes(&keys.p256dh)?)?;
    let auth: [u8; 16] = bytes(&keys.auth)?.try_into().map_err(|_| anyhow::anyhow!("a secret of another length"))?;
    Ok(web_push_native::encrypt(plain, &public, &Auth::from(auth))?)
}

/// RFC 8030 §5, §8.4, and what push services document.
fn meaning(answer: &Answer) -> Meaning {
    match answer.status.as_u16() {
        200..=299 => Meaning::Accepted,
        404 | 410 => Meaning::Gone,
        408 | 425 | 429 | 500..=599 => Meaning::Later,
        _ => Meaning::Refused,
    }
}
