//! The Redis engine: one node or a cluster, Redis 7.0 or later.
//!
//! What must be atomic is one Lua script in one hash tag ([`scripts`]); what spans two tags has an intent that readers
//! and the sweep settle from the truth ([`intents`]). [`keys`] spells every key; `docs/redis.md` is its table.

mod api_keys;
mod attachments;
mod backup;
mod blocks;
mod bus;
mod codec;
mod connection;
mod deletions;
mod edits;
mod ending;
mod gather;
mod health;
mod inboxes;
mod intents;
mod invites;
mod keys;
mod log;
mod mails;
mod maintenance;
mod marks;
mod notify_queue;
mod notify_settings;
mod ops;
mod outbox;
mod people;
mod presence;
mod push;
mod reactions;
mod replicas;
mod requests;
mod retention;
mod room_admin;
mod rooms;
mod scripts;
mod secrets;
mod sessions;
mod tickets;
mod user_log;
mod users;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use secrecy::SecretString;
use shared::{RoomId, protocol::Position};

pub use self::replicas::ReplicaWait;
use self::{
    bus::Wire,
    connection::{Address, Connections, Picked},
    gather::Gather,
    keys::Keys,
    replicas::Replicas,
};
use crate::{Result, Store};

/// An open store; every trait of this crate is implemented on it.
struct Engine {
    keys: Keys,
    connections: Connections,
    /// On a single node, appends go through it. A cluster's client keeps what goes to each node together by itself.
    gather: Option<Gather>,
    wire: Arc<Wire>,
    /// Where a write is acknowledged only once replicas have it.
    replicas: Option<Replicas>,
}

/// Opens a store on one node: `redis://`, `rediss://` or `redis+unix://`. `prefix` is put before every key.
/// With `wait`, an append, an edit and a deletion are acknowledged only once replicas have them.
/// [`Unavailable`](crate::StoreError::Unavailable) when it cannot be reached now.
pub async fn open(url: &SecretString, prefix: &str, wait: Option<ReplicaWait>) -> Result<Store> {
    Ok(Store::from_engine(Arc::new(Engine::open(Address::single(url)?, prefix, wait).await?)))
}

/// Opens a store on a Redis Cluster, found through any of `seeds`.
pub async fn open_cluster(seeds: &[SecretString], prefix: &str, wait: Option<ReplicaWait>) -> Result<Store> {
    Ok(Store::from_engine(Arc::new(Engine::open(Address::cluster(seeds)?, prefix, wait).await?)))
}

impl Engine {
    async fn open(address: Address, prefix: &str, wait: Option<ReplicaWait>) -> Result<Self> {
        let keys = Keys::new(prefix).ok_or_else(|| anyhow::anyhow!("the key prefix may hold no brace"))?;
        let connections = address.connect().await?;
        let replicas = match wait {
            Some(wait) => Some(Replicas::open(&address, connections.line(), keys.clone(), wait).await?),
            None => None,
        };
        let gather = match connections.line() {
            Picked::Single(connection) => Some(Gather::start(connection)),
            Picked::Cluster(_) => None,
        };
        let wire = Wire::open(address, keys.clone()).await?;
        Ok(Self { keys, connections, gather, wire, replicas })
    }

    /// Before a write is acknowledged: returns once it is on as many replicas as were asked for.
    async fn replicated(&self, room: RoomId, position: Position) -> Result<()> {
        match &self.replicas {
            Some(replicas) => replicas.wait(room, position).await,
            None => Ok(()),
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.wire.close();
    }
}
