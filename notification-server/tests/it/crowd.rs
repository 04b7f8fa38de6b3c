//! What a message costs in a room of 1,000 who are online: counted by Redis.

use std::{collections::BTreeMap, time::Duration};

use domain::Viewer;
use futures_util::{StreamExt, stream};
use redis_fixture::Redis;
use shared::{
    InstanceId, RoomId, Timestamp, UserId,
    protocol::{HistoryVisibility, RoomType},
};
use store::{Actor, RoomRecord, SocketKind};

use crate::support::{Engine, Person, World};

const MEMBERS: usize = 1000;
/// Operations under way at the same time.
const AT_ONCE: usize = 64;

/// How often each command was carried out since [`forget`], by scripts too.
fn counts(redis: &Redis) -> BTreeMap<String, u64> {
    let stats = redis.command(&["INFO", "commandstats"]).unwrap();
    let count = |line: &str| {
        let (command, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        Some((command.to_owned(), rest.split(',').next()?.parse().ok()?))
    };
    let counts = stats.lines().filter_map(count);
    // What belongs to connections, and to counting, comes when it comes.
    let connections = ["ping", "quit", "info", "config", "client", "hello", "select", "command"];
    counts.filter(|(command, _)| !connections.iter().any(|other| command.starts_with(other))).collect()
}

fn forget(redis: &Redis) {
    assert!(redis.command(&["CONFIG", "RESETSTAT"]).unwrap().starts_with("+OK"));
}

/// A room of this one and others who are nothing but members.
async fn room_with(world: &World, person: &Person, others: &[Viewer]) -> RoomId {
    let room = RoomRecord {
        id: RoomId::new(),
        handle: None,
        name: Some("Hall".into()),
        description: None,
        kind: RoomType::Public,
        created_by: person.id,
        created_at: Timestamp::now(),
        history_visibility: HistoryVisibility::All,
        retention: None,
        asked: None,
    };
    let members = std::iter::once(&person.viewer).chain(others);
    let members: Vec<Actor> =
        members.map(|viewer| Actor { id: viewer.user, username: viewer.username.clone() }).collect();
    world.domain.store.rooms.create_room(&room, &members).await.unwrap();
    room.id
}

impl World {
    /// Decides about what is new in the one room that has something; gives what it cost.
    async fn decided(&self, redis: &Redis) -> BTreeMap<String, u64> {
        let due = self.domain.store.notify_queue.take_due(Timestamp::now(), Duration::from_secs(30), 9).await.unwrap();
        assert_eq!(due.len(), 1);
        forget(redis);
        assert_eq!(self.domain.notifications.consider(&due[0]).await.unwrap(), 0, "nobody is to be told");
        counts(redis)
    }
}

#[actix_web::test]
async fn a_room_of_a_thousand_who_are_online_costs_nothing_more_for_each_message() {
    let world = World::new(Engine::Redis).await;
    let redis = world.redis.as_ref().unwrap();
    let alice = world.person("alice").await;
    let member = |n: usize| Viewer { user: UserId::new(), username: format!("m{n}"), ..alice.viewer.clone() };
    let others: Vec<Viewer> = (1..MEMBERS).map(member).collect();
    let (hall, corner) = (room_with(&world, &alice, &others).await, room_with(&world, &alice, &others[..1]).await);
    let connect = |(n, viewer)| world.domain.presence.connected(viewer, n as u64, SocketKind::Chat);
    let mut online = stream::iter(others.iter().enumerate()).map(connect).buffer_unordered(AT_ONCE);
    while let Some(status) = online.next().await {
        status.unwrap();
    }
    // Scripts are known from here on, the author's name too.
    for room in [hall, corner] {
        world.send(&alice, room, "hello").await;
        world.decided(redis).await;
    }

    let mut said = Vec::new();
    for room in [hall, corner] {
        forget(redis);
        for n in 0..20 {
            world.send(&alice, room, &format!("message {n}")).await;
        }
        said.push(counts(redis));
        world.decided(redis).await;
    }
    assert_eq!(said[0], said[1], "sending to a thousand is what sending to one is");
    assert!(said[0]["evalsha"] >= 20, "{said:?}");

    // Pages of 200, and one that finds the end; then the room is concluded.
    let pages = MEMBERS as u64 / 200 + 1;
    for messages in [1, 50] {
        for n in 0..messages {
            world.send(&alice, hall, &format!("message {n}")).await;
        }
        let cost = world.decided(redis).await;
        let (scripts, presence) = (cost["evalsha"], cost["hgetall"]);
        assert_eq!((scripts, presence), (pages + 1, MEMBERS as u64 - 1), "{messages} messages: {cost:?}");
    }
    let last = world.send(&alice, hall, "seen by all but one").await;
    let log = &world.domain.store.log;
    let mut marks =
        stream::iter(&others[1..]).map(|viewer| log.mark_read(hall, viewer.user, last.seq)).buffer_unordered(AT_ONCE);
    while let Some(marked) = marks.next().await {
        marked.unwrap();
    }
    let cost = world.decided(redis).await;
    assert_eq!((cost["evalsha"], cost["hgetall"]), (pages + 1, 1), "who has read is not asked about: {cost:?}");
    let claimed = world.domain.store.outbox.claim(InstanceId::new(), Timestamp::now(), Duration::from_secs(9), 9).await;
    assert_eq!(claimed.unwrap(), [], "no job");
}
