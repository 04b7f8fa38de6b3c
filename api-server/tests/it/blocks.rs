//! Whom one blocks, and what the two can do no more.

use rstest::rstest;
use serde_json::json;
use shared::ErrorCode;
use store::SocketKind;

use crate::support::{Engine, Person, TestServer, assert_answer};

async fn block(who: &Person, whom: &Person) {
    who.call("PUT", &format!("/api/blocks/{}", whom.id), None).await.expect(204);
}

async fn unblock(who: &Person, whom: &Person) {
    who.delete(format!("/api/blocks/{}", whom.id)).await.expect(204);
}

/// The direct room of the two.
async fn direct(who: &Person, with: &Person) -> String {
    who.call("PUT", &format!("/api/direct/{}", with.id), None).await.expect(200).id()
}

#[rstest]
#[tokio::test]
async fn whom_one_blocks_is_listed_however_often_it_is_said(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let (alice, bob) = (server.account("alice").await, server.guest("bob").await);
    assert_eq!(alice.get("/api/blocks").await.expect(200).raw, json!({ "items": [] }));
    for _ in 0..2 {
        block(&alice, &bob).await;
    }
    assert_answer!(alice.get("/api/blocks").await, @r#"
    {
      "status": 200,
      "body": {
        "items": [
          {
            "createdAt": "[time]",
            "displayName": "bob",
            "guest": true,
            "id": "[id 1]",
            "status": "offline",
            "username": "bob"
          }
        ]
      }
    }
    "#);
    assert_eq!(bob.get("/api/blocks").await.expect(200).raw, json!({ "items": [] }));
    for _ in 0..2 {
        unblock(&alice, &bob).await;
    }
    assert_eq!(alice.get("/api/blocks").await.expect(200).raw, json!({ "items": [] }));

    alice.call("PUT", &format!("/api/blocks/{}", alice.id), None).await.refused(400, "INVALID_MESSAGE");
    let stranger = format!("/api/blocks/{}", uuid::Uuid::now_v7());
    alice.call("PUT", &stranger, None).await.refused(404, "USER_NOT_FOUND");
    alice.delete(&stranger).await.expect(204);
}

#[rstest]
#[tokio::test]
async fn while_one_blocks_the_other_neither_says_anything_in_their_direct_room(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let (alice, bob) = (server.account("alice").await, server.account("bob").await);
    let room = direct(&bob, &alice).await;
    let path = format!("/api/rooms/{room}/messages");
    let keyed = json!({ "content": "hello", "clientMessageId": "k" });
    let first = bob.post(&path, keyed.clone()).await.expect(201);
    let hers = alice.send(&room, "hello").await;
    block(&alice, &bob).await;
    assert_answer!(bob.post(&path, json!({ "content": "hello?" })).await, @r#"
    {
      "status": 403,
      "body": {
        "code": "BLOCKED",
        "detail": "one of you two has blocked the other",
        "error": "one of you two has blocked the other",
        "requestId": "[requestId]",
        "status": 403,
        "title": "Blocked",
        "type": "about:blank"
      }
    }
    "#);
    alice.post(&path, json!({ "content": "and stay out" })).await.refused(403, "BLOCKED");
    for (who, message) in [(&bob, &first.raw), (&alice, &hers)] {
        let path = format!("/api/messages/{}", message["id"].as_str().unwrap());
        who.patch(&path, json!({ "content": "other" })).await.refused(403, "BLOCKED");
        who.call("PUT", &format!("{path}/reactions/x"), None).await.refused(403, "BLOCKED");
    }
    assert_eq!(bob.post(&path, keyed).await.expect(201).raw, first.raw, "what was acknowledged stays so");
    let viewer = server.domain.identity.authenticate(&bob.token).await.unwrap();
    let input = json!({ "recipientId": alice.id, "content": "hello?" });
    let sent = server.domain.messages.send(&viewer, serde_json::from_value(input).unwrap()).await;
    assert_eq!(sent.unwrap_err().code(), ErrorCode::Blocked);

    assert_eq!(direct(&bob, &alice).await, room, "it can be read");
    assert_eq!(bob.get(&path).await.items("content"), json!(["hello", "hello"]));
    bob.delete(format!("/api/messages/{}", first.id())).await.expect(204);
    unblock(&alice, &bob).await;
    bob.send(&room, "thank you").await;
}

#[rstest]
#[tokio::test]
async fn a_direct_room_is_not_made_while_one_blocks_the_other(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let (alice, bob) = (server.account("alice").await, server.account("bob").await);
    block(&alice, &bob).await;
    for (who, with) in [(&alice, &bob), (&bob, &alice)] {
        who.call("PUT", &format!("/api/direct/{}", with.id), None).await.refused(403, "BLOCKED");
        let viewer = server.domain.identity.authenticate(&who.token).await.unwrap();
        let input = json!({ "recipientId": with.id, "content": "hello?", "clientMessageId": "k" });
        let sent = server.domain.messages.send(&viewer, serde_json::from_value(input).unwrap()).await;
        assert_eq!(sent.unwrap_err().code(), ErrorCode::Blocked);
        assert_eq!(who.get("/api/rooms").await.items("id"), json!([]));
    }
    unblock(&alice, &bob).await;
    direct(&bob, &alice).await;
}

#[rstest]
#[tokio::test]
async fn in_a_common_room_who_is_blocked_is_heard_and_does_not_mention_who_blocks_them(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let (alice, bob, room) = server.room().await;
    let carol = server.guest("carol").await;
    carol.call("POST", &format!("/api/rooms/{room}/join"), None).await.expect(200);
    block(&bob, &alice).await;
    let mentions = async || bob.get("/api/unread").await.raw["rooms"][0]["mentions"].clone();
    let sent = alice.send(&room, "hi @bob and @carol").await;
    assert_eq!(sent["mentions"], json!([carol.id]));
    let path = format!("/api/messages/{}", sent["id"].as_str().unwrap());
    let edited = alice.patch(&path, json!({ "content": "@bob!" })).await.expect(200);
    assert_eq!(edited.raw.get("mentions"), None);
    assert_eq!(bob.get(&path).await.expect(200).raw["content"], "@bob!");
    assert_eq!(mentions().await, 0);
    carol.send(&room, "@bob, she means you").await;
    assert_eq!(mentions().await, 1);
    unblock(&bob, &alice).await;
    alice.send(&room, "@bob").await;
    assert_eq!(mentions().await, 2);
}

#[rstest]
#[tokio::test]
async fn who_is_blocked_sees_the_other_offline_for_ever(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let (alice, bob) = (server.account("alice").await, server.account("bob").await);
    bob.call("PUT", &format!("/api/contacts/{}", alice.id), None).await.expect(204);
    direct(&alice, &bob).await;
    let viewer = server.domain.identity.authenticate(&bob.token).await.unwrap();
    server.domain.presence.connected(&viewer, 1, SocketKind::Chat).await.unwrap();
    let seen = async |path: &str| alice.get(path).await.expect(200).raw;
    let paths =
        [format!("/api/users/{}", bob.id), format!("/api/users/{}/status", bob.id), "/api/users?query=b".into()];
    let status = |raw: &serde_json::Value| raw.pointer("/items/0/status").unwrap_or(&raw["status"]).clone();
    for path in &paths {
        assert_eq!(status(&seen(path).await), "online", "{path}");
    }
    block(&bob, &alice).await;
    for path in &paths {
        assert_eq!(status(&seen(path).await), "offline", "{path}");
    }
    let hers = bob.get(format!("/api/users/{}", alice.id)).await.expect(200);
    assert_eq!(hers.raw["status"], "offline", "she is, and he may look");
    server.domain.presence.disconnected(viewer.user, 1).await.unwrap();
    for path in &paths {
        let raw = seen(path).await;
        assert!(raw.pointer("/items/0/lastSeen").or(raw.get("lastSeen")).is_none(), "{raw}");
    }
}
