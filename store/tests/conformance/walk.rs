//! Random walks: a sequence of operations done by the engine and by the model, every answer and every event compared.
//!
//! `PROPTEST_CASES` and `PROPTEST_RNG_SEED` are respected; without them the walks are the same every time.

mod asking;
mod doing;
mod ops;

use std::time::Duration;

use proptest::{
    collection::vec,
    test_runner::{Config, RngSeed, TestRunner},
};
use shared::{
    EventId, RoomId, Timestamp,
    protocol::{Position, Retention},
};
use store::{Actor, BusEvent, Change, ChangeBody, RoomRecord, Signal, Store, Topic};

use self::ops::{Op, op};
use crate::{
    engine::Fixture,
    model::{Answer, Chosen, Heard, Model},
    support::{Following, MANY, actors, all_messages, follow, private_room, public_room, signal, user_entry, user_log},
};

const USERS: usize = 4;
/// The last one is not there.
const ROOMS: usize = 4;
const MAX_MEMBERS: [u64; ROOMS] = [MANY, MANY, 3, MANY];
/// A room whose messages grow old.
const OLD: Duration = Duration::from_secs(3600);

pub async fn every_answer_is_the_model_s(s: &Fixture) {
    let mut config = Config { failure_persistence: None, max_shrink_time: 8_000, ..Config::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 16;
    }
    if std::env::var_os("PROPTEST_RNG_SEED").is_none() {
        config.rng_seed = RngSeed::Fixed(20_260_101);
    }
    let seed = config.rng_seed;
    tokio::task::block_in_place(|| {
        let runtime = tokio::runtime::Handle::current();
        let outcome = TestRunner::new(config).run(&vec(op(), 120..200), |ops| {
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
    /// What is published of each room, and of each user.
    room_events: Vec<Following>,
    user_events: Vec<Following>,
}

/// A public room of two; a private one of three that keeps five messages; a public one of one that holds three and
/// keeps six messages for an hour.
fn records() -> [RoomRecord; ROOMS - 1] {
    let short = Retention { max_age_seconds: None, max_messages: Some(5) };
    let old = Retention { max_age_seconds: Some(OLD.as_secs()), max_messages: Some(6) };
    [
        public_room("zero"),
        RoomRecord { retention: Some(short), ..private_room("one") },
        RoomRecord { retention: Some(old), ..public_room("two") },
    ]
}

impl<'a> Walk<'a> {
    async fn start(store: &'a Store) -> Self {
        // What an earlier walk left must not count among what this one trims.
        while store.maintenance.trim(Timestamp::now().after(OLD * 3), 1000).await.unwrap() > 0 {}
        let users = actors(USERS);
        let mut walk = Self {
            store,
            model: Model::default(),
            users,
            rooms: Vec::new(),
            room_events: Vec::new(),
            user_events: Vec::new(),
        };
        for user in &walk.users {
            walk.user_events.push(follow(store, &[Topic::User(user.id)]).await);
        }
        let users = &walk.users;
        for (record, members) in records().into_iter().zip([&users[..2], &users[..3], &users[..1]]) {
            store.rooms.create_room(&record, members).await.unwrap();
            walk.room_events.push(follow(store, &[Topic::Room(record.id)]).await);
            walk.rooms.push(record.id);
            let (_, head) = store.rooms.room(record.id).await.unwrap().unwrap();
            let memberships = store.rooms.members(record.id, 0, 9).await.unwrap();
            let joins = memberships.iter().map(|m| {
                // Of the changes before the last the names are not known; nobody can ask for them.
                let event_id = if m.joined_rev == head.rev { head.event_id } else { EventId::random() };
                Change { rev: m.joined_rev, event_id, at: m.joined_at, user: m.user, body: ChangeBody::Joined }
            });
            let joins = joins.collect();
            walk.model.add_room(record, memberships, joins);
        }
        walk.rooms.push(RoomId::new());
        walk.learn_user_logs(&"the making of the rooms").await;
        walk
    }

    async fn step(&mut self, op: &Op) {
        let before: Vec<Option<Position>> =
            self.rooms.iter().map(|r| self.model.room(*r).ok().map(|r| r.position())).collect();
        match op {
            Op::Send { .. } | Op::Edit { .. } | Op::React { .. } | Op::Delete { .. } => self.write(op).await,
            Op::Join { .. } | Op::Leave { .. } => self.come_or_go(op).await,
            Op::SetRole { .. } | Op::Remove { .. } | Op::Unban { .. } | Op::Update { .. } | Op::End { .. } => {
                self.govern(op).await;
            }
            Op::Mark { .. } | Op::NoteRead { .. } | Op::Typing { .. } | Op::Contact { .. } => self.tell(op).await,
            Op::Trim { limit, late } => self.trim(*limit, *late).await,
            // Nothing is old enough, and what was removed stays removed.
            Op::Sweep => drop(self.store.maintenance.sweep(Timestamp::now()).await.unwrap()),
            _ => self.ask(op).await,
        }
        for (room, before) in self.rooms.clone().into_iter().zip(before) {
            if let Some(before) = before
                && self.model.room(room).is_ok_and(|room| room.position() != before)
            {
                self.learn(room, before, op).await;
            }
        }
        self.learn_user_logs(op).await;
    }

    /// Compares the changes an operation made, and learns when they were.
    async fn learn(&mut self, room: RoomId, before: Position, op: &Op) {
        let (log, has_more) = crate::support::changes(self.store, room, before, 5).await;
        assert!(!has_more, "{op:?}");
        let model = self.model.room_mut(room).unwrap();
        model.learn(&log, before);
        let expected: Vec<Change> = model.changes[before.rev as usize..].iter().map(|c| model.current(c)).collect();
        assert_eq!(log, expected, "{op:?}");
    }

    /// Compares what an operation noted in the users' own logs, and learns the entries' names.
    async fn learn_user_logs(&mut self, why: &impl std::fmt::Debug) {
        for user in &self.users {
            let after = self.model.user_position(user.id);
            let mut expected = self.model.unnamed(user.id);
            if expected.is_empty() {
                continue;
            }
            let noted = user_log(self.store, user.id, after).await;
            assert_eq!(noted.len(), expected.len(), "{why:?}: {noted:?} for {expected:?}");
            for (entry, expected) in noted.iter().zip(&mut expected) {
                expected.event_id = entry.event_id;
                assert_eq!(entry, *expected, "{why:?}");
            }
        }
    }

    async fn finish(mut self) {
        let ids: Vec<_> = self.users.iter().map(|u| u.id).collect();
        for room in &self.rooms[..ROOMS - 1] {
            let Ok(model) = self.model.room(*room) else {
                assert_eq!(self.store.rooms.room(*room).await.unwrap(), None);
                continue;
            };
            assert_eq!(self.store.rooms.room(*room).await.unwrap().unwrap().1, model.head());
            assert_eq!(all_messages(self.store, *room).await, model.kept());
            assert_eq!(self.store.rooms.members(*room, 0, 99).await.unwrap(), model.members_after(0, 99));
            let marks: Vec<_> = ids.iter().map(|u| model.marks(*u)).collect();
            assert_eq!(self.store.log.marks(*room, &ids).await.unwrap(), marks);
            let bans = self.store.room_admin.bans(*room, None, 99).await.unwrap();
            assert_eq!(bans.iter().map(|ban| (ban.user, ban.by)).collect::<Vec<_>>(), model.bans());
        }
        for user in &self.users {
            self.compare_views(user, &"at the end").await;
            assert_eq!(self.store.people.contacts(user.id).await.unwrap(), self.model.contacts(user.id));
            assert_eq!(user_log(self.store, user.id, Position::BEGINNING).await, self.model.user_log(user.id));
        }
        let positions: Vec<_> = ids.iter().map(|u| self.model.user_position(*u)).collect();
        assert_eq!(self.store.user_log.user_positions(&ids).await.unwrap(), positions);
        self.compare_events().await;
    }

    /// Every event in order, and not one more.
    async fn compare_events(&mut self) {
        for (room, events) in self.rooms.iter().zip(&mut self.room_events) {
            for mut expected in self.model.known(*room).unwrap().heard() {
                let heard = match signal(&mut events.inbox).await {
                    Signal::Event(BusEvent::Room(event)) => Heard::Change(Box::new((*event).clone())),
                    Signal::Event(BusEvent::Marked(event)) => Heard::Marked((*event).clone()),
                    Signal::Event(BusEvent::Typing(event)) => Heard::Typing((*event).clone()),
                    other => panic!("expected {expected:?}, got {other:?}"),
                };
                if let (Heard::Change(heard), Heard::Change(expected)) = (&heard, &mut expected)
                    && expected.change.body == ChangeBody::Ended
                {
                    // It is in no log to be learnt from.
                    (expected.change.event_id, expected.change.at) = (heard.change.event_id, heard.change.at);
                }
                assert_eq!(heard, expected);
            }
            assert!(events.inbox.try_recv().is_none(), "an event too many");
        }
        for (user, events) in self.users.iter().zip(&mut self.user_events) {
            for expected in self.model.user_log(user.id) {
                assert_eq!(user_entry(&mut events.inbox).await, (user.id, expected.clone()));
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
