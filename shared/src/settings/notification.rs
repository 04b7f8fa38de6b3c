//! How notifications reach people.

use std::{net::SocketAddr, path::PathBuf};

use email_address::EmailAddress;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::{SmtpUrl, comma_separated, hidden, local};

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Notification {
    pub listen: SocketAddr,
    pub public_url: Option<String>,
    /// Keys that may `POST /notify`, comma-separated; at least 16 characters each. None: only tokens of scope `notify`.
    #[serde(deserialize_with = "comma_separated", serialize_with = "hidden")]
    pub api_keys: Vec<SecretString>,
    /// How long after a message its absent readers are notified.
    pub delay_ms: u64,
    /// After so long, what a notification-server took up and has not settled goes to another; 2 to 3600. A delivery may
    /// take half of it, and 30 s at most.
    pub claim_seconds: u64,
    pub webpush: WebPush,
    pub fcm: Fcm,
    pub apns: Apns,
    /// May users have their notifications posted to URLs of their own?
    pub webhooks: bool,
    /// Users' URLs may be plain http, and lead to private addresses: for tests, and where users are trusted.
    pub allow_private_targets: bool,
    /// The server that takes e-mail; without it none is sent.
    pub smtp_url: Option<SmtpUrl>,
    /// What comes in a room within so long is one e-mail to whoever has missed it.
    pub email_batch_seconds: u64,
    /// Who writes: `no-reply@example.org`, or `Example <no-reply@example.org>`.
    pub smtp_from: Option<String>,
}

/// Browsers' push services, and UnifiedPush.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebPush {
    /// `mailto:` or `https:` where a push service reaches the operator (RFC 8292 §2.1); none: no Web Push.
    pub contact: Option<String>,
}

/// Firebase Cloud Messaging.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fcm {
    /// The JSON file of a service account of the apps' project; none: no FCM.
    pub service_account: Option<PathBuf>,
    pub url: String,
}

/// Apple Push Notification service.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Apns {
    /// The `.p8` file of a key for pushes; none: no APNs.
    pub key_file: Option<PathBuf>,
    /// The key's id.
    pub key_id: Option<String>,
    pub team_id: Option<String>,
    /// The app's bundle id.
    pub topic: Option<String>,
    pub url: String,
}

impl Apns {
    /// The first key without a value, where another has one.
    fn missing(&self) -> Option<&'static str> {
        let given = [
            ("apns.key_file", self.key_file.is_some()),
            ("apns.key_id", self.key_id.is_some()),
            ("apns.team_id", self.team_id.is_some()),
            ("apns.topic", self.topic.is_some()),
        ];
        let some = given.iter().any(|(_, given)| *given);
        given.into_iter().find(|(_, given)| some && !given).map(|(key, _)| key)
    }
}

impl Default for Notification {
    fn default() -> Self {
        Self {
            listen: local(3003),
            public_url: None,
            api_keys: Vec::new(),
            delay_ms: 2000,
            claim_seconds: 60,
            webpush: WebPush::default(),
            fcm: Fcm::default(),
            apns: Apns::default(),
            webhooks: false,
            allow_private_targets: false,
            smtp_url: None,
            email_batch_seconds: 120,
            smtp_from: None,
        }
    }
}

impl Default for Fcm {
    fn default() -> Self {
        Self { service_account: None, url: "https://fcm.googleapis.com".into() }
    }
}

impl Default for Apns {
    fn default() -> Self {
        let url = "https://api.push.apple.com".into();
        Self { key_file: None, key_id: None, team_id: None, topic: None, url }
    }
}

impl Notification {
    /// The rules a type cannot say; else the key below `notification`, and why.
    pub(super) fn check(&self) -> Result<(), (&'static str, &'static str)> {
        if self.api_keys.iter().any(|k| k.expose_secret().len() < 16) {
            return Err(("api_keys", "a key has less than 16 characters"));
        }
        if !(2..=3600).contains(&self.claim_seconds) {
            return Err(("claim_seconds", "use 2 to 3600"));
        }
        let contact = self.webpush.contact.as_deref().map(url::Url::parse);
        if contact.is_some_and(|url| !url.is_ok_and(|url| matches!(url.scheme(), "mailto" | "https"))) {
            return Err(("webpush.contact", "use mailto:ADDRESS or https://HOST"));
        }
        let services = [("fcm.url", &self.fcm.url), ("apns.url", &self.apns.url)];
        for (key, url) in services {
            if !url::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "https" | "http") && url.path() == "/") {
                return Err((key, "use https://HOST"));
            }
        }
        if let Some(missing) = self.apns.missing() {
            return Err((missing, "is needed with the others of notification.apns"));
        }
        if self.email_batch_seconds > 24 * 3600 {
            return Err(("email_batch_seconds", "use up to 86400"));
        }
        match (&self.smtp_url, &self.smtp_from) {
            (_, Some(from)) if !EmailAddress::is_valid(from) || from.chars().any(char::is_control) => {
                return Err(("smtp_from", "use no-reply@example.org or Example <no-reply@example.org>"));
            }
            (Some(_), None) => return Err(("smtp_from", "is needed with notification.smtp_url")),
            _ => {}
        }
        Ok(())
    }
}
