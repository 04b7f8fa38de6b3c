//! Rooms: making, finding, joining, leaving, members, direct rooms, read marks.

use futures_util::future::join_all;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{Engine, TestServer, assert_answer};

#[rstest]
#[tokio::test]
async fn a_room_is_made_by_its_owner_and_listed_as_theirs(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let alice = server.guest("alice").await;
    let input = json!({ "name": "Tea & Cake", "handle": "tea", "description": "two\nlines", "type": "public" });
    let made = alice.post("/api/rooms", input).await;
    assert_answer!(made, @r#"
    {
      "status": 201,
      "body": {
        "createdAt": "[time]",
        "createdBy": "[id 1]",
        "description": "two\nlines",
        "handle": "tea",
        "historyVisibility": "all",
        "id": "[id 2]",
        "lastReadSeq": 0,
        "memberCount": 1,
        "mentions": 0,
        "name": "Tea & Cake",
        "position": {
          "eventId": "[eventId]",
          "rev": 1
        },
        "role": "owner",
        "type": "public",
        "unread": 0
      }
    }
    "#);
    let path = format!("/api/rooms/{}", made.id());
    assert_eq!(alice.get(&path).await.expect(200).raw, made.raw);
    assert_eq!(alice.get("/api/rooms").await.expect(200).raw, json!({ "items": [made.raw] }));
    assert_answer!(server.guest("bob").await.get(&path).await, @r#"
    {
      "status": 200,
      "body": {
        "createdAt": "[time]",
        "createdBy": "[id 1]",
        "description": "two\nlines",
        "handle": "tea",
        "historyVisibility": "all",
        "id": "[id 2]",
        "memberCount": 1,
        "name": "Tea & Cake",
        "type": "public"
      }
    }
    "#);
}

#[rstest]
#[tokio::test]
async fn a_room_that_cannot_be_is_refused(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let alice = server.guest("alice").await;
    alice.post("/api/rooms", json!({ "name": "Tea", "handle": "tea", "type": "public" })).await.expect(201);
    let again = json!({ "name": "Other", "handle": "TEA", "type": "public" });
    alice.post("/api/rooms", again).await.refused(409, "HANDLE_TAKEN");
    for bad in [
        json!({ "name": "", "type": "public" }),
        json!({ "name": "   ", "type": "public" }),
        json!({ "name": "x".repeat(81), "type": "public" }),
        json!({ "name": "a\u{0}b", "type": "public" }),
        json!({ "name": "Tea", "type": "direct" }),
        json!({ "name": "Tea", "type": "secret" }),
        json!({ "name": "Tea", "type": "private", "handle": "tea2" }),
        json!({ "name": "Tea", "type": "public", "handle": "te a" }),
        json!({ "name": "Tea", "type": "public", "description": "x".repeat(501) }),
        json!({ "name": "Tea", "type": "public", "historyVisibility": "none" }),
        json!({ "name": "Tea" }),
    ] {
        alice.post("/api/rooms", bad).await.refused(400, "INVALID_MESSAGE");
    }
    assert_eq!(alice.get("/api/rooms").await.items("name"), json!(["Tea"]), "nothing refused was made");
}

#[rstest]
#[tokio::test]
async fn public_rooms_are_found_by_the_beginning_of_their_name_page_by_page(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let (alice, bob) = (server.guest("alice").await, server.guest("bob").await);
    for (name, kind) in [("tee", "public"), ("Tea", "public"), ("tea two", "public"), ("Tea secret", "private")] {
        alice.post("/api/rooms", json!({ "name": name, "type": kind })).await.expect(201);
    }
    assert_eq!(bob.get("/api/rooms/public").await.items("name"), json!(["Tea", "tea two", "tee"]));
    let mut first = bob.get("/api/rooms/public?query=TE&limit=2").await;
    first.body["nextCursor"] = json!("[cursor]");
    assert_answer!(first, @r#"
    {
      "status": 200,
      "body": {
        "items": [
          {
            "createdAt": "[time]",
            "createdBy": "[id 1]",
            "historyVisibility": "all",
            "id": "[id 2]",
            "memberCount": 1,
            "name": "Tea",
            "type": "public"
          },
          {
            "createdAt": "[time]",
            "createdBy": "[id 1]",
            "historyVisibility": "all",
            "id": "[id 3]",
            "memberCount": 1,
            "name": "tea two",
            "type": "public"
          }
        ],
        "nextCursor": "[cursor]"
      }
    }
    "#);
    let cursor = first.raw["nextCursor"].as_str().unwrap();
    let second = bob.get(format!("/api/rooms/public?query=TE&limit=2&cursor={cursor}")).await;
    assert_eq!((second.items("name"), second.raw.get("nextCursor")), (json!(["tee"]), None));
    assert_eq!(bob.get("/api/rooms/public?query=zzz").await.expect(200).raw, json!({ "items": [] }));
    for bad in ["cursor=x", "cursor=%00", "limit=x", "limit=-1", "query=%00", &format!("query={}", "x".repeat(81))] {
        bob.get(format!("/api/rooms/public?{bad}")).await.refused(400, "INVALID_MESSAGE");
    }
    let unknown = "A".repeat(22);
    bob.get(format!("/api/rooms/public?cursor={unknown}")).await.expect(200);
}

#[rstest]
#[tokio::test]
async fn joining_and_leaving_show_in_the_members(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let (alice, bob, room) = server.room().await;
    let path = |rest: &str| format!("/api/rooms/{room}{rest}");
    let joined = bob.get(path("")).await.expect(200);
    assert_eq!((&joined.raw["role"], &joined.raw["memberCount"]), (&json!("member"), &json!(2)));
    bob.call("POST", &path("/join"), None).await.refused(409, "ALREADY_A_MEMBER");
    assert_answer!(alice.get(path("/members")).await, @r#"
    {
      "status": 200,
      "body": {
        "items": [
          {
            "displayName": "alice",
            "joinedAt": "[time]",
            "role": "owner",
            "userId": "[id 1]",
            "username": "alice"
          },
          {
            "displayName": "bob",
            "joinedAt": "[time]",
            "role": "member",
            "userId": "[id 2]",
            "username": "bob"
          }
        ]
      }
    }
    "#);

    server.guest("carol").await.call("POST", &path("/join"), None).await.expect(200);
    let first = alice.get(path("/members?limit=2")).await.expect(200);
    assert_eq!(first.items("username"), json!(["alice", "bob"]));
    let cursor = first.raw["nextCursor"].as_str().unwrap();
    let second = alice.get(path(&format!("/members?limit=2&cursor={cursor}"))).await.expect(200);
    assert_eq!((second.items("username"), second.raw.get("nextCursor")), (json!(["carol"]), None));
    for bad in ["cursor=x", "cursor=-1", "limit=x", "limit=-1"] {
        alice.get(path(&format!("/members?{bad}"))).await.refused(400, "INVALID_MESSAGE");
    }

    bob.delete(path("/leave")).await.expect(204);
    assert_answer!(bob.delete(path("/leave")).await, @r#"
    {
      "status": 403,
      "body": {
        "code": "NOT_A_MEMBER",
        "detail": "you are not a member of this room",
        "error": "you are not a member of this room",
        "requestId": "[requestId]",
        "status": 403,
        "title": "Not a member of the room",
        "type": "about:blank"
      }
    }
    "#);
    for (method, rest, body) in [
        ("GET", "/members", None),
        ("GET", "/messages", None),
        ("POST", "/messages", Some(json!({ "content": "x" }))),
        ("PUT", "/read", Some(json!({ "seq": 1 }))),
    ] {
        bob.call(method, &path(rest), body.as_ref()).await.refused(403, "NOT_A_MEMBER");
    }
    assert_eq!(alice.get(path("/members")).await.items("username"), json!(["alice", "carol"]));
    bob.call("POST", &path("/join"), None).await.expect(200);
}

#[rstest]
#[tokio::test]
async fn a_room_takes_as_many_members_and_a_user_as_many_rooms_as_is_configured(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::with(engine, |settings| {
        settings.limits.room_members = 2;
        settings.limits.rooms_per_user = 2;
    })
    .await;
    let (alice, bob, room) = server.room().await;
    let join = format!("/api/rooms/{room}/join");
    server.guest("carol").await.call("POST", &join, None).await.refused(409, "ROOM_FULL");
    alice.post("/api/rooms", json!({ "name": "Two", "type": "private" })).await.expect(201);
    alice.post("/api/rooms", json!({ "name": "Three", "type": "private" })).await.refused(409, "ROOM_FULL");
    bob.delete(format!("/api/rooms/{room}/leave")).await.expect(204);
    server.guest("dave").await.call("POST", &join, None).await.expect(200);
}

#[rstest]
#[tokio::test]
async fn a_direct_room_is_one_for_both_and_cannot_be_left(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let (alice, bob, carol) = (server.account("alice").await, server.account("bob").await, server.guest("carol").await);
    let opened = alice.call("PUT", &format!("/api/direct/{}", bob.id), None).await;
    assert_answer!(opened, @r#"
    {
      "status": 200,
      "body": {
        "createdAt": "[time]",
        "createdBy": "[id 1]",
        "historyVisibility": "all",
        "id": "[id 2]",
        "lastReadSeq": 0,
        "memberCount": 2,
        "mentions": 0,
        "position": {
          "eventId": "[eventId]",
          "rev": 2
        },
        "role": "member",
        "type": "direct",
        "unread": 0
      }
    }
    "#);
    let room = opened.id();
    assert_eq!(bob.call("PUT", &format!("/api/direct/{}", alice.id), None).await.expect(200).id(), room);
    assert_eq!(alice.get("/api/rooms").await.items("id"), json!([room]), "opening it twice gives one");
    alice.delete(format!("/api/rooms/{room}/leave")).await.refused(403, "FORBIDDEN");
    alice.call("POST", &format!("/api/rooms/{room}/join"), None).await.refused(409, "ALREADY_A_MEMBER");
    carol.get(format!("/api/rooms/{room}")).await.refused(404, "ROOM_NOT_FOUND");
    carol.call("POST", &format!("/api/rooms/{room}/join"), None).await.refused(404, "ROOM_NOT_FOUND");

    let oneself = format!("/api/direct/{}", alice.id);
    alice.call("PUT", &oneself, None).await.refused(400, "INVALID_MESSAGE");
    for nobody in [uuid::Uuid::now_v7().to_string().as_str(), "x", "%00"] {
        alice.call("PUT", &format!("/api/direct/{nobody}"), None).await.refused(404, "USER_NOT_FOUND");
    }
}

#[rstest]
#[tokio::test]
async fn a_guest_may_write_only_to_who_has_them_in_their_contacts(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let (gina, bob) = (server.guest("gina").await, server.guest("bob").await);
    let open = format!("/api/direct/{}", bob.id);
    assert_answer!(gina.call("PUT", &open, None).await, @r#"
    {
      "status": 403,
      "body": {
        "code": "FORBIDDEN",
        "detail": "guests may write to people who have them in their contacts only",
        "error": "guests may write to people who have them in their contacts only",
        "requestId": "[requestId]",
        "status": 403,
        "title": "Not allowed",
        "type": "about:blank"
      }
    }
    "#);
    bob.call("PUT", &format!("/api/contacts/{}", gina.id), None).await.expect(204);
    let room = gina.call("PUT", &open, None).await.expect(200).id();
    bob.delete(format!("/api/contacts/{}", gina.id)).await.expect(204);
    assert_eq!(gina.call("PUT", &open, None).await.expect(200).id(), room, "what is open stays open");
}

#[rstest]
#[tokio::test]
async fn what_is_unread_is_counted_until_it_is_read(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let (alice, bob, room) = server.room().await;
    assert_eq!(bob.get("/api/unread").await.expect(200).raw, json!({ "total": 0, "rooms": [] }));
    for content in ["one", "two", "three"] {
        alice.send(&room, content).await;
    }
    assert_answer!(bob.get("/api/unread").await, @r#"{"status": 200, "body": {"rooms": [{"mentions": 0, "roomId": "[id 1]", "unread": 3}], "total": 3}}"#);
    assert_answer!(bob.get("/api/rooms").await, @r#"
    {
      "status": 200,
      "body": {
        "items": [
          {
            "createdAt": "[time]",
            "createdBy": "[id 1]",
            "historyVisibility": "all",
            "id": "[id 2]",
            "lastMessage": {
              "content": "three",
              "id": "[id 3]",
              "roomId": "[id 2]",
              "seq": 3,
              "timestamp": "[time]",
              "type": "text",
              "userId": "[id 1]",
              "username": "alice"
            },
            "lastReadSeq": 0,
            "memberCount": 2,
            "mentions": 0,
            "name": "Tea",
            "position": {
              "eventId": "[eventId]",
              "rev": 5
            },
            "role": "member",
            "type": "public",
            "unread": 3
          }
        ]
      }
    }
    "#);
    let read = |seq: Value| bob.put(format!("/api/rooms/{room}/read"), json!({ "seq": seq }));
    assert_eq!(read(json!(2)).await.expect(200).raw, json!({ "seq": 2 }));
    assert_eq!(bob.get("/api/unread").await.raw["total"], 1);
    assert_eq!(read(json!(1)).await.expect(200).raw, json!({ "seq": 2 }), "only forward");
    assert_eq!(read(json!(u64::MAX)).await.expect(200).raw, json!({ "seq": 3 }), "not past the newest");
    assert_eq!(bob.get("/api/unread").await.expect(200).raw, json!({ "total": 0, "rooms": [] }));
    assert_eq!(alice.get("/api/unread").await.raw["total"], 0, "one's own messages are read");
    for bad in [json!(-1), json!(1.5), json!("1"), json!(null)] {
        read(bad).await.refused(400, "INVALID_MESSAGE");
    }
}

#[rstest]
#[tokio::test]
async fn what_many_do_at_once_is_done_once(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let (alice, bob) = (server.account("alice").await, server.account("bob").await);
    let (to_bob, to_alice) = (format!("/api/direct/{}", bob.id), format!("/api/direct/{}", alice.id));
    let opened = (0..8).flat_map(|_| [alice.call("PUT", &to_bob, None), bob.call("PUT", &to_alice, None)]);
    let ids: Vec<_> = join_all(opened).await.into_iter().map(|answer| answer.expect(200).id()).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(alice.get(format!("/api/rooms/{}", ids[0])).await.raw["memberCount"], 2);

    let made = (0..8).map(|_| alice.post("/api/rooms", json!({ "name": "Tea", "handle": "tea", "type": "public" })));
    let made = join_all(made).await;
    let room: Vec<_> = made.iter().filter(|answer| answer.status == 201).collect();
    assert_eq!(room.len(), 1, "{made:?}");
    let path = format!("/api/rooms/{}", room[0].id());
    let join = format!("{path}/join");
    let joined = join_all((0..8).map(|_| bob.call("POST", &join, None))).await;
    assert_eq!(joined.iter().filter(|answer| answer.status == 200).count(), 1, "{joined:?}");
    assert_eq!(alice.get(&path).await.raw["memberCount"], 2);
}

#[rstest]
#[tokio::test]
async fn ones_own_rooms_come_page_by_page_whatever_their_last_messages_take(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let alice = server.guest("alice").await;
    let mut made = Vec::new();
    for _ in 0..20 {
        let room = alice.post("/api/rooms", json!({ "name": "R", "type": "private" })).await.expect(201).id();
        alice.send(&room, &"🙂".repeat(8000)).await;
        made.push(room);
    }
    made.sort_unstable();
    for limit in ["", "&limit=3"] {
        let (mut seen, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
        loop {
            let page = alice.get(format!("/api/rooms?{cursor}{limit}")).await.expect(200);
            assert!(page.raw.to_string().len() <= 256 * 1024, "{}", page.raw.to_string().len());
            seen.extend(page.items("id").as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()));
            pages += 1;
            match page.raw.get("nextCursor") {
                Some(next) => cursor = format!("cursor={}", next.as_str().unwrap()),
                None => break,
            }
        }
        seen.sort_unstable_by_key(|id| made.iter().position(|made| made == id));
        assert_eq!(seen, made);
        assert!((3..=7).contains(&pages), "{pages}");
    }
    for bad in ["limit=0", "limit=201", "cursor=x"] {
        alice.get(format!("/api/rooms?{bad}")).await.refused(400, "INVALID_MESSAGE");
    }
}
