//! Acknowledged is what replicas have.

use std::time::Duration;

use redis::cmd;
use redis_fixture::Redis;
use rstest::rstest;
use shared::{
    MessageId,
    protocol::{Position, Role},
};

use super::{
    super::{Address, Engine, ReplicaWait},
    bus::message,
    halves::{actor, room},
    server::{Kind, Server},
};
use crate::{Actor, Appended, Changes, Edit, Mentions, NewMessage, RoomLog, RoomRecord, Rooms, StoreError};

const HASTY: Option<ReplicaWait> = Some(ReplicaWait { replicas: 1, within: Duration::from_millis(200) });
const PATIENT: Option<ReplicaWait> = Some(ReplicaWait { replicas: 1, within: Duration::from_secs(20) });

async fn lobby(engine: &Engine) -> (RoomRecord, Actor) {
    let (ann, record) = (actor("ann"), room(None));
    engine.create_room(&record, std::slice::from_ref(&ann)).await.unwrap();
    (record, ann)
}

fn keyed(record: &RoomRecord, author: &Actor, key: &str) -> NewMessage {
    NewMessage { client_message_id: Some(key.into()), ..message(record, author, key) }
}

#[rstest]
#[case(Kind::Node)]
#[case(Kind::Cluster)]
#[tokio::test]
async fn a_write_that_no_replica_has_is_unavailable_and_its_retry_gives_the_first_result(#[case] kind: Kind) {
    let server = Server::start(kind);
    let replica = server.start_replica();
    let (engine, patient) = (server.waiting_engine(HASTY).await, server.waiting_engine(PATIENT).await);
    let (record, ann) = lobby(&engine).await;
    let first = patient.append(&keyed(&record, &ann, "first")).await.unwrap();

    replica.signal("STOP");
    let second = keyed(&record, &ann, "second");
    for _ in 0..2 {
        let refused = engine.append(&second).await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    }
    assert!(matches!(engine.find_append(&second).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(engine.find_append(&keyed(&record, &ann, "third")).await, Ok(None)));
    let id = MessageId { room: record.id, seq: first.seq };
    let edit = Edit { id, by: ann.clone(), content: "edited".into(), mentions: Mentions::default() };
    assert!(matches!(engine.edit_message(&edit).await, Err(StoreError::Unavailable(_))));
    let last = MessageId { room: record.id, seq: 2 };
    for _ in 0..2 {
        let refused = engine.delete_message(last, &ann, None).await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    }
    // What is not asked for is not waited for; nor is what others do.
    engine.join(record.id, &actor("bob"), Role::Member, 9).await.unwrap();
    assert_eq!(engine.message(id).await.unwrap().unwrap().content, "edited");

    replica.signal("CONT");
    let again = patient.append(&second).await.unwrap();
    assert_eq!((again.seq, again.rev, again.duplicate), (2, 3, true));
    assert_eq!(patient.find_append(&second).await.unwrap().unwrap(), again);
    let edited = patient.edit_message(&edit).await.unwrap();
    assert_eq!(edited.content, "edited");
    assert_eq!(patient.delete_message(last, &ann, None).await.unwrap(), None, "it was deleted by the first call");
    assert_eq!(
        engine.room(record.id).await.unwrap().unwrap().1.rev,
        6,
        "each once: two joined, two sent, one edited, one deleted"
    );
}

#[rstest]
#[case(Kind::Node)]
#[case(Kind::Cluster)]
#[tokio::test]
async fn many_wait_together(#[case] kind: Kind) {
    let server = Server::start(kind);
    let _replica = server.start_replica();
    let engine = server.waiting_engine(PATIENT).await;
    let rooms = futures_util::future::join_all((0..20).map(|_| lobby(&engine))).await;
    let mut connection = server.connection().await;
    cmd("CONFIG").arg("RESETSTAT").exec_async(&mut connection).await.unwrap();
    let all = (0..400).map(|n| {
        let (record, ann) = &rooms[n % rooms.len()];
        let message = message(record, ann, "x");
        let engine = &engine;
        async move { engine.append(&message).await.unwrap() }
    });
    assert_eq!(futures_util::future::join_all(all).await.len(), 400);
    let stats: String = cmd("INFO").arg("commandstats").query_async(&mut connection).await.unwrap();
    let waits =
        stats.lines().find_map(|line| line.strip_prefix("cmdstat_wait:calls=")?.split(',').next()?.parse().ok());
    let waits: u32 = waits.unwrap();
    println!("400 appends, {waits} waits");
    assert!(waits < 400, "{waits}");
}

#[tokio::test]
async fn a_change_that_the_node_has_no_more_is_never_acknowledged() {
    let server = Server::start(Kind::Node);
    let _replica = server.start_replica();
    let engine = server.waiting_engine(PATIENT).await;
    let (record, ann) = lobby(&engine).await;
    let sent = keyed(&record, &ann, "sent");
    let first = engine.append(&sent).await.unwrap();
    let mut connection = server.connection().await;
    // As after a failover to a node that did not have it, and that went on differently.
    let changes = engine.keys.changes(record.id);
    let other = format!("m 0000000000000000 1 {} 1", ann.id);
    cmd("HSET").arg(&changes).arg(first.rev).arg(&other).exec_async(&mut connection).await.unwrap();
    assert!(matches!(engine.find_append(&sent).await, Err(StoreError::Unavailable(_))));
    cmd("HDEL").arg(&changes).arg(first.rev).exec_async(&mut connection).await.unwrap();
    assert!(matches!(engine.find_append(&sent).await, Err(StoreError::Unavailable(_))));
    // Gone because so much came after it.
    cmd("HSET").arg(engine.keys.room(record.id)).arg("rev").arg(20_000).exec_async(&mut connection).await.unwrap();
    assert_eq!(engine.find_append(&sent).await.unwrap().unwrap().seq, first.seq);
}

/// The replica takes over: an engine over it.
async fn promoted(replica: &Redis) -> Engine {
    assert!(replica.command(&["REPLICAOF", "NO", "ONE"]).unwrap().starts_with("+OK"));
    let address = Address::single(&replica.url().into()).unwrap();
    Engine::open(address, "test:", None).await.unwrap()
}

#[tokio::test]
async fn what_replicas_were_waited_for_is_there_after_a_failover() {
    let mut server = Server::start(Kind::Node);
    let replica = server.start_replica();
    let engine = server.waiting_engine(PATIENT).await;
    let (record, ann) = lobby(&engine).await;
    let mut last = engine.append(&keyed(&record, &ann, "0")).await.unwrap();
    for n in 1..30 {
        last = engine.append(&keyed(&record, &ann, &n.to_string())).await.unwrap();
    }
    server.kill();
    let after = promoted(&replica).await;
    let head = after.room(record.id).await.unwrap().unwrap().1;
    assert_eq!((head.seq, head.rev, head.event_id), (last.seq, last.rev, last.event_id));
    let again = after.append(&keyed(&record, &ann, "29")).await.unwrap();
    assert_eq!((again.seq, again.duplicate), (last.seq, true));
}

#[tokio::test]
async fn a_position_that_a_failover_lost_is_a_reset_also_once_the_log_has_gone_on() {
    let mut server = Server::start(Kind::Node);
    let replica = server.start_replica();
    let (engine, patient) = (server.engine().await, server.waiting_engine(PATIENT).await);
    let (record, ann) = lobby(&engine).await;
    let kept = patient.append(&keyed(&record, &ann, "kept")).await.unwrap();
    // The old primary goes on acknowledging, though another has taken over.
    let after = promoted(&replica).await;
    let lost = engine.append(&keyed(&record, &ann, "lost")).await.unwrap();
    server.kill();
    let position = |appended: &Appended| Position { rev: appended.rev, event_id: appended.event_id };
    let from = async |appended: &Appended| after.changes(record.id, position(appended), 9, 9_999).await.unwrap();
    assert!(matches!(from(&kept).await, Changes::Page { changes, has_more: false } if changes.is_empty()));
    assert!(matches!(from(&lost).await, Changes::Reset { head } if head == position(&kept)));
    let other = after.append(&keyed(&record, &ann, "other")).await.unwrap();
    assert_eq!(other.rev, lost.rev);
    assert!(matches!(from(&lost).await, Changes::Reset { head } if head == position(&other)));
    assert!(matches!(from(&kept).await, Changes::Page { changes, .. } if changes.len() == 1));
}
