//! Private rooms: for who is no member they do not exist, by whatever way is asked.

use rstest::rstest;
use serde_json::json;

use crate::support::{Engine, TestServer};

#[rstest]
#[tokio::test]
async fn a_private_room_cannot_be_told_from_one_that_does_not_exist(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let (alice, eve) = (server.guest("alice").await, server.guest("eve").await);
    let room = alice.post("/api/rooms", json!({ "name": "Secret", "type": "private" })).await.expect(201).id();
    let message = alice.send(&room, "hidden").await["id"].as_str().unwrap().to_owned();
    let nowhere = uuid::Uuid::now_v7().to_string();
    let no_message = shared::MessageId { room: nowhere.parse().unwrap(), seq: 1 }.to_string();

    for (method, rest, body) in [
        ("GET", "", None),
        ("PATCH", "", Some(json!({ "name": "Mine" }))),
        ("DELETE", "", None),
        ("POST", "/join", None),
        ("DELETE", "/leave", None),
        ("GET", "/members", None),
        ("PUT", "/members/0192f0c4-8f7a-7b6e-9c3d-0123456789ab", Some(json!({ "role": "member" }))),
        ("DELETE", "/members/0192f0c4-8f7a-7b6e-9c3d-0123456789ab", None),
        ("POST", "/invites", Some(json!({}))),
        ("GET", "/invites", None),
        ("DELETE", "/invites/x", None),
        ("GET", "/bans", None),
        ("PUT", "/bans/0192f0c4-8f7a-7b6e-9c3d-0123456789ab", None),
        ("DELETE", "/bans/0192f0c4-8f7a-7b6e-9c3d-0123456789ab", None),
        ("GET", "/messages", None),
        ("GET", "/messages?before=1", None),
        ("POST", "/messages", Some(json!({ "content": "let me in" }))),
        ("POST", "/messages", Some(json!({ "content": "let me in", "clientMessageId": "k" }))),
        ("PUT", "/read", Some(json!({ "seq": 1 }))),
    ] {
        let there = eve.call(method, &format!("/api/rooms/{room}{rest}"), body.as_ref()).await;
        let not = eve.call(method, &format!("/api/rooms/{nowhere}{rest}"), body.as_ref()).await;
        assert_eq!(there.body, not.body, "{method} {rest}");
        there.refused(404, "ROOM_NOT_FOUND");
    }
    for method in ["GET", "DELETE"] {
        let there = eve.call(method, &format!("/api/messages/{message}"), None).await;
        let not = eve.call(method, &format!("/api/messages/{no_message}"), None).await;
        assert_eq!(there.body, not.body, "{method}");
        there.refused(404, "MESSAGE_NOT_FOUND");
    }
    assert_eq!(eve.get("/api/rooms/public").await.expect(200).raw, json!({ "items": [] }));
    assert_eq!(eve.get("/api/rooms").await.expect(200).raw, json!({ "items": [] }));
    assert_eq!(alice.get(format!("/api/rooms/{room}/messages")).await.items("content"), json!(["hidden"]));
    alice.call("POST", &format!("/api/rooms/{room}/join"), None).await.refused(409, "ALREADY_A_MEMBER");
}

#[rstest]
#[tokio::test]
async fn the_messages_of_a_public_room_are_its_members_alone(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let (alice, _, room) = server.room().await;
    let eve = server.guest("eve").await;
    let message = alice.send(&room, "hello").await["id"].as_str().unwrap().to_owned();
    eve.get(format!("/api/rooms/{room}/messages")).await.refused(403, "NOT_A_MEMBER");
    eve.get(format!("/api/messages/{message}")).await.refused(404, "MESSAGE_NOT_FOUND");
    eve.delete(format!("/api/messages/{message}")).await.refused(404, "MESSAGE_NOT_FOUND");
    let shown = eve.get(format!("/api/rooms/{room}")).await.expect(200).raw;
    assert_eq!((shown.get("lastMessage"), shown.get("unread")), (None, None), "{shown}");
}
