//! What the bus loses is read from the log.

use redis_fixture::{Kind, Redis};
use serde_json::json;
use store::Topic;

use crate::support::{Client, Engine, World};

/// Says these numbers in the room, over REST as it were: nothing of it comes back to a socket.
async fn say(world: &World, author: &domain::Viewer, room: &str, numbers: std::ops::Range<u32>) {
    for n in numbers {
        let input = json!({"roomId": room, "content": n.to_string()});
        world.domain.messages.send(author, serde_json::from_value(input).unwrap()).await.unwrap();
    }
}

async fn two_in_a_room(world: &World) -> (Client, domain::Viewer, String) {
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let mut client = world.connect(&alice).await;
    let room = world.room(&mut client, "tea").await;
    let author = world.domain.identity.authenticate(&bob.token).await.unwrap();
    world.domain.rooms.join(&author, room.parse().unwrap()).await.unwrap();
    client.until("USER_JOINED").await;
    (client, author, room)
}

#[tokio::test]
async fn events_the_bus_lost_are_delivered_in_order_with_the_next_one() {
    let world = World::start(Engine::Embedded).await;
    let (mut client, author, room) = two_in_a_room(&world).await;
    let topic = Topic::Room(room.parse().unwrap());
    let mut next = 0;
    for lost in [1, 7, 250] {
        world.bus.mute(topic).await;
        say(&world, &author, &room, next..next + lost).await;
        world.bus.unmute(topic).await;
        client.quiet().await;
        say(&world, &author, &room, next + lost..next + lost + 3).await;
        for n in next..next + lost + 3 {
            let event = client.next().await;
            assert_eq!(
                (&event["payload"]["content"], &event["payload"]["rev"]),
                (&json!(n.to_string()), &json!(n + 3))
            );
        }
        client.quiet().await;
        next += lost + 3;
    }
}

/// Everybody in the room gets `lost` messages of `bytes` each that the bus has lost, and those `more` that come while
/// these are read, once and in order.
async fn everybody_gets_what_was_lost(lost: u64, more: u64, bytes: usize) {
    let world = World::start(Engine::Embedded).await;
    let (client, author, room) = two_in_a_room(&world).await;
    let mut clients = vec![client];
    for name in ["carol", "dave"] {
        let mut client = world.connect(&world.user(name).await).await;
        client.ask("JOIN_ROOM", json!({"roomId": room})).await;
        for client in &mut clients {
            assert_eq!(client.next().await["type"], "USER_JOINED");
        }
        clients.push(client);
    }
    let topic = Topic::Room(room.parse().unwrap());
    let text = "🦀".repeat(bytes / 4);
    let send = |n: u64| {
        let input = json!({"roomId": room, "content": format!("{n} {text}")});
        world.domain.messages.send(&author, serde_json::from_value(input).unwrap())
    };
    world.bus.mute(topic).await;
    for n in 0..lost {
        send(n).await.unwrap();
    }
    world.bus.unmute(topic).await;
    let sent = futures_util::future::join_all((lost..lost + more).map(send));
    let reading = futures_util::future::join_all(clients.iter_mut().map(|client| async move {
        for n in 0..lost + more {
            assert_eq!(client.next().await["payload"]["rev"], n + 5);
        }
        client.quiet().await;
    }));
    let (sent, _) = tokio::join!(sent, reading);
    assert!(sent.iter().all(Result::is_ok));
}

#[tokio::test]
async fn a_loss_longer_than_a_queue_cuts_nobody() {
    everybody_gets_what_was_lost(600, 350, 0).await;
}

#[tokio::test]
async fn a_loss_of_large_messages_cuts_nobody() {
    everybody_gets_what_was_lost(60, 60, 30_000).await;
}

#[tokio::test]
async fn a_gap_too_long_to_tell_is_a_reset_to_the_head_and_the_room_goes_on_from_there() {
    let world = World::start(Engine::Embedded).await;
    let (mut client, author, room) = two_in_a_room(&world).await;
    let topic = Topic::Room(room.parse().unwrap());
    world.bus.mute(topic).await;
    say(&world, &author, &room, 0..1500).await;
    world.bus.unmute(topic).await;
    say(&world, &author, &room, 1500..1501).await;
    let frames = client.until("RESET").await;
    let reset = frames.last().unwrap()["payload"]["position"]["rev"].as_u64().unwrap();
    assert_eq!(reset, 1503);
    let told: Vec<_> = frames[..frames.len() - 1].iter().map(|f| f["payload"]["rev"].as_u64().unwrap()).collect();
    assert!(told.iter().copied().eq(3..3 + told.len() as u64), "what was told before it has no hole");
    say(&world, &author, &room, 1501..1502).await;
    assert_eq!(client.next().await["payload"]["rev"], 1504);
    client.quiet().await;
}

#[tokio::test]
async fn a_leaving_that_the_bus_lost_still_ends_the_rooms_events() {
    let world = World::start(Engine::Embedded).await;
    let (mut alice, bob_viewer, room) = two_in_a_room(&world).await;
    let alice_viewer = {
        let id = world.domain.store.rooms.members(room.parse().unwrap(), 0, 1).await.unwrap()[0].user;
        domain::Viewer { user: id, username: "alice".into(), ..bob_viewer.clone() }
    };
    let topics = [Topic::Room(room.parse().unwrap()), Topic::User(alice_viewer.user)];
    for topic in topics {
        world.bus.mute(topic).await;
    }
    world.domain.rooms.leave(&alice_viewer, room.parse().unwrap()).await.unwrap();
    for topic in topics {
        world.bus.unmute(topic).await;
    }
    say(&world, &bob_viewer, &room, 0..1).await;
    assert_eq!(alice.next().await["type"], "ROOM_REMOVED");
    alice.quiet().await;
}

#[tokio::test]
async fn what_was_said_while_redis_had_dropped_the_subscribers_comes_without_another_event_to_show_the_gap() {
    let world = World::start(Engine::Redis).await;
    let (mut client, author, room) = two_in_a_room(&world).await;
    // Which of these the bus carries all the same depends on how fast it is back; most are lost.
    for n in 0..20 {
        assert!(Redis::shared(Kind::Node).cut_subscribers() > 0);
        say(&world, &author, &room, n..n + 1).await;
        let event = client.next().await;
        assert_eq!((&event["payload"]["content"], &event["payload"]["rev"]), (&json!(n.to_string()), &json!(n + 3)));
    }
    client.quiet().await;
}

#[tokio::test]
async fn a_room_that_was_added_unheard_is_added_when_the_bus_says_it_lost_something() {
    let world = World::start(Engine::Redis).await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let (mut a, mut b) = (world.connect(&alice).await, world.connect(&bob).await);
    let viewer = world.domain.identity.authenticate(&bob.token).await.unwrap();
    let room = world.room(&mut a, "tea").await;
    world.bus.mute(Topic::User(bob.id)).await;
    world.domain.rooms.join(&viewer, room.parse().unwrap()).await.unwrap();
    world.bus.unmute(Topic::User(bob.id)).await;
    b.quiet().await;
    assert!(Redis::shared(Kind::Node).cut_subscribers() > 0);
    let added = b.next().await;
    assert_eq!((&added["type"], &added["payload"]["room"]["id"]), (&json!("ROOM_ADDED"), &json!(room)));
}
