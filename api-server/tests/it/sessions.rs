//! Logins: listed, and ended one by one.

use std::time::{Duration, Instant};

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{Answer, Caller, Engine, TestServer, assert_answer};

/// One more login of alice's.
async fn log_in(server: &TestServer, agent: &str) -> (Caller, Value) {
    let input = json!({ "username": "alice", "password": "correct horse" });
    let request = server.anyone().request("POST", "/api/login").header("user-agent", agent).json(&input);
    let answer = Answer::of(request).await.expect(200).raw;
    (server.bearer(answer["token"].as_str()), answer)
}

#[rstest]
#[tokio::test]
async fn ones_logins_are_listed_and_the_one_that_asks_is_marked(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let (alice, bob) = (server.account("alice").await, server.account("bob").await);
    let (phone, _) = log_in(&server, "Phone/1 (x)").await;
    assert_answer!(phone.get("/api/sessions").await, @r#"
    {
      "status": 200,
      "body": {
        "items": [
          {
            "address": "127.0.0.1",
            "createdAt": "[time]",
            "current": false,
            "expiresAt": "[time]",
            "id": "[id 1]",
            "lastUsedAt": "[time]"
          },
          {
            "address": "127.0.0.1",
            "agent": "Phone/1 (x)",
            "createdAt": "[time]",
            "current": true,
            "expiresAt": "[time]",
            "id": "[id 2]",
            "lastUsedAt": "[time]"
          }
        ]
      }
    }
    "#);
    assert_eq!(alice.get("/api/sessions").await.expect(200).items("current"), json!([true, false]));
    let anyone = server.anyone();
    let refreshed = anyone.post("/api/token/refresh", json!({ "refreshToken": alice.refresh_token })).await.expect(200);
    let listed = server.bearer(refreshed.raw["token"].as_str()).get("/api/sessions").await.expect(200);
    let (created, used) = (listed.items("createdAt"), listed.items("lastUsedAt"));
    assert_ne!((&created[0], &created[1]), (&used[0], &used[1]), "refreshing is using");
    assert_eq!(bob.get("/api/sessions").await.expect(200).items("current"), json!([true]));
    anyone.get("/api/sessions").await.refused(401, "UNAUTHORIZED");
}

#[rstest]
#[tokio::test]
async fn an_ended_login_is_refused_and_the_others_stay(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let (alice, bob) = (server.account("alice").await, server.account("bob").await);
    let (phone, tokens) = log_in(&server, "Phone/1").await;
    let ids = alice.get("/api/sessions").await.expect(200).items("id");
    let path = format!("/api/sessions/{}", ids[1].as_str().unwrap());
    bob.delete(&path).await.refused(404, "NOT_FOUND");
    phone.get("/api/profile").await.expect(200);
    assert_answer!(alice.delete(&path).await, @r#"{"status": 204}"#);
    assert_answer!(phone.get("/api/profile").await, @r#"
    {
      "status": 401,
      "body": {
        "code": "UNAUTHORIZED",
        "detail": "the session has ended",
        "error": "the session has ended",
        "requestId": "[requestId]",
        "status": 401,
        "title": "Authentication is needed",
        "type": "about:blank"
      }
    }
    "#);
    let refresh = json!({ "refreshToken": tokens["refreshToken"] });
    server.anyone().post("/api/token/refresh", refresh).await.refused(401, "UNAUTHORIZED");
    alice.delete(&path).await.refused(404, "NOT_FOUND");
    alice.delete("/api/sessions/nonsense").await.refused(404, "NOT_FOUND");
    assert_eq!(alice.get("/api/sessions").await.expect(200).items("id"), json!([ids[0]]));
    alice.delete(format!("/api/sessions/{}", ids[0].as_str().unwrap())).await.expect(204);
    alice.get("/api/sessions").await.refused(401, "UNAUTHORIZED");
    bob.get("/api/profile").await.expect(200);
}

#[tokio::test]
async fn an_ended_login_is_refused_on_another_instance_within_a_second() {
    let first = TestServer::start(Engine::Redis).await;
    let second = first.second().await;
    let alice = first.guest("alice").await;
    let there = second.bearer(Some(&alice.token));
    there.get("/api/profile").await.expect(200);
    alice.call("POST", "/api/logout", None).await.expect(204);
    let ended = Instant::now();
    loop {
        let asked = ended.elapsed();
        match there.get("/api/profile").await.status {
            401 => return,
            status => assert!(status == 200 && asked < Duration::from_secs(1), "{status} after {asked:?}"),
        }
    }
}

#[rstest]
#[tokio::test]
async fn of_more_logins_than_fifty_the_least_used_ends(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let alice = server.account("alice").await;
    let viewer = server.domain.identity.identify(&alice.token).await.unwrap();
    let record = server.domain.store.sessions.session(viewer.user, viewer.session().unwrap()).await.unwrap().unwrap();
    for n in 1..50 {
        let used_at = record.used_at.after(Duration::from_secs(n));
        let another = store::SessionRecord { id: shared::SessionId::new(), used_at, ..record.clone() };
        server.domain.store.sessions.create_session(&another, 100, None).await.unwrap();
    }
    let (phone, _) = log_in(&server, "Phone/1").await;
    alice.get("/api/sessions").await.refused(401, "UNAUTHORIZED");
    assert_eq!(phone.get("/api/sessions").await.expect(200).items("id").as_array().unwrap().len(), 50);
}

#[rstest]
#[tokio::test]
async fn a_ticket_is_given_to_who_is_logged_in_and_so_many_a_minute(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::with(engine, |settings| {
        settings.limits.enabled = true;
        settings.limits.tickets_per_minute = 2;
    })
    .await;
    let (alice, bob) = (server.guest("alice").await, server.guest("bob").await);
    let ask = async |who: &Caller| who.call("POST", "/api/ws-ticket", None).await;
    assert_answer!(ask(&alice).await, @r#"{"status": 200, "body": {"expiresIn": 30, "ticket": "[ticket]"}}"#);
    let ticket = ask(&alice).await.expect(200).raw["ticket"].as_str().unwrap().to_owned();
    ask(&alice).await.refused(429, "RATE_LIMIT_EXCEEDED");
    ask(&bob).await.expect(200);
    ask(&server.anyone()).await.refused(401, "UNAUTHORIZED");
    server.bearer(Some(&ticket)).get("/api/profile").await.refused(401, "UNAUTHORIZED");
}
