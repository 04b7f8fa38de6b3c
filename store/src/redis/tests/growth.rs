//! That cost does not grow with what it must not: the commands that Redis runs, those of scripts too, counted in small
//! rooms and in large ones.

use futures_util::{StreamExt, stream};
use redis::cmd;
use redis_fixture::Kind;
use shared::{MessageId, protocol::Position};

use super::{
    super::Engine,
    bus::message,
    halves::{actor, room},
    server::Server,
};
use crate::{
    Actor, Changes, Mentions, NewMessage, PageFrom, PageRequest, RoomLog, RoomRecord, Rooms, log::CHANGES_KEPT,
};

/// What the engine does beside what it is asked for.
const ASIDE: [&str; 6] = ["ping", "info", "config", "client", "evalsha", "script"];

struct Counted {
    server: Server,
    engine: Engine,
    connection: redis::aio::MultiplexedConnection,
}

impl Counted {
    async fn start() -> Self {
        let server = Server::start(Kind::Node);
        let (engine, connection) = (server.engine().await, server.connection().await);
        Self { server, engine, connection }
    }

    /// The commands that were run meanwhile, each with how often, but for what goes on by itself.
    async fn commands<T>(&mut self, work: impl AsyncFnOnce(&Engine) -> T) -> (T, Vec<String>) {
        let _: () = cmd("CONFIG").arg("RESETSTAT").query_async(&mut self.connection).await.unwrap();
        let done = work(&self.engine).await;
        let stats: String = cmd("INFO").arg("commandstats").query_async(&mut self.connection).await.unwrap();
        let command = |line: &str| {
            let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
            let aside = ASIDE.iter().any(|own| name.split('|').next() == Some(own));
            (!aside).then(|| format!("{name} {}", rest.split(',').next().unwrap_or_default()))
        };
        let mut commands: Vec<String> = stats.lines().filter_map(command).collect();
        commands.sort();
        (done, commands)
    }

    async fn room_of(&self, members: &[Actor]) -> RoomRecord {
        let record = room(None);
        self.engine.create_room(&record, members).await.unwrap();
        record
    }

    async fn fill(&self, room: &RoomRecord, author: &Actor, count: u64, mentions: &Mentions) {
        let new = || NewMessage { mentions: mentions.clone(), ..message(room, author, "hello") };
        let appends = (0..count).map(|_| async { self.engine.append(&new()).await.unwrap() });
        stream::iter(appends).buffer_unordered(500).for_each(async |_| {}).await;
    }
}

/// The server ends with the test: an engine that is still there would only be told so.
impl Drop for Counted {
    fn drop(&mut self) {
        self.server.kill();
    }
}

#[tokio::test]
async fn a_page_of_history_or_of_changes_runs_no_more_commands_in_a_long_room_than_in_a_short_one() {
    let mut counted = Counted::start().await;
    let ann = actor("ann");
    for messages in [200, CHANGES_KEPT + 2000] {
        let record = counted.room_of(std::slice::from_ref(&ann)).await;
        counted.fill(&record, &ann, messages - 100, &Mentions::default()).await;
        let seen: Position = counted.engine.positions(&[record.id]).await.unwrap().remove(0).unwrap();
        counted.fill(&record, &ann, 100, &Mentions::default()).await;
        let middle = messages / 2;
        for from in [PageFrom::Newest, PageFrom::Before(middle), PageFrom::After(middle), PageFrom::Around(middle)] {
            let request = PageRequest { from, limit: 50, visible_after: 0, max_bytes: usize::MAX };
            let (page, commands) =
                counted.commands(async |engine| engine.history(record.id, request).await.unwrap()).await;
            assert_eq!(page.items.len(), 50);
            assert_eq!(commands, ["hget 50", "hmget 1"], "{from:?} of {messages}");
        }
        let changes = async |engine: &Engine| engine.changes(record.id, seen, 50, usize::MAX).await.unwrap();
        let (changes, commands) = counted.commands(changes).await;
        assert!(matches!(changes, Changes::Page { changes, has_more: true } if changes.len() == 50));
        assert_eq!(commands, ["hget 101", "hmget 1"], "of {messages}");
    }
}

#[tokio::test]
async fn a_message_costs_the_same_whatever_the_members_and_messages_of_its_room() {
    let mut counted = Counted::start().await;
    let ann = actor("ann");
    let mut costs = Vec::new();
    for (members, messages) in [(2, 1), (1000, 1), (2, CHANGES_KEPT + 1)] {
        let mut all = vec![ann.clone()];
        all.extend((1..members).map(|n| actor(&format!("user{n}"))));
        let record = counted.room_of(&all).await;
        counted.fill(&record, &ann, messages, &Mentions::default()).await;
        let plain = message(&record, &ann, "hello");
        let to_all = NewMessage { mentions: Mentions { users: vec![], all: true }, ..plain.clone() };
        let first = MessageId { room: record.id, seq: 1 };
        let reply = NewMessage { reply_to: Some(first), ..plain.clone() };
        let mut of_room = Vec::new();
        for new in [plain, to_all, reply] {
            of_room.push(counted.commands(async |engine| engine.append(&new).await.unwrap()).await.1);
        }
        of_room.push(counted.commands(async |engine| engine.delete_message(first, &ann, None).await.unwrap()).await.1);
        costs.push(of_room);
    }
    assert_eq!(costs[1], costs[0], "of a thousand members");
    // The oldest change of a full log goes: one HDEL, which some commands run on any log.
    let without_trim = |command: String| match command.strip_prefix("hdel ").map(|n| n.parse::<u64>().unwrap()) {
        Some(n) => (n > 1).then(|| format!("hdel {}", n - 1)),
        None => Some(command),
    };
    let rest = |commands: Vec<Vec<String>>| -> Vec<Vec<String>> {
        commands.into_iter().map(|of_one| of_one.into_iter().filter_map(without_trim).collect()).collect()
    };
    assert_eq!(rest(costs[2].clone()), rest(costs[0].clone()), "with a full log");
    let written = costs[0][0].iter().filter(|command| command.starts_with("hset") || command.starts_with("zadd"));
    assert_eq!(written.collect::<Vec<_>>(), ["hset 4"], "room, message, change, marks; it is due already");
}

#[tokio::test]
async fn where_a_member_stands_runs_the_same_commands_however_much_is_unread_deleted_or_names_them() {
    let mut counted = Counted::start().await;
    let (ann, bob) = (actor("ann"), actor("bob"));
    for messages in [10, 3000] {
        let record = counted.room_of(&[ann.clone(), bob.clone()]).await;
        for mentions in [Mentions { users: vec![bob.id], all: false }, Mentions { users: vec![], all: true }] {
            counted.fill(&record, &ann, messages / 2, &mentions).await;
        }
        for seq in 1..=messages / 10 {
            counted.engine.delete_message(MessageId { room: record.id, seq }, &ann, None).await.unwrap();
        }
        let standing = async |engine: &Engine| engine.standings(bob.id, &[record.id]).await.unwrap().remove(0).unwrap();
        let (standing, commands) = counted.commands(standing).await;
        assert_eq!((standing.unread, standing.mentions), (messages - messages / 10, messages - messages / 10));
        assert_eq!(commands, ["hget 2", "hmget 1", "zcount 1", "zlexcount 2"], "of {messages}");
    }
}

#[tokio::test]
async fn reading_a_room_lets_go_of_a_bounded_number_of_mentions_at_a_time() {
    let mut counted = Counted::start().await;
    let (ann, bob) = (actor("ann"), actor("bob"));
    let record = counted.room_of(&[ann.clone(), bob.clone()]).await;
    counted.fill(&record, &ann, 2500, &Mentions { users: vec![bob.id], all: false }).await;
    let key = counted.engine.keys.mentions(record.id);
    let mut left = Vec::new();
    for seq in [2000, 2100, 2500, 2500] {
        counted.engine.mark_read(record.id, bob.id, seq).await.unwrap();
        let seen = counted.engine.standings(bob.id, &[record.id]).await.unwrap().remove(0).unwrap();
        assert_eq!((seen.unread, seen.mentions), (2500 - seq, 2500 - seq));
        let kept: u64 = cmd("ZCARD").arg(&key).query_async(&mut counted.connection).await.unwrap();
        left.push(kept);
    }
    // What is left behind is counted no more, and goes with the next mark that moves, or with its messages.
    assert_eq!(left, [1500, 500, 0, 0]);
}
