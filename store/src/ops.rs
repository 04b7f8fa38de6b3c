//! What operating a service needs: public keys of signers, the registry of instances, rates, sweeping and health.

use std::{fmt, net::SocketAddr, time::Duration};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use shared::{
    InstanceId, Timestamp,
    token::{Kid, PublicKey},
};

use crate::Result;

#[async_trait]
pub trait SigningKeys: Send + Sync {
    /// Publishes (or keeps) a key for `ttl` from now.
    async fn publish_key(&self, key: &PublicKey, ttl: Duration) -> Result<()>;
    async fn signing_key(&self, kid: &Kid) -> Result<Option<PublicKey>>;
    /// All that have not ended.
    async fn signing_keys(&self) -> Result<Vec<PublicKey>>;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    Api,
    Chat,
    Presence,
    Notification,
}

impl Service {
    pub const ALL: [Self; 4] = [Self::Api, Self::Chat, Self::Presence, Self::Notification];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Chat => "chat",
            Self::Presence => "presence",
            Self::Notification => "notification",
        }
    }
}

/// A running instance of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    pub id: InstanceId,
    pub service: Service,
    /// Where clients (for notification-server: api-server) reach it.
    pub url: String,
    /// Where it listens, as other processes beside the store see it; `None` where it cannot be told. What answers there
    /// need not be this instance: it may be an address of another machine.
    #[serde(default)]
    pub address: Option<SocketAddr>,
    /// Grows with every renewal of the entry: `load` was counted then.
    #[serde(default)]
    pub beat: u64,
    /// Open connections.
    pub load: u64,
    pub version: String,
    /// Finishing; not to be given to clients.
    pub draining: bool,
}

/// What came of asking an instance to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Draining {
    /// It is told with its next beat.
    Asked,
    /// It is the last one of this service that lives and is not asked to stop.
    Last(Service),
    /// There is no such instance.
    Unknown,
}

#[async_trait]
pub trait Registry: Send + Sync {
    /// Puts or replaces the entry; it ends after `ttl` unless put again. `true`: the instance is asked to stop.
    async fn register(&self, instance: &Instance, ttl: Duration) -> Result<bool>;
    /// Asks a process to stop, which is registered as an instance of one service or more, for as long as `ttl`; in one
    /// step with seeing that each of them has another one, so that of many who ask none asks the last.
    async fn ask_to_drain(&self, id: InstanceId, ttl: Duration) -> Result<Draining>;
    /// Which are asked to stop.
    async fn draining(&self) -> Result<Vec<InstanceId>>;
    async fn deregister(&self, service: Service, id: InstanceId) -> Result<()>;
    /// The live ones, least loaded first.
    async fn instances(&self, service: Service) -> Result<Vec<Instance>>;
}

/// What a bucket gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// 0 to what was wanted.
    pub granted: u32,
    /// When one token will be there again; zero when some were granted.
    pub retry_after: Duration,
}

#[async_trait]
pub trait Limits: Send + Sync {
    /// Takes up to `want` tokens from the bucket `key`, which holds `burst` at most and gains `burst` in `refill`.
    async fn take(&self, key: &str, burst: u32, refill: Duration, want: u32) -> Result<Taken>;
    /// Puts tokens back that were taken and not used; never over `burst`.
    async fn give_back(&self, key: &str, burst: u32, refill: Duration, count: u32) -> Result<()>;
}

#[async_trait]
pub trait Maintenance: Send + Sync {
    /// Settles what processes that died left half done before `now` − 10 s, and removes what has ended. Every process
    /// calls it every few seconds; doing it twice at once is harmless. Gives how many intents were settled.
    async fn sweep(&self, now: Timestamp) -> Result<usize>;
    /// Removes messages their room's retention no longer keeps, at most about `limit` of them: the floor rises, and with
    /// the messages go their mentions, reactions, list of replies and marks of deletion; their attachments become
    /// [orphans](crate::Attachments::orphans). No change is recorded. Every
    /// process calls it; doing it twice at once is harmless. Gives how many were removed.
    ///
    /// By number all but the `max_messages` with the greatest `seq` go, deleted ones counted like others. By age those
    /// go for which `now − at > max_age`, from the oldest `seq` to the first that is young enough.
    async fn trim(&self, now: Timestamp, limit: usize) -> Result<usize>;
    /// Waits until what was accepted is durable and stops the engine's own threads and tasks; the last call.
    async fn close(&self) -> Result<()>;
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Good to know.
    Note,
    Warning,
    /// Something does not work, or what was acknowledged can be lost.
    Error,
}

impl Level {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// Something an operator should look at. Texts are sentences.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Finding {
    pub level: Level,
    pub what: String,
    /// What to do about it; empty for a note.
    pub change: String,
}

impl Finding {
    pub fn note(what: impl Into<String>) -> Self {
        Self { level: Level::Note, what: what.into(), change: String::new() }
    }

    pub fn warning(what: impl Into<String>, change: impl Into<String>) -> Self {
        Self { level: Level::Warning, what: what.into(), change: change.into() }
    }

    pub fn error(what: impl Into<String>, change: impl Into<String>) -> Self {
        Self { level: Level::Error, what: what.into(), change: change.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.what)?;
        if !self.change.is_empty() {
            write!(f, " {}", self.change)?;
        }
        Ok(())
    }
}

#[async_trait]
pub trait Health: Send + Sync {
    /// Can it be written to now? Otherwise [`Unavailable`](crate::StoreError::Unavailable). Gives what is to be looked at
    /// of its configuration (an eviction policy, no append-only file, a clock that is off).
    async fn check(&self) -> Result<Vec<Finding>>;
}
