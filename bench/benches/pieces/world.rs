//! What the benchmarks act in: an open store of either engine, rooms, people, messages.

use std::{fmt, sync::Arc, sync::LazyLock, time::Duration};

use domain::{Domain, Viewer, accounts::Guest};
use futures_util::{StreamExt, stream};
use redis_fixture::{Append, Kind, Redis};
use shared::{
    RoomId, Settings, Timestamp,
    protocol::{HistoryVisibility, MessageType, RoomType},
    settings::StoreUrl,
};
use store::{Actor, Mentions, NewMessage, RoomRecord, Store};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Calls under way at once while a store is filled.
const FILLING: usize = 1024;

/// Everything that waits, waits here.
pub fn runtime() -> &'static Runtime {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());
    &RUNTIME
}

/// Is each benchmark only to run once, to see that it does (`cargo bench -- --test`, `cargo test --benches`)? Then little
/// data is enough.
pub fn is_trial() -> bool {
    let given = |flag: &str| std::env::args().any(|argument| argument == flag);
    given("--test") || !given("--bench")
}

/// `count`, or what is enough to see that the benchmark runs.
pub fn scaled(count: usize) -> usize {
    if is_trial() { count.min(20) } else { count }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Embedded,
    /// A server of its own that writes its append-only file every second, as in production.
    Redis,
}

impl Engine {
    pub const ALL: [Self; 2] = [Self::Embedded, Self::Redis];
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::Embedded => "embedded",
            Self::Redis => "redis",
        })
    }
}

/// An open store, gone with this.
pub struct World {
    pub domain: Domain,
    /// Also in `domain`.
    pub store: Store,
    _redis: Option<Redis>,
    _dir: TempDir,
}

impl World {
    /// With rates off and everything else at its defaults, but for what `change` says.
    pub fn open(engine: Engine, change: impl FnOnce(&mut Settings)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let redis = (engine == Engine::Redis).then(|| Redis::start(Kind::Node, Append::EverySecond));
        let mut settings = Settings::default();
        settings.store.url = match &redis {
            Some(redis) => StoreUrl::Redis(redis.url().into()),
            None => StoreUrl::Embedded(dir.path().join("data")),
        };
        settings.limits.enabled = false;
        settings.chat.listen.set_port(0);
        change(&mut settings);
        let store = runtime().block_on(store::open(&settings.store)).unwrap();
        let domain = Domain::new(store.clone(), Arc::new(settings));
        Self { domain, store, _redis: redis, _dir: dir }
    }

    /// An account, and its token.
    pub async fn user(&self, name: &str) -> (Viewer, String) {
        let guest = Guest { username: Some(name.into()) };
        let token = self.domain.accounts.guest(guest, &"127.0.0.1".into()).await.unwrap().token;
        (self.domain.identity.authenticate(&token).await.unwrap(), token)
    }

    /// A room of these members.
    pub async fn room(&self, members: &[Actor]) -> RoomId {
        let room = RoomRecord {
            id: RoomId::new(),
            handle: None,
            name: Some("Room".into()),
            description: None,
            kind: RoomType::Private,
            created_by: members[0].id,
            created_at: Timestamp::now(),
            history_visibility: HistoryVisibility::All,
            retention: None,
            asked: None,
        };
        self.store.rooms.create_room(&room, members).await.unwrap();
        room.id
    }

    /// So many rooms of these members.
    pub async fn rooms(&self, members: &[Actor], count: usize) -> Vec<RoomId> {
        stream::iter(0..count).map(|_| self.room(members)).buffer_unordered(64).collect().await
    }

    /// So many messages of one author in each of these rooms, as fast as the store takes them.
    pub async fn fill(&self, rooms: &[RoomId], author: &Actor, count: usize) {
        let all = rooms.iter().flat_map(|room| std::iter::repeat_n(*room, count));
        let append = |room| {
            let (log, message) = (self.store.log.clone(), message(room, author));
            async move { log.append(&message).await.map(drop) }
        };
        let appended = stream::iter(all).map(append).buffer_unordered(FILLING);
        appended.for_each(async |appended| appended.unwrap()).await;
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Before its directory goes.
        let _ = runtime().block_on(self.store.maintenance.close());
    }
}

pub fn actor(viewer: &Viewer) -> Actor {
    Actor { id: viewer.user, username: viewer.username.clone() }
}

/// A message of 64 bytes, with a key as every client gives it, from nobody in particular.
pub fn message(room: RoomId, author: &Actor) -> NewMessage {
    NewMessage {
        room,
        author: author.clone(),
        kind: MessageType::Text,
        content: "Shall we meet at noon, or is one o'clock easier for all of you? ".into(),
        client_message_id: Some(uuid::Uuid::new_v4().to_string()),
        reply_to: None,
        mentions: Mentions::default(),
        attachments: Vec::new(),
        notify_after: Duration::from_secs(2),
    }
}
