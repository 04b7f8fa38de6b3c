//! The Messaging API: every call, its refusals, and that both sides of a conversation may speak something else.

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{Answer, Caller, Engine, TestServer, assert_answer};

/// The caller's part of a message.
async fn send(from: &Caller, to: (&str, &str), content: &str) -> Value {
    let sent = from.post("/api/messages/send", json!({ to.0: to.1, "content": content })).await.expect(201);
    assert_eq!(sent.raw["success"], true);
    sent.raw["data"].clone()
}

/// A refusal, which says that it is none of success.
#[track_caller]
fn refused(answer: Answer, status: u16, code: &str) {
    let answer = answer.refused(status, code);
    assert_eq!(answer.raw["success"], false, "{}", answer.raw);
    assert!(answer.raw["error"].is_string(), "{}", answer.raw);
}

/// The contents of a page, newest first, and what it says of itself.
async fn page(caller: &Caller, conversation: &str, query: &str) -> (Vec<String>, Value) {
    let page = caller.get(format!("/api/messages/history/{conversation}{query}")).await.expect(200).raw;
    let contents = page["data"].as_array().unwrap().iter().map(|m| m["content"].as_str().unwrap().to_owned());
    (contents.collect(), page["pagination"].clone())
}

#[rstest]
#[tokio::test]
async fn an_account_is_registered_and_logged_in(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let input = json!({ "username": "ann", "email": "ann@example.org", "password": "correct horse" });
    let registered = server.anyone().post("/api/users/register", input.clone()).await;
    assert_answer!(registered, @r#"
    {
      "status": 201,
      "body": {
        "data": {
          "createdAt": "[time]",
          "email": "ann@example.org",
          "id": "[id 1]",
          "status": "offline",
          "username": "ann"
        },
        "success": true
      }
    }
    "#);
    refused(server.anyone().post("/api/users/register", input).await, 400, "USERNAME_TAKEN");
    let other = json!({ "username": "bea", "email": "ANN@example.org", "password": "correct horse" });
    refused(server.anyone().post("/api/users/register", other).await, 400, "EMAIL_TAKEN");
    refused(server.anyone().post("/api/users/register", json!({ "username": "x" })).await, 400, "INVALID_MESSAGE");
    let short = json!({ "username": "x", "email": "x@example.org", "password": "x" });
    refused(server.anyone().post("/api/users/register", short).await, 400, "INVALID_MESSAGE");

    let login = json!({ "username": "ann", "password": "correct horse" });
    let logged_in = server.anyone().post("/api/users/login", login).await;
    assert_answer!(logged_in, @r#"
    {
      "status": 200,
      "body": {
        "data": {
          "token": "[token]",
          "user": {
            "createdAt": "[time]",
            "email": "ann@example.org",
            "id": "[id 1]",
            "status": "offline",
            "username": "ann"
          }
        },
        "success": true
      }
    }
    "#);
    let wrong = json!({ "username": "ann", "password": "wrong" });
    refused(server.anyone().post("/api/users/login", wrong).await, 401, "UNAUTHORIZED");
    refused(server.anyone().post("/api/users/login", json!({})).await, 400, "INVALID_MESSAGE");
    let mail = json!({ "email": "ann@example.org", "password": "correct horse" });
    server.anyone().post("/api/users/login", mail).await.expect(200);
}

#[rstest]
#[tokio::test]
async fn a_token_is_good_for_a_day_and_ends_with_its_session(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    server.account("ann").await;
    let login = json!({ "username": "ann", "password": "correct horse" });
    let token = async || {
        let answer = server.anyone().post("/api/users/login", login.clone()).await.expect(200);
        answer.raw["data"]["token"].as_str().unwrap().to_owned()
    };
    let (first, second) = (token().await, token().await);
    let claims = first.split('.').nth(1).unwrap();
    let claims = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, claims).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 24 * 3600);

    let (first, second) = (server.bearer(Some(&first)), server.bearer(Some(&second)));
    let sessions = first.get("/api/sessions").await.expect(200).raw;
    let current = sessions["items"].as_array().unwrap().iter().find(|s| s["current"] == true).unwrap().clone();
    let at = |field: &str| current[field].as_str().unwrap().parse::<shared::Timestamp>().unwrap().as_millis();
    assert_eq!(at("expiresAt") - at("createdAt"), 24 * 3600 * 1000, "no longer than its only token");
    second.delete(format!("/api/sessions/{}", current["id"].as_str().unwrap())).await.expect(204);
    refused(first.get("/api/messages/unread").await, 401, "UNAUTHORIZED");
    second.get("/api/messages/unread").await.expect(200);
}

#[rstest]
#[tokio::test]
async fn a_direct_conversation(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let (ann, bob) = (server.account("ann").await, server.account("bob").await);
    assert_eq!(page(&ann, &bob.id, "").await, (vec![], json!({ "limit": 50, "offset": 0, "total": 0 })));
    let input =
        json!({ "senderID": ann.id, "recipientID": bob.id, "groupID": null, "content": "hi", "messageType": "text" });
    let sent = ann.post("/api/messages/send", input).await;
    assert_answer!(sent, @r#"
    {
      "status": 201,
      "body": {
        "data": {
          "content": "hi",
          "delivered": false,
          "groupID": null,
          "id": "[id 1]",
          "messageType": "text",
          "read": false,
          "recipientID": "[id 2]",
          "senderID": "[id 3]",
          "timestamp": "[time]"
        },
        "success": true
      }
    }
    "#);
    assert_eq!((&sent.raw["data"]["senderID"], &sent.raw["data"]["recipientID"]), (&json!(ann.id), &json!(bob.id)));
    let id = sent.raw["data"]["id"].as_str().unwrap();
    assert_eq!(bob.get("/api/messages/unread").await.raw["data"], json!({ "unreadCount": 1 }));
    assert_eq!(bob.get(format!("/api/messages/unread/{}", bob.id)).await.raw["data"], json!({ "unreadCount": 1 }));
    refused(bob.get(format!("/api/messages/unread/{}", ann.id)).await, 403, "FORBIDDEN");

    // A native client of Bob's has it, then a client of this API has read it.
    let flags = async |reader: &Caller, other: &str| {
        let answer = reader.get(format!("/api/messages/history/{other}")).await.expect(200).raw;
        let message = answer["data"][0].clone();
        assert_eq!((&message["senderID"], &message["recipientID"]), (&json!(ann.id), &json!(bob.id)));
        (message["delivered"] == true, message["read"] == true)
    };
    assert_eq!((flags(&ann, &bob.id).await, flags(&bob, &ann.id).await), ((false, false), (false, false)));
    let room = ann.put(format!("/api/direct/{}", bob.id), json!({})).await.expect(200).id();
    bob.put(format!("/api/rooms/{room}/delivered"), json!({ "seq": 1 })).await.expect(200);
    assert_eq!((flags(&ann, &bob.id).await, flags(&bob, &ann.id).await), ((true, false), (true, false)));
    let read = bob.put(format!("/api/messages/{id}/read"), json!({})).await;
    assert_answer!(read, @r#"{"status": 200, "body": {"data": {"messageID": "[id 1]", "read": true}, "success": true}}"#);
    assert_eq!((flags(&ann, &bob.id).await, flags(&ann, &room).await), ((true, true), (true, true)));
    assert_eq!(bob.get("/api/messages/unread").await.raw["data"], json!({ "unreadCount": 0 }));

    // What one says natively the other reads here, newest first.
    bob.send(&room, "hello").await;
    assert_eq!(page(&ann, &bob.id, "").await.0, ["hello", "hi"]);
    let answer = ann.get(format!("/api/messages/history/{}", bob.id)).await.raw;
    assert_eq!(answer["data"][0]["recipientID"], json!(ann.id));
}

#[rstest]
#[tokio::test]
async fn a_group(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let (ann, bob, cid) = (server.account("ann").await, server.account("bob").await, server.guest("cid").await);
    let made = ann.post("/api/groups", json!({ "name": "Tea", "description": "at five" })).await;
    assert_answer!(made, @r#"
    {
      "status": 201,
      "body": {
        "data": {
          "createdAt": "[time]",
          "createdBy": "[id 1]",
          "description": "at five",
          "id": "[id 2]",
          "memberCount": 1,
          "name": "Tea"
        },
        "success": true
      }
    }
    "#);
    let group = made.raw["data"]["id"].as_str().unwrap().to_owned();
    refused(ann.post("/api/groups", json!({ "name": "" })).await, 400, "INVALID_MESSAGE");
    refused(bob.get(format!("/api/groups/{group}/members")).await, 403, "NOT_A_MEMBER");
    refused(bob.post("/api/messages/send", json!({ "groupID": group, "content": "x" })).await, 403, "NOT_A_MEMBER");
    refused(bob.get(format!("/api/messages/history/{group}")).await, 403, "NOT_A_MEMBER");
    let joined = bob.call("POST", &format!("/api/groups/{group}/join"), None).await.expect(200).raw;
    assert_eq!((&joined["success"], &joined["data"]["memberCount"]), (&json!(true), &json!(2)));
    refused(bob.call("POST", &format!("/api/groups/{group}/join"), None).await, 409, "ALREADY_A_MEMBER");
    cid.call("POST", &format!("/api/rooms/{group}/join"), None).await.expect(200);
    let members = ann.get(format!("/api/groups/{group}/members?limit=2")).await;
    assert_answer!(members, @r#"
    {
      "status": 200,
      "body": {
        "data": [
          {
            "displayName": "ann",
            "joinedAt": "[time]",
            "role": "owner",
            "userID": "[id 1]",
            "username": "ann"
          },
          {
            "displayName": "bob",
            "joinedAt": "[time]",
            "role": "member",
            "userID": "[id 2]",
            "username": "bob"
          }
        ],
        "nextCursor": "2",
        "success": true
      }
    }
    "#);
    let rest = ann.get(format!("/api/groups/{group}/members?cursor=2")).await.expect(200).raw;
    assert_eq!((&rest["data"][0]["username"], rest["data"].as_array().unwrap().len()), (&json!("cid"), 1));

    let sent = send(&ann, ("groupID", &group), "hello").await;
    assert_eq!((&sent["groupID"], &sent["recipientID"]), (&json!(group), &Value::Null));
    // Of one's own: all others. Of another's: oneself.
    let read = async |reader: &Caller| {
        let answer = reader.get(format!("/api/messages/history/{group}")).await.expect(200).raw;
        (answer["data"][0]["delivered"] == true, answer["data"][0]["read"] == true)
    };
    let id = sent["id"].as_str().unwrap();
    bob.put(format!("/api/messages/{id}/read"), json!({})).await.expect(200);
    assert_eq!((read(&ann).await, read(&bob).await, read(&cid).await), ((false, false), (true, true), (false, false)));
    cid.put(format!("/api/messages/{id}/read"), json!({})).await.expect(200);
    assert_eq!(read(&ann).await, (true, true));

    let left = bob.delete(format!("/api/groups/{group}/leave")).await.expect(200).raw;
    assert_eq!(left, json!({ "success": true, "data": { "groupID": group } }));
    refused(bob.delete(format!("/api/groups/{group}/leave")).await, 403, "NOT_A_MEMBER");
}

#[rstest]
#[tokio::test]
async fn what_is_refused(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let (ann, bob, guest) = (server.account("ann").await, server.account("bob").await, server.guest("cid").await);
    let nobody = uuid::Uuid::now_v7().to_string();
    let send = async |from: &Caller, input: Value| from.post("/api/messages/send", input).await;
    refused(send(&ann, json!({ "senderID": bob.id, "recipientID": bob.id, "content": "x" })).await, 403, "FORBIDDEN");
    refused(send(&guest, json!({ "recipientID": bob.id, "content": "x" })).await, 403, "FORBIDDEN");
    refused(send(&ann, json!({ "recipientID": nobody, "content": "x" })).await, 404, "USER_NOT_FOUND");
    refused(send(&ann, json!({ "groupID": nobody, "content": "x" })).await, 404, "ROOM_NOT_FOUND");
    refused(send(&ann, json!({ "content": "x" })).await, 400, "INVALID_MESSAGE");
    refused(
        send(&ann, json!({ "recipientID": bob.id, "groupID": bob.id, "content": "x" })).await,
        400,
        "INVALID_MESSAGE",
    );
    refused(send(&ann, json!({ "recipientID": "x", "content": "x" })).await, 400, "INVALID_MESSAGE");
    refused(send(&ann, json!({ "recipientID": bob.id, "content": " " })).await, 400, "INVALID_MESSAGE");
    let strange = json!({ "recipientID": bob.id, "content": "x", "messageType": "opera" });
    refused(send(&ann, strange).await, 400, "INVALID_MESSAGE");
    bob.put(format!("/api/blocks/{}", ann.id), json!({})).await;
    refused(send(&ann, json!({ "recipientID": bob.id, "content": "x" })).await, 403, "BLOCKED");

    for conversation in [nobody.as_str(), "x", "", "%00"] {
        let status = ann.get(format!("/api/messages/history/{conversation}")).await;
        assert_eq!(status.status, 404, "{conversation}");
    }
    for query in ["limit=0", "limit=201", "limit=x", "offset=-1", "offset=x"] {
        refused(ann.get(format!("/api/messages/history/{}?{query}", bob.id)).await, 400, "INVALID_MESSAGE");
    }
    refused(ann.put(format!("/api/messages/{nobody}/read"), json!({})).await, 404, "MESSAGE_NOT_FOUND");
    let private = guest.post("/api/rooms", json!({ "name": "P", "type": "private" })).await.expect(201).id();
    let secret = guest.send(&private, "secret").await["id"].as_str().unwrap().to_owned();
    refused(ann.put(format!("/api/messages/{secret}/read"), json!({})).await, 404, "MESSAGE_NOT_FOUND");
    refused(ann.get(format!("/api/messages/history/{private}")).await, 404, "ROOM_NOT_FOUND");
    refused(ann.call("POST", &format!("/api/groups/{private}/join"), None).await, 404, "ROOM_NOT_FOUND");
    for (method, path) in [
        ("POST", "/api/messages/send"),
        ("GET", "/api/messages/unread"),
        ("POST", "/api/groups"),
        ("PUT", "/api/messages/x/read"),
        ("GET", "/api/users/x/status"),
    ] {
        refused(server.anyone().call(method, path, None).await, 401, "UNAUTHORIZED");
    }
    // The native paths beside them stay as they were.
    let native = ann.get(format!("/api/messages/{nobody}")).await.refused(404, "MESSAGE_NOT_FOUND");
    assert_eq!(native.raw.get("success"), None);
    let status = ann.get(format!("/api/users/{}/status", ann.id)).await.expect(200).raw;
    assert_eq!((&status["success"], &status["data"]["status"]), (&json!(true), &status["status"]));
    refused(ann.get(format!("/api/users/{nobody}/status")).await, 404, "USER_NOT_FOUND");
}

#[rstest]
#[tokio::test]
async fn a_repeat_gives_the_first_message(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let (ann, bob) = (server.account("ann").await, server.account("bob").await);
    let input = json!({ "recipientID": bob.id, "content": "once", "clientMessageId": "k" });
    let first = ann.post("/api/messages/send", input.clone()).await.expect(201).raw;
    let id = first["data"]["id"].as_str().unwrap();
    bob.put(format!("/api/messages/{id}/read"), json!({})).await.expect(200);
    let again = ann.post("/api/messages/send", input).await.expect(201).raw;
    assert_eq!((&again["data"]["id"], &again["data"]["read"]), (&first["data"]["id"], &json!(true)));
    let body = json!({ "recipientID": bob.id, "content": "once" });
    let header = ann.request("POST", "/api/messages/send").header("Idempotency-Key", "k").json(&body);
    assert_eq!(Answer::of(header).await.expect(201).raw["data"]["id"], first["data"]["id"]);
    let other = json!({ "recipientID": bob.id, "content": "other", "clientMessageId": "k" });
    refused(ann.post("/api/messages/send", other).await, 409, "IDEMPOTENCY_CONFLICT");
    assert_eq!(page(&ann, &bob.id, "").await.0, ["once"]);
    let group = async || {
        let request = ann.request("POST", "/api/groups").header("Idempotency-Key", "g").json(&json!({ "name": "Tea" }));
        Answer::of(request).await.expect(201).raw["data"]["id"].clone()
    };
    assert_eq!(group().await, group().await);
}

#[tokio::test]
async fn the_rates_are_those_of_everybody() {
    let server = TestServer::with(Engine::Embedded, |settings| {
        settings.limits.enabled = true;
        settings.limits.messages_burst = 1;
        settings.limits.messages_per_second = 1;
        settings.limits.signups_per_minute = 2;
    })
    .await;
    let (ann, bob) = (server.account("ann").await, server.account("bob").await);
    let registration = json!({ "username": "cid", "email": "cid@example.org", "password": "correct horse" });
    refused(server.anyone().post("/api/users/register", registration).await, 429, "RATE_LIMIT_EXCEEDED");
    send(&ann, ("recipientID", &bob.id), "one").await;
    let input = json!({ "recipientID": bob.id, "content": "two" });
    refused(ann.post("/api/messages/send", input).await, 429, "RATE_LIMIT_EXCEEDED");
}
