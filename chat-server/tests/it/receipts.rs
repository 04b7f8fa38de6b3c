//! How far others have come, as members and authors are told.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use futures_util::{
    StreamExt,
    future::join_all,
    stream::{self, FuturesUnordered},
};
use rstest::rstest;
use serde_json::{Value, json};
use shared::RoomId;

use crate::support::{Client, Engine, User, World, assert_frame};

/// Receipts come quickly, and marks that were made together still come together.
const SHORT_MS: u64 = 100;

async fn world(engine: Engine) -> World {
    World::with(engine, |s| s.chat.receipt_ms = SHORT_MS).await
}

/// The next frames' receipts, until there is one that says `(user, delivered, read)`: how many frames that took.
async fn receipts_until(client: &mut Client, user: &User, delivered: u64, read: u64) -> usize {
    for frames in 1.. {
        let frame = client.until("RECEIPT").await.pop().unwrap();
        let last = json!({"roomId": frame["payload"]["roomId"], "userId": user.id, "deliveredSeq": delivered, "readSeq": read});
        if frame["payload"]["receipts"].as_array().unwrap().contains(&last) {
            return frames;
        }
    }
    unreachable!()
}

async fn say(client: &mut Client, room: RoomId, text: &str) {
    let (reply, _) = client.ask_among_events("SEND_MESSAGE", json!({"roomId": room, "content": text})).await;
    assert_eq!(reply["type"], "MESSAGE_ACK", "{reply}");
}

#[rstest]
#[tokio::test]
async fn what_is_read_is_told_to_all_but_the_reader_and_once_for_many_marks(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let mut world = world(engine).await;
    world.add_node().await;
    let (alice, bob, carol) = (world.user("alice").await, world.user("bob").await, world.user("carol").await);
    let room = world.room_of("tea", &[&alice, &bob, &carol]).await;
    let (mut author, mut reader, mut own) =
        (world.connect(&alice).await, world.connect(&bob).await, world.connect_to(1, &bob).await);
    let mut far = world.connect_to(1, &carol).await;
    for n in 1..=3 {
        let sent = author.ask_among_events("SEND_MESSAGE", json!({"roomId": room, "content": n.to_string()})).await;
        author.until_settled(sent, 1).await;
    }
    for client in [&mut reader, &mut own, &mut far] {
        while client.until("NEW_MESSAGE").await.pop().unwrap()["payload"]["seq"] != 3 {}
    }
    for seq in 1..=3 {
        reader.tell("MARK_READ", json!({"roomId": room, "seq": seq})).await;
    }
    for client in [&mut author, &mut far] {
        assert_frame!(client.frame().await, @r#"{"payload":{"receipts":[{"deliveredSeq":3,"readSeq":3,"roomId":"<tea>","userId":"<bob>"}],"roomId":"<tea>"},"type":"RECEIPT"}"#);
        client.quiet().await;
    }
    // The reader's devices hear of their own mark as such, and of no receipt.
    for client in [&mut reader, &mut own] {
        let (_, frames) = client.ask_among_events("PING", json!({})).await;
        assert!(frames.iter().all(|frame| frame["type"] == "READ_MARK"), "{frames:?}");
    }
}

#[rstest]
#[tokio::test]
async fn what_is_delivered_is_told_to_the_authors_of_what_was_delivered_alone(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = world(engine).await;
    let (alice, bob, carol) = (world.user("alice").await, world.user("bob").await, world.user("carol").await);
    let room = world.room_of("tea", &[&alice, &bob, &carol]).await;
    let (mut author, mut other, mut reader) =
        (world.connect(&alice).await, world.connect(&bob).await, world.connect(&carol).await);
    say(&mut other, room, "1").await;
    say(&mut author, room, "2").await;
    reader.tell("MARK_DELIVERED", json!({"roomId": room, "seq": 1})).await;
    assert_eq!(receipts_until(&mut other, &carol, 1, 0).await, 1);
    reader.tell("MARK_DELIVERED", json!({"roomId": room, "seq": 2})).await;
    // The author of the second was not told of the first.
    let frame = author.until("RECEIPT").await.pop().unwrap();
    assert_frame!(author.show(frame), @r#"{"payload":{"receipts":[{"deliveredSeq":2,"readSeq":0,"roomId":"<tea>","userId":"<carol>"}],"roomId":"<tea>"},"type":"RECEIPT"}"#);
    let (_, frames) = other.ask_among_events("PING", json!({})).await;
    assert!(frames.iter().all(|frame| frame["type"] != "RECEIPT"), "{frames:?}");
    author.quiet().await;
}

#[rstest]
#[tokio::test]
async fn in_a_larger_room_nobody_is_told_what_others_read(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let world = World::with(engine, |s| (s.chat.receipt_ms, s.chat.receipt_members) = (SHORT_MS, 2)).await;
    let (alice, bob, carol) = (world.user("alice").await, world.user("bob").await, world.user("carol").await);
    let room = world.room_of("tea", &[&alice, &bob, &carol]).await;
    let (mut author, mut other, mut reader) =
        (world.connect(&alice).await, world.connect(&bob).await, world.connect(&carol).await);
    say(&mut author, room, "1").await;
    other.until("NEW_MESSAGE").await;
    reader.tell("MARK_DELIVERED", json!({"roomId": room, "seq": 1})).await;
    assert_eq!(receipts_until(&mut author, &carol, 1, 0).await, 1);
    reader.tell("MARK_READ", json!({"roomId": room, "seq": 1})).await;
    say(&mut author, room, "2").await;
    reader.tell("MARK_DELIVERED", json!({"roomId": room, "seq": 2})).await;
    // The read mark would have been told before it, in a frame of its own.
    assert_eq!(receipts_until(&mut author, &carol, 2, 1).await, 1);
    let (_, frames) = other.ask_among_events("PING", json!({})).await;
    assert!(frames.iter().all(|frame| frame["type"] != "RECEIPT"), "{frames:?}");
}

#[rstest]
#[tokio::test]
async fn a_mark_that_is_refused_says_so(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let world = world(engine).await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let room = world.room_of("tea", &[&alice]).await;
    let mut stranger = world.connect(&bob).await;
    for kind in ["MARK_READ", "MARK_DELIVERED"] {
        let refused = stranger.ask(kind, json!({"roomId": room, "seq": 1})).await;
        assert_eq!(refused["payload"]["code"], "ROOM_NOT_FOUND", "{kind}");
    }
}

/// Members of the large room; so many of them write a message, and all mark each.
const MEMBERS: usize = 256;
const AUTHORS: usize = 8;

#[rstest]
#[tokio::test]
async fn a_room_of_256_where_each_marks_every_message_gets_a_frame_a_second_and_not_one_for_each_mark(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let every = Duration::from_millis(500);
    let world = World::with(engine, |s| s.chat.receipt_ms = 500).await;
    let users: Vec<User> = stream::iter(0..MEMBERS)
        .map(|n| {
            let world = &world;
            async move { world.user(&format!("u{n}")).await }
        })
        .buffered(16)
        .collect()
        .await;
    let room = world.room_of("hall", &users.iter().collect::<Vec<_>>()).await;
    let world = &world;
    let mut clients: Vec<Client> =
        stream::iter(&users).map(|user| async move { world.connect(user).await }).buffered(16).collect().await;
    let begun = Instant::now();
    for (n, client) in clients.iter_mut().enumerate().take(AUTHORS) {
        client.tell("SEND_MESSAGE", json!({"roomId": room, "content": n.to_string()})).await;
    }
    let marking = clients.into_iter().enumerate().map(|(n, client)| mark_all(client, room, n));
    let mut seen: Vec<Seen> = marking.collect::<FuturesUnordered<_>>().collect().await;
    // Every author has heard that all who only read have their message: then nothing is on its way.
    join_all(seen.iter_mut().filter(|seen| seen.own.is_some()).map(Seen::hear_all)).await;
    join_all(seen.iter_mut().map(Seen::settle)).await;

    let periods = begun.elapsed().as_millis() / every.as_millis() + 1;
    let frames: usize = seen.iter().map(|seen| seen.frames).sum();
    let most = seen.iter().map(|seen| seen.frames).max().unwrap();
    assert!(most as u128 <= periods, "{most} frames to one connection in {periods} periods");
    // A frame for each mark would be this for one author, and 255 times as many if all were told of all.
    assert!(periods < MEMBERS as u128, "too slow to tell: {frames} frames in {periods} periods");
    for seen in seen.iter().filter(|seen| seen.own.is_none()) {
        assert_eq!(seen.frames, 0, "who wrote nothing is told nothing in so large a room");
    }
}

/// What one connection was told.
struct Seen {
    client: Client,
    /// The number of its own message.
    own: Option<u64>,
    frames: usize,
    /// Each member's delivered mark, as it was last told.
    delivered: BTreeMap<String, u64>,
}

/// Marks each message as it comes.
async fn mark_all(client: Client, room: RoomId, number: usize) -> Seen {
    let mut seen = Seen { client, own: None, frames: 0, delivered: BTreeMap::new() };
    loop {
        let frame = seen.client.next().await;
        seen.note(&frame);
        if frame["type"] == "NEW_MESSAGE" {
            let seq = frame["payload"]["seq"].as_u64().unwrap();
            if frame["payload"]["content"].as_str().is_some_and(|text| text.parse() == Ok(number)) {
                seen.own = Some(seq);
            }
            seen.client.tell("MARK_READ", json!({"roomId": room, "seq": seq})).await;
            if seq == AUTHORS as u64 {
                return seen;
            }
        }
    }
}

impl Seen {
    fn note(&mut self, frame: &Value) {
        if frame["type"] == "RECEIPT" {
            self.frames += 1;
            for receipt in frame["payload"]["receipts"].as_array().unwrap() {
                let user = receipt["userId"].as_str().unwrap().to_owned();
                self.delivered.insert(user, receipt["deliveredSeq"].as_u64().unwrap());
            }
        }
    }

    /// Of the other authors it need not hear: sending moved their marks, and the message tells that.
    async fn hear_all(&mut self) {
        while self.delivered.values().filter(|seq| Some(**seq) >= self.own).count() < MEMBERS - AUTHORS {
            let frame = self.client.next().await;
            self.note(&frame);
        }
    }

    async fn settle(&mut self) {
        let (_, frames) = self.client.ask_among_events("PING", json!({})).await;
        frames.iter().for_each(|frame| self.note(frame));
    }
}
