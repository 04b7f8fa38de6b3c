//! Random walks: a sequence of operations done by the engine and by the model, every answer compared.
//!
//! `PROPTEST_CASES` and `PROPTEST_RNG_SEED` are respected; without them the walks are the same every time.

use std::time::Duration;

use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, RngSeed, TestRunner},
};
use shared::{
    EventId, RoomId, Timestamp,
    protocol::{MessageType, Position},
};
use store::{Actor, Change, ChangeBody, NewMessage, PageFrom, PageRequest, RoomEvent, Store, Topic};

use crate::{
    engine::Fixture,
    model::{Answer, Chosen, Model, answer},
    support::{Following, MANY, actors, all_messages, follow, id, private_room, public_room, room_event, text},
};

#[derive(Debug, Clone)]
enum Op {
    Send { user: usize, room: usize, key: Option<u8>, content: u8, reply: bool },
    Delete { user: usize, room: usize, seq: u64 },
    MarkRead { user: usize, room: usize, seq: u64 },
    Join { user: usize, room: usize },
    Leave { user: usize, room: usize },
    History { room: usize, page: PageRequest },
    Changes { room: usize, from: usize, limit: usize, foreign: bool },
    Message { room: usize, seq: u64 },
    Members { room: usize, after: u64, limit: usize },
    Views { user: usize },
}

const USERS: usize = 4;
/// The last one is not there.
const ROOMS: usize = 4;
const MAX_MEMBERS: [u64; ROOMS] = [MANY, MANY, 3, MANY];

fn op() -> impl Strategy<Value = Op> {
    let user = 0..USERS;
    let room = prop_oneof![10 => 0..ROOMS - 1, 1 => Just(ROOMS - 1)];
    let seq = prop_oneof![10 => 0..14_u64, 1 => Just(u64::MAX)];
    let at = (user.clone(), room.clone());
    prop_oneof![
        10 => (at.clone(), proptest::option::of(0..6_u8), 0..3_u8, prop::bool::weighted(0.2))
            .prop_map(|((user, room), key, content, reply)| Op::Send { user, room, key, content, reply }),
        3 => (at.clone(), seq.clone()).prop_map(|((user, room), seq)| Op::Delete { user, room, seq }),
        4 => (at.clone(), seq.clone()).prop_map(|((user, room), seq)| Op::MarkRead { user, room, seq }),
        3 => at.clone().prop_map(|(user, room)| Op::Join { user, room }),
        2 => at.prop_map(|(user, room)| Op::Leave { user, room }),
        3 => (room.clone(), page()).prop_map(|(room, page)| Op::History { room, page }),
        3 => (room.clone(), 0..40_usize, 1..12_usize, prop::bool::weighted(0.1))
            .prop_map(|(room, from, limit, foreign)| Op::Changes { room, from, limit, foreign }),
        1 => (room.clone(), seq).prop_map(|(room, seq)| Op::Message { room, seq }),
        1 => (room, 0..8_u64, 1..4_usize).prop_map(|(room, after, limit)| Op::Members { room, after, limit }),
        3 => user.prop_map(|user| Op::Views { user }),
    ]
}

fn page() -> impl Strategy<Value = PageRequest> {
    let from = prop_oneof![
        Just(PageFrom::Newest),
        (0..14_u64).prop_map(PageFrom::Before),
        (0..14_u64).prop_map(PageFrom::After),
        (0..14_u64).prop_map(PageFrom::Around),
    ];
    let visible_after = prop_oneof![3 => Just(0), 1 => 0..10_u64];
    let max_bytes = prop_oneof![2 => Just(1_000_000), 1 => 0..60_usize];
    (from, 0..6_usize, visible_after, max_bytes).prop_map(|(from, half, visible_after, max_bytes)| {
        // What a full page around a message leaves out, and which half is the larger, is the engine's to choose.
        let around = matches!(from, PageFrom::Around(_));
        let limit = if around { half * 2 + 1 } else { half + 1 };
        PageRequest { from, limit, visible_after, max_bytes: if around { 1_000_000 } else { max_bytes } }
    })
}

pub async fn every_answer_is_the_model_s(s: &Fixture) {
    let mut config = Config { failure_persistence: None, max_shrink_time: 8_000, ..Config::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 24;
    }
    if std::env::var_os("PROPTEST_RNG_SEED").is_none() {
        config.rng_seed = RngSeed::Fixed(20_260_101);
    }
    let seed = config.rng_seed;
    tokio::task::block_in_place(|| {
        let runtime = tokio::runtime::Handle::current();
        let outcome = TestRunner::new(config).run(&vec(op(), 60..100), |ops| {
            runtime.block_on(async {
                let mut walk = Walk::start(&s.store).await;
                for op in &ops {
                    walk.step(op).await;
                }
                walk.finish().await;
            });
            Ok(())
        });
        if let Err(failure) = outcome {
            panic!("{failure}\n(seed: {seed:?})");
        }
    });
}

struct Walk<'a> {
    store: &'a Store,
    model: Model,
    users: Vec<Actor>,
    rooms: Vec<RoomId>,
    events: Vec<Following>,
}

impl<'a> Walk<'a> {
    /// Three rooms: a public one of two, a private one of three, a public one of one that holds three.
    async fn start(store: &'a Store) -> Self {
        let users = actors(USERS);
        let (mut model, mut rooms, mut events) = (Model::default(), Vec::new(), Vec::new());
        let records = [public_room("zero"), private_room("one"), public_room("two")];
        for (record, members) in records.into_iter().zip([&users[..2], &users[..3], &users[..1]]) {
            store.rooms.create_room(&record, members).await.unwrap();
            events.push(follow(store, &[Topic::Room(record.id)]).await);
            rooms.push(record.id);
            let (_, head) = store.rooms.room(record.id).await.unwrap().unwrap();
            let memberships = store.rooms.members(record.id, 0, 9).await.unwrap();
            let joins = memberships.iter().zip(members).map(|(m, actor)| {
                // Of the changes before the last the names are not known; nobody can ask for them.
                let event_id = if m.joined_rev == head.rev { head.event_id } else { EventId::random() };
                let body = ChangeBody::Joined;
                let change = Change { rev: m.joined_rev, event_id, at: m.joined_at, user: m.user, body };
                (change, actor.username.clone())
            });
            model.add_room(record, memberships.clone(), joins.collect());
        }
        rooms.push(RoomId::new());
        Self { store, model, users, rooms, events }
    }

    async fn step(&mut self, op: &Op) {
        let revs: Vec<Option<Position>> =
            self.rooms.iter().map(|r| self.model.room(*r).ok().map(|r| r.position())).collect();
        match op {
            Op::Send { .. } | Op::Delete { .. } | Op::MarkRead { .. } => self.write(op).await,
            Op::Join { .. } | Op::Leave { .. } => self.come_or_go(op).await,
            _ => self.read(op).await,
        }
        for (room, before) in self.rooms.clone().into_iter().zip(revs) {
            if let Some(before) = before
                && self.model.room(room).unwrap().position() != before
            {
                self.learn(room, before, op).await;
            }
        }
    }

    async fn write(&mut self, op: &Op) {
        match *op {
            Op::Send { user, room, key, content, reply } => {
                let room = self.rooms[room];
                let kind = if content == 2 { MessageType::Image } else { MessageType::Text };
                let new = NewMessage {
                    kind,
                    client_message_id: key.map(|k| format!("key{k}")),
                    reply_to: reply.then(|| id(room, 1)),
                    notify_after: Duration::from_secs(1),
                    ..text(room, &self.users[user], &"é".repeat(usize::from(content) * 3))
                };
                let got = answer(self.store.log.append(&new).await);
                let chosen = chosen(&got, |a| (a.event_id, a.at));
                assert_eq!(got, self.model.append(&new, chosen), "{op:?}");
            }
            Op::Delete { user, room, seq } => {
                let (message, by) = (id(self.rooms[room], seq), &self.users[user]);
                let got = answer(self.store.log.delete_message(message, by).await);
                let now = self.store.log.message(message).await.unwrap();
                let at = now.and_then(|m| m.deleted_at).unwrap_or(NO_TIME);
                let event_id = got.as_ref().ok().and_then(|p| *p).map_or(EventId::random(), |p| p.event_id);
                assert_eq!(got, self.model.delete(message, by, Chosen { event_id, at }), "{op:?}");
            }
            Op::MarkRead { user, room, seq } => {
                let (room, user) = (self.rooms[room], self.users[user].id);
                let got = answer(self.store.log.mark_read(room, user, seq).await);
                assert_eq!(got, self.model.mark_read(room, user, seq), "{op:?}");
            }
            _ => unreachable!(),
        }
    }

    async fn come_or_go(&mut self, op: &Op) {
        match *op {
            Op::Join { user, room } => {
                let (max, room, user) = (MAX_MEMBERS[room], self.rooms[room], &self.users[user]);
                let got = answer(self.store.rooms.join(room, user, shared::protocol::Role::Member, max).await);
                let chosen = chosen(&got, |j| (j.position.event_id, j.membership.joined_at));
                assert_eq!(got, self.model.join(room, user, max, chosen), "{op:?}");
            }
            Op::Leave { user, room } => {
                let (room, user) = (self.rooms[room], &self.users[user]);
                let got = answer(self.store.rooms.leave(room, user).await);
                let chosen = chosen(&got, |p| (p.event_id, NO_TIME));
                assert_eq!(got, self.model.leave(room, user, chosen), "{op:?}");
            }
            _ => unreachable!(),
        }
    }

    async fn read(&self, op: &Op) {
        match *op {
            Op::History { room, page } => {
                let got = answer(self.store.log.history(self.rooms[room], page).await);
                match self.model.history(self.rooms[room], page) {
                    Ok(None) => {
                        let page_got = got.unwrap();
                        assert!(page_got.items.len() <= page.limit, "{op:?}");
                        assert!(page_got.items.iter().all(|m| m.seq > page.visible_after), "{op:?}");
                    }
                    expected => assert_eq!(got, expected.map(|page| page.unwrap()), "{op:?}"),
                }
            }
            Op::Changes { room, from, limit, foreign } => {
                let room = self.rooms[room];
                let mut after = Position { rev: from as u64, event_id: EventId::from_bits(0) };
                if let Ok(room) = self.model.room(room) {
                    // Any position that was ever told: those from the room's making on.
                    let told = &room.changes[room.made - 1..];
                    let (change, _) = &told[from % told.len()];
                    after = Position { rev: change.rev + u64::from(foreign), event_id: change.event_id };
                }
                let got = answer(self.store.log.changes(room, after, limit).await);
                assert_eq!(got, self.model.changes(room, after, limit), "{op:?}");
            }
            Op::Message { room, seq } => {
                let message = id(self.rooms[room], seq);
                assert_eq!(self.store.log.message(message).await.unwrap(), self.model.message(message), "{op:?}");
            }
            Op::Members { room, after, limit } => {
                let got = self.store.rooms.members(self.rooms[room], after, limit).await.unwrap();
                let expected = self.model.room(self.rooms[room]).map(|r| r.members_after(after, limit));
                assert_eq!(got, expected.unwrap_or_default(), "{op:?}");
            }
            Op::Views { user } => self.compare_views(&self.users[user], op).await,
            _ => unreachable!(),
        }
    }

    async fn compare_views(&self, user: &Actor, why: &impl std::fmt::Debug) {
        let got = self.store.rooms.views(user.id, &self.rooms).await.unwrap();
        let expected: Vec<_> = self.rooms.iter().map(|r| self.model.view(*r, user.id)).collect();
        assert_eq!(got, expected, "{why:?}");
        assert_eq!(self.store.rooms.rooms_of(user.id).await.unwrap(), self.model.rooms_of(user.id), "{why:?}");
    }

    /// Compares the change an operation made, and learns when it was.
    async fn learn(&mut self, room: RoomId, before: Position, op: &Op) {
        let (log, has_more) = crate::support::changes(self.store, room, before, 5).await;
        assert_eq!((log.len(), has_more), (1, false), "{op:?}: one change");
        let model = self.model.room_mut(room).unwrap();
        let (last, _) = model.changes.last_mut().unwrap();
        last.at = log[0].at;
        let last = last.clone();
        assert_eq!(log[0], model.current(&last), "{op:?}");
    }

    async fn finish(mut self) {
        for room in &self.rooms[..ROOMS - 1] {
            let model = self.model.room(*room).unwrap();
            assert_eq!(self.store.rooms.room(*room).await.unwrap().unwrap().1, model.head());
            assert_eq!(all_messages(self.store, *room).await, model.messages);
            assert_eq!(self.store.rooms.members(*room, 0, 99).await.unwrap(), model.members_after(0, 99));
            let users: Vec<_> = self.users.iter().map(|u| u.id).collect();
            let marks: Vec<_> = users.iter().map(|u| model.mark(*u)).collect();
            assert_eq!(self.store.log.read_marks(*room, &users).await.unwrap(), marks);
        }
        for user in &self.users {
            self.compare_views(user, &"at the end").await;
        }
        for (room, events) in self.rooms.iter().zip(&mut self.events) {
            let model = self.model.room(*room).unwrap();
            for (change, username) in &model.changes[model.made..] {
                let expected = RoomEvent { room: *room, change: change.clone(), username: username.clone() };
                assert_eq!(*room_event(&mut events.inbox).await, expected);
            }
            assert!(events.inbox.try_recv().is_none(), "an event too many");
        }
    }
}

const NO_TIME: Timestamp = Timestamp::from_millis(0);

/// What the engine chose; anything where it failed.
fn chosen<T>(got: &Answer<T>, of: impl Fn(&T) -> (EventId, Timestamp)) -> Chosen {
    let (event_id, at) = got.as_ref().map_or((EventId::random(), NO_TIME), of);
    Chosen { event_id, at }
}
