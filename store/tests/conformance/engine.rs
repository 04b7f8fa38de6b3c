//! Opens the engine a test runs against, runs the test, closes it.

use std::{ops::Deref, time::Duration};

use redis_fixture::{Append, Kind, Redis};
use shared::{
    EventId,
    settings::{self, StoreUrl},
};
use store::Store;
use tempfile::TempDir;
use tokio::sync::OnceCell;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Embedded,
    Redis,
    Cluster,
}

/// A store of its own for one test: a fresh directory, or a random key prefix on the shared server.
pub struct Fixture {
    pub engine: Engine,
    pub store: Store,
    settings: settings::Store,
    dir: TempDir,
    closed: OnceCell<()>,
}

/// A test that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(110);

/// Runs one case against one engine, on threads of its own.
pub fn run(engine: Engine, case: impl AsyncFnOnce(&Fixture)) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let fixture = Fixture::open(engine).await;
        tokio::time::timeout(LIMIT, case(&fixture)).await.expect("the test hangs");
        fixture.close().await;
    });
}

impl Fixture {
    async fn open(engine: Engine) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = match engine {
            Engine::Embedded => StoreUrl::Embedded(dir.path().join("data")),
            Engine::Redis => StoreUrl::Redis(Redis::shared(Kind::Node).url().into()),
            Engine::Cluster => StoreUrl::RedisCluster(vec![Redis::shared(Kind::Cluster).url().into()]),
        };
        let settings =
            settings::Store { url, key_prefix: format!("t{}:", EventId::random()), ..settings::Store::default() };
        let store = store::open(&settings).await.unwrap();
        Self { engine, store, settings, dir, closed: OnceCell::new() }
    }

    /// Closes the store, once: it is a store's last call.
    pub async fn close(&self) {
        let closing = self.closed.get_or_init(async || self.store.maintenance.close().await.unwrap());
        tokio::time::timeout(Duration::from_secs(10), closing).await.expect("close() hangs");
    }

    /// The store as another process sees it: opened anew on the same server, or the same one when it is embedded.
    pub async fn elsewhere(&self) -> Store {
        match self.engine {
            Engine::Embedded => self.store.clone(),
            Engine::Redis | Engine::Cluster => store::open(&self.settings).await.unwrap(),
        }
    }

    /// A store that was open and works no more: its server was killed, or it was closed.
    pub async fn broken(&self) -> Store {
        let kind = match self.engine {
            Engine::Embedded => {
                self.close().await;
                return self.store.clone();
            }
            Engine::Redis => Kind::Node,
            Engine::Cluster => Kind::Cluster,
        };
        let mut server = Redis::start(kind, Append::Never);
        let url = server.url().into();
        let url = match kind {
            Kind::Node => StoreUrl::Redis(url),
            Kind::Cluster => StoreUrl::RedisCluster(vec![url]),
        };
        let store = store::open(&settings::Store { url, ..settings::Store::default() }).await.unwrap();
        store.health.check().await.unwrap();
        server.kill();
        store
    }

    /// Where an embedded store is.
    pub fn settings(&self) -> &settings::Store {
        &self.settings
    }

    /// A directory of this test's own, gone after it.
    pub fn scratch(&self) -> &std::path::Path {
        self.dir.path()
    }

    /// The server behind the store; none when it is embedded.
    pub fn server(&self) -> Option<&'static Redis> {
        match self.engine {
            Engine::Embedded => None,
            Engine::Redis => Some(Redis::shared(Kind::Node)),
            Engine::Cluster => Some(Redis::shared(Kind::Cluster)),
        }
    }
}

impl Deref for Fixture {
    type Target = Store;
    fn deref(&self) -> &Store {
        &self.store
    }
}
