//! What a room's scripts leave behind, what they cost, and what they do when they are sent twice.

use std::collections::BTreeMap;

use redis::cmd;
use rstest::rstest;
use shared::{
    EventId, MessageId, RoomId, UserId,
    protocol::{Retention, Role},
};

use super::{
    super::{
        Engine, codec,
        scripts::{self, Call},
    },
    bus::message,
    halves::{actor, room},
    server::{Kind, Server},
};
use crate::{
    Invites, Maintenance, Mentions, NewInvite, NewMessage, NotifyQueue, Reacting, Removal, RoleChange, RoomAdmin,
    RoomLog, RoomRecord, Rooms, UserLog, user_log::USER_CHANGES_KEPT,
};

fn naming(users: &[UserId], all: bool) -> Mentions {
    Mentions { users: users.to_vec(), all }
}

async fn react(engine: &Engine, room: RoomId, seq: u64, by: &crate::Actor) {
    let id = MessageId { room, seq };
    engine.react(&Reacting { id, by: by.clone(), emoji: "👀".into(), add: true }).await.unwrap();
}

/// Entries of the room's indexes: of messages, deletions, mentions, reactions, replies.
async fn left(server: &Server, engine: &Engine, room: RoomId) -> [u64; 5] {
    let mut connection = server.connection().await;
    let keys = &engine.keys;
    let mut left = [0; 5];
    left[0] = cmd("HLEN").arg(keys.messages(room)).query_async(&mut connection).await.unwrap();
    let sets = [keys.deleted(room), keys.mentions(room), keys.reactions(room), keys.replies(room)];
    for (count, key) in left[1..].iter_mut().zip(sets) {
        *count = cmd("ZCARD").arg(key).query_async(&mut connection).await.unwrap();
    }
    left
}

#[rstest]
#[case(Kind::Node)]
#[case(Kind::Cluster)]
#[tokio::test]
async fn what_retention_removes_leaves_nothing_in_the_indexes(#[case] kind: Kind) {
    let server = Server::start(kind);
    let engine = server.engine().await;
    let retention = Some(Retention { max_age_seconds: None, max_messages: Some(1) });
    let (ann, bob, record) = (actor("ann"), actor("bob"), RoomRecord { retention, ..room(None) });
    engine.create_room(&record, &[ann.clone(), bob.clone()]).await.unwrap();
    let first = MessageId { room: record.id, seq: 1 };
    for (mentions, reply_to) in [
        (naming(&[bob.id, ann.id], false), None),
        (naming(&[bob.id], true), Some(first)),
        (naming(&[bob.id], false), Some(first)),
        (Mentions::default(), Some(first)),
    ] {
        let sent = NewMessage { mentions, reply_to, ..message(&record, &ann, "x") };
        let seq = engine.append(&sent).await.unwrap().seq;
        react(&engine, record.id, seq, &bob).await;
    }
    engine.delete_message(MessageId { room: record.id, seq: 3 }, &ann, None).await.unwrap();
    assert_eq!(left(&server, &engine, record.id).await, [4, 1, 3, 3, 3]);
    assert_eq!(engine.trim(shared::Timestamp::now(), 2).await.unwrap(), 2, "no more than asked for");
    assert_eq!(left(&server, &engine, record.id).await, [2, 1, 0, 1, 0]);
    assert_eq!(engine.trim(shared::Timestamp::now(), 99).await.unwrap(), 1);
    assert_eq!(left(&server, &engine, record.id).await, [1, 0, 0, 1, 0]);
    assert_eq!(engine.trim(shared::Timestamp::now(), 99).await.unwrap(), 0);
}

#[tokio::test]
async fn mentions_go_when_they_are_read_and_with_their_user() {
    let server = Server::start(Kind::Cluster);
    let engine = server.engine().await;
    let (ann, bob, record) = (actor("ann"), actor("bob"), room(None));
    engine.create_room(&record, &[ann.clone(), bob.clone()]).await.unwrap();
    for _ in 0..3 {
        let sent = NewMessage { mentions: naming(&[bob.id], false), ..message(&record, &ann, "x") };
        engine.append(&sent).await.unwrap();
    }
    engine.mark_delivered(record.id, bob.id, 3).await.unwrap();
    assert_eq!(left(&server, &engine, record.id).await[2], 3, "delivered is not read");
    engine.mark_read(record.id, bob.id, 2).await.unwrap();
    assert_eq!(left(&server, &engine, record.id).await[2], 1);
    engine.leave(record.id, &bob).await.unwrap();
    assert_eq!(left(&server, &engine, record.id).await[2], 0);
}

#[tokio::test]
async fn rooms_without_retention_are_never_looked_at() {
    let server = Server::start(Kind::Node);
    let engine = server.engine().await;
    let (ann, record) = (actor("ann"), room(None));
    engine.create_room(&record, std::slice::from_ref(&ann)).await.unwrap();
    assert_eq!(engine.rooms_with_retention().await.unwrap(), []);
}

/// Calls of each command, but for those of the test itself.
async fn commands(server: &Server) -> BTreeMap<String, u64> {
    let mut connection = server.connection().await;
    let stats: String = cmd("INFO").arg("commandstats").query_async(&mut connection).await.unwrap();
    let calls = stats.lines().filter_map(|line| {
        let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        Some((name.to_owned(), rest.split(',').next()?.parse().ok()?))
    });
    calls
        .filter(|(name, _)| !["config|resetstat", "info", "hello", "client|setinfo", "ping"].contains(&&**name))
        .collect()
}

#[tokio::test]
async fn a_plain_message_costs_no_command_for_mentions_replies_or_reactions() {
    let server = Server::start(Kind::Node);
    let engine = server.engine().await;
    let (ann, record) = (actor("ann"), room(None));
    engine.create_room(&record, std::slice::from_ref(&ann)).await.unwrap();
    engine.append(&message(&record, &ann, "the script is known")).await.unwrap();
    let mut connection = server.connection().await;
    cmd("CONFIG").arg("RESETSTAT").exec_async(&mut connection).await.unwrap();
    engine.append(&message(&record, &ann, "x")).await.unwrap();
    let expected = [("evalsha", 1), ("hexists", 1), ("hmget", 1), ("hset", 4), ("spublish", 1), ("time", 1)];
    let calls = |expected: &[(&str, u64)]| expected.iter().map(|(name, calls)| ((*name).to_owned(), *calls)).collect();
    assert_eq!(commands(&server).await, calls(&expected), "the room is due already");

    engine.conclude(record.id, 2, &[]).await.unwrap();
    cmd("CONFIG").arg("RESETSTAT").exec_async(&mut connection).await.unwrap();
    engine.append(&message(&record, &ann, "y")).await.unwrap();
    assert_eq!(commands(&server).await, calls(&[&expected[..], &[("zadd", 1)]].concat()), "all was considered");
}

#[rstest]
#[case(Kind::Node)]
#[case(Kind::Cluster)]
#[tokio::test]
async fn a_call_that_is_sent_twice_is_done_once(#[case] kind: Kind) {
    let server = Server::start(kind);
    let engine = server.engine().await;
    let (ann, record, keys) = (actor("ann"), room(None), &engine.keys);
    engine.create_room(&record, std::slice::from_ref(&ann)).await.unwrap();
    engine.append(&message(&record, &ann, "x")).await.unwrap();
    engine.join(record.id, &actor("bob"), Role::Member, 9).await.unwrap();

    let (room, edit, reaction) = (record.id, EventId::random().to_string(), EventId::random().to_string());
    for _ in 0..2 {
        let call = Call::new(&scripts::EDIT_MESSAGE)
            .keys([keys.room(room), keys.members(room), keys.messages(room), keys.changes(room)])
            .keys([keys.mentions(room), keys.room_channel(room)])
            .arg(&["1", &ann.id.to_string(), &edit, "\"ann\"", "y", "", "10000"]);
        let answer: Vec<String> = engine.connections.run("edit", call).await.unwrap();
        assert_eq!((&*answer[0], &*answer[2], &answer[3]), ("OK", "4", &edit));
    }
    for _ in 0..2 {
        let call = Call::new(&scripts::REACT)
            .keys([keys.room(room), keys.members(room), keys.messages(room), keys.changes(room)])
            .keys([keys.reactions(room), keys.room_channel(room)])
            .arg(&["1", &ann.id.to_string(), &reaction, "\"ann\"", "f0", "1", "20", "50", "10000"]);
        let answer: Vec<String> = engine.connections.run("react", call).await.unwrap();
        assert_eq!(answer, ["OK", "1"]);
    }
    assert_eq!(engine.positions(&[room, RoomId::new()]).await.unwrap()[0].unwrap().rev, 5);

    let before = engine.user_positions(&[ann.id]).await.unwrap()[0].rev;
    let note = EventId::random().to_string();
    for _ in 0..2 {
        let call = Call::new(&scripts::NOTE_USER_CHANGE)
            .keys([keys.user_log(ann.id), keys.user_channel(ann.id)])
            .arg(&note)
            .arg(codec::user::read_mark(room, 1))
            .arg(USER_CHANGES_KEPT);
        assert_eq!(engine.connections.run::<u64>("note", call).await.unwrap(), before + 1);
    }
}

#[rstest]
#[case(Kind::Node)]
#[case(Kind::Cluster)]
#[tokio::test]
async fn a_deleted_room_leaves_that_it_was_and_what_its_authors_may_ask_again(#[case] kind: Kind) {
    let server = Server::start(kind);
    let engine = server.engine().await;
    let (ann, bob) = (actor("ann"), actor("bob"));
    let retention = Some(Retention { max_age_seconds: Some(60), max_messages: None });
    let record = RoomRecord { retention, ..room(Some("lobby")) };
    engine.create_room(&record, &[ann.clone(), bob.clone()]).await.unwrap();
    let mentions = naming(&[bob.id], true);
    let first = NewMessage { client_message_id: Some("k".into()), mentions, ..message(&record, &ann, "x") };
    engine.append(&first).await.unwrap();
    let reply_to = Some(MessageId { room: record.id, seq: 1 });
    engine.append(&NewMessage { reply_to, ..message(&record, &ann, "y") }).await.unwrap();
    react(&engine, record.id, 1, &bob).await;
    engine.delete_message(MessageId { room: record.id, seq: 2 }, &ann, None).await.unwrap();
    let by_role = Role::Owner;
    let (by, user) = (ann.clone(), bob.clone());
    engine
        .set_role(&RoleChange { room: record.id, by, by_role, user, from: Role::Member, to: Role::Admin })
        .await
        .unwrap();
    let (by, user) = (ann.clone(), actor("stranger"));
    engine.remove_member(&Removal { room: record.id, by, by_role, user, role: None, ban: true }).await.unwrap();
    let lifetime = std::time::Duration::from_secs(60);
    let invite = NewInvite { room: record.id, by: ann.id, by_role, hash: [1; 32], lifetime, max_uses: None };
    engine.put_invite(&invite).await.unwrap();
    engine.invite_salt(record.id).await.unwrap();

    engine.delete_room(record.id, &ann, Some(by_role)).await.unwrap();
    let mut connection = server.connection().await;
    let mut left: Vec<String> = cmd("KEYS").arg("*:room:*").query_async(&mut connection).await.unwrap();
    // In a cluster, each append is known for a minute.
    left.retain(|key| !key.contains(":dedupe:"));
    assert_eq!(left, [engine.keys.room(record.id)]);
    let ttl: i64 = cmd("PTTL").arg(&left[0]).query_async(&mut connection).await.unwrap();
    assert!((1..=48 * 3600 * 1000).contains(&ttl), "{ttl}");
    for set in ["due", "retention", "ending"] {
        let keys: Vec<String> = cmd("KEYS").arg(format!("*:{set}")).query_async(&mut connection).await.unwrap();
        assert_eq!(keys, [] as [String; 0], "{set}");
    }
    assert!(engine.append(&first).await.unwrap().duplicate);
}
