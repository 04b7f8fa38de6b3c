//! Bad input gets an `ERROR` and the socket goes on, up to a budget.

use futures_util::SinkExt;
use rstest::rstest;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Client, Engine, World, assert_frame};

#[rstest]
#[tokio::test]
async fn whatever_is_sent_is_answered_and_the_socket_goes_on(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::start(engine).await;
    let mut alice = world.connect(&world.user("alice").await).await;
    let room = world.room(&mut alice, "tea").await;
    let unknown = "0197f3a0-0000-7000-8000-000000000000";
    let long = "x".repeat(8001);
    for (text, code) in [
        ("", "INVALID_MESSAGE"),
        ("{", "INVALID_MESSAGE"),
        ("null", "INVALID_MESSAGE"),
        ("[]", "INVALID_MESSAGE"),
        ("7", "INVALID_MESSAGE"),
        (r#"{"payload":{}}"#, "INVALID_MESSAGE"),
        (r#"{"type":7}"#, "INVALID_MESSAGE"),
        (r#"{"type":"DANCE","payload":{}}"#, "INVALID_MESSAGE"),
        (r#"{"type":"SEND_MESSAGE"}"#, "INVALID_MESSAGE"),
        (r#"{"type":"SEND_MESSAGE","payload":[]}"#, "INVALID_MESSAGE"),
        (r#"{"type":"SEND_MESSAGE","payload":{"content":7}}"#, "INVALID_MESSAGE"),
        (r#"{"type":"SEND_MESSAGE","payload":{"content":"x"}}"#, "INVALID_MESSAGE"),
        (r#"{"type":"SEND_MESSAGE","payload":{"roomId":"x","content":"x"}}"#, "INVALID_MESSAGE"),
        (r#"{"type":"PING","requestId":7}"#, "INVALID_MESSAGE"),
        (&format!(r#"{{"type":"PING","requestId":"{}"}}"#, "x".repeat(129)), "INVALID_MESSAGE"),
        (&"[".repeat(60_000), "INVALID_MESSAGE"),
        (&json!({"type": "SEND_MESSAGE", "payload": {"roomId": room, "content": "  "}}).to_string(), "INVALID_MESSAGE"),
        (&json!({"type": "SEND_MESSAGE", "payload": {"roomId": room, "content": long}}).to_string(), "INVALID_MESSAGE"),
        (
            &json!({"type": "SEND_MESSAGE", "payload": {"roomId": unknown, "content": "x"}}).to_string(),
            "ROOM_NOT_FOUND",
        ),
        (&json!({"type": "JOIN_ROOM", "payload": {"roomId": unknown}}).to_string(), "ROOM_NOT_FOUND"),
        (&json!({"type": "JOIN_ROOM", "payload": {"handle": "nowhere"}}).to_string(), "ROOM_NOT_FOUND"),
        (&json!({"type": "JOIN_ROOM", "payload": {}}).to_string(), "INVALID_MESSAGE"),
        (&json!({"type": "JOIN_ROOM", "payload": {"roomId": room}}).to_string(), "ALREADY_A_MEMBER"),
        (&json!({"type": "LEAVE_ROOM", "payload": {"roomId": unknown}}).to_string(), "ROOM_NOT_FOUND"),
        (&json!({"type": "CREATE_ROOM", "payload": {"name": "", "type": "public"}}).to_string(), "INVALID_MESSAGE"),
        (&json!({"type": "CREATE_ROOM", "payload": {"name": "x", "type": "direct"}}).to_string(), "INVALID_MESSAGE"),
        (&json!({"type": "GET_HISTORY", "payload": {"roomId": room, "limit": 1000}}).to_string(), "INVALID_MESSAGE"),
        (
            &json!({"type": "SEND_MESSAGE", "payload": {"recipientId": unknown, "content": "x"}}).to_string(),
            "USER_NOT_FOUND",
        ),
        (&json!({"type": "DELETE_MESSAGE", "payload": {"messageId": "A".repeat(32)}}).to_string(), "INVALID_MESSAGE"),
    ] {
        alice.send(text).await;
        let frame = alice.next().await;
        let shown = &text[..text.len().min(80)];
        assert_eq!((&frame["type"], &frame["payload"]["code"]), (&json!("ERROR"), &json!(code)), "{shown}: {frame}");
    }
    alice.quiet().await;
}

#[rstest]
#[tokio::test]
async fn an_error_says_which_field_is_wrong_and_carries_the_request_id(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::start(engine).await;
    let mut alice = world.connect(&world.user("alice").await).await;
    let reply = alice.reply("SEND_MESSAGE", json!({"roomId": "x", "content": "x"})).await;
    assert_frame!(reply, @r#"{"payload":{"code":"INVALID_MESSAGE","details":[{"field":"payload","problem":"not a valid room id at line 1 column 27"}],"message":"the payload of SEND_MESSAGE is malformed: not a valid room id at line 1 column 27"},"requestId":"q1","type":"ERROR"}"#);
    alice.send(r#"{"type":"DANCE","requestId":"r"}"#).await;
    assert_frame!(alice.frame().await, @r#"{"payload":{"code":"INVALID_MESSAGE","details":[{"field":"type","problem":"not a command of this socket"}],"message":"unknown type"},"requestId":"r","type":"ERROR"}"#);
    alice.socket.send(Message::Binary("x".into())).await.unwrap();
    assert_frame!(alice.frame().await, @r#"{"payload":{"code":"INVALID_MESSAGE","message":"send text frames: there are no binary ones"},"type":"ERROR"}"#);
}

#[rstest]
#[tokio::test]
async fn a_hundred_bad_frames_in_a_minute_close_4400(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let world = World::with(engine, |s| s.limits.bad_frames_per_minute = 5).await;
    let mut alice = world.connect(&world.user("alice").await).await;
    for _ in 0..5 {
        alice.send("{").await;
        assert_eq!(alice.next().await["type"], "ERROR");
    }
    assert_eq!(alice.closed().await, 4400);
}

#[rstest]
#[tokio::test]
async fn a_frame_over_the_limit_closes_1009(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let world = World::start(engine).await;
    let mut alice = world.connect(&world.user("alice").await).await;
    alice.send(&"x".repeat(64 * 1024 + 1)).await;
    assert_eq!(alice.closed().await, 1009);
}

impl Client {
    /// Takes what is still to come of `events` events after a reply.
    pub async fn until_settled(&mut self, (_, mut seen): (Value, Vec<Value>), events: usize) -> Vec<Value> {
        while seen.len() < events {
            seen.push(self.next().await);
        }
        seen
    }
}
