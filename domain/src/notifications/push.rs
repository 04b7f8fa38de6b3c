//! Where a user's devices are pushed to: browsers and UnifiedPush by Web Push (RFC 8030), apps by FCM and APNs, and
//! webhooks.

mod global;
mod target;

use anyhow::Context;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde::{Deserialize, Serialize};
use shared::{Timestamp, UserId};
use store::{Login, PushKind, PushSubscription, Store, WebPushKeys};
use utoipa::ToSchema;
use web_push_native::p256::PublicKey;

pub use self::{
    global::is_global,
    target::{BadTarget, target},
};
use super::Notifications;
use crate::{DomainError, Result, Viewer, validate::Check};

/// Subscriptions of one user.
const MOST: usize = 20;
/// Characters of an app's token.
const MAX_TOKEN: usize = 4096;
/// Bytes of a webhook's secret (Standard Webhooks: 24 to 64).
const SECRET: usize = 24;

/// The private key with which this deployment names itself to push services, PKCS #8; made once, the same in all processes.
pub async fn push_key(store: &Store) -> Result<Vec<u8>> {
    let made = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
        .and_then(|pair| pair.to_pkcs8v1())
        .context("make a key for pushes")?;
    Ok(store.push.push_key(made.as_ref()).await?)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SubscriptionType {
    /// What a browser's `PushManager.subscribe()` gives, and UnifiedPush.
    WebPush,
    /// An app on Firebase Cloud Messaging.
    Fcm,
    /// An app on an Apple device.
    Apns,
    /// A URL that notifications are posted to, signed as Standard Webhooks.
    Webhook,
}

impl From<SubscriptionType> for PushKind {
    fn from(kind: SubscriptionType) -> Self {
        match kind {
            SubscriptionType::WebPush => Self::WebPush,
            SubscriptionType::Fcm => Self::Fcm,
            SubscriptionType::Apns => Self::Apns,
            SubscriptionType::Webhook => Self::Webhook,
        }
    }
}

impl SubscriptionType {
    /// Is it named by an app's token, rather than by a URL?
    const fn has_token(self) -> bool {
        matches!(self, Self::Fcm | Self::Apns)
    }
}

/// As a browser's `PushSubscription` is written as JSON, and its type.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Subscribe {
    #[serde(rename = "type")]
    pub kind: SubscriptionType,
    /// With `webpush` and `webhook`: the URL that is posted to, https and of a public address.
    pub endpoint: Option<String>,
    /// With `fcm` and `apns`: what the device's system gave the app.
    pub token: Option<String>,
    /// With `webpush`.
    pub keys: Option<SubscriptionKeys>,
}

/// What the browser encrypts for (RFC 8291), base64url.
#[derive(Debug, Deserialize, ToSchema)]
pub struct SubscriptionKeys {
    /// P-256, uncompressed: 65 bytes.
    pub p256dh: String,
    /// 16 bytes.
    pub auth: String,
}

/// Which one to remove: what it was made with.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Unsubscribe {
    #[serde(rename = "type")]
    pub kind: SubscriptionType,
    pub endpoint: Option<String>,
    pub token: Option<String>,
}

/// A subscription as its owner sees it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Subscription {
    /// Names it in the states of a notification: `webpush/ID`.
    pub id: String,
    #[serde(rename = "type")]
    pub kind: SubscriptionType,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// What a webhook's requests are signed with (`whsec_…`); told once, when it is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    pub created_at: Timestamp,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct SubscriptionList {
    pub items: Vec<Subscription>,
}

impl Notifications {
    /// From now on the viewer's notifications go there too, until the session ends that this was done with; by another
    /// product's token, until it is removed. The same endpoint again replaces what was there, also another user's: a
    /// device tells one user's notifications.
    pub async fn subscribe(&self, viewer: &Viewer, input: Subscribe) -> Result<Subscription> {
        let kind = input.kind.into();
        if !self.carries(kind) {
            return Err(DomainError::Forbidden("notifications are not pushed in this way here"));
        }
        let endpoint = self.endpoint(input.kind, input.endpoint, input.token)?;
        let keys = match (kind, &input.keys) {
            (PushKind::WebPush, Some(keys)) => check_keys(keys)?,
            (PushKind::WebPush, None) => return Err(DomainError::invalid("keys", "give p256dh and auth")),
            _ => None,
        };
        let secret = || format!("whsec_{}", STANDARD.encode(rand::random::<[u8; SECRET]>()));
        let subscription = PushSubscription {
            kind,
            endpoint,
            keys,
            secret: (kind == PushKind::Webhook).then(secret),
            // Another product's token ends long before the device is given up.
            session: viewer.session().ok(),
            created_at: Timestamp::now(),
        };
        if !self.store.push.put_subscription(viewer.user, &subscription, MOST).await? {
            return Err(DomainError::invalid("type", format!("you have {MOST} subscriptions already; remove one")));
        }
        Ok(to_subscription(subscription, true))
    }

    /// The viewer's, in order of id.
    pub async fn subscriptions(&self, viewer: &Viewer) -> Result<SubscriptionList> {
        let all = self.pushed_to(viewer.user).await?;
        Ok(SubscriptionList { items: all.into_iter().map(|one| to_subscription(one, false)).collect() })
    }

    /// Removing what is not there is fine: a browser that unsubscribes may have been forgotten before.
    pub async fn unsubscribe(&self, viewer: &Viewer, input: Unsubscribe) -> Result<()> {
        let named = named(input.kind, input.endpoint, input.token)?;
        let id = PushSubscription::id_of(input.kind.into(), &named);
        self.store.push.remove_subscription(viewer.user, &id).await?;
        Ok(())
    }

    /// Where a user is pushed to now: those of logins that live. Three round trips; one where there is none.
    pub async fn pushed_to(&self, user: UserId) -> Result<Vec<PushSubscription>> {
        let all = self.store.push.subscriptions(user).await?;
        let logins: Vec<_> = all.iter().filter_map(|one| Some((user, Login::Session(one.session?)))).collect();
        if logins.is_empty() {
            return Ok(all);
        }
        let live = self.store.sessions.live(&logins).await?;
        let mut live = live.into_iter();
        let (kept, ended): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|one| one.session.is_none() || live.next().unwrap_or(false));
        for subscription in ended {
            self.store.push.remove_subscription(user, &subscription.id()).await?;
        }
        Ok(kept)
    }

    /// Is this kind switched on?
    fn carries(&self, kind: PushKind) -> bool {
        self.carried.contains(&(kind, true))
    }

    /// The URL or token, as it was given: the device names it so when it unsubscribes.
    fn endpoint(&self, kind: SubscriptionType, endpoint: Option<String>, token: Option<String>) -> Result<String> {
        let named = named(kind, endpoint, token)?;
        if kind.has_token() {
            let plain = named.bytes().all(|byte| byte.is_ascii_graphic());
            let fits = (1..=MAX_TOKEN).contains(&named.len()) && plain;
            let problem = format!("use 1 to {MAX_TOKEN} visible ASCII characters");
            // Apple's tokens are a part of a path.
            let hex = kind != SubscriptionType::Apns || named.bytes().all(|byte| byte.is_ascii_hexdigit());
            Check::default().that(fits, "token", problem).that(hex, "token", "use hex digits").done()?;
        } else {
            target(&named, self.private_targets).map_err(|why| DomainError::invalid("endpoint", why.to_string()))?;
        }
        Ok(named)
    }
}

/// What names a subscription of this kind.
fn named(kind: SubscriptionType, endpoint: Option<String>, token: Option<String>) -> Result<String> {
    let (field, given) = if kind.has_token() { ("token", token) } else { ("endpoint", endpoint) };
    given.ok_or_else(|| DomainError::invalid(field, "is missing"))
}

fn check_keys(keys: &SubscriptionKeys) -> Result<Option<WebPushKeys>> {
    // Some browsers' libraries pad.
    let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text.trim_end_matches('='));
    let public = bytes(&keys.p256dh).is_ok_and(|key| key.len() == 65 && PublicKey::from_sec1_bytes(&key).is_ok());
    let auth = bytes(&keys.auth).is_ok_and(|auth| auth.len() == 16);
    Check::default()
        .that(public, "keys.p256dh", "not a P-256 public key of 65 bytes, base64url")
        .that(auth, "keys.auth", "not 16 bytes, base64url")
        .done()?;
    Ok(Some(WebPushKeys { p256dh: keys.p256dh.clone(), auth: keys.auth.clone() }))
}

fn to_subscription(subscription: PushSubscription, made: bool) -> Subscription {
    let kind = match subscription.kind {
        PushKind::WebPush => SubscriptionType::WebPush,
        PushKind::Fcm => SubscriptionType::Fcm,
        PushKind::Apns => SubscriptionType::Apns,
        PushKind::Webhook => SubscriptionType::Webhook,
    };
    let id = subscription.id();
    let (endpoint, token) = match kind.has_token() {
        true => (None, Some(subscription.endpoint)),
        false => (Some(subscription.endpoint), None),
    };
    let secret = subscription.secret.filter(|_| made);
    Subscription { id, kind, endpoint, token, secret, created_at: subscription.created_at }
}
