//! Tokens of other products (`auth.external`): their issuers' keys, as they were last read, and who they name.
//!
//! A token's issuer is the one it says itself to be of; an issuer nobody has named in the settings is refused without
//! any I/O. Keys are read when they are first needed, then beside what goes on.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use parking_lot::RwLock;
use sha2::{Digest, Sha256};
use shared::{
    settings::{ExternalIssuer, KeysAt},
    token::{
        self, TokenError,
        external::{self, HostClaims, KeySet},
    },
};
use store::ExternalId;
use tokio::{
    sync::{Mutex, OwnedMutexGuard},
    time::Instant,
};

use super::refused;
use crate::{DomainError, Result};

/// A set that was read is not read again so soon, whatever keys tokens name.
const NOT_BEFORE: Duration = Duration::from_secs(10);
/// The same after a reading that failed.
const RETRY: Duration = Duration::from_secs(1);

/// A key set as it is now.
pub struct Fetched {
    /// A JWK set; more than [`external::MAX_SET`] bytes are refused.
    pub body: Vec<u8>,
    /// How long it need not be read again.
    pub fresh_for: Duration,
}

/// Reads key sets. An implementation bounds time and size.
#[async_trait]
pub trait KeySource: Send + Sync {
    async fn fetch(&self, from: &KeysAt) -> anyhow::Result<Fetched>;
}

/// For processes that take no other product's tokens: where the settings name one, its tokens are `UNAVAILABLE`.
pub struct NoKeys;

#[async_trait]
impl KeySource for NoKeys {
    async fn fetch(&self, from: &KeysAt) -> anyhow::Result<Fetched> {
        anyhow::bail!("this process does not read {from}")
    }
}

/// All issuers of the settings.
pub(super) struct Hosts(Vec<Arc<Host>>);

/// One of them.
struct Host {
    settings: ExternalIssuer,
    source: Arc<dyn KeySource>,
    known: RwLock<Option<Known>>,
    /// The last reading, and that there is one at a time.
    last: Arc<Mutex<Option<Reading>>>,
}

#[derive(Clone)]
struct Known {
    keys: Arc<KeySet>,
    /// Of what the keys were read from: another one is another set.
    digest: [u8; 32],
    stale_at: Instant,
}

#[derive(Clone, Copy)]
struct Reading {
    began: Instant,
    failed: bool,
}

impl Reading {
    /// Is it too soon for another?
    fn stands(self, now: Instant) -> bool {
        now < self.began + if self.failed { RETRY } else { NOT_BEFORE }
    }
}

/// With which keys, and whose, a token was checked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct CheckedBy {
    host: usize,
    keys: [u8; 32],
}

/// What a token of another product says, and how that is known.
pub(super) struct Checked {
    pub claims: HostClaims,
    pub external: ExternalId,
    pub by: CheckedBy,
}

impl Hosts {
    pub fn new(issuers: &[ExternalIssuer], source: &Arc<dyn KeySource>) -> Self {
        let host = |settings: &ExternalIssuer| {
            let (settings, source) = (settings.clone(), source.clone());
            Arc::new(Host { settings, source, known: RwLock::default(), last: Arc::default() })
        };
        Self(issuers.iter().map(host).collect())
    }

    /// Bytes of the longest token that anybody may show here.
    pub fn max_token(&self) -> usize {
        if self.0.is_empty() { token::MAX_TOKEN } else { external::MAX_TOKEN }
    }

    /// Whose token is it? `None`: ours, or nobody's.
    pub fn issuer(&self, token: &str) -> Result<Option<usize>> {
        if self.0.is_empty() {
            return Ok(None);
        }
        match external::peek_issuer(token) {
            Some(issuer) if issuer != token::ISSUER => {
                let known = self.0.iter().position(|host| host.settings.issuer == issuer);
                known.map(Some).ok_or_else(|| refused(TokenError::Refused))
            }
            _ => Ok(None),
        }
    }

    /// Checks a token of this issuer. Reads its keys where there are none yet, or none of that id.
    pub async fn verify(&self, host: usize, token: &str) -> Result<Checked> {
        let (index, host) = (host, &self.0[host]);
        let mut known = host.known().await?;
        let mut claims = external::verify(token, &known.keys, &host.settings);
        if claims == Err(TokenError::UnknownKey) {
            known = host.refresh().await?;
            claims = external::verify(token, &known.keys, &host.settings);
        }
        let claims = claims.map_err(refused)?;
        let external = external_id(&host.settings.issuer, &claims.sub);
        Ok(Checked { claims, external, by: CheckedBy { host: index, keys: known.digest } })
    }

    /// Are these the keys that count now?
    pub async fn stands(&self, by: CheckedBy) -> Result<bool> {
        Ok(self.0[by.host].known().await?.digest == by.keys)
    }
}

/// The lengths keep two pairs apart that are one text.
fn external_id(issuer: &str, subject: &str) -> ExternalId {
    let digest = Sha256::new().chain_update((issuer.len() as u64).to_be_bytes()).chain_update(issuer);
    digest.chain_update(subject).finalize().into()
}

impl Host {
    /// The keys, which are read anew beside this where it is time; the old ones serve on meanwhile.
    async fn known(self: &Arc<Self>) -> Result<Known> {
        let known = self.known.read().clone();
        let Some(known) = known else { return self.refresh().await };
        if known.stale_at <= Instant::now()
            && let Ok(last) = self.last.clone().try_lock_owned()
            && !last.is_some_and(|reading| reading.stands(Instant::now()))
        {
            tokio::spawn(self.clone().read(last));
        }
        Ok(known)
    }

    /// The keys as they are now, or were a moment ago: those who ask at the same time make one reading.
    async fn refresh(self: &Arc<Self>) -> Result<Known> {
        let last = self.last.clone().lock_owned().await;
        let reading = match *last {
            Some(reading) if reading.stands(Instant::now()) => reading,
            // A task of its own: whoever asks may go away before it is done.
            _ => tokio::spawn(self.clone().read(last)).await.map_err(|e| DomainError::Unexpected(e.into()))?,
        };
        match self.known.read().clone() {
            Some(known) if !reading.failed => Ok(known),
            _ => Err(DomainError::Unavailable(anyhow::anyhow!("the keys of {} cannot be read", self.settings.issuer))),
        }
    }

    async fn read(self: Arc<Self>, mut last: OwnedMutexGuard<Option<Reading>>) -> Reading {
        let began = Instant::now();
        let outcome = self.fetch().await;
        // After a failure it counts from its end: those who waited for it are answered by it.
        let began = if outcome.is_ok() { began } else { Instant::now() };
        let reading = Reading { began, failed: outcome.is_err() };
        match outcome {
            Ok(known) => *self.known.write() = Some(known),
            Err(e) => tracing::warn!(issuer = self.settings.issuer, "cannot read the keys: {e:#}"),
        }
        *last = Some(reading);
        reading
    }

    async fn fetch(&self) -> anyhow::Result<Known> {
        let Fetched { body, fresh_for } = self.source.fetch(&self.settings.keys).await?;
        let digest = Sha256::digest(&body).into();
        Ok(Known { keys: Arc::new(KeySet::parse(&body)?), digest, stale_at: Instant::now() + fresh_for })
    }
}

#[cfg(test)]
mod tests;
