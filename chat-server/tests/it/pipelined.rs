//! Commands sent without waiting for the replies of those before: each is answered when it is done, in their order.

use std::sync::atomic::Ordering;

use rstest::rstest;
use serde_json::{Value, json};
use shared::Settings;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Client, Engine, World};

fn message(room: &str, request: &str) -> Message {
    let payload = json!({"roomId": room, "content": request});
    Message::text(json!({"type": "SEND_MESSAGE", "payload": payload, "requestId": request}).to_string())
}

/// The next frame that is a reply.
async fn reply(client: &mut Client) -> Value {
    loop {
        let frame = client.next().await;
        if frame["type"] != "NEW_MESSAGE" {
            return frame;
        }
    }
}

/// The next reply must acknowledge this request.
async fn acknowledged(client: &mut Client, request: &str) -> Value {
    let reply = reply(client).await;
    assert_eq!((&reply["type"], &reply["requestId"]), (&json!("MESSAGE_ACK"), &json!(request)), "{reply}");
    reply
}

#[rstest]
#[tokio::test]
async fn an_acknowledgement_does_not_wait_for_the_command_after_it(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::start(engine).await;
    let mut alice = world.connect(&world.user("alice").await).await;
    let room = world.room(&mut alice, "tea").await;
    let gate = world.bus.typing.lock().await;
    let typing = json!({"type": "TYPING_STATUS", "payload": {"roomId": room, "isTyping": true}});
    alice.send_together([message(&room, "1"), Message::text(typing.to_string())]).await;
    acknowledged(&mut alice, "1").await;
    drop(gate);
    // The message itself may come later than its acknowledgement.
    assert_eq!(alice.ask_among_events("PING", json!({})).await.0["type"], "PONG");
}

/// Each message asks the store for its rate.
fn no_grants(settings: &mut Settings) {
    settings.limits.enabled = true;
    (settings.limits.messages_burst, settings.limits.messages_per_second) = (1, 1000);
}

#[rstest]
#[tokio::test]
async fn an_acknowledgement_does_not_wait_until_the_message_after_it_is_checked(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::with(engine, no_grants).await;
    let mut alice = world.connect(&world.user("alice").await).await;
    let room = world.room(&mut alice, "tea").await;
    let turns = &world.limits.turns;
    turns.forget_permits(usize::MAX);
    turns.add_permits(1);
    alice.send_together([message(&room, "1"), message(&room, "2")]).await;
    acknowledged(&mut alice, "1").await;
    turns.add_permits(1000);
    assert_eq!(reply(&mut alice).await["requestId"], "2");
}

#[rstest]
#[tokio::test]
async fn a_repeat_of_a_message_under_way_gets_its_result_though_the_rate_is_used_up(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::with(engine, |settings| {
        no_grants(settings);
        settings.limits.messages_per_second = 1;
    })
    .await;
    let mut alice = world.connect(&world.user("alice").await).await;
    let room = world.room(&mut alice, "tea").await;
    let message = |request: &str| {
        let payload = json!({"roomId": room, "content": "hello", "clientMessageId": "k"});
        Message::text(json!({"type": "SEND_MESSAGE", "payload": payload, "requestId": request}).to_string())
    };
    alice.send_together([message("1"), message("2")]).await;
    let first = acknowledged(&mut alice, "1").await;
    let again = acknowledged(&mut alice, "2").await;
    assert_eq!((&again["payload"]["duplicate"], &again["payload"]["id"]), (&json!(true), &first["payload"]["id"]));
}

#[rstest]
#[tokio::test]
async fn messages_are_stored_and_answered_in_their_order_also_where_the_budget_of_the_task_is_spent(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::with(engine, |settings| {
        settings.limits.enabled = true;
        (settings.limits.messages_burst, settings.limits.messages_per_second) = (1000, 1000);
    })
    .await;
    let mut alice = world.connect(&world.user("alice").await).await;
    let room = world.room(&mut alice, "tea").await;
    world.limits.exhausting.store(true, Ordering::Relaxed);
    let requests: Vec<String> = (1..=20).map(|n| n.to_string()).collect();
    alice.send_together(requests.iter().map(|request| message(&room, request))).await;
    for (seq, request) in (1..).zip(&requests) {
        assert_eq!(acknowledged(&mut alice, request).await["payload"]["seq"], json!(seq), "{request}");
    }
}

#[rstest]
#[tokio::test]
async fn a_client_that_closes_gets_the_acknowledgements_before_the_answer_to_its_close(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::start(engine).await;
    let mut alice = world.connect(&world.user("alice").await).await;
    let room = world.room(&mut alice, "tea").await;
    let messages = ["1", "2", "3"].map(|request| message(&room, request));
    alice.send_together(messages.into_iter().chain([Message::Close(None)])).await;
    for request in ["1", "2", "3"] {
        acknowledged(&mut alice, request).await;
    }
    assert_eq!(alice.closed().await, 1000);
}

#[rstest]
#[tokio::test]
async fn what_is_not_understood_is_answered_after_the_messages_before_it(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::start(engine).await;
    let mut alice = world.connect(&world.user("alice").await).await;
    let room = world.room(&mut alice, "tea").await;
    for bad in [Message::text("{"), Message::Binary("x".into())] {
        alice.send_together([message(&room, "1"), message(&room, "2"), bad]).await;
        for request in ["1", "2"] {
            acknowledged(&mut alice, request).await;
        }
        assert_eq!(reply(&mut alice).await["type"], "ERROR");
    }
}
