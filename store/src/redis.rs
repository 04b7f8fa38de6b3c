//! The Redis engine: one node or a cluster, Redis 7.0 or later.
//!
//! What must be atomic is one Lua script in one hash tag ([`scripts`]); what spans two tags has an intent that readers
//! and the sweep settle from the truth ([`intents`]). [`keys`] spells every key; `docs/redis.md` is its table.

mod bus;
mod codec;
mod connection;
mod inboxes;
mod intents;
mod keys;
mod log;
mod maintenance;
mod notify_queue;
mod ops;
mod outbox;
mod presence;
mod rooms;
mod scripts;
mod sessions;
mod user_log;
mod users;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use secrecy::SecretString;

use self::{bus::Wire, connection::Address, connection::Connections, keys::Keys};
use crate::{Result, Store};

/// An open store; every trait of this crate is implemented on it.
struct Engine {
    keys: Keys,
    connections: Connections,
    wire: Arc<Wire>,
}

/// Opens a store on one node: `redis://`, `rediss://` or `redis+unix://`. `prefix` is put before every key.
/// [`Unavailable`](crate::StoreError::Unavailable) when it cannot be reached now.
pub async fn open(url: &SecretString, prefix: &str) -> Result<Store> {
    Ok(Store::from_engine(Arc::new(Engine::open(Address::single(url)?, prefix).await?)))
}

/// Opens a store on a Redis Cluster, found through any of `seeds`.
pub async fn open_cluster(seeds: &[SecretString], prefix: &str) -> Result<Store> {
    Ok(Store::from_engine(Arc::new(Engine::open(Address::cluster(seeds)?, prefix).await?)))
}

impl Engine {
    async fn open(address: Address, prefix: &str) -> Result<Self> {
        let keys = Keys::new(prefix).ok_or_else(|| anyhow::anyhow!("the key prefix may hold no brace"))?;
        let connections = address.connect().await?;
        let wire = Wire::open(address, keys.clone()).await?;
        Ok(Self { keys, connections, wire })
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.wire.close();
    }
}
