//! Invites over REST: who makes them, who comes in by them, and what is told of those that are none.

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{Answer, Engine, Person, TestServer, assert_answer};

async fn invite(by: &Person, room: &str, input: Value) -> Answer {
    by.post(format!("/api/rooms/{room}/invites"), input).await
}

async fn redeem(who: &Person, code: &str) -> Answer {
    who.call("POST", &format!("/api/invites/{code}"), None).await
}

async fn private_room(server: &TestServer) -> (Person, String) {
    let alice = server.guest("alice").await;
    let room = alice.post("/api/rooms", json!({ "name": "Tea", "type": "private" })).await.expect(201).id();
    (alice, room)
}

#[rstest]
#[tokio::test]
async fn an_invite_lets_into_a_private_room_as_often_as_it_says(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let (alice, room) = private_room(&server).await;
    let (bob, carol) = (server.guest("bob").await, server.guest("carol").await);
    alice.send(&room, "before").await;
    let mut made = invite(&alice, &room, json!({ "maxUses": 1 })).await.expect(201);
    let code = made.raw["code"].as_str().unwrap().to_owned();
    let id = made.raw["id"].as_str().unwrap().to_owned();
    assert_eq!((code.len(), id.len()), (43, 43));
    for secret in ["code", "id"] {
        made.body[secret] = json!("[secret]");
    }
    assert_answer!(made, @r#"
    {
      "status": 201,
      "body": {
        "code": "[secret]",
        "createdAt": "[time]",
        "createdBy": "[id 1]",
        "expiresAt": "[time]",
        "id": "[secret]",
        "maxUses": 1,
        "uses": 0
      }
    }
    "#);
    for _ in 0..2 {
        let seen = redeem(&bob, &code).await.expect(200).raw;
        assert_eq!((&seen["id"], &seen["role"], &seen["memberCount"]), (&json!(room), &json!("member"), &json!(2)));
    }
    redeem(&alice, &code).await.expect(200);
    assert_eq!(bob.get("/api/rooms").await.items("id"), json!([room]));
    assert_eq!(bob.get(format!("/api/rooms/{room}/messages")).await.items("seq"), json!([]), "since he joined");
    let used_up = redeem(&carol, &code).await;
    let never_there = redeem(&carol, &"A".repeat(43)).await;
    assert_eq!(used_up.body, never_there.body, "they cannot be told apart");
    assert_answer!(used_up, @r#"
    {
      "status": 404,
      "body": {
        "code": "NOT_FOUND",
        "detail": "there is no such invite",
        "error": "there is no such invite",
        "requestId": "[requestId]",
        "status": 404,
        "title": "Not found",
        "type": "about:blank"
      }
    }
    "#);
    let invites = alice.get(format!("/api/rooms/{room}/invites")).await.expect(200);
    assert_eq!((invites.items("id"), invites.items("uses")), (json!([id]), json!([1])));
    assert!(!invites.raw.to_string().contains(&code));
}

#[rstest]
#[tokio::test]
async fn admins_invite_and_withdraw_and_members_do_not(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let (alice, bob, room) = server.room().await;
    let (carol, dan) = (server.guest("carol").await, server.account("dan").await);
    let path = format!("/api/rooms/{room}/invites");
    invite(&bob, &room, json!({})).await.refused(403, "FORBIDDEN");
    bob.get(&path).await.refused(403, "FORBIDDEN");
    alice.put(format!("/api/rooms/{room}/members/{}", bob.id), json!({ "role": "admin" })).await.expect(204);
    let made = invite(&bob, &room, json!({ "expiresIn": 60 })).await.expect(201).raw;
    let id = made["id"].as_str().unwrap();
    alice.delete(format!("{path}/{id}")).await.expect(204);
    alice.delete(format!("{path}/{id}")).await.refused(404, "NOT_FOUND");
    redeem(&carol, made["code"].as_str().unwrap()).await.refused(404, "NOT_FOUND");
    assert_eq!(alice.get(&path).await.items("id"), json!([]));
    // Who is banned learns nothing by an invite.
    alice.call("PUT", &format!("/api/rooms/{room}/bans/{}", carol.id), None).await.expect(204);
    let made = invite(&alice, &room, json!({})).await.expect(201).raw;
    redeem(&carol, made["code"].as_str().unwrap()).await.refused(404, "NOT_FOUND");
    for bad in [
        json!({ "expiresIn": 59 }),
        json!({ "expiresIn": 31_536_001 }),
        json!({ "expiresIn": "60" }),
        json!({ "maxUses": 0 }),
        json!({ "maxUses": 1_000_001 }),
        json!({ "maxUses": -1 }),
    ] {
        invite(&alice, &room, bad).await.refused(400, "INVALID_MESSAGE");
    }
    let direct = dan.call("PUT", &format!("/api/direct/{}", alice.id), None).await.expect(200).id();
    invite(&dan, &direct, json!({})).await.refused(403, "FORBIDDEN");
}

#[rstest]
#[tokio::test]
async fn an_invite_is_made_once_under_a_key(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let (alice, room) = private_room(&server).await;
    let other = alice.post("/api/rooms", json!({ "name": "Other", "type": "private" })).await.expect(201).id();
    let keyed = async |room: &str, key: &str, body: Value| {
        let request = alice.request("POST", &format!("/api/rooms/{room}/invites"));
        Answer::of(request.header("idempotency-key", key).json(&body)).await
    };
    let first = keyed(&room, "k", json!({ "maxUses": 2 })).await.expect(201).raw;
    assert_eq!(keyed(&room, "k", json!({ "maxUses": 2 })).await.expect(201).raw, first);
    keyed(&room, "k", json!({ "maxUses": 3 })).await.refused(409, "IDEMPOTENCY_CONFLICT");
    keyed(&room, "k", json!({ "maxUses": 2, "expiresIn": 60 })).await.refused(409, "IDEMPOTENCY_CONFLICT");
    keyed(&room, "", json!({})).await.refused(400, "INVALID_MESSAGE");
    for (room, key) in [(&room, "l"), (&other, "k")] {
        assert_ne!(keyed(room, key, json!({ "maxUses": 2 })).await.expect(201).raw["code"], first["code"]);
    }
    assert_eq!(alice.get(format!("/api/rooms/{room}/invites")).await.items("uses"), json!([0, 0]));
    redeem(&server.guest("bob").await, first["code"].as_str().unwrap()).await.expect(200);
}
