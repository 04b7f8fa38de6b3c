//! Joining and leaving, on one device and on the others.

use rstest::rstest;
use serde_json::json;

use crate::support::{Engine, World, assert_frame};

#[rstest]
#[tokio::test]
async fn a_join_on_one_device_adds_the_room_on_the_others_before_any_event_of_it(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::start(engine).await;
    let bob = world.user("bob").await;
    let mut alice = world.connect(&world.user("alice").await).await;
    let (mut b1, mut b2) = (world.connect(&bob).await, world.connect(&bob).await);
    let room = world.room(&mut alice, "tea").await;
    alice.tell("SEND_MESSAGE", json!({"roomId": room, "content": "early"})).await;
    alice.until("NEW_MESSAGE").await;

    assert_eq!(b1.ask("JOIN_ROOM", json!({"roomId": room})).await["type"], "ROOM_JOINED");
    assert_frame!(b2.frame().await, @r#"{"payload":{"position":{"eventId":"<event>","rev":3},"room":{"createdAt":"<time>","createdBy":"<alice>","historyVisibility":"all","id":"<tea>","lastMessage":{"content":"early","id":"<message>","roomId":"<tea>","seq":1,"timestamp":"<time>","type":"text","userId":"<alice>","username":"alice"},"lastReadSeq":1,"memberCount":2,"mentions":0,"name":"tea","position":{"eventId":"<event>","rev":3},"role":"member","type":"public","unread":0},"userPosition":{"eventId":"<event>","rev":1}},"type":"ROOM_ADDED"}"#);
    b1.quiet().await;
    alice.tell("SEND_MESSAGE", json!({"roomId": room, "content": "late"})).await;
    for client in [&mut b1, &mut b2] {
        assert_eq!(client.next().await["payload"]["content"], "late");
    }
}

#[rstest]
#[tokio::test]
async fn leaving_ends_the_rooms_events_on_every_device_at_once(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::start(engine).await;
    let bob = world.user("bob").await;
    let mut alice = world.connect(&world.user("alice").await).await;
    let (mut b1, mut b2) = (world.connect(&bob).await, world.connect(&bob).await);
    let room = world.room(&mut alice, "tea").await;
    b1.ask("JOIN_ROOM", json!({"roomId": room})).await;
    b2.until("ROOM_ADDED").await;
    alice.until("USER_JOINED").await;

    assert_frame!(b1.reply("LEAVE_ROOM", json!({"roomId": room})).await, @r#"{"payload":{"roomId":"<tea>"},"requestId":"q2","type":"ROOM_LEFT"}"#);
    assert_frame!(b2.frame().await, @r#"{"payload":{"roomId":"<tea>"},"type":"ROOM_REMOVED"}"#);
    assert_frame!(alice.frame().await, @r#"{"payload":{"eventId":"<event>","rev":3,"roomId":"<tea>","userId":"<bob>","username":"bob"},"type":"USER_LEFT"}"#);
    alice.tell("SEND_MESSAGE", json!({"roomId": room, "content": "alone"})).await;
    alice.until("NEW_MESSAGE").await;
    b1.quiet().await;
    b2.quiet().await;
    let refused = b1.ask("SEND_MESSAGE", json!({"roomId": room, "content": "x"})).await;
    assert_eq!(refused["payload"]["code"], "NOT_A_MEMBER");

    // And back: what was said meanwhile is in the room, not in the events.
    let joined = b1.ask("JOIN_ROOM", json!({"roomId": room})).await;
    assert_eq!(joined["payload"]["messages"][0]["content"], "alone");
    b2.until("ROOM_ADDED").await;
    alice.tell("SEND_MESSAGE", json!({"roomId": room, "content": "again"})).await;
    for client in [&mut b1, &mut b2] {
        assert_eq!(client.next().await["payload"]["content"], "again");
        client.quiet().await;
    }
}

#[rstest]
#[tokio::test]
async fn what_happens_to_a_users_rooms_over_rest_reaches_their_sockets(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::start(engine).await;
    let bob = world.user("bob").await;
    let mut alice = world.connect(&world.user("alice").await).await;
    let mut client = world.connect(&bob).await;
    let room = world.room(&mut alice, "tea").await;
    let viewer = world.domain.identity.authenticate(&bob.token).await.unwrap();
    for _ in 0..3 {
        world.domain.rooms.join(&viewer, room.parse().unwrap()).await.unwrap();
        assert_eq!(client.next().await["type"], "ROOM_ADDED");
        alice.tell("SEND_MESSAGE", json!({"roomId": room, "content": "hi"})).await;
        assert_eq!(client.next().await["type"], "NEW_MESSAGE");
        world.domain.rooms.leave(&viewer, room.parse().unwrap()).await.unwrap();
        assert_eq!(client.next().await["type"], "ROOM_REMOVED");
        alice.until("USER_LEFT").await;
    }
}

#[rstest]
#[tokio::test]
async fn a_socket_that_connects_gets_the_events_of_all_its_rooms_from_then_on(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::start(engine).await;
    let bob = world.user("bob").await;
    let mut alice = world.connect(&world.user("alice").await).await;
    let mut first = world.connect(&bob).await;
    let mut rooms = Vec::new();
    for name in ["a", "b", "c"] {
        let room = world.room(&mut alice, name).await;
        first.ask("JOIN_ROOM", json!({"roomId": room})).await;
        alice.until("USER_JOINED").await;
        rooms.push(room);
    }
    let mut second = world.connect(&bob).await;
    for room in &rooms {
        alice.tell("SEND_MESSAGE", json!({"roomId": room, "content": "x"})).await;
        let event = second.next().await;
        assert_eq!((&event["type"], &event["payload"]["roomId"]), (&json!("NEW_MESSAGE"), &json!(room)));
    }
    second.quiet().await;
}
