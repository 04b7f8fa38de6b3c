//! The hub's part of a delivery: from an event of the bus to a frame in every member's queue and their wakes. No socket is
//! written to.

use std::{
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use chat_server::{
    dialect::Dialect,
    hub::{Hub, Peer},
};
use criterion::{BenchmarkId, Criterion, Throughput};
use domain::Viewer;
use shared::{EventId, RoomId, Timestamp, UserId, protocol::MessageType};
use socket::{Outbound, QueueLimits};
use store::{BusEvent, Change, ChangeBody, Mentions, RoomEvent, Signal, StoredMessage};
use web::Drain;

use crate::world::{Engine, World, actor, runtime, scaled};

/// Events until the members, whose queues nobody drains, are replaced.
const ROUND: u64 = 200;

/// The change `rev` of a room: a message of 64 bytes.
pub fn new_message(room: RoomId, author: UserId, rev: u64) -> RoomEvent {
    let at = Timestamp::now();
    let message = StoredMessage {
        room,
        seq: rev,
        author,
        kind: MessageType::Text,
        content: "Shall we meet at noon, or is one o'clock easier for all of you? ".into(),
        at,
        client_message_id: Some("0193e0a8-6d1c-7d5e-a1a0-9f5a6cb4d3c2".into()),
        reply_to: None,
        replies: 0,
        mentions: Mentions::default(),
        attachments: Vec::new(),
        reactions: Vec::new(),
        edited_at: None,
        deleted_at: None,
    };
    let change =
        Change { rev, event_id: EventId::from_bits(rev), at, user: author, body: ChangeBody::Message(message) };
    RoomEvent { room, change, username: "ann".into() }
}

/// A worker with one room.
struct Worker {
    /// Runs the hub's tasks, as a worker of the server does.
    runtime: actix_web::rt::Runtime,
    hub: Rc<Hub>,
    room: RoomId,
    viewer: Viewer,
}

impl Worker {
    fn start(world: &World) -> Self {
        let (viewer, room) = runtime().block_on(async {
            let viewer = world.user(&format!("u{:08x}", rand::random::<u32>())).await.0;
            let room = world.room(&[actor(&viewer)]).await;
            (viewer, room)
        });
        let runtime = actix_web::rt::Runtime::new().unwrap();
        let hub = runtime.block_on(async { Hub::start(world.domain.clone(), Arc::new(Drain::default())) });
        Self { runtime, hub, room, viewer }
    }

    /// Connections in the room, with empty queues.
    fn join(&self, count: usize) -> Vec<Rc<Peer>> {
        let limits = QueueLimits { frames: 256, bytes: 1 << 20, time: Duration::from_secs(600) };
        let peers: Vec<_> =
            (0..count).map(|_| Peer::new(self.viewer.clone(), Dialect::Native, Outbound::new(limits))).collect();
        let pins = self.runtime.block_on(self.hub.follow(&[self.room])).unwrap();
        for peer in &peers {
            self.hub.attach_all(peer, &pins, None);
            self.hub.end_busy(peer);
        }
        peers
    }

    /// How long it takes to deliver so many events, one by one, to so many members.
    fn deliver(&self, members: usize, mut events: u64) -> Duration {
        let mut spent = Duration::ZERO;
        while events > 0 {
            let round = events.min(ROUND);
            // Into a room that nobody follows: it is taken as delivered up to its head, which is its owner's joining.
            let peers = self.join(members);
            let signals: Vec<Signal> = (2..2 + round).map(|rev| self.event(rev)).collect();
            let begun = Instant::now();
            for signal in signals {
                self.hub.take_in(signal, || None);
            }
            spent += begun.elapsed();
            assert!(peers.iter().all(|peer| peer.outbound.waiting() == round as usize + 1), "all got all");
            peers.iter().for_each(|peer| self.hub.forget(peer));
            events -= round;
        }
        spent
    }

    fn event(&self, rev: u64) -> Signal {
        Signal::Event(BusEvent::Room(Arc::new(new_message(self.room, self.viewer.user, rev))))
    }
}

pub fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fan-out");
    let world = std::cell::LazyCell::new(|| {
        // The log knows nothing of these events: it is not to be asked.
        World::open(Engine::Embedded, |settings| settings.chat.heads_seconds = 1 << 20)
    });
    for members in [10, 1000] {
        let members = scaled(members);
        group.throughput(Throughput::Elements(members as u64));
        group.bench_function(BenchmarkId::new("members", members), |b| {
            let worker = Worker::start(&world);
            b.iter_custom(|events| worker.deliver(members, events));
        });
    }
}
