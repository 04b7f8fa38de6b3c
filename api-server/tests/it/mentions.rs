//! `@name` and `@all`: who is named, and who counts it.

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{Engine, Person, TestServer};

/// What this person has not read: (unread, mentions).
async fn unread(who: &Person) -> (u64, u64) {
    let raw = who.get("/api/unread").await.expect(200).raw;
    let room = &raw["rooms"][0];
    (room["unread"].as_u64().unwrap_or(0), room["mentions"].as_u64().unwrap_or(0))
}

#[rstest]
#[tokio::test]
async fn members_are_named_by_username_in_any_case_and_count_it_until_they_read(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let (alice, bob, room) = server.room().await;
    let stranger = server.guest("stranger").await;
    let sent = alice.send(&room, "hi @BOB, and @stranger, @nobody, x@bob.org @alice.").await;
    assert_eq!(sent["mentions"], json!([bob.id, alice.id]), "who is no member is not named");
    let path = format!("/api/messages/{}", sent["id"].as_str().unwrap());
    assert_eq!(bob.get(&path).await.expect(200).raw, sent, "answered as it is stored");
    alice.send(&room, "nobody in this").await;
    let all = alice.send(&room, "@All! @bob").await;
    assert_eq!((&all["mentions"], &all["mentionAll"]), (&json!([bob.id]), &json!(true)));
    assert_eq!(unread(&bob).await, (3, 2), "each message counts once");
    assert_eq!(unread(&alice).await, (0, 0), "one's own never count");
    assert_eq!(unread(&stranger).await, (0, 0));
    let listed = bob.get("/api/rooms").await.raw["items"][0].clone();
    assert_eq!((&listed["unread"], &listed["mentions"]), (&json!(3), &json!(2)));
    bob.put(format!("/api/rooms/{room}/read"), json!({ "seq": 1 })).await.expect(200);
    assert_eq!(unread(&bob).await, (2, 1));
    alice.delete(format!("/api/messages/{}", all["id"].as_str().unwrap())).await.expect(204);
    assert_eq!(unread(&bob).await, (1, 0));
}

#[rstest]
#[tokio::test]
async fn an_edit_names_anew_and_what_is_encrypted_names_nobody(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let (alice, bob, room) = server.room().await;
    let send = |body: Value| alice.post(format!("/api/rooms/{room}/messages"), body);
    let sent = send(json!({ "content": "hello" })).await.expect(201);
    let path = format!("/api/messages/{}", sent.id());
    assert_eq!(unread(&bob).await, (1, 0));
    let edited = alice.patch(&path, json!({ "content": "hello @bob" })).await.expect(200);
    assert_eq!(edited.raw["mentions"], json!([bob.id]));
    assert_eq!(unread(&bob).await, (1, 1));
    let edited = alice.patch(&path, json!({ "content": "hello" })).await.expect(200);
    assert_eq!(edited.raw.get("mentions"), None);
    assert_eq!(unread(&bob).await, (1, 0));

    let secret = send(json!({ "content": "@bob @all", "type": "encrypted" })).await.expect(201);
    assert_eq!((secret.raw.get("mentions"), secret.raw.get("mentionAll")), (None, None));
    let edited = alice.patch(format!("/api/messages/{}", secret.id()), json!({ "content": "@bob" })).await.expect(200);
    assert_eq!(edited.raw.get("mentions"), None);
    assert_eq!(unread(&bob).await, (2, 0));
}

#[rstest]
#[tokio::test]
async fn who_signed_up_a_moment_ago_can_be_named(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let (alice, _, room) = server.room().await;
    assert_eq!(alice.send(&room, "@carol").await.get("mentions"), None);
    let carol = server.guest("Carol").await;
    carol.call("POST", &format!("/api/rooms/{room}/join"), None).await.expect(200);
    assert_eq!(alice.send(&room, "@carol").await["mentions"], json!([carol.id]));
}

#[rstest]
#[tokio::test]
async fn a_name_that_was_nobodys_can_be_mentioned_once_it_is_taken(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let (alice, _, room) = server.room().await;
    for name in ["late", "Later"] {
        let content = format!("hi @{name}");
        assert!(alice.send(&room, &content).await.get("mentions").is_none());
        let new = if name == "late" { server.guest(name).await } else { server.account(name).await };
        new.call("POST", &format!("/api/rooms/{room}/join"), None).await.expect(200);
        assert_eq!(alice.send(&room, &content).await["mentions"], json!([new.id]));
    }
}
