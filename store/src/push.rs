//! Where a user's devices are reached while they are not connected.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use shared::{SessionId, Timestamp, UserId};

use crate::Result;

/// What carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PushKind {
    /// RFC 8030; what is sent is encrypted for the device (RFC 8291).
    WebPush,
    /// Firebase Cloud Messaging.
    Fcm,
    /// Apple Push Notification service.
    Apns,
    /// A URL of the user's own.
    Webhook,
}

/// What a browser gave for its endpoint (Push API), base64url.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebPushKeys {
    /// Its public key: P-256, uncompressed.
    pub p256dh: String,
    /// Its secret of 16 bytes.
    pub auth: String,
}

/// One place that is pushed to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushSubscription {
    pub kind: PushKind,
    /// The URL that is posted to, or the token of an app on a device.
    pub endpoint: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<WebPushKeys>,
    /// What a webhook's requests are signed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// The session that made it, if it was one of ours: with it ends the subscription.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    pub created_at: Timestamp,
}

impl PushSubscription {
    /// Names it: the same endpoint of the same kind is the same subscription. 32 hex digits.
    pub fn id(&self) -> String {
        Self::id_of(self.kind, &self.endpoint)
    }

    /// [`Self::id`] of what is not at hand.
    pub fn id_of(kind: PushKind, endpoint: &str) -> String {
        let kind: &[u8] = match kind {
            PushKind::WebPush => b"webpush",
            PushKind::Fcm => b"fcm",
            PushKind::Apns => b"apns",
            PushKind::Webhook => b"webhook",
        };
        let hash = Sha256::new().chain_update(kind).chain_update([0]).chain_update(endpoint).finalize();
        hash[..16].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[async_trait]
pub trait PushSubscriptions: Send + Sync {
    /// Adds one, or replaces that of the same id. `false`: the user has `most` others, and nothing was done. An endpoint
    /// is one user's: whoever has put it last ([`Self::subscriptions`]).
    async fn put_subscription(&self, user: UserId, subscription: &PushSubscription, most: usize) -> Result<bool>;
    /// The user's, in order of id; those not any more that another user has put since. Two round trips.
    async fn subscriptions(&self, user: UserId) -> Result<Vec<PushSubscription>>;
    /// `false`: there was none of this id.
    async fn remove_subscription(&self, user: UserId, id: &str) -> Result<bool>;
    /// The private key with which this deployment names itself to push services (RFC 8292), PKCS #8: `candidate`, unless
    /// there was one.
    async fn push_key(&self, candidate: &[u8]) -> Result<Vec<u8>>;
}
