//! A page of 50 messages, the newest and from the middle, in rooms of 10, 10^4 and 10^6 messages: it is to cost the same.

use std::cell::LazyCell;

use criterion::{BenchmarkId, Criterion};
use shared::RoomId;
use store::{PageFrom, PageRequest};

use crate::world::{Engine, World, actor, runtime, scaled};

/// A room of so many messages.
struct Room {
    world: World,
    room: RoomId,
    messages: u64,
}

impl Room {
    fn open(engine: Engine, messages: usize) -> Self {
        let world = World::open(engine, |_| {});
        let room = runtime().block_on(async {
            let author = actor(&world.user("ann").await.0);
            let room = world.room(std::slice::from_ref(&author)).await;
            world.fill(&[room], &author, scaled(messages)).await;
            room
        });
        Self { world, room, messages: scaled(messages) as u64 }
    }

    async fn page(&self, from: PageFrom) {
        let request = PageRequest { from, limit: 50, visible_after: 0, max_bytes: 256 * 1024 };
        let page = self.world.store.log.history(self.room, request).await.unwrap();
        assert!(!page.items.is_empty());
    }
}

pub fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("history");
    for engine in Engine::ALL {
        for messages in [10, 10_000, 1_000_000] {
            let room = LazyCell::new(|| Room::open(engine, messages));
            let of = format!("{engine}/{messages}");
            group.bench_function(BenchmarkId::new("newest", &of), |b| {
                let room = &*room;
                b.to_async(runtime()).iter(|| room.page(PageFrom::Newest));
            });
            group.bench_function(BenchmarkId::new("middle", &of), |b| {
                let room = &*room;
                b.to_async(runtime()).iter(|| room.page(PageFrom::Before(room.messages / 2 + 1)));
            });
        }
    }
}
