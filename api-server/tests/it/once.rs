//! What is asked for twice under one key is done once: messages, rooms, notifications.

use futures_util::future::join_all;
use rstest::rstest;
use serde_json::{Value, json};
use shared::ErrorCode;

use crate::support::{API_KEY, Answer, Caller, Engine, TestServer, until};

async fn keyed(who: &Caller, path: &str, key: &str, body: &Value) -> Answer {
    Answer::of(who.request("POST", path).header("idempotency-key", key).json(body)).await
}

#[rstest]
#[tokio::test]
async fn a_repeat_gives_the_first_result_whatever_would_refuse_it_by_now(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::with(engine, |settings| {
        settings.limits.enabled = true;
        settings.limits.messages_burst = 2;
        settings.limits.messages_per_second = 1;
    })
    .await;
    let (alice, bob, room) = server.room().await;
    let path = format!("/api/rooms/{room}/messages");
    let question = alice.send(&room, "tea?").await;
    let body = json!({ "content": "yes @alice", "replyTo": question["id"], "clientMessageId": "k" });
    let first = bob.post(&path, body.clone()).await.expect(201);
    assert_eq!(first.raw["mentions"], json!([alice.id]));
    // Over the rate.
    while bob.post(&path, json!({ "content": "x" })).await.status != 429 {}
    assert_eq!(bob.post(&path, body.clone()).await.expect(201).raw, first.raw);
    let other = json!({ "content": "no", "clientMessageId": "k" });
    bob.post(&path, other.clone()).await.refused(409, "IDEMPOTENCY_CONFLICT");
    let too_long = json!({ "content": "x".repeat(8001), "clientMessageId": "k" });
    bob.post(&path, too_long).await.refused(409, "IDEMPOTENCY_CONFLICT");
    // What it replied to has been deleted, and its author has left.
    alice.delete(format!("/api/messages/{}", question["id"].as_str().unwrap())).await.expect(204);
    bob.delete(format!("/api/rooms/{room}/leave")).await.expect(204);
    let again = bob.post(&path, body.clone()).await.expect(201).raw;
    for field in ["id", "seq", "timestamp", "content", "clientMessageId"] {
        assert_eq!(again[field], first.raw[field], "{field}");
    }
    bob.post(&path, other).await.refused(409, "IDEMPOTENCY_CONFLICT");
    // A key nobody knows changes nothing about a refusal.
    let unknown = json!({ "content": "x", "clientMessageId": "other" });
    let refused = bob.post(&path, unknown).await;
    assert!([403, 429].contains(&refused.status), "{refused:?}");
}

#[rstest]
#[tokio::test]
async fn a_direct_message_is_repeated_by_its_key_and_a_stranger_is_still_refused(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let (alice, gina) = (server.account("alice").await, server.guest("gina").await);
    let stranger = server.account("stranger").await;
    let viewer = server.domain.identity.authenticate(&gina.token).await.unwrap();
    let send = async |to: &str, content: &str| {
        let input = json!({ "recipientId": to, "content": content, "clientMessageId": "k" });
        server.domain.messages.send(&viewer, serde_json::from_value(input).unwrap()).await
    };
    alice.call("PUT", &format!("/api/contacts/{}", gina.id), None).await.expect(204);
    let first = send(&alice.id, "hi").await.unwrap();
    let again = send(&alice.id, "hi").await.unwrap();
    assert_eq!((again.id, again.timestamp, again.duplicate), (first.id, first.timestamp, true));
    assert_eq!(send(&alice.id, "other").await.unwrap_err().code(), ErrorCode::IdempotencyConflict);
    assert_eq!(send(&stranger.id, "hi").await.unwrap_err().code(), ErrorCode::Forbidden);
}

#[rstest]
#[tokio::test]
async fn a_direct_message_is_repeated_once_its_author_is_no_contact_has_enough_rooms_and_is_over_the_rate(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::with(engine, |settings| {
        settings.limits.enabled = true;
        settings.limits.messages_burst = 2;
        settings.limits.messages_per_second = 1;
        settings.limits.rooms_per_user = 1;
    })
    .await;
    let (alice, carol, gina) =
        (server.account("alice").await, server.account("carol").await, server.guest("gina").await);
    let viewer = server.domain.identity.authenticate(&gina.token).await.unwrap();
    let send = async |to: &str, key: &str, content: &str| {
        let input = json!({ "recipientId": to, "content": content, "clientMessageId": key });
        server.domain.messages.send(&viewer, serde_json::from_value(input).unwrap()).await
    };
    for person in [&alice, &carol] {
        person.call("PUT", &format!("/api/contacts/{}", gina.id), None).await.expect(204);
    }
    let first = send(&alice.id, "k", "hi").await.unwrap();
    assert_eq!(send(&carol.id, "k", "hi").await.unwrap_err().code(), ErrorCode::RoomFull);
    alice.call("DELETE", &format!("/api/contacts/{}", gina.id), None).await.expect(204);
    let mut n = 0;
    while send(&alice.id, &format!("more {n}"), "x").await.map_err(|e| e.code()) != Err(ErrorCode::RateLimitExceeded) {
        n += 1;
    }
    let again = send(&alice.id, "k", "hi").await.unwrap();
    assert_eq!((again.id, again.rev, again.timestamp, again.duplicate), (first.id, first.rev, first.timestamp, true));
    assert_eq!(send(&alice.id, "k", "other").await.unwrap_err().code(), ErrorCode::IdempotencyConflict);
    assert_eq!(send(&alice.id, "k", "").await.unwrap_err().code(), ErrorCode::IdempotencyConflict);
}

#[tokio::test]
async fn a_repeat_gives_the_first_result_once_the_embedded_store_was_closed_and_opened() {
    let server = TestServer::start(Engine::Embedded).await;
    let (alice, _, room) = server.room().await;
    let path = format!("/api/rooms/{room}/messages");
    let body = json!({ "content": "once", "clientMessageId": "k" });
    let sent = alice.post(&path, body.clone()).await.expect(201);
    let tea = json!({ "name": "Tea", "type": "private" });
    let made = keyed(&alice, "/api/rooms", "k", &tea).await.expect(201);
    let server = server.restart().await;
    let alice = server.bearer(Some(&alice.token));
    assert_eq!(alice.post(&path, body).await.expect(201).raw, sent.raw);
    alice.post(&path, json!({ "content": "other", "clientMessageId": "k" })).await.refused(409, "IDEMPOTENCY_CONFLICT");
    assert_eq!(keyed(&alice, "/api/rooms", "k", &tea).await.expect(201).raw, made.raw);
    keyed(&alice, "/api/rooms", "k", &json!({ "name": "Cake", "type": "private" }))
        .await
        .refused(409, "IDEMPOTENCY_CONFLICT");
    assert_eq!(alice.get(&path).await.items("content"), json!(["once"]));
}

#[tokio::test]
async fn a_repeat_gives_the_first_result_on_another_instance_and_after_a_restart() {
    let first = TestServer::start(Engine::Redis).await;
    let (alice, _, room) = first.room().await;
    let path = format!("/api/rooms/{room}/messages");
    let body = json!({ "content": "once", "clientMessageId": "k" });
    let sent = alice.post(&path, body.clone()).await.expect(201);
    let second = first.second().await;
    let there = second.bearer(Some(&alice.token));
    assert_eq!(there.post(&path, body.clone()).await.expect(201).raw, sent.raw);
    drop(first);
    assert_eq!(there.post(&path, body).await.expect(201).raw, sent.raw);
}

#[rstest]
#[tokio::test]
async fn a_key_makes_one_room(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::with(engine, |settings| settings.limits.rooms_per_user = 2).await;
    let (alice, bob) = (server.guest("alice").await, server.guest("bob").await);
    let body = json!({ "name": "Tea", "handle": "Tea", "type": "public", "retention": { "maxMessages": 10 } });
    let made = join_all((0..8).map(|_| keyed(&alice, "/api/rooms", "k", &body))).await;
    for answer in &made {
        assert_eq!((answer.status, &answer.raw), (201, &made[0].raw));
    }
    for other in [
        json!({ "name": "Cake", "handle": "tea", "type": "public" }),
        json!({ "name": "Tea", "handle": "Tea", "type": "public" }),
        json!({ "name": "", "type": "public" }),
    ] {
        keyed(&alice, "/api/rooms", "k", &other).await.refused(409, "IDEMPOTENCY_CONFLICT");
    }
    let private = json!({ "name": "P", "type": "private" });
    let second = keyed(&alice, "/api/rooms", "k2", &private).await.expect(201);
    // In as many rooms as she may be, and still.
    alice.post("/api/rooms", private.clone()).await.refused(409, "ROOM_FULL");
    assert_eq!(keyed(&alice, "/api/rooms", "k2", &private).await.expect(201).raw, second.raw);
    assert_eq!(alice.get("/api/rooms").await.raw["items"].as_array().unwrap().len(), 2);
    alice.delete(format!("/api/rooms/{}/leave", second.id())).await.expect(204);
    // Of a private room she has left she is told no more than others are.
    keyed(&alice, "/api/rooms", "k2", &private).await.refused(404, "ROOM_NOT_FOUND");
    alice.delete(format!("/api/rooms/{}/leave", made[0].id())).await.expect(204);
    assert_eq!(keyed(&alice, "/api/rooms", "k", &body).await.expect(201).id(), made[0].id());
    // The key is each user's own.
    keyed(&bob, "/api/rooms", "k", &body).await.refused(409, "HANDLE_TAKEN");
    assert_ne!(keyed(&bob, "/api/rooms", "k2", &private).await.expect(201).id(), second.id());
    for bad in ["", &"x".repeat(129)] {
        keyed(&alice, "/api/rooms", bad, &private).await.refused(400, "INVALID_MESSAGE");
    }
}

#[rstest]
#[tokio::test]
async fn a_key_queues_one_notification(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let mut server = TestServer::start(engine).await;
    server.add_notification_server().await;
    let (alice, bob) = (server.guest("alice").await, server.guest("bob").await);
    let service = server.bearer(Some(API_KEY));
    let body = json!({ "userIds": [alice.id, bob.id], "title": "Tea", "body": "now", "data": { "a": 1 } });
    let made = join_all((0..8).map(|_| keyed(&service, "/notify", "k", &body))).await;
    for answer in &made {
        assert_eq!((answer.status, &answer.raw), (202, &made[0].raw));
    }
    let same = json!({ "userIds": [bob.id, alice.id, bob.id], "title": "Tea", "body": "now", "data": { "a": 1 } });
    assert_eq!(keyed(&service, "/notify", "k", &same).await.expect(202).raw, made[0].raw);
    for (field, other) in
        [("title", json!("Cake")), ("userIds", json!([alice.id])), ("data", json!({})), ("ttl", json!(9))]
    {
        let mut changed = body.clone();
        changed[field] = other;
        keyed(&service, "/notify", "k", &changed).await.refused(409, "IDEMPOTENCY_CONFLICT");
    }
    let other = keyed(&service, "/notify", "k2", &body).await.expect(202);
    assert_ne!(other.id(), made[0].id());
    let inbox = async || alice.get("/api/notifications").await.items("id").as_array().unwrap().len();
    until(async || (inbox().await == 2).then_some(())).await;
    // Delivered, and still known.
    assert_eq!(keyed(&service, "/notify", "k", &body).await.expect(202).raw, made[0].raw);
    assert_eq!(alice.get("/api/notifications").await.items("title"), json!(["Tea", "Tea"]));
}
