//! Appending a message: durable before it is answered (embedded), in Redis' memory (Redis).

use std::cell::LazyCell;

use criterion::{BenchmarkId, Criterion, Throughput};
use futures_util::future::join_all;
use shared::RoomId;
use store::Actor;

use crate::world::{Engine, World, actor, message, runtime};

/// Callers at once: they share a commit, or a write to Redis.
const CROWD: usize = 64;

struct Room {
    world: World,
    room: RoomId,
    author: Actor,
}

impl Room {
    fn open(engine: Engine) -> Self {
        let world = World::open(engine, |_| {});
        let (room, author) = runtime().block_on(async {
            let author = actor(&world.user("ann").await.0);
            (world.room(std::slice::from_ref(&author)).await, author)
        });
        Self { world, room, author }
    }

    async fn append(&self) {
        self.world.store.log.append(&message(self.room, &self.author)).await.unwrap();
    }
}

pub fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("append");
    for engine in Engine::ALL {
        let room = LazyCell::new(|| Room::open(engine));
        group.throughput(Throughput::Elements(1));
        group.bench_function(BenchmarkId::new("alone", engine), |b| {
            let room = &*room;
            b.to_async(runtime()).iter(|| room.append());
        });
        group.throughput(Throughput::Elements(CROWD as u64));
        group.bench_function(BenchmarkId::new("64 at once", engine), |b| {
            let room = &*room;
            b.to_async(runtime()).iter(|| join_all((0..CROWD).map(|_| room.append())));
        });
    }
}
