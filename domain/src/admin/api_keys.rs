//! Making, listing and revoking the keys with which services send notifications.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use shared::Timestamp;
use store::ApiKeyRecord;

use super::Admin;
use crate::{DomainError, Result, validate::Check};

/// What every key begins with: tells it from a token, so that a token costs no look at the keys.
pub const PREFIX: &str = "cak_";
/// Each process remembers all of them.
const MOST: usize = 100;

/// A key as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApiKey {
    pub id: String,
    pub name: String,
    pub created_at: Timestamp,
}

/// A key as it is shown to who made it, this once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewKey {
    #[serde(flatten)]
    pub about: ApiKey,
    pub key: String,
}

/// What is kept of a key. It has 256 random bits: no slow hash is needed.
pub fn hash_key(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

impl Admin {
    pub(super) async fn keys(&self) -> Result<Vec<ApiKey>> {
        Ok(self.store.api_keys.keys().await?.into_iter().map(listed).collect())
    }

    pub(super) async fn create_key(&self, name: &str) -> Result<NewKey> {
        Check::default().line("name", name, 1, 64).done()?;
        if self.store.api_keys.keys().await?.len() >= MOST {
            return Err(DomainError::invalid("name", format!("there are {MOST} keys already: revoke one")));
        }
        loop {
            let key = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()));
            let hash = hash_key(&key);
            let id = hash[..4].iter().map(|byte| format!("{byte:02x}")).collect();
            let record = ApiKeyRecord { id, name: name.to_owned(), hash, created_at: Timestamp::now() };
            // One in four billion has the id of another: then there is no end to keys.
            if self.store.api_keys.create_key(&record).await? {
                return Ok(NewKey { about: listed(record), key });
            }
        }
    }

    /// It is refused everywhere within 5 s.
    pub(super) async fn revoke_key(&self, id: String) -> Result<String> {
        match self.store.api_keys.revoke_key(&id).await? {
            true => Ok(id),
            false => Err(DomainError::NotFound("there is no key of this id")),
        }
    }
}

fn listed(record: ApiKeyRecord) -> ApiKey {
    ApiKey { id: record.id, name: record.name, created_at: record.created_at }
}
