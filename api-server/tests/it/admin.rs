//! What administrators do with accounts and rooms over REST, and that nobody else does.

use std::time::{Duration, Instant};

use domain::{DomainError, admin::Admin};
use host_fixture::{Host, KeyServer};
use rstest::rstest;
use serde_json::{Value, json};
use shared::Settings;

use crate::{
    external::{at, issuer},
    support::{Answer, Caller, Engine, Person, TestServer, assert_answer, until},
};

/// An administrator, made one as an operator does.
async fn administrator(server: &TestServer, name: &str) -> Person {
    let person = server.account(name).await;
    Admin::new(server.domain.store.clone()).set_administrator(&person.id, true).await.unwrap();
    person
}

fn names(answer: &Answer) -> Value {
    answer.items("username")
}

/// Asks again until it is refused like this, which must be within a second.
async fn refused_within_a_second(caller: &Caller, status: u16, code: &str) -> Answer {
    let began = Instant::now();
    loop {
        let asked = began.elapsed();
        let answer = caller.get("/api/profile").await;
        if answer.status == status {
            return answer.refused(status, code);
        }
        assert!(answer.status == 200 && asked < Duration::from_secs(1), "{} after {asked:?}", answer.status);
    }
}

#[rstest]
#[tokio::test]
async fn only_an_administrator_is_answered_and_only_as_long_as_they_are_one(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let (root, alice, guest) =
        (administrator(&server, "root").await, server.account("alice").await, server.guest("gus").await);
    for path in ["/api/admin/users", "/api/admin/rooms", "/api/admin/users/alice"] {
        server.anyone().get(path).await.refused(401, "UNAUTHORIZED");
        for other in [&alice, &guest] {
            other.get(path).await.refused(403, "FORBIDDEN");
        }
        root.get(path).await.expect(200);
    }
    for (method, path) in [
        ("PUT", "/api/admin/users/gus/ban"),
        ("DELETE", "/api/admin/users/gus"),
        ("DELETE", "/api/admin/users/gus/sessions"),
    ] {
        alice.call(method, path, None).await.refused(403, "FORBIDDEN");
    }
    guest.get("/api/profile").await.expect(200);
    // Nothing a user may change makes one of them.
    alice.patch("/api/profile", json!({ "administrator": true, "displayName": "root" })).await;
    alice.get("/api/admin/users").await.refused(403, "FORBIDDEN");
    let operator = Admin::new(server.domain.store.clone());
    operator.set_administrator("root", false).await.unwrap();
    root.get("/api/admin/users").await.refused(403, "FORBIDDEN");
    root.get("/api/profile").await.expect(200);
    let refused = operator.set_administrator("gus", true).await.unwrap_err();
    assert_eq!(refused.code().as_str(), "FORBIDDEN", "a guest has no password");
}

#[rstest]
#[tokio::test]
async fn accounts_are_found_by_the_beginning_of_a_name_an_address_and_an_id(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let root = administrator(&server, "root").await;
    let (alice, guest) = (server.account("alice").await, server.guest("gus").await);
    server.account("alan").await;
    assert_eq!(names(&root.get("/api/admin/users").await.expect(200)), json!(["alan", "alice", "root"]));
    assert_eq!(names(&root.get("/api/admin/users?query=AL").await.expect(200)), json!(["alan", "alice"]));
    assert_eq!(names(&root.get("/api/admin/users?query=al&cursor=alan").await.expect(200)), json!(["alice"]));
    assert_eq!(names(&root.get("/api/admin/users?query=ALICE@example.org").await.expect(200)), json!(["alice"]));
    assert_eq!(names(&root.get("/api/admin/users?query=nobody@example.org").await.expect(200)), json!([]));
    assert_eq!(names(&root.get(format!("/api/admin/users?query={}", guest.id)).await.expect(200)), json!(["gus"]));
    root.get(format!("/api/admin/users?query={}", "x".repeat(300))).await.refused(400, "INVALID_MESSAGE");
    root.get(format!("/api/admin/users/{}", "x".repeat(300))).await.refused(404, "USER_NOT_FOUND");
    let shown = root.get("/api/admin/users/Root").await.expect(200);
    assert_eq!((&shown.raw["administrator"], &shown.raw["bannedAt"]), (&json!(true), &Value::Null));
    let sessions = root.get(format!("/api/admin/users/{}/sessions", alice.id)).await.expect(200).raw;
    let session = sessions["items"][0]["id"].as_str().unwrap().to_owned();
    root.delete(format!("/api/admin/users/alice/sessions/{session}")).await.expect(204);
    root.delete(format!("/api/admin/users/alice/sessions/{session}")).await.refused(404, "NOT_FOUND");
    refused_within_a_second(&alice, 401, "UNAUTHORIZED").await;
    let ended = root.delete("/api/admin/users/gus/sessions").await.expect(200).raw;
    assert_eq!(ended["items"].as_array().unwrap().len(), 1);
    refused_within_a_second(&guest, 401, "UNAUTHORIZED").await;
    root.delete("/api/admin/users/gus").await.expect(204);
    root.get("/api/admin/users/gus").await.refused(404, "USER_NOT_FOUND");
}

#[rstest]
#[tokio::test]
async fn who_is_banned_is_out_and_stays_out_until_the_ban_is_lifted(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let (root, alice) = (administrator(&server, "root").await, server.account("alice").await);
    let ticket = alice.post("/api/ws-ticket", json!({})).await.expect(200).raw["ticket"].as_str().unwrap().to_owned();
    root.put("/api/admin/users/root/ban", Value::Null).await.refused(403, "FORBIDDEN");
    root.delete("/api/admin/users/root").await.refused(403, "FORBIDDEN");
    root.put("/api/admin/users/alice/ban", Value::Null).await.expect(204);
    root.put("/api/admin/users/alice/ban", Value::Null).await.expect(204);
    refused_within_a_second(&alice, 401, "UNAUTHORIZED").await;
    let refresh = json!({ "refreshToken": alice.refresh_token });
    server.anyone().post("/api/token/refresh", refresh).await.refused(401, "UNAUTHORIZED");
    let viewer = server.domain.identity.redeem(&ticket).await.unwrap();
    let refused = server.domain.identity.arrive(&viewer).await.unwrap_err();
    assert!(matches!(refused, DomainError::AccountBanned), "{refused}");
    let log_in = async |password: &str| {
        server.anyone().post("/api/login", json!({ "username": "alice", "password": password })).await
    };
    log_in("wrong horse").await.refused(401, "UNAUTHORIZED");
    assert_answer!(log_in("correct horse").await, @r#"
    {
      "status": 403,
      "body": {
        "code": "FORBIDDEN",
        "detail": "the account is banned",
        "error": "the account is banned",
        "requestId": "[requestId]",
        "status": 403,
        "title": "Not allowed",
        "type": "about:blank"
      }
    }
    "#);
    assert!(root.get("/api/admin/users/alice").await.expect(200).raw["bannedAt"].is_string());
    root.delete("/api/admin/users/alice/ban").await.expect(204);
    log_in("correct horse").await.expect(200);
    alice.get("/api/profile").await.refused(401, "UNAUTHORIZED");
}

#[rstest]
#[tokio::test]
async fn a_token_of_another_product_is_refused_while_its_user_is_banned(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let host = Host::new("https://id.example");
    let served = KeyServer::start(&host.jwks());
    let trust = |settings: &mut Settings| settings.auth.external = vec![issuer(&host, at(&served))];
    let server = TestServer::with(engine, trust).await;
    let root = administrator(&server, "root").await;
    let ann = server.bearer(Some(&host.token("ann")));
    ann.get("/api/profile").await.expect(200);
    let operator = Admin::new(server.domain.store.clone());
    assert!(operator.set_administrator("ann", true).await.is_err(), "it is whoever that product says");
    root.put("/api/admin/users/ann/ban", Value::Null).await.expect(204);
    let refused = refused_within_a_second(&ann, 403, "FORBIDDEN").await;
    assert_eq!(refused.raw["detail"], "the account is banned");
    root.delete("/api/admin/users/ann/ban").await.expect(204);
    ann.get("/api/profile").await.expect(200);
}

#[rstest]
#[tokio::test]
async fn an_administrator_deletes_a_room_they_are_not_in(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let root = administrator(&server, "root").await;
    let (alice, bob, room) = server.room().await;
    let private = alice.post("/api/rooms", json!({ "name": "Den", "type": "private" })).await.expect(201).id();
    let listed = root.get("/api/admin/rooms?query=t").await.expect(200);
    assert_eq!((listed.items("id"), &listed.raw["items"][0]["members"]), (json!([room]), &json!(2)));
    let shown = root.get(format!("/api/admin/rooms/{private}")).await.expect(200).raw;
    assert_eq!(shown["firstMembers"][0]["username"], "alice");
    for gone in [&room, &private] {
        root.delete(format!("/api/admin/rooms/{gone}")).await.expect(204);
        root.delete(format!("/api/admin/rooms/{gone}")).await.refused(404, "ROOM_NOT_FOUND");
        alice.get(format!("/api/rooms/{gone}")).await.refused(404, "ROOM_NOT_FOUND");
    }
    bob.get(format!("/api/rooms/{room}/messages")).await.refused(404, "ROOM_NOT_FOUND");
    root.get("/api/admin/rooms?cursor=x").await.refused(404, "ROOM_NOT_FOUND");
}

/// The instances that an administrator is shown, once there are so many.
async fn instances(root: &Person, count: usize) -> Vec<Value> {
    until(async || {
        let shown = root.get("/api/admin/instances").await.expect(200).raw;
        let items = shown["items"].as_array().unwrap().clone();
        (items.len() == count).then_some(items)
    })
    .await
}

#[tokio::test]
async fn an_instance_stops_when_it_is_asked_to_unless_it_is_the_last_one() {
    let first = TestServer::start(Engine::Redis).await;
    let root = administrator(&first, "root").await;
    let shown = instances(&root, 1).await.remove(0);
    assert_eq!((&shown["service"], &shown["draining"]), (&json!("api"), &json!(false)));
    assert_eq!(shown["id"], json!(first.domain.instance));
    assert!(shown["startedAt"].is_string() && shown["version"].is_string(), "{shown}");
    let drain = async |id: &str| root.post(format!("/api/admin/instances/{id}/drain"), json!({})).await;
    drain(&first.domain.instance.to_string()).await.refused(409, "LAST_INSTANCE");
    drain(&uuid::Uuid::now_v7().to_string()).await.refused(404, "NOT_FOUND");
    let second = first.second().await;
    instances(&root, 2).await;
    drain(&second.domain.instance.to_string()).await.expect(202);
    // One that goes is no longer one that would be left.
    drain(&first.domain.instance.to_string()).await.refused(409, "LAST_INSTANCE");
    let left = instances(&root, 1).await.remove(0);
    assert_eq!(left["id"], json!(first.domain.instance));
    root.get("/api/admin/stats").await.expect(200);
}

#[rstest]
#[tokio::test]
async fn what_an_instance_counts_is_shown(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let root = administrator(&server, "root").await;
    instances(&root, 1).await;
    let path = format!("/api/admin/instances/{}/metrics", server.domain.instance);
    let shown = until(async || Some(root.get(&path).await).filter(|answer| answer.status == 200)).await;
    assert!(shown.header("content-type").unwrap().starts_with("text/plain"));
    server.anyone().get(&path).await.refused(401, "UNAUTHORIZED");
    root.get(format!("/api/admin/instances/{}/metrics", uuid::Uuid::now_v7())).await.refused(404, "NOT_FOUND");
    let stats = root.get("/api/admin/stats").await.expect(200).raw;
    assert_eq!(
        (&stats["users"], &stats["outbox"]),
        (&json!(1), &json!({ "due": 1, "later": 0 })),
        "the letter about their address"
    );
}

#[rstest]
#[tokio::test]
async fn what_became_of_a_message_is_told_with_every_reason(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let root = administrator(&server, "root").await;
    let (alice, bob, room) = server.room().await;
    let message = alice.send(&room, "hello").await;
    let id = message["id"].as_str().unwrap().to_owned();
    let explain = async |id: &str| root.get(format!("/api/admin/explain/{id}")).await;
    let shown = explain(&id).await.expect(200).raw;
    assert_eq!((&shown["message"]["author"], &shown["message"]["content"]), (&json!(alice.id), &Value::Null));
    let expected = json!([{ "userId": bob.id, "username": "bob", "delivered": false, "read": false, "channels": [] }]);
    assert_eq!(shown["items"], expected);
    let store = &server.domain.store;
    let user: shared::UserId = bob.id.parse().unwrap();
    let at = shared::Timestamp::now();
    let outcome = store::Outcome { after: 0, seq: 1, at, notification: None, reason: Some("muted".into()) };
    store.notify_queue.put_outcomes(room.parse().unwrap(), &[(user, outcome)]).await.unwrap();
    let shown = explain(&id).await.expect(200).raw;
    assert_eq!(shown["items"][0]["decision"]["reason"], "muted", "which the author is not told");
    alice.get(format!("/api/admin/explain/{id}")).await.refused(403, "FORBIDDEN");
    explain("x").await.refused(404, "NOT_FOUND");
    explain(&uuid::Uuid::now_v7().to_string()).await.refused(404, "NOT_FOUND");
}

#[tokio::test]
async fn the_page_is_served_from_the_binary_and_takes_nothing_from_elsewhere() {
    let server = TestServer::start(Engine::Embedded).await;
    let redirect = server.anyone().get("/operator").await;
    assert_eq!((redirect.status, redirect.header("location")), (308, Some("/operator/")));
    for (path, kind) in [
        ("", "text/html"),
        ("app.js", "text/javascript"),
        ("style.css", "text/css"),
        ("views/users.js", "text/javascript"),
    ] {
        let file = server.anyone().get(format!("/operator/{path}")).await.expect(200);
        assert!(file.header("content-type").unwrap().starts_with(kind), "{path}");
        assert!(file.header("content-security-policy").unwrap().starts_with("default-src 'self'"), "{path}");
        let text = file.raw.as_str().unwrap();
        let elsewhere = text.replace("http://www.w3.org/", "");
        assert!(
            !elsewhere.contains("http://") && !elsewhere.contains("https://") && !text.contains(".innerHTML"),
            "{path}"
        );
    }
    server.anyone().get("/operator/none.js").await.refused(404, "NOT_FOUND");
}
