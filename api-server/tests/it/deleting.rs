//! Accounts that are deleted: nobody can use them, their names are free, what was said stays.

use std::time::{Duration, Instant};

use rstest::rstest;
use serde_json::{Value, json};
use shared::Timestamp;

use crate::support::{Answer, Caller, Engine, TestServer, assert_answer};

async fn delete(caller: &Caller, input: Value) -> Answer {
    caller.call("DELETE", "/api/profile", Some(&input)).await
}

#[rstest]
#[tokio::test]
async fn a_deleted_account_is_of_no_use_and_its_names_are_free(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let (alice, bob) = (server.account("alice").await, server.account("bob").await);
    bob.put(format!("/api/contacts/{}", alice.id), json!({})).await.expect(204);
    let room = bob.post("/api/rooms", json!({ "name": "Tea", "type": "public" })).await.expect(201).id();
    alice.call("POST", &format!("/api/rooms/{room}/join"), None).await.expect(200);
    alice.send(&room, "what I say stays").await;
    let direct = alice.call("PUT", &format!("/api/direct/{}", bob.id), None).await.expect(200).id();
    alice.send(&direct, "this too").await;

    assert_answer!(delete(&alice, json!({ "password": "correct horse" })).await, @r#"{"status": 204}"#);

    alice.get("/api/profile").await.refused(401, "UNAUTHORIZED");
    let anyone = server.anyone();
    let refresh = json!({ "refreshToken": alice.refresh_token });
    anyone.post("/api/token/refresh", refresh).await.refused(401, "UNAUTHORIZED");
    let login = json!({ "username": "alice", "password": "correct horse" });
    anyone.post("/api/login", login.clone()).await.refused(401, "UNAUTHORIZED");
    let by_mail = json!({ "email": "alice@example.org", "password": "correct horse" });
    anyone.post("/api/login", by_mail).await.refused(401, "UNAUTHORIZED");

    bob.get(format!("/api/users/{}", alice.id)).await.refused(404, "USER_NOT_FOUND");
    assert_eq!(bob.get("/api/contacts").await.expect(200).raw["items"], json!([]));
    assert_eq!(bob.get("/api/users?query=ali").await.expect(200).raw["items"], json!([]));
    for (room, text) in [(&room, "what I say stays"), (&direct, "this too")] {
        let history = bob.get(format!("/api/rooms/{room}/messages")).await.expect(200).raw;
        let message = &history["items"][0];
        assert_eq!(
            (&message["userId"], &message["username"], &message["content"]),
            (&json!(alice.id), &json!("deleted user"), &json!(text))
        );
        let members = bob.get(format!("/api/rooms/{room}/members")).await.expect(200);
        assert_eq!(members.items("userId"), json!([bob.id]));
        assert_eq!(bob.get(format!("/api/rooms/{room}")).await.expect(200).raw["memberCount"], 1);
    }
    let again = bob.call("PUT", &format!("/api/direct/{}", alice.id), None).await.expect(200);
    assert_eq!(again.id(), direct, "it is the other one's");
    bob.send(&direct, "a note to myself").await;
    let carol = server.guest("carol").await;
    carol.call("PUT", &format!("/api/direct/{}", alice.id), None).await.refused(404, "USER_NOT_FOUND");

    let next = server.account("alice").await;
    assert_ne!(next.id, alice.id);
    assert_eq!(next.get("/api/rooms").await.expect(200).raw["items"], json!([]));
    anyone.post("/api/login", login).await.expect(200);
    alice.get("/api/profile").await.refused(401, "UNAUTHORIZED");
}

#[rstest]
#[tokio::test]
async fn only_who_knows_the_password_deletes_an_account_and_guesses_are_counted(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::with(engine, |settings| {
        settings.limits.enabled = true;
        settings.limits.wrong_passwords = 2;
    })
    .await;
    let alice = server.account("alice").await;
    alice.delete("/api/profile").await.refused(400, "INVALID_MESSAGE");
    delete(&alice, json!({})).await.refused(400, "INVALID_MESSAGE");
    assert_answer!(delete(&alice, json!({ "password": "wrong horse" })).await, @r#"
    {
      "status": 403,
      "body": {
        "code": "FORBIDDEN",
        "detail": "the password is wrong",
        "error": "the password is wrong",
        "requestId": "[requestId]",
        "status": 403,
        "title": "Not allowed",
        "type": "about:blank"
      }
    }
    "#);
    delete(&alice, json!({ "password": "wrong horse" })).await.refused(403, "FORBIDDEN");
    delete(&alice, json!({ "password": "correct horse" })).await.refused(429, "RATE_LIMIT_EXCEEDED");
    alice.get("/api/profile").await.expect(200);
    server.anyone().delete("/api/profile").await.refused(401, "UNAUTHORIZED");
}

#[rstest]
#[tokio::test]
async fn a_guest_needs_no_password_to_go(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let (alice, _, room) = server.room().await;
    alice.send(&room, "hello").await;
    alice.delete("/api/profile").await.expect(204);
    alice.get("/api/profile").await.refused(401, "UNAUTHORIZED");
    let next = server.guest("alice").await;
    assert_ne!(next.id, alice.id);
}

#[tokio::test]
async fn a_deleted_account_is_refused_on_another_instance_within_a_second() {
    let first = TestServer::start(Engine::Redis).await;
    let second = first.second().await;
    let alice = first.account("alice").await;
    let there = second.bearer(Some(&alice.token));
    there.get("/api/profile").await.expect(200);
    delete(&alice, json!({ "password": "correct horse" })).await.expect(204);
    let ended = Instant::now();
    loop {
        let asked = ended.elapsed();
        match there.patch("/api/profile", json!({ "bio": "still here" })).await.status {
            401 => break,
            // For a moment the instance takes the login to stand; there is nothing to change any more.
            status => assert!(status == 404 && asked < Duration::from_secs(1), "{status} after {asked:?}"),
        }
    }
    second.account("alice").await;
}

#[rstest]
#[tokio::test]
async fn what_a_process_that_died_left_of_a_deletion_is_done_by_the_sweep(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let (alice, bob, room) = server.room().await;
    alice.send(&room, "hello").await;
    let store = &server.domain.store;
    let user = alice.id.parse().unwrap();
    store.deletions.begin_deletion(user, None).await.unwrap().unwrap();
    server.domain.accounts.end_deletions(Timestamp::now(), &server.domain.files).await.unwrap();
    assert_eq!(store.rooms.rooms_of(user).await.unwrap().len(), 1, "whoever began may still be at it");
    let later = Timestamp::now().after(Duration::from_secs(11));
    assert_eq!(server.domain.accounts.end_deletions(later, &server.domain.files).await.unwrap(), 1);
    assert_eq!(server.domain.accounts.end_deletions(later, &server.domain.files).await.unwrap(), 0);
    assert_eq!(store.rooms.rooms_of(user).await.unwrap(), []);
    let members = bob.get(format!("/api/rooms/{room}/members")).await.expect(200);
    assert_eq!((members.items("userId"), members.items("role")), (json!([bob.id]), json!(["owner"])));
    server.guest("alice").await;
}

#[rstest]
#[tokio::test]
async fn guests_go_a_day_after_they_were_last_seen(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let (alice, bob, room) = server.room().await;
    let carol = server.account("carol").await;
    alice.send(&room, "hello").await;
    let accounts = &server.domain.accounts;
    let hours = |hours: u64| Timestamp::now().after(Duration::from_secs(hours * 3600));
    assert_eq!(accounts.remove_idle_guests(hours(23)).await.unwrap(), 0);
    let viewer = server.domain.identity.authenticate(&bob.token).await.unwrap();
    server.domain.presence.connected(&viewer, 1, store::SocketKind::Chat).await.unwrap();

    assert_eq!(accounts.remove_idle_guests(hours(25)).await.unwrap(), 1, "who is connected stays");
    assert_eq!(accounts.remove_idle_guests(hours(80)).await.unwrap(), 0);
    alice.get("/api/profile").await.refused(401, "UNAUTHORIZED");
    let refresh = json!({ "refreshToken": alice.refresh_token });
    server.anyone().post("/api/token/refresh", refresh).await.refused(401, "UNAUTHORIZED");
    for stays in [&bob, &carol] {
        stays.get("/api/profile").await.expect(200);
    }
    let history = bob.get(format!("/api/rooms/{room}/messages")).await.expect(200).raw;
    assert_eq!(
        (&history["items"][0]["username"], &history["items"][0]["content"]),
        (&json!("deleted user"), &json!("hello"))
    );
    assert_ne!(server.guest("alice").await.id, alice.id);

    server.domain.presence.disconnected(viewer.user, 1).await.unwrap();
    assert_eq!(accounts.remove_idle_guests(hours(103)).await.unwrap(), 1, "the next alice");
    assert_eq!(accounts.remove_idle_guests(hours(105)).await.unwrap(), 1, "bob, known to be there at 80 hours");
    assert_eq!(accounts.count().await.unwrap(), 1);
}
