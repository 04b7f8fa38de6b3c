//! What is unread in 1,000 rooms, as `GET /api/unread` asks for it.

use std::cell::LazyCell;

use criterion::{BenchmarkId, Criterion, Throughput};
use domain::Viewer;

use crate::world::{Engine, World, actor, runtime, scaled};

/// Messages unread in each room.
const EACH: usize = 3;

struct Rooms {
    world: World,
    reader: Viewer,
    count: usize,
}

impl Rooms {
    fn open(engine: Engine) -> Self {
        let world = World::open(engine, |_| {});
        let count = scaled(1000);
        let reader = runtime().block_on(async {
            let (author, (reader, _)) = (actor(&world.user("ann").await.0), world.user("bob").await);
            let rooms = world.rooms(&[author.clone(), actor(&reader)], count).await;
            world.fill(&rooms, &author, EACH).await;
            reader
        });
        Self { world, reader, count }
    }

    async fn count(&self) {
        let unread = self.world.domain.rooms.unread(&self.reader).await.unwrap();
        assert_eq!((unread.rooms.len(), unread.total), (self.count, (self.count * EACH) as u64));
    }
}

pub fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("unread");
    for engine in Engine::ALL {
        let rooms = LazyCell::new(|| Rooms::open(engine));
        group.throughput(Throughput::Elements(scaled(1000) as u64));
        group.bench_function(BenchmarkId::new("1000 rooms", engine), |b| {
            let rooms = &*rooms;
            b.to_async(runtime()).iter(|| rooms.count());
        });
    }
}
