//! Rooms that keep only some of their messages.

use domain::upkeep;
use rstest::rstest;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::support::{Engine, TestServer, until};

#[rstest]
#[tokio::test]
async fn a_room_says_what_it_keeps_and_cannot_keep_just_anything(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let (alice, bob) = (server.guest("alice").await, server.guest("bob").await);
    let make = async |retention| {
        alice.post("/api/rooms", json!({ "name": "Tea", "type": "public", "retention": retention })).await
    };
    for kept in [
        json!({ "maxAgeSeconds": 60 }),
        json!({ "maxMessages": 10 }),
        json!({ "maxAgeSeconds": 1_000_000_000, "maxMessages": 1_000_000_000 }),
    ] {
        let room = make(kept.clone()).await.expect(201);
        assert_eq!(room.raw["retention"], kept);
        assert_eq!(bob.get(format!("/api/rooms/{}", room.id())).await.expect(200).raw["retention"], kept);
    }
    assert_eq!(make(json!({})).await.expect(201).raw.get("retention"), None);
    assert_eq!(make(json!(null)).await.expect(201).raw.get("retention"), None);
    for bad in [
        json!({ "maxAgeSeconds": 59 }),
        json!({ "maxAgeSeconds": 0 }),
        json!({ "maxMessages": 9 }),
        json!({ "maxMessages": 1_000_000_001 }),
        json!({ "maxAgeSeconds": u64::MAX }),
        json!({ "maxMessages": -1 }),
        json!(7),
    ] {
        make(bad).await.refused(400, "INVALID_MESSAGE");
    }
}

#[rstest]
#[tokio::test]
async fn what_a_room_does_not_keep_is_gone_from_every_answer_and_counts_are_right_across_it(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let (alice, bob) = (server.guest("alice").await, server.guest("bob").await);
    let input = json!({ "name": "Tea", "type": "public", "retention": { "maxMessages": 10 } });
    let room = alice.post("/api/rooms", input).await.expect(201).id();
    bob.call("POST", &format!("/api/rooms/{room}/join"), None).await.expect(200);
    let mut sent = Vec::new();
    for n in 1..=15 {
        sent.push(alice.send(&room, &format!("@bob tea {n}")).await["id"].as_str().unwrap().to_owned());
    }
    // Upkeep of a process that starts looks at once.
    let end = CancellationToken::new();
    let running = tokio::spawn(upkeep::run(server.domain.clone(), end.clone()));
    let history = format!("/api/rooms/{room}/messages");
    until(async || (bob.get(&history).await.items("seq").as_array().unwrap().len() == 10).then_some(())).await;
    end.cancel();
    running.await.unwrap();
    let kept = json!((6..=15).rev().collect::<Vec<u64>>());
    let page = bob.get(&history).await.expect(200);
    assert_eq!((page.items("seq"), &page.raw["hasMore"]), (kept.clone(), &json!(false)));
    assert_eq!(bob.get(format!("{history}?after=0&limit=2")).await.items("seq"), json!([6, 7]));
    let unread = bob.get("/api/unread").await.expect(200).raw["rooms"][0].clone();
    assert_eq!((&unread["unread"], &unread["mentions"]), (&json!(10), &json!(10)));
    assert_eq!(bob.get(format!("/api/rooms/{room}/search?query=tea")).await.items("seq"), kept);
    let gone = format!("/api/messages/{}", sent[4]);
    bob.get(&gone).await.refused(404, "MESSAGE_NOT_FOUND");
    alice.patch(&gone, json!({ "content": "x" })).await.refused(404, "MESSAGE_NOT_FOUND");
    bob.call("PUT", &format!("{gone}/reactions/x"), None).await.refused(404, "MESSAGE_NOT_FOUND");
    alice.delete(&gone).await.refused(404, "MESSAGE_NOT_FOUND");
    bob.post(&history, json!({ "content": "x", "replyTo": sent[4] })).await.refused(404, "MESSAGE_NOT_FOUND");
    bob.get(format!("/api/messages/{}", sent[5])).await.expect(200);
}
