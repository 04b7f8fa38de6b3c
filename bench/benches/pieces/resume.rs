//! Coming back: 1,000 changes missed, in one room or in many, from `RESUME` to `RESUMED` on a real socket; and the part of
//! it that is reading the log.

use std::{
    cell::LazyCell,
    collections::HashMap,
    net::SocketAddr,
    time::{Duration, Instant},
};

use chat_server::Server;
use criterion::{BenchmarkId, Criterion, Throughput};
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use shared::{RoomId, UserId, protocol::Position};
use store::Changes;
use tokio::net::TcpStream;
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};
use tokio_util::sync::CancellationToken;

use crate::world::{Engine, World, actor, runtime, scaled};

/// Changes missed in all.
const MISSED: usize = 1000;

/// A user who was away.
struct Absent {
    world: World,
    reader: UserId,
    token: String,
    /// Where they were in each room.
    seen: HashMap<RoomId, Position>,
    address: SocketAddr,
    stop: CancellationToken,
}

impl Absent {
    /// Their rooms are so many, and together have [`MISSED`] messages they have not seen.
    fn open(engine: Engine, rooms: usize) -> Self {
        let world = World::open(engine, |settings| settings.http.workers = 1);
        let (reader, token, seen) = runtime().block_on(async {
            let (author, (reader, token)) = (actor(&world.user("ann").await.0), world.user("bob").await);
            let rooms = world.rooms(&[author.clone(), actor(&reader)], rooms).await;
            let heads = world.store.rooms.positions(&rooms).await.unwrap();
            world.fill(&rooms, &author, scaled(MISSED) / rooms.len()).await;
            (reader.user, token, rooms.into_iter().zip(heads.into_iter().flatten()).collect())
        });
        let server = Server::bind(world.domain.clone()).unwrap();
        let address = server.addr().unwrap();
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        std::thread::spawn(move || actix_web::rt::System::new().block_on(server.run(stopped)).unwrap());
        Self { world, reader, token, seen, address, stop }
    }

    /// From `RESUME` to `RESUMED`, on a new connection each time.
    async fn resume(&self, times: u64) -> Duration {
        let user = self.world.store.user_log.user_positions(&[self.reader]).await.unwrap().remove(0);
        let payload = json!({ "user": user, "rooms": &self.seen });
        let command = json!({ "type": "RESUME", "payload": payload }).to_string();
        let mut spent = Duration::ZERO;
        for _ in 0..times {
            let mut socket = self.connect().await;
            let begun = Instant::now();
            socket.send(Message::text(command.as_str())).await.unwrap();
            let mut told = 0;
            while !next(&mut socket).await.starts_with(r#"{"type":"RESUMED""#) {
                told += 1;
            }
            spent += begun.elapsed();
            assert_eq!(told, scaled(MISSED) / self.seen.len() * self.seen.len(), "all that was missed");
            socket.close(None).await.unwrap();
        }
        spent
    }

    async fn connect(&self) -> WebSocketStream<TcpStream> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let url = format!("ws://{}/chat?hold=1&token={}", self.address, self.token);
        let (mut socket, _) = client_async(url, stream).await.unwrap();
        assert!(next(&mut socket).await.starts_with(r#"{"type":"AUTH_SUCCESS""#));
        socket
    }

    /// All of it by pages of a log, as a connection that comes back reads them.
    async fn read(&self) {
        for (room, position) in &self.seen {
            let read = self.world.store.log.changes(*room, *position, MISSED, usize::MAX).await.unwrap();
            let Changes::Page { changes, has_more: false } = read else { panic!("a whole page: {read:?}") };
            assert_eq!(changes.len(), scaled(MISSED) / self.seen.len());
        }
    }
}

impl Drop for Absent {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn next(socket: &mut WebSocketStream<TcpStream>) -> String {
    loop {
        match socket.next().await.unwrap().unwrap() {
            Message::Text(text) => return text.to_string(),
            Message::Ping(_) => {}
            other => panic!("no text: {other:?}"),
        }
    }
}

pub fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("resume");
    group.throughput(Throughput::Elements(scaled(MISSED) as u64));
    for engine in Engine::ALL {
        for rooms in [1, 100] {
            let rooms = scaled(rooms);
            let absent = LazyCell::new(|| Absent::open(engine, rooms));
            let of = format!("{engine}/{rooms} rooms");
            if rooms == 1 {
                group.bench_function(BenchmarkId::new("log", engine), |b| {
                    let absent = &*absent;
                    b.to_async(runtime()).iter(|| absent.read());
                });
            }
            group.bench_function(BenchmarkId::new("socket", of), |b| {
                let absent = &*absent;
                b.to_async(runtime()).iter_custom(|times| absent.resume(times));
            });
        }
    }
}
