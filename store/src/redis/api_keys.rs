//! Keys of services: one hash, for there are a handful.

use async_trait::async_trait;
use redis::cmd;

use super::{
    Engine,
    codec::{from_json, json},
};
use crate::{ApiKeyRecord, ApiKeys, Result};

#[async_trait]
impl ApiKeys for Engine {
    async fn create_key(&self, record: &ApiKeyRecord) -> Result<bool> {
        let set = cmd("HSETNX").arg(self.keys.api_keys()).arg(&record.id).arg(json(record)?).to_owned();
        self.connections.ask("create an API key", &set).await
    }

    async fn keys(&self) -> Result<Vec<ApiKeyRecord>> {
        let read = cmd("HVALS").arg(self.keys.api_keys()).to_owned();
        let texts: Vec<String> = self.connections.ask("list API keys", &read).await?;
        let mut keys: Vec<ApiKeyRecord> = texts.iter().map(|text| from_json(text)).collect::<Result<_>>()?;
        keys.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(keys)
    }

    async fn revoke_key(&self, id: &str) -> Result<bool> {
        let remove = cmd("HDEL").arg(self.keys.api_keys()).arg(id).to_owned();
        self.connections.ask("revoke an API key", &remove).await
    }
}
