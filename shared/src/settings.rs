//! Layered configuration: defaults, then a TOML file, then the environment (`CHATAPP__SECTION__KEY`).
//!
//! Every key has a default; an unknown key or a bad value is one readable line naming the key (exit 64, EX_USAGE).
//! `docs/configuration.md` and `.env.example` list all of them and are checked against this file by a test.

mod attachments;
mod external;
mod files_url;
mod limits;
mod notification;
mod smtp_url;
mod store_url;

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use config::{Config, Environment, File, FileFormat};
use ipnet::IpNet;
use secrecy::SecretString;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use self::{
    attachments::Attachments,
    external::{ExternalIssuer, KeysAt},
    files_url::FilesUrl,
    limits::Limits,
    notification::{Apns, Fcm, Notification, WebPush},
    smtp_url::SmtpUrl,
    store_url::StoreUrl,
};

/// Exit status for bad configuration (sysexits.h EX_USAGE).
pub const EXIT_USAGE: u8 = 64;

/// One line for the operator: which key is wrong and why.
#[derive(Debug, thiserror::Error)]
#[error("configuration: {0}")]
pub struct SettingsError(String);

/// Everything that can be configured, of all services: each reads its own section and the common ones.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub store: Store,
    pub api: Api,
    pub chat: Chat,
    pub presence: Presence,
    pub people: People,
    pub notification: Notification,
    pub auth: Auth,
    pub attachments: Attachments,
    pub http: Http,
    pub limits: Limits,
    pub log: Log,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Store {
    /// `embedded:DIR`, `redis://[user:password@]host[:port][/db]`, `rediss://…`, `redis+cluster://host:port,…`.
    pub url: StoreUrl,
    /// Put before every key in Redis, so that several deployments share one server; empty for none.
    pub key_prefix: String,
    /// Redis replicas that must have a message, an edit or a deletion before it is acknowledged; 0: none.
    pub wait_replicas: u32,
    /// How long they may take; then the answer is `UNAVAILABLE`, and a retry with the same key waits anew.
    pub wait_ms: u64,
    /// How often messages that their room does not keep are looked for, and removed.
    pub retention_seconds: u64,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Api {
    pub listen: SocketAddr,
    /// Where clients reach it; default: from `listen`.
    pub public_url: Option<String>,
    /// What a request that is passed on to another service may take in all.
    pub gateway_ms: u64,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Chat {
    pub listen: SocketAddr,
    /// `ws://host:port` where clients reach this instance, as the registry tells them; default: from `listen`.
    pub public_url: Option<String>,
    /// Typing ends by itself so long after it was last said; a connection's repeats are passed on after half of it.
    pub typing_ms: u64,
    /// A connection gets at most one `RECEIPT` of a room in so long.
    pub receipt_ms: u64,
    /// In larger rooms nobody is told what others have read.
    pub receipt_members: u64,
    /// How long a connection that will resume is held for its `RESUME` or the next `SYNC`; then it is closed (4409).
    pub hold_seconds: u64,
    /// How often the heads of all logs that are followed are compared with what has been delivered.
    pub heads_seconds: u64,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Presence {
    pub listen: SocketAddr,
    pub public_url: Option<String>,
    /// How long after the last connection ended a user is still shown as online.
    pub grace_ms: u64,
    /// After how long without looking at any of their devices a user is away.
    pub away_ms: u64,
    /// A process that has not renewed its lease for so long is dead.
    pub lease_seconds: u64,
    /// How many users one connection may watch.
    pub max_watched: usize,
}

#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct People {
    /// Are contacts asked before they are one, and is each then one of the other?
    pub contact_requests: bool,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Auth {
    /// May anyone take a guest account?
    pub guests: bool,
    /// A guest who was not seen for so long is removed.
    pub guest_idle_hours: u64,
    pub access_token_seconds: u64,
    /// Of tokens that no other follows: those of the Messaging API and of guests of Resources.
    pub lasting_token_hours: u64,
    pub refresh_token_days: u64,
    /// How often the sockets of logins that ended without a word are looked for, to be closed.
    pub sessions_seconds: u64,
    /// Password hashes computed at the same time, in one process.
    pub hash_threads: usize,
    /// Other products whose tokens are taken.
    #[serde(deserialize_with = "external::issuers")]
    pub external: Vec<ExternalIssuer>,
    /// How long the token of a letter about a lost password is good.
    pub reset_minutes: u64,
    /// How long the token of a letter that asks whether an address is right is good.
    pub verify_hours: u64,
    /// Link in a letter about a lost password, with `{token}` in it; without, the letter has the token alone.
    pub reset_url: Option<String>,
    /// The same of a letter that asks whether an address is right.
    pub verify_url: Option<String>,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// Threads that serve HTTP and sockets, for each service; 0: one per core.
    pub workers: usize,
    /// Sockets and requests one worker holds at once; more wait to be accepted.
    pub max_connections: usize,
    /// After SIGTERM, sockets are closed within this time and the process ends.
    pub shutdown_seconds: u64,
    /// Origins browsers may connect from, comma-separated; `*` for any. Requests without `Origin` are not browsers'.
    #[serde(deserialize_with = "comma_separated")]
    pub allowed_origins: Vec<String>,
    /// Networks of the proxies in front of the services, comma-separated: their `X-Forwarded-For` is believed.
    #[serde(deserialize_with = "networks")]
    pub trusted_proxies: Vec<IpNet>,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    pub format: LogFormat,
    /// A filter: `info`, or `warn,chat_server=debug`.
    pub level: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Pretty,
    Json,
}

/// Secrets are never written out.
fn hidden<S: Serializer>(_: &[SecretString], s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str("")
}

fn hidden_one<S: Serializer>(_: &Option<SecretString>, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_none()
}

/// An origin as browsers write it (RFC 6454 §6.2): in lower case, without the scheme's own port, without a path. `*`
/// stays. `None`: it is none.
fn origin(text: &str) -> Option<String> {
    if text == "*" {
        return Some(text.into());
    }
    let url = url::Url::parse(text).ok()?;
    let bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
    let host = url.host_str().filter(|host| !host.is_empty() && bare && url.username().is_empty())?;
    let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
    Some(format!("{}://{}{port}", url.scheme(), host.to_ascii_lowercase()))
}

/// A URL once `{token}`, which is there once, has been replaced.
fn is_link(template: &str) -> bool {
    template.matches("{token}").count() == 1 && url::Url::parse(&template.replace("{token}", "x")).is_ok()
}

/// Networks in CIDR notation; a single address is one of its own.
fn networks<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<IpNet>, D::Error> {
    let texts: Vec<String> = comma_separated(d)?;
    let read = |text: &String| {
        let net = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        net.map_err(|_| serde::de::Error::custom(format!("{text:?} is no address and no network like 10.0.0.0/8")))
    };
    texts.iter().map(read).collect()
}

/// A comma-separated text or, in a file, a list.
fn comma_separated<'de, D: Deserializer<'de>, T: From<String>>(d: D) -> Result<Vec<T>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        One(String),
        Many(Vec<String>),
    }
    let parts = match Either::deserialize(d)? {
        Either::One(text) => text.split(',').map(|s| s.trim().to_owned()).collect(),
        Either::Many(parts) => parts,
    };
    Ok(parts.into_iter().filter(|s: &String| !s.is_empty()).map(T::from).collect())
}

const fn local(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), port)
}

impl Default for Store {
    fn default() -> Self {
        Self {
            url: StoreUrl::default(),
            key_prefix: String::new(),
            wait_replicas: 0,
            wait_ms: 1000,
            retention_seconds: 30,
        }
    }
}

impl Default for Api {
    fn default() -> Self {
        Self { listen: local(3000), public_url: None, gateway_ms: 10_000 }
    }
}

impl Default for Chat {
    fn default() -> Self {
        Self {
            listen: local(3001),
            public_url: None,
            typing_ms: 6000,
            receipt_ms: 1000,
            receipt_members: 32,
            hold_seconds: 60,
            heads_seconds: 15,
        }
    }
}

impl Default for Presence {
    fn default() -> Self {
        Self {
            listen: local(3002),
            public_url: None,
            grace_ms: 5000,
            away_ms: 600_000,
            lease_seconds: 30,
            max_watched: 1000,
        }
    }
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            guests: true,
            guest_idle_hours: 24,
            access_token_seconds: 900,
            lasting_token_hours: 24,
            refresh_token_days: 30,
            sessions_seconds: 15,
            hash_threads: 2,
            external: Vec::new(),
            reset_minutes: 30,
            verify_hours: 24,
            reset_url: None,
            verify_url: None,
        }
    }
}

impl Default for Http {
    fn default() -> Self {
        Self {
            workers: 0,
            max_connections: 25_000,
            shutdown_seconds: 8,
            allowed_origins: vec!["*".into()],
            trusted_proxies: Vec::new(),
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Pretty, level: "info,actix_server=warn,fjall=warn,lsm_tree=warn".into() }
    }
}

impl Settings {
    /// Defaults, then `file` (else `chatapp.toml` where there is one), then the environment.
    pub fn load(file: Option<&std::path::Path>) -> Result<Self, SettingsError> {
        Self::layered(file, std::env::vars().collect())
    }

    /// [`load`](Self::load) with the environment given.
    pub fn layered(
        file: Option<&std::path::Path>,
        environment: std::collections::HashMap<String, String>,
    ) -> Result<Self, SettingsError> {
        let file = match file {
            Some(path) => File::from(path).format(FileFormat::Toml),
            // By path: a name alone would also find a file `chatapp`, such as our own binary.
            None => File::from(std::path::Path::new("chatapp.toml")).format(FileFormat::Toml).required(false),
        };
        let environment = Environment::with_prefix("CHATAPP")
            .prefix_separator("__")
            .separator("__")
            .ignore_empty(true)
            .source(Some(environment));
        let settings = Config::builder()
            .add_source(file)
            .add_source(environment)
            .build()
            .and_then(Config::try_deserialize::<Self>)
            .map_err(|e| SettingsError(e.to_string().replace('\n', " ")))?;
        settings.check()
    }

    /// The rules a type cannot say.
    fn check(mut self) -> Result<Self, SettingsError> {
        let bad = |key: &str, why: &str| Err(SettingsError(format!("{key}: {why}")));
        if let Err((key, why)) = self.notification.check() {
            return bad(&format!("notification.{key}"), why);
        }
        for (key, link) in [("auth.reset_url", &self.auth.reset_url), ("auth.verify_url", &self.auth.verify_url)] {
            if link.as_ref().is_some_and(|link| !is_link(link)) {
                return bad(key, "use a URL with {token} once in it, like https://example.org/reset?token={token}");
            }
        }
        if !self.store.key_prefix.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b)) {
            return bad("store.key_prefix", "use letters, digits and - _ . : only");
        }
        if self.store.wait_replicas > 0 && matches!(self.store.url, StoreUrl::Embedded(_)) {
            return bad("store.wait_replicas", "an embedded store has no replicas");
        }
        if let Some(issuer) = external::doubled(&self.auth.external) {
            return bad("auth.external", &format!("issuer {issuer:?} is there twice"));
        }
        for allowed in &mut self.http.allowed_origins {
            match origin(allowed) {
                Some(origin) => *allowed = origin,
                None => return bad("http.allowed_origins", "use scheme://host[:port], or * for any"),
            }
        }
        if let Err((key, why)) = self.attachments.check() {
            return bad(&format!("attachments.{key}"), why);
        }
        if !(1..=60_000).contains(&self.store.wait_ms) {
            return bad("store.wait_ms", "must be 1 to 60000");
        }
        match self.zero() {
            Some(key) => bad(key, "must be at least 1"),
            None if self.limits.frame_bytes < 1024 => bad("limits.frame_bytes", "must be at least 1024"),
            None if self.limits.queue_bytes < 2 * 256 * 1024 => bad("limits.queue_bytes", "must be at least 524288"),
            None if self.limits.body_bytes < 1024 => bad("limits.body_bytes", "must be at least 1024"),
            None => Ok(self),
        }
    }

    /// The first key that is 0 and must not be.
    fn zero(&self) -> Option<&'static str> {
        let positive = [
            ("store.retention_seconds", self.store.retention_seconds),
            ("api.gateway_ms", self.api.gateway_ms),
            ("chat.typing_ms", self.chat.typing_ms),
            ("chat.receipt_ms", self.chat.receipt_ms),
            ("chat.hold_seconds", self.chat.hold_seconds),
            ("chat.heads_seconds", self.chat.heads_seconds),
            ("presence.away_ms", self.presence.away_ms),
            ("presence.lease_seconds", self.presence.lease_seconds),
            ("auth.access_token_seconds", self.auth.access_token_seconds),
            ("auth.refresh_token_days", self.auth.refresh_token_days),
            ("auth.guest_idle_hours", self.auth.guest_idle_hours),
            ("auth.lasting_token_hours", self.auth.lasting_token_hours),
            ("auth.sessions_seconds", self.auth.sessions_seconds),
            ("auth.hash_threads", self.auth.hash_threads as u64),
            ("auth.reset_minutes", self.auth.reset_minutes),
            ("auth.verify_hours", self.auth.verify_hours),
            ("http.max_connections", self.http.max_connections as u64),
            ("limits.messages_per_second", self.limits.messages_per_second.into()),
            ("limits.messages_burst", self.limits.messages_burst.into()),
            ("limits.signups_per_minute", self.limits.signups_per_minute.into()),
            ("limits.logins_per_minute", self.limits.logins_per_minute.into()),
            ("limits.wrong_passwords", self.limits.wrong_passwords.into()),
            ("limits.resets_per_minute", self.limits.resets_per_minute.into()),
            ("limits.letters_per_hour", self.limits.letters_per_hour.into()),
            ("limits.searches_per_minute", self.limits.searches_per_minute.into()),
            ("limits.tickets_per_minute", self.limits.tickets_per_minute.into()),
            ("limits.uploads_per_minute", self.limits.uploads_per_minute.into()),
            ("attachments.max_pixels", self.attachments.max_pixels),
            ("attachments.image_threads", self.attachments.image_threads as u64),
            ("attachments.max_per_message", self.attachments.max_per_message as u64),
            ("attachments.unclaimed_hours", self.attachments.unclaimed_hours),
            ("limits.contact_requests_per_minute", self.limits.contact_requests_per_minute.into()),
            ("limits.invites_per_minute", self.limits.invites_per_minute.into()),
            ("limits.redeems_per_minute", self.limits.redeems_per_minute.into()),
            ("limits.content_chars", self.limits.content_chars as u64),
            ("limits.queue_frames", self.limits.queue_frames as u64),
            ("limits.queue_seconds", self.limits.queue_seconds),
            ("limits.heartbeat_seconds", self.limits.heartbeat_seconds),
            ("limits.authenticate_seconds", self.limits.authenticate_seconds),
        ];
        positive.into_iter().find(|(_, value)| *value == 0).map(|(key, _)| key)
    }

    /// Where files are: `attachments.url`, else `attachments` beside the embedded store's own files, else in `data`.
    pub fn files_url(&self) -> FilesUrl {
        self.attachments.url.clone().unwrap_or_else(|| match &self.store.url {
            StoreUrl::Embedded(dir) => FilesUrl::Directory(dir.join("attachments")),
            StoreUrl::Redis(_) | StoreUrl::RedisCluster(_) => FilesUrl::Directory("data/attachments".into()),
        })
    }

    /// `presence.grace_ms` as a duration.
    pub fn presence_grace(&self) -> Duration {
        Duration::from_millis(self.presence.grace_ms)
    }

    /// `presence.away_ms` as a duration.
    pub fn presence_away(&self) -> Duration {
        Duration::from_millis(self.presence.away_ms)
    }
}

#[cfg(test)]
mod tests;
