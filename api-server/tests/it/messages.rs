//! Sending once, reading one, deleting.

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{Answer, Engine, Person, TestServer, assert_answer};

async fn with_key(who: &Person, room: &str, key: &str, body: &Value) -> Answer {
    let request = who.request("POST", &format!("/api/rooms/{room}/messages")).header("idempotency-key", key);
    Answer::of(request.json(body)).await
}

#[rstest]
#[tokio::test]
async fn a_message_is_answered_as_it_is_stored(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let (alice, bob, room) = server.room().await;
    let path = format!("/api/rooms/{room}/messages");
    let first = alice.post(&path, json!({ "content": "hello \u{0}🙂", "type": "encrypted" })).await;
    assert_answer!(first, @r#"
    {
      "status": 201,
      "body": {
        "content": "hello \u0000🙂",
        "id": "[id 1]",
        "roomId": "[id 2]",
        "seq": 1,
        "timestamp": "[time]",
        "type": "encrypted",
        "userId": "[id 3]",
        "username": "alice"
      }
    }
    "#);
    let reply = json!({ "content": " hi ", "replyTo": first.raw["id"], "clientMessageId": "c-1" });
    let reply = bob.post(&path, reply).await;
    assert_answer!(reply, @r#"
    {
      "status": 201,
      "body": {
        "clientMessageId": "c-1",
        "content": " hi ",
        "id": "[id 1]",
        "replyTo": "[id 2]",
        "roomId": "[id 3]",
        "seq": 2,
        "timestamp": "[time]",
        "type": "text",
        "userId": "[id 4]",
        "username": "bob"
      }
    }
    "#);
    let (mut first, reply) = (first.raw, reply.raw);
    first["replyCount"] = json!(1);
    for sent in [&first, &reply] {
        let path = format!("/api/messages/{}", sent["id"].as_str().unwrap());
        assert_eq!(alice.get(path).await.expect(200).raw, *sent);
    }
    let page = bob.get(&path).await.expect(200);
    assert_eq!(page.raw["items"], json!([reply, first]));
}

#[rstest]
#[tokio::test]
async fn a_message_that_cannot_be_is_refused(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let (alice, _, room) = server.room().await;
    let path = format!("/api/rooms/{room}/messages");
    let elsewhere = shared::MessageId { room: shared::RoomId::new(), seq: 1 };
    for bad in [
        json!({}),
        json!({ "content": "" }),
        json!({ "content": " \n\t" }),
        json!({ "content": "x".repeat(8001) }),
        json!({ "content": 1 }),
        json!({ "content": "x", "type": "video" }),
        json!({ "content": "x", "clientMessageId": "" }),
        json!({ "content": "x", "clientMessageId": "x".repeat(129) }),
        json!({ "content": "x", "replyTo": elsewhere }),
        json!({ "content": "x", "replyTo": "nonsense" }),
    ] {
        alice.post(&path, bad).await.refused(400, "INVALID_MESSAGE");
    }
    alice.post(&path, json!({ "content": "é".repeat(8000) })).await.expect(201);
    assert_eq!(alice.get(&path).await.items("seq"), json!([1]), "nothing refused has taken a number");
}

#[rstest]
#[tokio::test]
async fn a_repeat_of_a_key_gives_the_first_result(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let (alice, bob, room) = server.room().await;
    let path = format!("/api/rooms/{room}/messages");
    let in_body = json!({ "content": "once", "clientMessageId": "k" });
    let first = alice.post(&path, in_body.clone()).await.expect(201);
    alice.send(&room, "meanwhile").await;
    assert_eq!(alice.post(&path, in_body.clone()).await.expect(201).raw, first.raw);
    assert_eq!(with_key(&alice, &room, "k", &json!({ "content": "once" })).await.expect(201).raw, first.raw);
    assert_eq!(with_key(&alice, &room, "k", &in_body).await.expect(201).raw, first.raw);

    let other = json!({ "content": "twice", "clientMessageId": "k" });
    assert_answer!(alice.post(&path, other).await, @r#"
    {
      "status": 409,
      "body": {
        "code": "IDEMPOTENCY_CONFLICT",
        "detail": "this key was used before with another content",
        "error": "this key was used before with another content",
        "requestId": "[requestId]",
        "status": 409,
        "title": "The key was used with another content",
        "type": "about:blank"
      }
    }
    "#);
    with_key(&alice, &room, "k", &json!({ "content": "twice" })).await.refused(409, "IDEMPOTENCY_CONFLICT");
    assert_answer!(with_key(&alice, &room, "other", &in_body).await, @r#"
    {
      "status": 400,
      "body": {
        "code": "INVALID_MESSAGE",
        "detail": "clientMessageId: differs from the header Idempotency-Key",
        "details": [
          {
            "field": "clientMessageId",
            "problem": "differs from the header Idempotency-Key"
          }
        ],
        "error": "clientMessageId: differs from the header Idempotency-Key",
        "requestId": "[requestId]",
        "status": 400,
        "title": "Invalid input",
        "type": "about:blank"
      }
    }
    "#);
    with_key(&alice, &room, "", &json!({ "content": "x" })).await.refused(400, "INVALID_MESSAGE");
    let binary = alice.request("POST", &path).header("idempotency-key", &b"\xff"[..]).json(&json!({ "content": "x" }));
    Answer::of(binary).await.refused(400, "INVALID_MESSAGE");

    // The key is this user's in this room.
    assert_eq!(bob.post(&path, in_body.clone()).await.expect(201).raw["seq"], 3);
    let second = alice.post("/api/rooms", json!({ "name": "Two", "type": "public" })).await.expect(201).id();
    let elsewhere = alice.post(format!("/api/rooms/{second}/messages"), in_body.clone()).await.expect(201);
    assert_eq!((&elsewhere.raw["seq"], &elsewhere.raw["roomId"]), (&json!(1), &json!(second)));
    // It is looked up before every other check: a repeat is answered also to who has left meanwhile.
    alice.delete(format!("/api/rooms/{room}/leave")).await.expect(204);
    assert_eq!(alice.post(&path, in_body).await.expect(201).raw, first.raw);
    alice.post(&path, json!({ "content": "new" })).await.refused(403, "NOT_A_MEMBER");
}

#[rstest]
#[tokio::test]
async fn requests_with_one_key_at_once_make_one_message(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let (alice, _, room) = server.room().await;
    let body = json!({ "content": "once" });
    let sent = futures_util::future::join_all((0..8).map(|_| with_key(&alice, &room, "k", &body))).await;
    for answer in &sent {
        assert_eq!((answer.status, &answer.raw), (201, &sent[0].raw));
    }
    assert_eq!(alice.get(format!("/api/rooms/{room}/messages")).await.items("seq"), json!([1]));
}

#[rstest]
#[tokio::test]
async fn who_sends_too_fast_is_told_when_to_go_on(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::with(engine, |settings| {
        settings.limits.enabled = true;
        settings.limits.messages_burst = 3;
        settings.limits.messages_per_second = 1;
    })
    .await;
    let (alice, bob, room) = server.room().await;
    let path = format!("/api/rooms/{room}/messages");
    let mut answer = alice.post(&path, json!({ "content": "x" })).await;
    for _ in 0..50 {
        if answer.status == 201 {
            answer = alice.post(&path, json!({ "content": "x" })).await;
        }
    }
    let refused = answer.refused(429, "RATE_LIMIT_EXCEEDED");
    let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=3).contains(&seconds), "{seconds}");
    bob.send(&room, "the rate is each user's own").await;
}

#[rstest]
#[tokio::test]
async fn a_message_is_deleted_by_its_author_or_an_admin_and_its_content_is_gone(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let (alice, bob, room) = server.room().await;
    let path = |message: &Value| format!("/api/messages/{}", message["id"].as_str().unwrap());
    let of_owner = path(&alice.send(&room, "the owner's").await);
    let of_bob = path(&bob.send(&room, "a secret of bob").await);
    let by_owner = path(&bob.send(&room, "another secret").await);

    assert_answer!(bob.delete(&of_owner).await, @r#"
    {
      "status": 403,
      "body": {
        "code": "FORBIDDEN",
        "detail": "only its author or an admin of the room may delete a message",
        "error": "only its author or an admin of the room may delete a message",
        "requestId": "[requestId]",
        "status": 403,
        "title": "Not allowed",
        "type": "about:blank"
      }
    }
    "#);
    for _ in 0..2 {
        bob.delete(&of_bob).await.expect(204);
        alice.delete(&by_owner).await.expect(204);
    }
    assert_answer!(alice.get(&of_bob).await, @r#"
    {
      "status": 200,
      "body": {
        "content": "",
        "deletedAt": "[time]",
        "id": "[id 1]",
        "roomId": "[id 2]",
        "seq": 2,
        "timestamp": "[time]",
        "type": "text",
        "userId": "[id 3]",
        "username": "bob"
      }
    }
    "#);
    let places = [
        alice.get(format!("/api/rooms/{room}/messages")).await,
        alice.get(&by_owner).await,
        bob.get("/api/rooms").await,
    ];
    for place in places {
        assert!(!place.expect(200).raw.to_string().contains("secret"), "the content is gone from every answer");
    }
    assert_eq!(alice.get(&of_owner).await.expect(200).raw["content"], "the owner's");
}

#[rstest]
#[tokio::test]
async fn what_is_no_message_is_not_found(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let (alice, _, room) = server.room().await;
    alice.send(&room, "one").await;
    let room = room.parse().unwrap();
    let seq = |seq| shared::MessageId { room, seq }.to_string();
    for id in [seq(2), seq(0), seq(u64::MAX), "x".into(), "%00".into(), "x".repeat(5000), room.to_string()] {
        alice.get(format!("/api/messages/{id}")).await.refused(404, "MESSAGE_NOT_FOUND");
        alice.delete(format!("/api/messages/{id}")).await.refused(404, "MESSAGE_NOT_FOUND");
    }
}
