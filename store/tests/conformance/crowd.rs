//! Four users at once, each doing what they like; afterwards the invariants must hold.

use std::collections::HashMap;

use proptest::{
    collection::vec,
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, RngSeed, TestRunner},
};
use shared::{RoomId, protocol::Role};
use store::{Actor, Change, ChangeBody, Store, StoreError, Topic};

use crate::{
    engine::Fixture,
    support::{
        MANY, actors, all_changes, all_messages, at_once, follow, head, id, keyed, room_event, room_of, send, unread,
    },
};

#[derive(Debug, Clone)]
enum Act {
    Send,
    /// With a key that the user may have used before; the content goes with the key.
    SendKeyed(u8),
    Delete(u64),
    MarkRead(u64),
    Leave,
    Join,
    Read,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => Just(Act::Send),
        4 => (0..5_u8).prop_map(Act::SendKeyed),
        3 => (1..60_u64).prop_map(Act::Delete),
        3 => (1..60_u64).prop_map(Act::MarkRead),
        1 => Just(Act::Leave),
        2 => Just(Act::Join),
        2 => Just(Act::Read),
    ]
}

pub async fn whatever_many_do_at_once_the_log_is_whole(s: &Fixture) {
    let config = Config { rng_seed: RngSeed::Fixed(4), failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let far = s.elsewhere().await;
    for round in 0..6 {
        let plans = vec(vec(act(), 40), 4).new_tree(&mut runner).unwrap().current();
        let people = actors(4);
        let room = room_of(&s.store, &people.iter().collect::<Vec<_>>()).await;
        let start = head(&s.store, room).await;
        let mut inbox = follow(&s.store, &[Topic::Room(room)]).await;
        let sent = at_once(plans.iter().cloned().zip(people.clone()).enumerate().map(|(i, (plan, me))| {
            let store = if i % 2 == 0 { s.store.clone() } else { far.clone() };
            async move { live(&store, room, &me, &plan).await }
        }))
        .await;
        let context = format!("round {round}: {plans:?}");
        let log = all_changes(&s.store, room, start).await;
        whole(&s.store, room, &people, &sent, &context).await;
        whole_log(&s.store, room, &log, &context).await;
        for change in &log {
            let event = room_event(&mut inbox).await;
            assert_eq!((event.change.rev, event.change.event_id), (change.rev, change.event_id), "{context}");
        }
        assert!(inbox.try_recv().is_none(), "{context}");
    }
}

/// One user's life; gives the numbers of their messages as they were acknowledged.
async fn live(store: &Store, room: RoomId, me: &Actor, plan: &[Act]) -> Vec<u64> {
    let (mut sent, mut keys, mut mark) = (Vec::new(), HashMap::new(), 0);
    let mut inside = true;
    for (n, act) in plan.iter().enumerate() {
        match act {
            Act::Send if inside => sent.push(send(store, room, me, &format!("{n}")).await.seq),
            Act::SendKeyed(key) => match store.log.append(&keyed(room, me, "keyed", &key.to_string())).await {
                Ok(appended) => {
                    assert_eq!(appended.duplicate, keys.contains_key(key));
                    assert_eq!(*keys.entry(*key).or_insert(appended.seq), appended.seq);
                    if !appended.duplicate {
                        sent.push(appended.seq);
                    }
                }
                Err(error) => assert!(matches!(error, StoreError::NotAMember) && !inside, "{error:?}"),
            },
            Act::Delete(seq) => match store.log.delete_message(id(room, *seq), me).await {
                Ok(_) | Err(StoreError::MessageNotFound) => {}
                Err(error) => panic!("{error:?}"),
            },
            Act::MarkRead(seq) if inside => {
                let now = store.log.mark_read(room, me.id, *seq).await.unwrap().now.read;
                assert!(now >= mark, "a read mark goes back from {mark} to {now}");
                mark = now;
            }
            Act::Leave if inside => {
                store.rooms.leave(room, me).await.unwrap();
                (inside, mark) = (false, 0);
            }
            Act::Join if !inside => {
                store.rooms.join(room, me, Role::Member, MANY).await.unwrap();
                inside = true;
            }
            Act::Read => {
                let seen = store.rooms.views(me.id, &[room]).await.unwrap().remove(0);
                assert_eq!(seen.is_some(), inside, "one's own doing is seen at once");
                assert!(seen.is_none_or(|v| v.unread <= v.head.seq - v.read_seq.max(v.membership.joined_seq)));
            }
            Act::Send | Act::MarkRead(_) | Act::Leave | Act::Join => {}
        }
    }
    sent
}

/// Dense numbers, no double, each author's order kept, unread as a fresh count gives it.
async fn whole(store: &Store, room: RoomId, people: &[Actor], sent: &[Vec<u64>], context: &str) {
    let (_, head) = store.rooms.room(room).await.unwrap().unwrap();
    let messages = all_messages(store, room).await;
    assert!(messages.iter().map(|m| m.seq).eq(1..=head.seq), "{context}");
    for (person, sent) in people.iter().zip(sent) {
        let kept: Vec<u64> = messages.iter().filter(|m| m.author == person.id).map(|m| m.seq).collect();
        assert_eq!(kept, *sent, "what was acknowledged, in that order: {context}");
        let seen = store.rooms.views(person.id, &[room]).await.unwrap().remove(0);
        let Some(seen) = seen else { continue };
        let from = seen.read_seq.max(seen.membership.joined_seq);
        let fresh = messages.iter().filter(|m| m.seq > from && m.deleted_at.is_none()).count() as u64;
        assert_eq!(unread(store, room, person).await, fresh, "{context}");
    }
}

/// Every change once, in order: the messages as they are numbered, the deletions as they are seen.
async fn whole_log(store: &Store, room: RoomId, log: &[Change], context: &str) {
    let (_, head) = store.rooms.room(room).await.unwrap().unwrap();
    assert!(log.iter().map(|c| c.rev).eq(5..=head.rev), "{context}");
    let (mut told, mut deleted) = (Vec::new(), Vec::new());
    for change in log {
        match &change.body {
            ChangeBody::Message(message) => told.push(message.seq),
            ChangeBody::Deleted { seq } => deleted.push(*seq),
            ChangeBody::Edited(_) | ChangeBody::Reacted { .. } | ChangeBody::Joined | ChangeBody::Left => {}
        }
    }
    assert!(told.into_iter().eq(1..=head.seq), "{context}");
    deleted.sort_unstable();
    let messages = all_messages(store, room).await;
    let empty: Vec<u64> = messages.iter().filter(|m| m.deleted_at.is_some()).map(|m| m.seq).collect();
    assert_eq!(deleted, empty, "{context}");
}
