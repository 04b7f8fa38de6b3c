//! What deletion and retention leave behind of a message with very many reactions goes step by step.

use redis::cmd;
use shared::{MessageId, Timestamp, UserId, protocol::Retention};

use super::{
    bus::message,
    halves::{actor, room},
    server::{Kind, Server},
};
use crate::{
    Maintenance, Reacting, RoomLog, RoomRecord, Rooms,
    redis::{Engine, codec::message::padded, scripts::ENTRIES_A_STEP},
};

const MANY: usize = 3 * ENTRIES_A_STEP + 500;

/// A room with messages, the first of which has [`MANY`] reactions in its index, and one more of its author.
async fn with_many(engine: &Engine, record: &RoomRecord) -> (MessageId, UserId) {
    let ann = actor("ann");
    engine.create_room(record, std::slice::from_ref(&ann)).await.unwrap();
    for text in ["one", "two"] {
        engine.append(&message(record, &ann, text)).await.unwrap();
    }
    let id = MessageId { room: record.id, seq: 1 };
    let own = Reacting { id, by: ann.clone(), emoji: "a".into(), add: true };
    assert_eq!(engine.react(&own).await.unwrap(), 1);
    let mut add = cmd("ZADD");
    add.arg(engine.keys.reactions(record.id));
    for _ in 1..MANY {
        add.arg(0).arg(format!("{} {} 61", padded(1), UserId::new()));
    }
    engine.connections.ask::<usize>("fill an index", &add).await.unwrap();
    assert_eq!(engine.reacted(record.id, ann.id, &[1]).await.unwrap(), [(1, "a".to_owned())]);
    (id, ann.id)
}

async fn entries(engine: &Engine, record: &RoomRecord) -> usize {
    engine.connections.ask("count", cmd("ZCARD").arg(engine.keys.reactions(record.id))).await.unwrap()
}

async fn step(engine: &Engine, record: &RoomRecord) -> (usize, usize, bool) {
    let call = engine.trim_call(record.id, Timestamp::now(), 9);
    engine.connections.run("remove old messages", call).await.unwrap()
}

#[tokio::test]
async fn a_deletion_removes_so_many_reactions_at_once_and_trimming_the_rest() {
    let server = Server::start(Kind::Cluster);
    let engine = server.engine().await;
    let record = room(None);
    let (id, ann) = with_many(&engine, &record).await;
    engine.delete_message(id, &actor("bob"), None).await.unwrap().unwrap();
    assert_eq!(entries(&engine, &record).await, MANY - ENTRIES_A_STEP);
    // Whoever gave what sorts last is still in the index.
    let mut last = cmd("ZADD");
    last.arg(engine.keys.reactions(record.id)).arg(0).arg(format!("{} {ann} 61", padded(1)));
    engine.connections.ask::<usize>("put it back", &last).await.unwrap();
    assert_eq!(engine.reacted(record.id, ann, &[1, 2]).await.unwrap(), [], "it is deleted all the same");
    assert_eq!(step(&engine, &record).await, (0, ENTRIES_A_STEP, true));
    assert_eq!(engine.rooms_with_retention().await.unwrap(), [record.id]);
    assert_eq!(engine.trim(Timestamp::now(), 9).await.unwrap(), 0);
    assert_eq!(entries(&engine, &record).await, 0);
    assert_eq!(engine.rooms_with_retention().await.unwrap(), [], "it keeps everything");
}

#[tokio::test]
async fn retention_removes_so_many_reactions_a_step() {
    let server = Server::start(Kind::Node);
    let engine = server.engine().await;
    let retention = Some(Retention { max_age_seconds: None, max_messages: Some(1) });
    let record = RoomRecord { retention, ..room(None) };
    let (_, ann) = with_many(&engine, &record).await;
    assert_eq!(step(&engine, &record).await, (1, ENTRIES_A_STEP, true));
    assert_eq!(engine.reacted(record.id, ann, &[1, 2]).await.unwrap(), [], "it is gone all the same");
    for left in [2 * ENTRIES_A_STEP + 500, ENTRIES_A_STEP + 500] {
        assert_eq!(entries(&engine, &record).await, left);
        assert_eq!(step(&engine, &record).await, (0, ENTRIES_A_STEP, true));
    }
    assert_eq!(step(&engine, &record).await, (0, 500, false));
    assert_eq!(engine.rooms_with_retention().await.unwrap(), [record.id]);
}
