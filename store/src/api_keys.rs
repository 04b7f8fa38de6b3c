//! Keys with which services send notifications, made while the system runs. (Others stand in the settings.)

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use shared::Timestamp;

use crate::Result;

/// A key, without the key itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKeyRecord {
    /// The first 8 hex digits of `hash`: names it to people.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// SHA-256 of the key.
    pub hash: [u8; 32],
    pub created_at: Timestamp,
}

#[async_trait]
pub trait ApiKeys: Send + Sync {
    /// `false`: there is one with this id, which is left as it is.
    async fn create_key(&self, key: &ApiKeyRecord) -> Result<bool>;
    /// All, in order of id.
    async fn keys(&self) -> Result<Vec<ApiKeyRecord>>;
    /// `false`: there was none with this id.
    async fn revoke_key(&self, id: &str) -> Result<bool>;
}
