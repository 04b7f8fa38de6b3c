//! Keys of services. There are a handful.

use async_trait::async_trait;

use super::{
    Embedded, codec, keys,
    kv::{Order, Read},
};
use crate::{ApiKeyRecord, ApiKeys, Result};

#[async_trait]
impl ApiKeys for Embedded {
    async fn create_key(&self, record: &ApiKeyRecord) -> Result<bool> {
        let (key, row) = (keys::api_key(&record.id), codec::to_json(record)?);
        self.write(move |tx| {
            if tx.get(&key)?.is_some() {
                return Ok(false);
            }
            tx.put(key, row)?;
            Ok(true)
        })
        .await
    }

    async fn keys(&self) -> Result<Vec<ApiKeyRecord>> {
        let all = keys::api_keys();
        self.read(move |read| read.collect(&all, Order::Ascending, usize::MAX, |_, row| codec::from_json(row))).await
    }

    async fn revoke_key(&self, id: &str) -> Result<bool> {
        let key = keys::api_key(id);
        self.write(move |tx| {
            let there = tx.get(&key)?.is_some();
            tx.delete(key);
            Ok(there)
        })
        .await
    }
}
