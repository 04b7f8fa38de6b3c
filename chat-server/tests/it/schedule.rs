//! Changes from several connections on two servers, while a reader is cut and resumes anywhere: what it was told is
//! the log, no hole, no double, in order.

use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;
use rstest::rstest;
use serde_json::{Value, json};
use shared::{RoomId, protocol::Position};
use store::{Changes, Store};

use crate::{
    resume::{position, viewer},
    support::{Client, Engine, World},
};

/// Times the reader is cut.
const CUTS: usize = 12;

/// SplitMix64: the schedule is the seed's.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }
}

/// Sends, and edits, reacts to and deletes what it sent, until told to stop.
async fn write(mut client: Client, room: &str, mut random: Random, stop: &AtomicBool) {
    let mut own: Vec<String> = Vec::new();
    let mut n = 0;
    while !stop.load(Ordering::Relaxed) {
        n += 1;
        let old = (!own.is_empty()).then(|| random.below(own.len() as u64) as usize);
        let (kind, payload) = match (random.below(6), old) {
            (0, Some(at)) => ("EDIT_MESSAGE", json!({"messageId": own[at], "content": format!("edit {n}")})),
            (1, Some(at)) => ("REACT", json!({"messageId": own[at], "emoji": "👍", "add": random.below(2) == 0})),
            (2, Some(at)) => ("DELETE_MESSAGE", json!({"messageId": own.swap_remove(at)})),
            _ => ("SEND_MESSAGE", json!({"roomId": room, "content": format!("message {n}")})),
        };
        let (reply, _) = client.ask_among_events(kind, payload).await;
        assert_ne!(reply["type"], "ERROR", "{kind}: {reply}");
        if kind == "SEND_MESSAGE" {
            own.push(reply["payload"]["id"].as_str().unwrap().to_owned());
        }
    }
}

async fn log_after(store: &Store, room: RoomId, mut at: Position) -> Vec<Value> {
    let mut all = Vec::new();
    loop {
        let Changes::Page { changes, has_more } = store.log.changes(room, at, 100, usize::MAX).await.unwrap() else {
            panic!("the log keeps all of it")
        };
        for change in changes {
            at = Position { rev: change.rev, event_id: change.event_id };
            all.push(json!({"rev": at.rev, "eventId": at.event_id}));
        }
        if !has_more {
            return all;
        }
    }
}

#[rstest]
#[tokio::test]
async fn a_reader_that_is_cut_anywhere_and_resumes_anywhere_is_told_exactly_the_log(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
    #[values(1, 2, 3)] seed: u64,
) {
    println!("seed {seed}");
    let mut world = World::start(engine).await;
    world.add_node().await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let mut reader = world.connect(&alice).await;
    let room = world.room(&mut reader, "tea").await;
    world.domain.rooms.join(&viewer(&world, &bob).await, room.parse().unwrap()).await.unwrap();
    let joined = reader.next().await;
    let beginning = position(&joined["payload"]);
    let stop = AtomicBool::new(false);
    let writers = (0..4).map(|n| {
        let (world, bob, room, stop) = (&world, &bob, &room, &stop);
        async move { write(world.connect_to(n % 2, bob).await, room, Random(seed * 100 + n as u64), stop).await }
    });
    let reading = async {
        let mut random = Random(seed);
        let (mut told, mut at) = (Vec::new(), beginning.clone());
        for cut in 0..=CUTS {
            for _ in 0..random.below(40) {
                let event = reader.next().await;
                if event["payload"]["roomId"] == room.as_str() && event["payload"]["rev"].is_u64() {
                    at = position(&event["payload"]);
                    told.push(at.clone());
                }
            }
            // Without a word, and with whatever was on its way.
            drop(reader);
            if cut == CUTS {
                stop.store(true, Ordering::Relaxed);
            }
            reader = world.held(random.below(2) as usize, &alice).await;
            reader.tell("RESUME", json!({"rooms": {&room: at}})).await;
            // Cut in the middle of the replay, now and then.
            if cut < CUTS && random.below(3) == 0 {
                continue;
            }
            for event in reader.until("RESUMED").await {
                if event["type"] == "RESUMED" {
                    assert_eq!(event["payload"]["rooms"][&room]["status"], "caught_up");
                    assert_eq!(position(&event["payload"]["rooms"][&room]), at, "it says where it has come to");
                } else {
                    at = position(&event["payload"]);
                    told.push(at.clone());
                }
            }
        }
        (reader, told)
    };
    let (_, (mut reader, mut told)) = tokio::join!(join_all(writers), reading);
    let log = log_after(&world.domain.store, room.parse().unwrap(), serde_json::from_value(beginning).unwrap()).await;
    while told.len() < log.len() {
        told.push(position(&reader.next().await["payload"]));
    }
    reader.quiet().await;
    assert!(log.len() > CUTS * 5, "there was something to read: {}", log.len());
    assert_eq!(told, log);
}
