//! The same over a socket and over REST: one key, one result; one user, one budget.

use std::time::Instant;

use client::{Chat, Events, OutgoingMessage};
use rstest::rstest;
use serde_json::{Value, json};
use shared::{ErrorCode, RoomId};

use crate::support::{Answer, Engine, Person, TestServer};

/// The test's frames are few: the events wait in their queue.
async fn connect(url: &str, person: &Person) -> (Chat, Events) {
    Chat::connect(url, person.token.clone()).await.unwrap()
}

fn keyed(room: &str, key: &str, content: &str) -> OutgoingMessage {
    let room: RoomId = room.parse().unwrap();
    OutgoingMessage { client_message_id: key.into(), ..OutgoingMessage::new(room, content) }
}

/// What a result has in common on both ways: id, `seq` and time.
async fn over_socket(chat: &Chat, message: &OutgoingMessage) -> Result<Value, ErrorCode> {
    let ack = chat.send(message).await.map_err(|e| e.code().unwrap())?;
    Ok(json!([ack.id, ack.seq, ack.timestamp]))
}

fn of_rest(answer: &Answer) -> Value {
    json!([answer.raw["id"], answer.raw["seq"], answer.raw["timestamp"]])
}

#[rstest]
#[tokio::test]
async fn a_key_gives_one_result_over_a_socket_and_over_rest_whichever_came_first(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let mut server = TestServer::start(engine).await;
    let url = server.add_chat_server().await;
    let (alice, bob, room) = server.room().await;
    let (chat, _events) = connect(&url, &bob).await;
    let path = format!("/api/rooms/{room}/messages");
    let post =
        async |key: &str, content: &str| bob.post(&path, json!({ "content": content, "clientMessageId": key })).await;
    let first = over_socket(&chat, &keyed(&room, "socket", "tea?")).await.unwrap();
    let posted = post("rest", "cake?").await.expect(201);
    for left in [false, true] {
        if left {
            chat.leave_room(room.parse().unwrap()).await.unwrap();
        }
        assert_eq!(of_rest(&post("socket", "tea?").await.expect(201)), first, "left: {left}");
        let header = bob.request("POST", &path).header("idempotency-key", "socket").json(&json!({ "content": "tea?" }));
        assert_eq!(of_rest(&Answer::of(header).await.expect(201)), first, "left: {left}");
        assert_eq!(over_socket(&chat, &keyed(&room, "rest", "cake?")).await.unwrap(), of_rest(&posted), "left: {left}");
        post("socket", "other").await.refused(409, "IDEMPOTENCY_CONFLICT");
        let other = over_socket(&chat, &keyed(&room, "rest", "other")).await;
        assert_eq!(other, Err(ErrorCode::IdempotencyConflict), "left: {left}");
    }
    assert_eq!(over_socket(&chat, &keyed(&room, "new", "x")).await, Err(ErrorCode::NotAMember));
    let all = alice.get(&path).await.expect(200);
    assert_eq!(all.items("content"), json!(["cake?", "tea?"]), "each once");
}

fn slow_refill(settings: &mut shared::Settings) {
    settings.limits.enabled = true;
    settings.limits.messages_burst = BURST;
    settings.limits.messages_per_second = 1;
}

const BURST: u32 = 12;

#[rstest]
#[tokio::test]
async fn a_repeat_over_the_rate_gives_the_first_result_over_a_socket(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let mut server = TestServer::with(engine, slow_refill).await;
    let url = server.add_chat_server().await;
    let (_alice, bob, room) = server.room().await;
    let (chat, _events) = connect(&url, &bob).await;
    let message = keyed(&room, "k", "tea?");
    let first = over_socket(&chat, &message).await.unwrap();
    let mut n = 0;
    loop {
        n += 1;
        match over_socket(&chat, &keyed(&room, &format!("more {n}"), "x")).await {
            Ok(_) => {}
            Err(code) => break assert_eq!(code, ErrorCode::RateLimitExceeded),
        }
    }
    assert_eq!(over_socket(&chat, &message).await.unwrap(), first);
    assert_eq!(over_socket(&chat, &keyed(&room, "k", "other")).await, Err(ErrorCode::IdempotencyConflict));
}

#[rstest]
#[tokio::test]
async fn socket_and_rest_take_from_one_budget(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let mut server = TestServer::with(engine, slow_refill).await;
    let url = server.add_chat_server().await;
    let (_alice, bob, room) = server.room().await;
    let (chat, _events) = connect(&url, &bob).await;
    let path = format!("/api/rooms/{room}/messages");
    let started = Instant::now();
    let mut sent = 0;
    for n in 0..20 {
        match over_socket(&chat, &keyed(&room, &n.to_string(), "x")).await {
            Ok(_) => sent += 1,
            Err(code) => assert_eq!(code, ErrorCode::RateLimitExceeded),
        }
        let answer = bob.post(&path, json!({ "content": "x" })).await;
        assert!([201, 429].contains(&answer.status), "{answer:?}");
        sent += u32::from(answer.status == 201);
    }
    // What came back meanwhile, rounded up.
    let gained = started.elapsed().as_secs() as u32 + 1;
    assert!((1..=BURST + gained).contains(&sent), "{sent} sent of {BURST} + {gained}");
}
