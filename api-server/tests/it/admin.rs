//! What administrators do with accounts and rooms over REST, and that nobody else does.

use std::time::{Duration, Instant};

use domain::{DomainError, admin::Admin};
use host_fixture::{Host, KeyServer};
use rstest::rstest;
use serde_json::{Value, json};
use shared::Settings;

use crate::{
    external::{at, issuer},
    support::{Answer, Caller, Engine, Person, TestServer, assert_answer},
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
