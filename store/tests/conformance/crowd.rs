//! Many users at once, each doing what they like; afterwards the invariants must hold.

mod replay;

use std::collections::HashMap;

use proptest::{
    collection::vec,
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, RngSeed, TestRunner},
};
use shared::{
    RoomId,
    protocol::{Position, Role},
};
use store::{Actor, BusEvent, Change, ChangeBody, Signal, Store, StoreError, Topic, UserChangeBody};

use self::replay::Replay;
use crate::{
    engine::Fixture,
    support::{
        Following, MANY, actors, all_changes, all_messages, at_once, counts, edit, follow, giving, head, id, keyed,
        message, naming, reply, room_of, send, signal, taking, user_entry, user_log,
    },
};

#[derive(Debug, Clone)]
enum Act {
    Send,
    /// With a key that the user may have used before; the content goes with the key.
    SendKeyed(u8),
    /// Answers the user's own last message.
    Reply,
    /// Names themselves and whoever sent last.
    Name,
    Edit(u64),
    React(u64, bool),
    Delete(u64),
    MarkRead(u64),
    MarkDelivered(u64),
    Leave,
    Join,
    Read,
}

fn act() -> impl Strategy<Value = Act> {
    let seq = || 1..60_u64;
    prop_oneof![
        6 => Just(Act::Send),
        4 => (0..5_u8).prop_map(Act::SendKeyed),
        2 => Just(Act::Reply),
        2 => Just(Act::Name),
        4 => seq().prop_map(Act::Edit),
        5 => (seq(), any::<bool>()).prop_map(|(seq, add)| Act::React(seq, add)),
        3 => seq().prop_map(Act::Delete),
        3 => seq().prop_map(Act::MarkRead),
        1 => seq().prop_map(Act::MarkDelivered),
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
        let plans = vec(vec(act(), 50), 4).new_tree(&mut runner).unwrap().current();
        let people = actors(4);
        let mut own = Vec::new();
        for person in &people {
            own.push(follow(&s.store, &[Topic::User(person.id)]).await);
        }
        let room = room_of(&s.store, &people.iter().collect::<Vec<_>>()).await;
        let start = head(&s.store, room).await;
        let mut inbox = follow(&s.store, &[Topic::Room(room)]).await;
        let sent = at_once(plans.iter().cloned().zip(people.clone()).enumerate().map(|(i, (plan, me))| {
            let store = if i % 2 == 0 { s.store.clone() } else { far.clone() };
            async move { Life::new(&store, room, &me).live(&plan).await }
        }))
        .await;
        let context = format!("round {round}: {plans:?}");
        whole(&s.store, room, &people, &sent, &context).await;
        let log = all_changes(&s.store, room, start).await;
        whole_log(&s.store, room, &log, &context).await;
        heard_as_kept(&s.store, room, &mut inbox, start, &context).await;
        for (person, inbox) in people.iter().zip(&mut own) {
            whole_user_log(&s.store, room, person, inbox, &context).await;
        }
    }
}

/// One user's life.
struct Life<'a> {
    store: &'a Store,
    room: RoomId,
    me: &'a Actor,
    /// Numbers of their messages as they were acknowledged.
    sent: Vec<u64>,
    keys: HashMap<u8, u64>,
    mark: u64,
    inside: bool,
}

impl<'a> Life<'a> {
    fn new(store: &'a Store, room: RoomId, me: &'a Actor) -> Self {
        Self { store, room, me, sent: Vec::new(), keys: HashMap::new(), mark: 0, inside: true }
    }

    async fn live(mut self, plan: &[Act]) -> Vec<u64> {
        for (n, act) in plan.iter().enumerate() {
            match act {
                Act::Leave if self.inside => {
                    self.store.rooms.leave(self.room, self.me).await.unwrap();
                    (self.inside, self.mark) = (false, 0);
                }
                Act::Join if !self.inside => {
                    self.store.rooms.join(self.room, self.me, Role::Member, MANY).await.unwrap();
                    self.inside = true;
                }
                Act::SendKeyed(key) => self.send_keyed(*key).await,
                Act::Delete(seq) => found(self.store.log.delete_message(id(self.room, *seq), self.me, None).await),
                Act::Read => self.read().await,
                act if self.inside => self.act(n, act).await,
                _ => {}
            }
        }
        self.sent
    }

    async fn send_keyed(&mut self, key: u8) {
        match self.store.log.append(&keyed(self.room, self.me, "keyed", &key.to_string())).await {
            Ok(appended) => {
                assert_eq!(appended.duplicate, self.keys.contains_key(&key));
                assert_eq!(*self.keys.entry(key).or_insert(appended.seq), appended.seq);
                if !appended.duplicate {
                    self.sent.push(appended.seq);
                }
            }
            Err(error) => assert!(matches!(error, StoreError::NotAMember) && !self.inside, "{error:?}"),
        }
    }

    /// What only members can do.
    async fn act(&mut self, n: usize, act: &Act) {
        let Self { store, room, me, .. } = *self;
        match act {
            Act::Send => self.sent.push(send(store, room, me, &format!("{n}")).await.seq),
            Act::Reply => {
                let parent = self.sent.last().copied();
                let new = parent.map(|seq| reply(id(room, seq), me, &format!("{n} to {seq}")));
                if let Some(new) = new {
                    self.sent.push(store.log.append(&new).await.unwrap().seq);
                }
            }
            Act::Name => {
                let last = store.rooms.views(me.id, &[room]).await.unwrap().remove(0).unwrap().last_message;
                let last = last.map_or(me.clone(), |m| Actor { id: m.author, username: String::new() });
                let named = if last.id == me.id { vec![me] } else { vec![me, &last] };
                let new = naming(room, me, &format!("{n} names"), &named);
                self.sent.push(store.log.append(&new).await.unwrap().seq);
            }
            Act::Edit(seq) => found(store.log.edit_message(&edit(id(room, *seq), me, &format!("{n} edited"))).await),
            Act::React(seq, true) => found(store.log.react(&giving(id(room, *seq), me, "👍")).await),
            Act::React(seq, false) => found(store.log.react(&taking(id(room, *seq), me, "👍")).await),
            Act::MarkRead(seq) => {
                let now = store.log.mark_read(room, me.id, *seq).await.unwrap().now.read;
                assert!(now >= self.mark, "a read mark goes back from {} to {now}", self.mark);
                self.mark = now;
            }
            Act::MarkDelivered(seq) => {
                let now = store.log.mark_delivered(room, me.id, *seq).await.unwrap().now;
                assert!(now.read <= now.delivered && now.read >= self.mark, "{now:?}");
            }
            Act::SendKeyed(_) | Act::Delete(_) | Act::Leave | Act::Join | Act::Read => {}
        }
    }

    async fn read(&self) {
        let seen = self.store.rooms.views(self.me.id, &[self.room]).await.unwrap().remove(0);
        assert_eq!(seen.is_some(), self.inside, "one's own doing is seen at once");
        let Some(seen) = seen else { return };
        assert!(seen.unread <= seen.head.seq - seen.read_seq.max(seen.membership.joined_seq));
        assert!(seen.mentions <= seen.unread);
    }
}

/// Done, or the message is not there (any more).
fn found<T: std::fmt::Debug>(result: store::Result<T>) {
    assert!(matches!(result, Ok(_) | Err(StoreError::MessageNotFound)), "{result:?}");
}

/// Dense numbers, no double, each author's order kept, unread and mentions as a fresh count gives them.
async fn whole(store: &Store, room: RoomId, people: &[Actor], sent: &[Vec<u64>], context: &str) {
    let (_, head) = store.rooms.room(room).await.unwrap().unwrap();
    let messages = all_messages(store, room).await;
    assert!(messages.iter().map(|m| m.seq).eq(1..=head.seq), "{context}");
    for (person, sent) in people.iter().zip(sent) {
        let kept: Vec<u64> = messages.iter().filter(|m| m.author == person.id).map(|m| m.seq).collect();
        assert_eq!(kept, *sent, "what was acknowledged, in that order: {context}");
        let given = store.log.reacted(room, person.id, &(1..=head.seq).collect::<Vec<_>>()).await.unwrap();
        let listed = messages.iter().filter(|m| m.reactions.iter().any(|t| t.users.contains(&person.id)));
        assert!(given.iter().map(|(seq, _)| *seq).eq(listed.map(|m| m.seq)), "{context}");
        if store.rooms.membership(room, person.id).await.unwrap().is_some() {
            counts(store, room, person).await;
        }
    }
}

/// Every change once, in order: the messages as they are numbered, the deletions as they are seen.
async fn whole_log(store: &Store, room: RoomId, log: &[Change], context: &str) {
    let (_, head) = store.rooms.room(room).await.unwrap().unwrap();
    assert!(log.iter().map(|c| c.rev).eq(log[0].rev..=head.rev), "{context}");
    let (mut told, mut deleted) = (Vec::new(), Vec::new());
    for change in log {
        match &change.body {
            ChangeBody::Message(message) => told.push(message.seq),
            ChangeBody::Deleted { seq } => deleted.push(*seq),
            ChangeBody::Edited(_) | ChangeBody::Reacted { .. } | ChangeBody::Joined | ChangeBody::Left => {}
            // The owner has left.
            ChangeBody::Role { role: Role::Owner } => {}
            other => panic!("nobody did {other:?}: {context}"),
        }
    }
    assert!(told.into_iter().eq(1..=head.seq), "{context}");
    deleted.sort_unstable();
    let messages = all_messages(store, room).await;
    let empty: Vec<u64> = messages.iter().filter(|m| m.deleted_at.is_some()).map(|m| m.seq).collect();
    assert_eq!(deleted, empty, "{context}");
}

/// The room's events, one for each change since `start`: who heard them knows the messages as they are.
async fn heard_as_kept(store: &Store, room: RoomId, inbox: &mut Following, start: Position, context: &str) {
    let mut replay = Replay::new(start.rev);
    for change in all_changes(store, room, start).await {
        let event = loop {
            match signal(inbox).await {
                Signal::Event(BusEvent::Room(event)) => break event,
                Signal::Event(BusEvent::Marked(_)) => {}
                other => panic!("{other:?}: {context}"),
            }
        };
        assert_eq!((event.change.rev, event.change.event_id), (change.rev, change.event_id), "{context}");
        replay.hear(&event, context);
    }
    replay.is(&all_messages(store, room).await, context);
}

/// One entry for each coming and going, in turn; published as it is kept.
async fn whole_user_log(store: &Store, room: RoomId, person: &Actor, inbox: &mut Following, context: &str) {
    let inside = store.rooms.membership(room, person.id).await.unwrap().is_some();
    let log = user_log(store, person.id, Position::BEGINNING).await;
    assert_eq!(log.len() % 2 == 1, inside, "{log:?}: {context}");
    for (i, entry) in log.iter().enumerate() {
        let body = if i % 2 == 0 { UserChangeBody::RoomAdded(room) } else { UserChangeBody::RoomRemoved(room) };
        assert_eq!((entry.rev, &entry.body), (i as u64 + 1, &body), "{context}");
        assert_eq!(user_entry(inbox).await, (person.id, entry.clone()), "{context}");
    }
    assert!(inbox.try_recv().is_none(), "{context}");
}

pub async fn reactions_of_many_to_one_message_count_right(s: &Fixture) {
    let people = actors(12);
    let far = s.elsewhere().await;
    let room = room_of(&s.store, &people.iter().collect::<Vec<_>>()).await;
    let start = head(&s.store, room).await;
    let mut inbox = follow(&s.store, &[Topic::Room(room)]).await;
    send(&s.store, room, &people[0], "hello").await;
    at_once(people.iter().cloned().enumerate().map(|(i, person)| {
        let log = if i % 2 == 0 { s.log.clone() } else { far.log.clone() };
        async move {
            for n in 0..9 {
                let emoji = ["👍", "é", "a"][n % 3];
                // Given, taken back, and given again by the half of them.
                let new = if n / 3 == 1 || (n / 3 == 2 && i < 6) { taking } else { giving };
                log.react(&new(id(room, 1), &person, emoji)).await.unwrap();
            }
        }
    }))
    .await;
    for tally in &message(&s.store, room, 1).await.reactions {
        assert_eq!((tally.count, tally.users.len()), (6, 6), "{tally:?}");
        assert!(people[6..].iter().all(|p| tally.users.contains(&p.id)), "{tally:?}");
    }
    assert_eq!(message(&s.store, room, 1).await.reactions.len(), 3);
    // The message, three emojis given and taken by twelve, and given again by six of them.
    assert_eq!(all_changes(&s.store, room, start).await.len(), 1 + 12 * 6 + 6 * 3);
    heard_as_kept(&s.store, room, &mut inbox, start, "reactions of many").await;
}

pub async fn edits_and_deletions_at_once_leave_a_dense_log(s: &Fixture) {
    let people = actors(6);
    let far = s.elsewhere().await;
    let room = room_of(&s.store, &people.iter().collect::<Vec<_>>()).await;
    let start = head(&s.store, room).await;
    let mut inbox = follow(&s.store, &[Topic::Room(room)]).await;
    for person in &people {
        send(&s.store, room, person, "first").await;
    }
    let done = at_once(people.iter().cloned().enumerate().map(|(i, person)| {
        let log = if i % 2 == 0 { s.log.clone() } else { far.log.clone() };
        async move {
            let (mut edited, mut deleted) = (0, 0);
            for n in 0..24_u64 {
                let target = id(room, (n + i as u64) % 6 + 1);
                if n / 6 == 3 {
                    deleted += usize::from(log.delete_message(target, &person, None).await.unwrap().is_some());
                } else {
                    let edit = edit(target, &person, &format!("{i} {n}"));
                    let result = log.edit_message(&edit).await;
                    edited += usize::from(result.is_ok());
                    found(result);
                }
            }
            (edited, deleted)
        }
    }))
    .await;
    let (edited, deleted) = done.into_iter().fold((0, 0), |(e, d), (edited, deleted)| (e + edited, d + deleted));
    assert_eq!(deleted, 6, "each is deleted once");
    let log = all_changes(&s.store, room, start).await;
    assert!(log.iter().map(|c| c.rev).eq(start.rev + 1..=start.rev + 12 + edited as u64), "one change for each");
    assert!(all_messages(&s.store, room).await.iter().all(|m| m.content.is_empty() && m.deleted_at.is_some()));
    assert!(!format!("{log:?}").contains("first"));
    heard_as_kept(&s.store, room, &mut inbox, start, "edits and deletions").await;
}
