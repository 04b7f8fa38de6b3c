//! Redis goes away and comes back.

use std::time::{Duration, Instant};

use redis_fixture::{Append, Kind, Redis};
use serde_json::{Value, json};

use crate::support::{Answer, Person, TestServer, assert_answer};

/// Longer than a client would wait gladly, shorter than it would give up.
const SOON: Duration = Duration::from_secs(7);
/// What a liveness probe waits, as a rule.
const PROBE: Duration = Duration::from_secs(1);

fn routes(person: &Person, room: &str, message: &str) -> Vec<(&'static str, String, Option<Value>)> {
    let password = "correct horse";
    vec![
        (
            "POST",
            "/api/signup".into(),
            Some(json!({ "username": "new", "email": "n@example.org", "password": password })),
        ),
        ("POST", "/api/login".into(), Some(json!({ "username": "alice", "password": password }))),
        ("POST", "/api/guest".into(), Some(json!({}))),
        ("POST", "/api/token/refresh".into(), Some(json!({ "refreshToken": person.refresh_token }))),
        ("POST", "/api/logout".into(), None),
        ("POST", "/api/password".into(), Some(json!({ "old": password, "new": "battery staple" }))),
        ("POST", "/api/ws-ticket".into(), None),
        ("GET", "/api/sessions".into(), None),
        ("DELETE", format!("/api/sessions/{}", uuid::Uuid::now_v7()), None),
        ("GET", "/api/profile".into(), None),
        ("PATCH", "/api/profile".into(), Some(json!({ "bio": "x" }))),
        ("GET", "/.well-known/jwks.json".into(), None),
        ("GET", "/api/users?query=a".into(), None),
        ("GET", format!("/api/users/{}", person.id), None),
        ("GET", format!("/api/users/{}/status", person.id), None),
        ("GET", "/api/contacts".into(), None),
        ("PUT", format!("/api/contacts/{}", uuid::Uuid::now_v7()), None),
        ("DELETE", format!("/api/contacts/{}", uuid::Uuid::now_v7()), None),
        ("GET", "/api/contacts/requests".into(), None),
        ("DELETE", format!("/api/contacts/requests/{}", uuid::Uuid::now_v7()), None),
        ("GET", "/api/blocks".into(), None),
        ("PUT", format!("/api/blocks/{}", uuid::Uuid::now_v7()), None),
        ("DELETE", format!("/api/blocks/{}", uuid::Uuid::now_v7()), None),
        ("POST", "/api/rooms".into(), Some(json!({ "name": "x", "type": "public" }))),
        ("GET", "/api/rooms".into(), None),
        ("GET", "/api/rooms/public".into(), None),
        ("GET", format!("/api/rooms/{room}"), None),
        ("PATCH", format!("/api/rooms/{room}"), Some(json!({ "name": "x" }))),
        ("DELETE", format!("/api/rooms/{room}"), None),
        ("POST", format!("/api/rooms/{room}/join"), None),
        ("DELETE", format!("/api/rooms/{room}/leave"), None),
        ("GET", format!("/api/rooms/{room}/members"), None),
        ("PUT", format!("/api/rooms/{room}/members/{}", person.id), Some(json!({ "role": "admin" }))),
        ("DELETE", format!("/api/rooms/{room}/members/{}", uuid::Uuid::now_v7()), None),
        ("GET", format!("/api/rooms/{room}/bans"), None),
        ("POST", format!("/api/rooms/{room}/invites"), Some(json!({}))),
        ("GET", format!("/api/rooms/{room}/invites"), None),
        ("DELETE", format!("/api/rooms/{room}/invites/x"), None),
        ("POST", format!("/api/invites/{}", "A".repeat(43)), None),
        ("PUT", format!("/api/rooms/{room}/bans/{}", uuid::Uuid::now_v7()), None),
        ("DELETE", format!("/api/rooms/{room}/bans/{}", uuid::Uuid::now_v7()), None),
        ("PUT", format!("/api/direct/{}", uuid::Uuid::now_v7()), None),
        ("PUT", format!("/api/rooms/{room}/read"), Some(json!({ "seq": 1 }))),
        ("PUT", format!("/api/rooms/{room}/delivered"), Some(json!({ "seq": 1 }))),
        ("GET", format!("/api/rooms/{room}/receipts"), None),
        ("GET", format!("/api/rooms/{room}/search?query=x"), None),
        ("GET", "/api/unread".into(), None),
        ("GET", format!("/api/rooms/{room}/messages"), None),
        ("POST", format!("/api/rooms/{room}/messages"), Some(json!({ "content": "x", "clientMessageId": "k" }))),
        ("GET", format!("/api/messages/{message}"), None),
        ("PATCH", format!("/api/messages/{message}"), Some(json!({ "content": "x @alice" }))),
        ("DELETE", format!("/api/messages/{message}"), None),
        ("GET", format!("/api/messages/{message}/replies"), None),
        ("GET", format!("/api/messages/{message}/delivery"), None),
        ("PUT", format!("/api/messages/{message}/reactions/x"), None),
        ("DELETE", format!("/api/messages/{message}/reactions/x"), None),
        ("GET", "/api/registry/chat".into(), None),
        ("GET", "/api/notifications".into(), None),
        ("GET", "/ready".into(), None),
    ]
}

/// Asks every route at once; gives the answers, `/ready` last.
async fn all_unavailable(alice: &Person, room: &str, message: &Value) -> Vec<Answer> {
    let asked = routes(alice, room, message["id"].as_str().unwrap()).into_iter().map(async |(method, path, body)| {
        let asked = Instant::now();
        let answer = alice.call(method, &path, body.as_ref()).await;
        assert_eq!((answer.status, &answer.raw["code"]), (503, &json!("UNAVAILABLE")), "{method} {path}");
        assert!(asked.elapsed() < SOON, "{method} {path} took {:?}", asked.elapsed());
        answer
    });
    futures_util::future::join_all(asked).await
}

#[tokio::test]
async fn while_the_store_is_away_every_route_that_needs_it_says_so_soon_and_works_again_when_it_is_back() {
    let mut redis = Redis::start(Kind::Node, Append::Always);
    let server = TestServer::over(&redis, |_| {}).await;
    let alice = server.account("alice").await;
    let room = alice.post("/api/rooms", json!({ "name": "Tea", "type": "public" })).await.expect(201).id();
    let message = alice.send(&room, "stored").await;
    server.anyone().get("/ready").await.expect(200);

    redis.kill();
    let answers = all_unavailable(&alice, &room, &message).await;
    assert_answer!(answers.last().unwrap(), @r#"
    {
      "status": 503,
      "body": {
        "code": "UNAVAILABLE",
        "detail": "temporarily unavailable; try again",
        "error": "temporarily unavailable; try again",
        "requestId": "[requestId]",
        "status": 503,
        "title": "Temporarily unavailable",
        "type": "about:blank"
      }
    }
    "#);
    let asked = Instant::now();
    for path in ["/health", "/metrics", "/openapi.json", "/docs/"] {
        server.anyone().get(path).await.expect(200);
    }
    assert!(asked.elapsed() < SOON, "/health and its like took {:?}", asked.elapsed());

    redis.restart();
    let back = Instant::now();
    while server.anyone().get("/ready").await.status != 200 {
        assert!(back.elapsed() < SOON, "not ready again");
    }
    let page = alice.get(format!("/api/rooms/{room}/messages")).await.expect(200);
    assert_eq!(page.items("content"), json!(["stored"]));
    alice.post(format!("/api/rooms/{room}/messages"), json!({ "content": "again" })).await.expect(201);
    server.account("bob").await;
    let bob = json!({ "username": "bob", "password": "correct horse" });
    server.anyone().post("/api/login", bob).await.expect(200);
}

#[tokio::test]
async fn while_the_store_hangs_requests_end_soon_and_the_process_is_still_healthy() {
    let mut redis = Redis::start(Kind::Node, Append::Always);
    let server = TestServer::over(&redis, |_| {}).await;
    let alice = server.account("alice").await;
    let room = alice.post("/api/rooms", json!({ "name": "Tea", "type": "public" })).await.expect(201).id();
    let message = alice.send(&room, "stored").await;

    redis.signal("STOP");
    let asked = Instant::now();
    assert_eq!(server.anyone().get("/health").await.expect(200).raw["status"], "healthy");
    assert!(asked.elapsed() < PROBE, "a probe would have given up: {:?}", asked.elapsed());
    all_unavailable(&alice, &room, &message).await;

    redis.kill();
    redis.restart();
    let back = Instant::now();
    while server.anyone().get("/ready").await.status != 200 {
        assert!(back.elapsed() < SOON, "not ready again");
    }
    alice.get(format!("/api/rooms/{room}/messages")).await.expect(200);
}
