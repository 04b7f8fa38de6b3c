//! Who types, as the others are told.

use rstest::rstest;
use serde_json::json;
use shared::{RoomId, Settings};

use crate::support::{Client, Engine, User, World, assert_frame};

/// Nothing ends by itself while a test runs.
fn lasting(settings: &mut Settings) {
    settings.chat.typing_ms = 3_600_000;
}

async fn two_in_a_room(world: &World) -> (User, User, RoomId) {
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let room = world.room_of("tea", &[&alice, &bob]).await;
    (alice, bob, room)
}

/// The next frame tells that somebody types, or no longer does.
async fn typing(client: &mut Client) -> bool {
    let frame = client.next().await;
    assert_eq!(frame["type"], "TYPING_UPDATE", "{frame}");
    frame["payload"]["isTyping"].as_bool().unwrap()
}

#[rstest]
#[tokio::test]
async fn the_others_are_told_when_it_begins_and_ends_on_another_server_too_and_the_typist_is_not(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let mut world = World::with(engine, lasting).await;
    world.add_node().await;
    let (alice, bob, room) = two_in_a_room(&world).await;
    let (mut typist, mut far) = (world.connect(&alice).await, world.connect_to(1, &alice).await);
    let (mut bobs, mut bob) = (world.connect_to(1, &bob).await, world.connect(&bob).await);
    typist.tell("TYPING_STATUS", json!({"roomId": room, "isTyping": true})).await;
    assert_frame!(bob.frame().await, @r#"{"payload":{"isTyping":true,"roomId":"<tea>","userId":"<alice>","username":"alice"},"type":"TYPING_UPDATE"}"#);
    assert!(typing(&mut bobs).await);
    // A repeat is no news, from whichever device.
    typist.tell("TYPING_STATUS", json!({"roomId": room, "isTyping": true})).await;
    far.tell("TYPING_STATUS", json!({"roomId": room, "isTyping": true})).await;
    far.quiet().await;
    typist.tell("TYPING_STATUS", json!({"roomId": room, "isTyping": false})).await;
    assert_frame!(bob.frame().await, @r#"{"payload":{"isTyping":false,"roomId":"<tea>","userId":"<alice>","username":"alice"},"type":"TYPING_UPDATE"}"#);
    assert!(!typing(&mut bobs).await);
    for client in [&mut typist, &mut far, &mut bob, &mut bobs] {
        client.quiet().await;
    }
}

#[rstest]
#[tokio::test]
async fn it_ends_by_itself(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let world = World::with(engine, |s| s.chat.typing_ms = 300).await;
    let (alice, bob, room) = two_in_a_room(&world).await;
    let (mut typist, mut bob) = (world.connect(&alice).await, world.connect(&bob).await);
    for _ in 0..2 {
        typist.tell("TYPING_STATUS", json!({"roomId": room, "isTyping": true})).await;
        assert!(typing(&mut bob).await);
        assert!(!typing(&mut bob).await);
    }
    bob.quiet().await;
}

#[rstest]
#[tokio::test]
async fn a_message_ends_it_and_the_next_word_after_it_is_told(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::with(engine, lasting).await;
    let (alice, bob, room) = two_in_a_room(&world).await;
    let (mut typist, mut bob) = (world.connect(&alice).await, world.connect(&bob).await);
    for _ in 0..2 {
        typist.tell("TYPING_STATUS", json!({"roomId": room, "isTyping": true})).await;
        assert!(typing(&mut bob).await);
        let sent = typist.ask_among_events("SEND_MESSAGE", json!({"roomId": room, "content": "x"})).await;
        typist.until_settled(sent, 1).await;
        assert_eq!(bob.next().await["type"], "NEW_MESSAGE");
        assert!(!typing(&mut bob).await);
    }
    // It is over: there is nothing to tell of.
    typist.tell("TYPING_STATUS", json!({"roomId": room, "isTyping": false})).await;
    typist.quiet().await;
    bob.quiet().await;
}

#[rstest]
#[tokio::test]
async fn leaving_the_room_or_the_server_ends_it(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let world = World::with(engine, lasting).await;
    let (alice, bob, room) = two_in_a_room(&world).await;
    let (mut typist, mut bob) = (world.connect(&alice).await, world.connect(&bob).await);
    typist.tell("TYPING_STATUS", json!({"roomId": room, "isTyping": true})).await;
    assert!(typing(&mut bob).await);
    drop(typist);
    assert!(!typing(&mut bob).await);

    let mut typist = world.connect(&alice).await;
    typist.tell("TYPING_STATUS", json!({"roomId": room, "isTyping": true})).await;
    assert!(typing(&mut bob).await);
    typist.tell("LEAVE_ROOM", json!({"roomId": room})).await;
    assert_eq!(bob.next().await["type"], "USER_LEFT");
    assert!(!typing(&mut bob).await);
    assert_eq!(bob.next().await["type"], "MEMBER_UPDATED", "the room is his");
    typist.until("ROOM_LEFT").await;
    let refused = typist.reply("TYPING_STATUS", json!({"roomId": room, "isTyping": true})).await;
    assert_frame!(refused, @r#"{"payload":{"code":"ROOM_NOT_FOUND","message":"there is no such room"},"requestId":"q1","type":"ERROR"}"#);
    bob.quiet().await;
}

#[rstest]
#[tokio::test]
async fn who_types_in_many_rooms_at_once_is_refused(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let world = World::with(engine, lasting).await;
    let alice = world.user("alice").await;
    let mut rooms = Vec::new();
    for _ in 0..9 {
        rooms.push(world.room_of("tea", &[&alice]).await);
    }
    let mut typist = world.connect(&alice).await;
    for room in &rooms[..8] {
        typist.tell("TYPING_STATUS", json!({"roomId": room, "isTyping": true})).await;
    }
    let refused = typist.reply("TYPING_STATUS", json!({"roomId": rooms[8], "isTyping": true})).await;
    assert_frame!(refused, @r#"{"payload":{"code":"RATE_LIMIT_EXCEEDED","message":"too many requests; try again in 3600 s","retryAfterMs":"<ms>"},"requestId":"q1","type":"ERROR"}"#);
}

#[rstest]
#[tokio::test]
async fn who_has_yet_to_resume_may_type_and_is_told_of_nobody(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::with(engine, lasting).await;
    let (alice, bob, room) = two_in_a_room(&world).await;
    let stranger = world.user("carol").await;
    let mut bobs = world.connect(&bob).await;
    let mut held = world.open(&format!("{}?hold=1&token={}", world.url(0), alice.token), &[]).await;
    assert_eq!(held.next().await["payload"]["resuming"], true);
    held.tell("TYPING_STATUS", json!({"roomId": room, "isTyping": true})).await;
    assert!(typing(&mut bobs).await);
    bobs.tell("TYPING_STATUS", json!({"roomId": room, "isTyping": true})).await;
    bobs.quiet().await;
    held.quiet().await;
    let refused = world.connect(&stranger).await.ask("TYPING_STATUS", json!({"roomId": room, "isTyping": true})).await;
    assert_eq!(refused["payload"]["code"], "ROOM_NOT_FOUND");
}
