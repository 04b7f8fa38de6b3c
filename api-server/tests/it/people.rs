//! Other people: search, profiles, status, contacts.

use rstest::rstest;
use serde_json::json;

use crate::support::{Engine, Person, TestServer, assert_answer};

#[rstest]
#[tokio::test]
async fn people_are_found_by_the_beginning_of_their_name_page_by_page(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let anna = server.account("Anna").await;
    for name in ["annabel", "ANNE", "bert"] {
        server.account(name).await;
    }
    server.guest("anna-the-guest").await;
    let first = anna.get("/api/users?query=AN&limit=2").await;
    assert_answer!(first, @r#"
    {
      "status": 200,
      "body": {
        "items": [
          {
            "createdAt": "[time]",
            "displayName": "Anna",
            "id": "[id 1]",
            "status": "offline",
            "username": "Anna"
          },
          {
            "createdAt": "[time]",
            "displayName": "annabel",
            "id": "[id 2]",
            "status": "offline",
            "username": "annabel"
          }
        ],
        "nextCursor": "annabel"
      }
    }
    "#);
    let cursor = first.raw["nextCursor"].as_str().unwrap();
    let second = anna.get(format!("/api/users?query=an&limit=2&cursor={cursor}")).await.expect(200);
    assert_eq!((second.items("username"), second.raw.get("nextCursor")), (json!(["ANNE"]), None));
    assert_eq!(anna.get("/api/users?query=x").await.expect(200).raw, json!({ "items": [] }));
    for bad in ["", "?query=", "?query=a%00", "?query=%2A", "?query=a&limit=x", "?query=a&limit=-1"] {
        anna.get(format!("/api/users{bad}")).await.refused(400, "INVALID_MESSAGE");
    }
    let long = "x".repeat(60_000);
    for bad in ["%00", "%F0%9F%99%82", &long] {
        anna.get(format!("/api/users?query=a&cursor={bad}")).await.refused(400, "INVALID_MESSAGE");
    }
    // A cursor is a place, not a user: it holds also when the user has gone.
    assert_eq!(anna.get("/api/users?query=a&cursor=annab").await.items("username"), json!(["annabel", "ANNE"]));
}

#[rstest]
#[tokio::test]
async fn guests_may_not_search_for_people(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    assert_answer!(server.guest("gina").await.get("/api/users?query=a").await, @r#"
    {
      "status": 403,
      "body": {
        "code": "FORBIDDEN",
        "detail": "guests may not search for people",
        "error": "guests may not search for people",
        "requestId": "[requestId]",
        "status": 403,
        "title": "Not allowed",
        "type": "about:blank"
      }
    }
    "#);
}

#[rstest]
#[tokio::test]
async fn others_see_a_profile_without_its_e_mail(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let (alice, bob) = (server.account("alice").await, server.guest("bob").await);
    assert_answer!(bob.get(format!("/api/users/{}", alice.id)).await, @r#"
    {
      "status": 200,
      "body": {
        "createdAt": "[time]",
        "displayName": "alice",
        "id": "[id 1]",
        "status": "offline",
        "username": "alice"
      }
    }
    "#);
    assert_answer!(bob.get(format!("/api/users/{}/status", alice.id)).await, @r#"
    {
      "status": 200,
      "body": {
        "data": {
          "devices": 0,
          "status": "offline",
          "userId": "[id 1]",
          "username": "alice"
        },
        "devices": 0,
        "status": "offline",
        "success": true,
        "userId": "[id 1]",
        "username": "alice"
      }
    }
    "#);
    let unknown = uuid::Uuid::now_v7().to_string();
    for id in [unknown.as_str(), "me", "%00", &"x".repeat(5000)] {
        bob.get(format!("/api/users/{id}")).await.refused(404, "USER_NOT_FOUND");
        bob.get(format!("/api/users/{id}/status")).await.refused(404, "USER_NOT_FOUND");
    }
}

#[rstest]
#[tokio::test]
async fn contacts_are_added_and_removed_as_often_as_one_likes(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let (alice, bob) = (server.guest("alice").await, server.guest("bob").await);
    assert_eq!(alice.get("/api/contacts").await.expect(200).raw, json!({ "items": [] }));
    let path = format!("/api/contacts/{}", bob.id);
    for _ in 0..2 {
        alice.call("PUT", &path, None).await.expect(204);
    }
    assert_answer!(alice.get("/api/contacts").await, @r#"
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
    assert_eq!(bob.get("/api/contacts").await.expect(200).raw, json!({ "items": [] }), "it is not mutual");
    for _ in 0..2 {
        alice.delete(&path).await.expect(204);
    }
    assert_eq!(alice.get("/api/contacts").await.expect(200).raw, json!({ "items": [] }));

    let oneself = format!("/api/contacts/{}", alice.id);
    alice.call("PUT", &oneself, None).await.refused(400, "INVALID_MESSAGE");
    let stranger = format!("/api/contacts/{}", uuid::Uuid::now_v7());
    alice.call("PUT", &stranger, None).await.refused(404, "USER_NOT_FOUND");
    alice.delete(&stranger).await.expect(204);
    alice.delete("/api/contacts/x").await.refused(404, "USER_NOT_FOUND");
}

#[rstest]
#[tokio::test]
async fn when_somebody_was_last_seen_is_shown_to_whom_they_chose_wherever_they_are_shown(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::with(engine, |settings| settings.presence.grace_ms = 0).await;
    let (alice, bob, carol) =
        (server.account("alice").await, server.account("bob").await, server.account("carol").await);
    for (owner, other) in [(&bob, &alice), (&alice, &bob), (&carol, &bob)] {
        owner.put(format!("/api/contacts/{}", other.id), json!(null)).await.expect(204);
    }
    let presence = &server.domain.presence;
    let viewer = server.domain.identity.authenticate(&bob.token).await.unwrap();
    presence.connected(&viewer, 1, store::SocketKind::Presence).await.unwrap();
    presence.disconnected(viewer.user, 1).await.unwrap();
    let places = async |caller: &Person| {
        let contacts = caller.get("/api/contacts").await.expect(200).raw["items"][0]["lastSeen"].clone();
        let profile = caller.get(format!("/api/users/{}", bob.id)).await.expect(200).raw["lastSeen"].clone();
        let status = caller.get(format!("/api/users/{}/status", bob.id)).await.expect(200).raw;
        let found = caller.get("/api/users?query=bob").await.expect(200).raw["items"][0]["lastSeen"].clone();
        let all = vec![contacts, profile, status["lastSeen"].clone(), status["data"]["lastSeen"].clone(), found];
        assert!(all.iter().all(|place| *place == all[0]), "{all:?}");
        all[0].is_string()
    };
    for (whom, told) in [("everyone", true), ("contacts", true), ("nobody", false)] {
        bob.patch("/api/profile", json!({ "lastSeenFor": whom })).await.expect(200);
        assert_eq!((places(&alice).await, places(&carol).await), (told, false), "{whom}");
        let own = bob.get("/api/profile").await.expect(200).raw;
        assert_eq!((own["lastSeen"].is_string(), &own["lastSeenFor"]), (true, &json!(whom)));
    }
    // What nobody could see leaves no trace: they come and go invisible.
    bob.patch("/api/profile", json!({ "lastSeenFor": "everyone" })).await.expect(200);
    let before = alice.get(format!("/api/users/{}", bob.id)).await.expect(200).raw;
    let hide = serde_json::from_value(json!({ "status": "invisible" })).unwrap();
    presence.choose(&viewer, &hide).await.unwrap();
    presence.connected(&viewer, 2, store::SocketKind::Presence).await.unwrap();
    presence.disconnected(viewer.user, 2).await.unwrap();
    assert_eq!(alice.get(format!("/api/users/{}", bob.id)).await.expect(200).raw, before);
}
