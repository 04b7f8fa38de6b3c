//! Roles over REST: giving them, taking members out, bans, and a room's passing on.

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{Answer, Engine, Person, TestServer, assert_answer};

fn member(room: &str, user: &Person) -> String {
    format!("/api/rooms/{room}/members/{}", user.id)
}

fn ban(room: &str, user: &Person) -> String {
    format!("/api/rooms/{room}/bans/{}", user.id)
}

async fn set_role(by: &Person, room: &str, user: &Person, role: &str) -> Answer {
    by.put(member(room, user), json!({ "role": role })).await
}

async fn join(who: &Person, room: &str) -> Answer {
    who.call("POST", &format!("/api/rooms/{room}/join"), None).await
}

/// Usernames and roles, in order of joining.
async fn roles(who: &Person, room: &str) -> Value {
    let members = who.get(format!("/api/rooms/{room}/members")).await.expect(200);
    let each = |item: &Value| json!([item["username"], item["role"]]);
    members.raw["items"].as_array().unwrap().iter().map(each).collect()
}

#[rstest]
#[tokio::test]
async fn an_owner_makes_admins_who_run_the_room_and_not_each_other(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let (alice, bob, room) = server.room().await;
    let (carol, dave) = (server.guest("carol").await, server.guest("dave").await);
    for person in [&carol, &dave] {
        join(person, &room).await.expect(200);
    }
    assert_answer!(set_role(&bob, &room, &carol, "admin").await, @r#"
    {
      "status": 403,
      "body": {
        "code": "FORBIDDEN",
        "detail": "your role in this room does not allow that",
        "error": "your role in this room does not allow that",
        "requestId": "[requestId]",
        "status": 403,
        "title": "Not allowed",
        "type": "about:blank"
      }
    }
    "#);
    for _ in 0..2 {
        set_role(&alice, &room, &bob, "admin").await.expect(204);
    }
    set_role(&alice, &room, &carol, "admin").await.expect(204);
    let all = json!([["alice", "owner"], ["bob", "admin"], ["carol", "admin"], ["dave", "member"]]);
    assert_eq!(roles(&dave, &room).await, all);

    set_role(&bob, &room, &dave, "admin").await.refused(403, "FORBIDDEN");
    // Nobody else is told by the answer who is what.
    for (by, of, role) in [(&dave, &bob, "admin"), (&bob, &carol, "admin"), (&bob, &alice, "owner")] {
        set_role(by, &room, of, role).await.refused(403, "FORBIDDEN");
    }
    set_role(&bob, &room, &bob, "admin").await.expect(204);
    set_role(&bob, &room, &carol, "member").await.refused(403, "FORBIDDEN");
    set_role(&bob, &room, &bob, "owner").await.refused(403, "FORBIDDEN");
    bob.delete(member(&room, &carol)).await.refused(403, "FORBIDDEN");
    bob.delete(member(&room, &alice)).await.refused(403, "FORBIDDEN");
    bob.put(ban(&room, &alice), json!({})).await.refused(403, "FORBIDDEN");
    dave.delete(member(&room, &bob)).await.refused(403, "FORBIDDEN");
    bob.delete(member(&room, &dave)).await.expect(204);
    bob.delete(member(&room, &dave)).await.expect(204);
    dave.get(format!("/api/rooms/{room}/members")).await.refused(403, "NOT_A_MEMBER");
    join(&dave, &room).await.expect(200);

    set_role(&carol, &room, &carol, "member").await.expect(204);
    bob.delete(member(&room, &carol)).await.expect(204);
    assert_eq!(roles(&bob, &room).await, json!([["alice", "owner"], ["bob", "admin"], ["dave", "member"]]));
    // Taking oneself out is leaving.
    dave.delete(member(&room, &dave)).await.expect(204);
    assert_eq!(roles(&bob, &room).await, json!([["alice", "owner"], ["bob", "admin"]]));
}

#[rstest]
#[tokio::test]
async fn a_room_passes_on_by_its_owner_s_word_or_leaving(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let (alice, bob, room) = server.room().await;
    let carol = server.guest("carol").await;
    join(&carol, &room).await.expect(200);
    assert_answer!(set_role(&alice, &room, &alice, "member").await, @r#"
    {
      "status": 403,
      "body": {
        "code": "FORBIDDEN",
        "detail": "pass the room on by making another member its owner",
        "error": "pass the room on by making another member its owner",
        "requestId": "[requestId]",
        "status": 403,
        "title": "Not allowed",
        "type": "about:blank"
      }
    }
    "#);
    set_role(&alice, &room, &carol, "owner").await.expect(204);
    assert_eq!(roles(&bob, &room).await, json!([["alice", "admin"], ["bob", "member"], ["carol", "owner"]]));
    carol.delete(format!("/api/rooms/{room}/leave")).await.expect(204);
    assert_eq!(roles(&bob, &room).await, json!([["alice", "owner"], ["bob", "member"]]));
    alice.delete(format!("/api/rooms/{room}/leave")).await.expect(204);
    assert_eq!(roles(&bob, &room).await, json!([["bob", "owner"]]));
    assert_eq!(bob.get(format!("/api/rooms/{room}")).await.raw["role"], "owner");
}

#[rstest]
#[tokio::test]
async fn who_is_banned_stays_out_until_the_ban_is_lifted(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let (alice, bob, room) = server.room().await;
    let carol = server.guest("carol").await;
    let bans = format!("/api/rooms/{room}/bans");
    for person in [&bob, &carol, &bob] {
        alice.call("PUT", &ban(&room, person), None).await.expect(204);
    }
    assert_answer!(join(&bob, &room).await, @r#"
    {
      "status": 403,
      "body": {
        "code": "FORBIDDEN",
        "detail": "you are banned from this room",
        "error": "you are banned from this room",
        "requestId": "[requestId]",
        "status": 403,
        "title": "Not allowed",
        "type": "about:blank"
      }
    }
    "#);
    join(&carol, &room).await.refused(403, "FORBIDDEN");
    assert_eq!(bob.get("/api/rooms").await.items("id"), json!([]));
    assert_answer!(alice.get(format!("{bans}?limit=1")).await, @r#"
    {
      "status": 200,
      "body": {
        "items": [
          {
            "bannedAt": "[time]",
            "bannedBy": "[id 1]",
            "userId": "[id 2]",
            "username": "bob"
          }
        ],
        "nextCursor": "[id 2]"
      }
    }
    "#);
    let second = alice.get(format!("{bans}?cursor={}", bob.id)).await.expect(200);
    assert_eq!((second.items("username"), second.raw.get("nextCursor")), (json!(["carol"]), None));
    for _ in 0..2 {
        alice.delete(ban(&room, &bob)).await.expect(204);
    }
    join(&bob, &room).await.expect(200);
    bob.get(&bans).await.refused(403, "FORBIDDEN");
    bob.delete(ban(&room, &carol)).await.refused(403, "FORBIDDEN");
    alice.put(ban(&room, &alice), json!({})).await.refused(400, "INVALID_MESSAGE");
    for bad in ["limit=0", "limit=201", "cursor=x"] {
        alice.get(format!("{bans}?{bad}")).await.refused(400, "INVALID_MESSAGE");
    }
}

#[rstest]
#[tokio::test]
async fn of_rooms_one_is_not_in_nothing_is_told(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let (alice, bob) = (server.account("alice").await, server.account("bob").await);
    let private = alice.post("/api/rooms", json!({ "name": "Tea", "type": "private" })).await.expect(201).id();
    let public = alice.post("/api/rooms", json!({ "name": "Tea", "type": "public" })).await.expect(201).id();
    for (room, status, code) in
        [(private.as_str(), 404, "ROOM_NOT_FOUND"), (&public, 403, "NOT_A_MEMBER"), ("x", 404, "ROOM_NOT_FOUND")]
    {
        set_role(&bob, room, &alice, "member").await.refused(status, code);
        bob.delete(member(room, &alice)).await.refused(status, code);
        bob.get(format!("/api/rooms/{room}/bans")).await.refused(status, code);
        bob.call("PUT", &ban(room, &alice), None).await.refused(status, code);
        bob.delete(ban(room, &alice)).await.refused(status, code);
    }
    // Nobody is brought into a room by being given a role in it.
    set_role(&alice, &private, &bob, "member").await.refused(404, "NOT_FOUND");
    assert_eq!(bob.get("/api/rooms").await.items("id"), json!([]));
    let nobody = uuid::Uuid::now_v7();
    alice.put(format!("/api/rooms/{public}/bans/{nobody}"), json!({})).await.refused(404, "USER_NOT_FOUND");
    alice.put(format!("/api/rooms/{public}/bans/x"), json!({})).await.refused(404, "USER_NOT_FOUND");
    for bad in [json!({}), json!({ "role": "king" }), json!({ "role": null }), json!([])] {
        alice.put(member(&public, &alice), bad).await.refused(400, "INVALID_MESSAGE");
    }
}

#[rstest]
#[tokio::test]
async fn in_a_direct_room_nobody_has_a_say_over_the_other(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let (alice, bob) = (server.account("alice").await, server.account("bob").await);
    let room = alice.call("PUT", &format!("/api/direct/{}", bob.id), None).await.expect(200).id();
    let hers = alice.send(&room, "hers").await["id"].as_str().unwrap().to_owned();
    let his = bob.send(&room, "his").await["id"].as_str().unwrap().to_owned();
    for (person, other, message) in [(&alice, &bob, &his), (&bob, &alice, &hers)] {
        person.delete(format!("/api/messages/{message}")).await.refused(403, "FORBIDDEN");
        for (whom, role) in [(other, "admin"), (other, "member"), (person, "member")] {
            set_role(person, &room, whom, role).await.refused(403, "FORBIDDEN");
        }
        person.delete(member(&room, other)).await.refused(403, "FORBIDDEN");
        person.call("PUT", &ban(&room, other), None).await.refused(403, "FORBIDDEN");
        person.get(format!("/api/rooms/{room}/bans")).await.refused(403, "FORBIDDEN");
    }
    assert_eq!(roles(&bob, &room).await, json!([["alice", "member"], ["bob", "member"]]));
}

#[rstest]
#[tokio::test]
async fn a_room_is_changed_by_who_may(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let (alice, bob, room) = server.room().await;
    let path = format!("/api/rooms/{room}");
    let (name, rules) = (json!({ "name": "Cake", "description": "sweet" }), json!({ "historyVisibility": "joined" }));
    bob.patch(&path, name.clone()).await.refused(403, "FORBIDDEN");
    bob.patch(&path, json!({})).await.refused(403, "FORBIDDEN");
    set_role(&alice, &room, &bob, "admin").await.expect(204);
    assert_answer!(bob.patch(&path, name).await, @r#"
    {
      "status": 200,
      "body": {
        "createdAt": "[time]",
        "createdBy": "[id 1]",
        "description": "sweet",
        "historyVisibility": "all",
        "id": "[id 2]",
        "lastReadSeq": 0,
        "memberCount": 2,
        "mentions": 0,
        "name": "Cake",
        "position": {
          "eventId": "[eventId]",
          "rev": 4
        },
        "role": "admin",
        "type": "public",
        "unread": 0
      }
    }
    "#);
    bob.patch(&path, rules.clone()).await.refused(403, "FORBIDDEN");
    bob.patch(&path, json!({ "retention": {} })).await.refused(403, "FORBIDDEN");
    assert_eq!(bob.get("/api/rooms/public?query=cake").await.items("id"), json!([room]));
    assert_eq!(bob.get("/api/rooms/public?query=tea").await.items("id"), json!([]));

    let rules = json!({ "historyVisibility": "joined", "retention": { "maxMessages": 10 }, "description": "" });
    let now = alice.patch(&path, rules.clone()).await.expect(200).raw;
    assert_eq!((&now["historyVisibility"], &now["retention"]), (&json!("joined"), &json!({ "maxMessages": 10 })));
    assert_eq!((now.get("description"), &now["name"]), (None, &json!("Cake")));
    let again = alice.patch(&path, rules).await.expect(200).raw;
    assert_eq!(again["position"], now["position"], "the same again is no change");
    assert_answer!(alice.patch(&path, json!({ "historyVisibility": "all" })).await, @r#"
    {
      "status": 403,
      "body": {
        "code": "FORBIDDEN",
        "detail": "what was said to those who were there is not shown to others",
        "error": "what was said to those who were there is not shown to others",
        "requestId": "[requestId]",
        "status": 403,
        "title": "Not allowed",
        "type": "about:blank"
      }
    }
    "#);
    let kept = alice.patch(&path, json!({ "retention": {} })).await.expect(200).raw;
    assert_eq!(kept.get("retention"), None);
    for bad in [
        json!({ "name": "" }),
        json!({ "name": "x".repeat(81) }),
        json!({ "description": "x".repeat(501) }),
        json!({ "type": "private" }),
        json!({ "handle": "tea" }),
        json!({ "historyVisibility": "none" }),
        json!({ "retention": { "maxMessages": 1 } }),
    ] {
        alice.patch(&path, bad).await.refused(400, "INVALID_MESSAGE");
    }
    let direct = server.account("dan").await;
    let direct = direct.call("PUT", &format!("/api/direct/{}", alice.id), None).await.expect(200).id();
    alice.patch(format!("/api/rooms/{direct}"), json!({ "name": "x" })).await.refused(403, "FORBIDDEN");
}

#[rstest]
#[tokio::test]
async fn a_room_is_made_once_by_its_key_also_when_it_has_changed_since(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let alice = server.guest("alice").await;
    let make = async |name: &str| {
        let input = json!({ "name": name, "type": "public" });
        Answer::of(alice.request("POST", "/api/rooms").header("idempotency-key", "k").json(&input)).await
    };
    let room = make("Tea").await.expect(201).id();
    alice.patch(format!("/api/rooms/{room}"), json!({ "name": "Cake" })).await.expect(200);
    let again = make("Tea").await.expect(201);
    assert_eq!((again.id(), &again.raw["name"]), (room, &json!("Cake")));
    make("Cake").await.refused(409, "IDEMPOTENCY_CONFLICT");
}

#[rstest]
#[tokio::test]
async fn a_room_is_deleted_by_its_owner_for_everybody(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let (alice, bob) = (server.account("alice").await, server.guest("bob").await);
    let input = json!({ "name": "Tea", "handle": "tea", "type": "public" });
    let make =
        async || Answer::of(alice.request("POST", "/api/rooms").header("idempotency-key", "k").json(&input)).await;
    let room = make().await.expect(201).id();
    let path = format!("/api/rooms/{room}");
    join(&bob, &room).await.expect(200);
    let message = bob.send(&room, "hello").await["id"].as_str().unwrap().to_owned();
    set_role(&alice, &room, &bob, "admin").await.expect(204);
    bob.delete(&path).await.refused(403, "FORBIDDEN");
    alice.delete(&path).await.expect(204);
    for person in [&alice, &bob] {
        person.get(&path).await.refused(404, "ROOM_NOT_FOUND");
        person.delete(&path).await.refused(404, "ROOM_NOT_FOUND");
        person.get(format!("{path}/messages")).await.refused(404, "ROOM_NOT_FOUND");
        person.get(format!("/api/messages/{message}")).await.refused(404, "MESSAGE_NOT_FOUND");
        person.post(format!("{path}/messages"), json!({ "content": "x" })).await.refused(404, "ROOM_NOT_FOUND");
        join(person, &room).await.refused(404, "ROOM_NOT_FOUND");
        assert_eq!(person.get("/api/rooms").await.items("id"), json!([]));
    }
    assert_eq!(bob.get("/api/rooms/public").await.items("id"), json!([]));
    make().await.refused(404, "ROOM_NOT_FOUND");
    bob.post("/api/rooms", input.clone()).await.expect(201);
    let direct = alice.call("PUT", &format!("/api/direct/{}", server.account("dan").await.id), None).await.id();
    alice.delete(format!("/api/rooms/{direct}")).await.refused(403, "FORBIDDEN");
}
