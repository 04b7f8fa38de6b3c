//! A `redis-server` of a test's own, alone or as a cluster of one node; it ends with the test.

use std::ops::{Deref, DerefMut};

use redis_fixture::{Append, Redis};
use secrecy::SecretString;

pub(super) use redis_fixture::Kind;

use super::super::{Address, Engine, ReplicaWait};

pub(super) struct Server {
    redis: Redis,
    kind: Kind,
}

impl Server {
    pub(super) fn start(kind: Kind) -> Self {
        Self { redis: Redis::start(kind, Append::Always), kind }
    }

    pub(super) fn url(&self) -> SecretString {
        self.redis.url().into()
    }

    pub(super) async fn engine(&self) -> Engine {
        self.waiting_engine(None).await
    }

    /// One that acknowledges only what replicas have.
    pub(super) async fn waiting_engine(&self, wait: Option<ReplicaWait>) -> Engine {
        let address = match self.kind {
            Kind::Node => Address::single(&self.url()),
            Kind::Cluster => Address::cluster(&[self.url()]),
        };
        Engine::open(address.unwrap(), "test:", wait).await.unwrap()
    }

    pub(super) async fn connection(&self) -> redis::aio::MultiplexedConnection {
        let client = redis::Client::open(self.redis.url()).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }
}

impl Deref for Server {
    type Target = Redis;

    fn deref(&self) -> &Redis {
        &self.redis
    }
}

impl DerefMut for Server {
    fn deref_mut(&mut self) -> &mut Redis {
        &mut self.redis
    }
}
