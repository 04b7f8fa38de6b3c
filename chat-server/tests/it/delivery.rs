//! Once, in order, to everyone; and what happens to who does not keep up.

use futures_util::{StreamExt, future::join_all, stream};
use rstest::rstest;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Client, Engine, LONG, World};

const SENDERS: usize = 8;
const EACH: usize = 50;

/// Reads all of the room's changes in `revs`, and checks that each comes once and in order.
async fn read_all(client: &mut Client, revs: std::ops::RangeInclusive<u64>) -> Vec<Value> {
    let mut messages = Vec::new();
    for rev in revs {
        let frame = loop {
            let frame = client.next().await;
            if frame["requestId"].is_null() && frame["type"] != "MESSAGE_ACK" {
                break frame;
            }
        };
        assert_eq!(frame["payload"]["rev"], rev, "{frame}");
        messages.push(frame["payload"]["content"].clone());
    }
    messages
}

async fn everyone_sees_everything_once_in_order(world: &World, nodes: usize) {
    let mut clients = Vec::new();
    for i in 0..SENDERS {
        let user = world.user(&format!("u{i}")).await;
        clients.push(world.connect_to(i % nodes, &user).await);
    }
    let room = world.room(&mut clients[0], "tea").await;
    for client in &mut clients[1..] {
        assert_eq!(client.ask_among_events("JOIN_ROOM", json!({"roomId": room})).await.0["type"], "ROOM_JOINED");
    }
    let total = (SENDERS * EACH) as u64;
    let first = SENDERS as u64 + 1;
    let room = &room;
    let sending = clients.into_iter().enumerate().map(|(i, mut client)| async move {
        for n in 0..EACH {
            client.tell("SEND_MESSAGE", json!({"roomId": room, "content": format!("{i}.{n}")})).await;
        }
        read_from(&mut client, first, first + total - 1).await
    });
    let seen = join_all(sending).await;
    assert!(seen.iter().all(|messages| *messages == seen[0]), "all see one order");
    for i in 0..SENDERS {
        let own: Vec<_> = seen[0].iter().filter(|m| m.as_str().unwrap().starts_with(&format!("{i}."))).collect();
        let expected: Vec<_> = (0..EACH).map(|n| json!(format!("{i}.{n}"))).collect();
        assert!(own.into_iter().eq(expected.iter()), "each sender's own order is kept");
    }
}

/// As [`read_all`], after joins that may still be on their way.
async fn read_from(client: &mut Client, first: u64, last: u64) -> Vec<Value> {
    loop {
        let frame = client.next().await;
        if frame["type"] == "NEW_MESSAGE" {
            assert_eq!(frame["payload"]["rev"], first);
            let mut messages = vec![frame["payload"]["content"].clone()];
            messages.extend(read_all(client, first + 1..=last).await);
            return messages;
        }
    }
}

#[rstest]
#[tokio::test]
async fn concurrent_senders_are_seen_by_all_once_and_in_one_order(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::start(engine).await;
    everyone_sees_everything_once_in_order(&world, 1).await;
}

#[rstest]
#[tokio::test]
async fn two_servers_on_one_store_are_as_one(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let mut world = World::start(engine).await;
    world.add_node().await;
    everyone_sees_everything_once_in_order(&world, 2).await;
}

#[rstest]
#[tokio::test]
async fn who_joins_while_others_talk_has_no_hole_and_no_double_after_the_snapshot(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::start(engine).await;
    let mut alice = world.connect(&world.user("alice").await).await;
    let room = world.room(&mut alice, "tea").await;
    let total = 300;
    let talking = async {
        for n in 0..total {
            let _ = alice.ask_among_events("SEND_MESSAGE", json!({"roomId": room, "content": n.to_string()})).await;
        }
    };
    let joining = async {
        let mut others = Vec::new();
        for i in 0..10 {
            let mut client = world.connect(&world.user(&format!("u{i}")).await).await;
            let joined = client.ask("JOIN_ROOM", json!({"roomId": room})).await;
            let position = joined["payload"]["position"]["rev"].as_u64().unwrap();
            others.push((client, position));
        }
        others
    };
    let ((), others) = tokio::join!(talking, joining);
    // The room's creation, ten joins, and the messages.
    let last = 1 + 10 + total;
    for (mut client, position) in others {
        read_all(&mut client, position + 1..=last).await;
        client.quiet().await;
    }
}

#[rstest]
#[tokio::test]
async fn a_burst_longer_than_a_queue_does_not_cut_who_reads(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let world = World::start(engine).await;
    let alice = world.user("alice").await;
    let mut client = world.connect(&alice).await;
    let room = world.room(&mut client, "tea").await;
    let viewer = world.domain.identity.authenticate(&alice.token).await.unwrap();
    let sends = (0..2000).map(async |n| {
        let input = json!({"roomId": room, "content": n.to_string()});
        world.domain.messages.send(&viewer, serde_json::from_value(input).unwrap()).await.unwrap()
    });
    // More at once than a queue holds, and not so many that a loaded store refuses some for being late.
    let sending = stream::iter(sends).buffered(400).count();
    let (_, seen) = tokio::join!(sending, read_all(&mut client, 2..=2001));
    assert_eq!(seen.len(), 2000);
}

#[rstest]
#[tokio::test]
async fn a_slow_reader_is_cut_4408_without_delaying_the_room(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::start(engine).await;
    let counted = slow_consumers(&world).await;
    let (mut alice, mut bob) =
        (world.connect(&world.user("alice").await).await, world.connect(&world.user("bob").await).await);
    let mut slow = world.connect(&world.user("slow").await).await;
    let room = world.room(&mut alice, "tea").await;
    slow.ask("JOIN_ROOM", json!({"roomId": room})).await;
    bob.ask("JOIN_ROOM", json!({"roomId": room})).await;
    let text = "x".repeat(8000);
    // Bob gets each message while the other reads nothing; then the queue of that one overflows.
    let mut sent = 0;
    let slow_id = world.domain.store.users.user_id_by_name("slow").await.unwrap().unwrap();
    let presence = || async { world.domain.presence.own(slow_id).await.unwrap() };
    while presence().await.devices != Some(0) {
        let (ack, _) = alice.ask_among_events("SEND_MESSAGE", json!({"roomId": room, "content": text})).await;
        assert_eq!(ack["type"], "MESSAGE_ACK");
        bob.until("NEW_MESSAGE").await;
        sent += 1;
        assert!(sent < 5000, "the slow one is never found out");
    }
    // What it was sent is whole and in order, then it is told.
    let mut last = None;
    let code = loop {
        match tokio::time::timeout(LONG, futures_util::StreamExt::next(&mut slow.socket)).await.unwrap() {
            Some(Ok(Message::Text(text))) => {
                let frame: Value = serde_json::from_str(&text).unwrap();
                let rev = frame["payload"]["rev"].as_u64().unwrap();
                assert!(last.is_none_or(|last| rev == last + 1), "{last:?} then {rev}");
                last = Some(rev);
            }
            Some(Ok(Message::Close(Some(frame)))) => break u16::from(frame.code),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(code, 4408);
    assert!(slow_consumers(&world).await > counted, "it is counted");
}

/// What `/metrics` says of those who were cut.
async fn slow_consumers(world: &World) -> u64 {
    let url = world.url(0).replace("ws://", "http://").replace("/chat", "/metrics");
    let text = reqwest::get(url).await.unwrap().text().await.unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("chatapp_slow_consumers_total "));
    line.map_or(0, |count| count.parse().unwrap())
}

#[rstest]
#[tokio::test]
async fn a_client_that_sends_a_thousand_commands_at_once_gets_a_thousand_replies_in_order(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::start(engine).await;
    let mut alice = world.connect(&world.user("alice").await).await;
    for n in 0..1000 {
        alice.send(&json!({"type": "PING", "payload": {}, "requestId": n.to_string()}).to_string()).await;
    }
    for n in 0..1000 {
        assert_eq!(alice.next().await["requestId"], n.to_string());
    }
}

#[rstest]
#[tokio::test]
async fn messages_sent_without_waiting_are_stored_told_and_answered_in_their_order(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::start(engine).await;
    let (bob, mut alice) = (world.user("bob").await, world.connect(&world.user("alice").await).await);
    let room = world.room(&mut alice, "Pipe").await;
    let mut bob = world.connect(&bob).await;
    bob.ask("JOIN_ROOM", json!({"roomId": room})).await;
    assert_eq!(alice.next().await["type"], "USER_JOINED");
    let send = |n: usize| {
        let content = if n == 40 { String::new() } else { format!("m{n}") };
        json!({"type": "SEND_MESSAGE", "payload": {"roomId": room, "content": content}, "requestId": n.to_string()})
    };
    for n in 0..100 {
        alice.send(&send(n).to_string()).await;
        if n == 70 {
            alice.send(&json!({"type": "PING", "payload": {}, "requestId": "ping"}).to_string()).await;
        }
    }
    let (mut answers, mut told) = (Vec::new(), Vec::new());
    while answers.len() < 101 || told.len() < 99 {
        let frame = alice.next().await;
        match frame["requestId"].as_str() {
            Some(id) => answers.push((id.to_owned(), frame["type"].as_str().unwrap().to_owned())),
            None => told.push(frame["payload"]["content"].clone()),
        }
    }
    let mut expected: Vec<_> = (0..100).map(|n| (n.to_string(), "MESSAGE_ACK".to_owned())).collect();
    expected[40].1 = "ERROR".into();
    expected.insert(71, ("ping".into(), "PONG".into()));
    assert_eq!(answers, expected);
    let contents: Vec<Value> = (0..100).filter(|n| *n != 40).map(|n| format!("m{n}").into()).collect();
    assert_eq!(told, contents);
    for content in contents {
        assert_eq!(bob.next().await["payload"]["content"], content);
    }
}
