//! Seeing each other come and go.

use std::time::Duration;

use rstest::rstest;
use serde_json::{Value, json};
use shared::Timestamp;
use store::SocketKind;

use crate::support::{Engine, TestServer, assert_frame};

/// The status it tells, and in what.
pub fn status(frame: &Value) -> (&str, &str) {
    (frame["type"].as_str().unwrap(), frame["payload"]["status"].as_str().unwrap())
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn two_friends_see_each_other_come_change_and_go(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let (alice, bob) = server.friends().await;
    let mut watcher = server.connect(&alice).await;
    let snapshot = watcher.ask("SUBSCRIBE", json!({})).await;
    assert_frame!(snapshot, { ".payload.users[].userId" => "[id]" }, @r#"
    {
      "payload": {
        "users": [
          {
            "devices": 0,
            "status": "offline",
            "userId": "[id]",
            "username": "bob"
          }
        ]
      },
      "requestId": "r",
      "type": "PRESENCE_SNAPSHOT"
    }
    "#);

    let mut bobs = server.connect(&bob).await;
    let update = watcher.next().await;
    assert_frame!(update, { ".payload.userId" => "[id]" }, @r#"
    {
      "payload": {
        "status": "online",
        "userId": "[id]",
        "username": "bob"
      },
      "type": "PRESENCE_UPDATE"
    }
    "#);

    let reply = bobs.ask("SET_STATUS", json!({"status": "busy", "text": "in a call"})).await;
    assert_frame!(reply, @r#"
    {
      "payload": {
        "status": "busy",
        "text": "in a call"
      },
      "requestId": "r",
      "type": "STATUS_SET"
    }
    "#);
    let update = watcher.next().await;
    assert_eq!(update["payload"]["statusText"], "in a call");
    assert_eq!(status(&update), ("PRESENCE_UPDATE", "busy"));

    bobs.cut();
    let update = watcher.next().await;
    assert_eq!(status(&update), ("PRESENCE_UPDATE", "offline"));
    assert!(update["payload"]["lastSeen"].is_string(), "{update}");
    watcher.is_quiet().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_reload_does_not_flicker_and_a_second_device_changes_nothing(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::with(engine, |s| s.presence.grace_ms = 60_000).await;
    let (alice, bob) = server.friends().await;
    let first = server.connect(&bob).await;
    let mut watcher = server.connect(&alice).await;
    let snapshot = watcher.ask("SUBSCRIBE", json!({"userIds": [bob.viewer.user]})).await;
    assert_eq!(snapshot["payload"]["users"][0]["devices"], 1);
    first.cut();
    let second = server.connect(&bob).await;
    let third = server.connect(&bob).await;
    second.cut();
    third.cut();
    let _fourth = server.connect(&bob).await;
    watcher.is_quiet().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn invisible_looks_offline_to_others(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let (alice, bob) = server.friends().await;
    let mut bobs = server.connect(&bob).await;
    let mut watcher = server.connect(&alice).await;
    watcher.ask("SUBSCRIBE", json!({})).await;
    bobs.ask("SET_STATUS", json!({"status": "invisible", "text": "hiding"})).await;
    let update = watcher.next().await;
    assert_eq!(status(&update), ("PRESENCE_UPDATE", "offline"));
    assert!(update["payload"].get("statusText").is_none(), "{update}");
    let snapshot = watcher.ask("SUBSCRIBE", json!({})).await;
    let user = &snapshot["payload"]["users"][0];
    assert_eq!((user["status"].as_str(), user["devices"].as_u64()), (Some("offline"), Some(0)), "{user}");
    bobs.ask("SET_STATUS", json!({"status": "online"})).await;
    assert_eq!(status(&watcher.next().await), ("PRESENCE_UPDATE", "online"));
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_sees_everyone_offline_and_is_told_nothing(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let (_alice, bob) = server.friends().await;
    let mallory = server.person("mallory").await;
    let mut bobs = server.connect(&bob).await;
    let mut watcher = server.connect(&mallory).await;
    let snapshot = watcher.ask("SUBSCRIBE", json!({"userIds": [bob.viewer.user]})).await;
    assert_eq!(snapshot["payload"]["users"][0]["status"], "offline");
    bobs.ask("SET_STATUS", json!({"status": "busy"})).await;
    watcher.is_quiet().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn unsubscribing_ends_the_updates(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let (alice, bob) = server.friends().await;
    let (mut bobs, mut watcher) = (server.connect(&bob).await, server.connect(&alice).await);
    watcher.ask("SUBSCRIBE", json!({})).await;
    let reply = watcher.ask("UNSUBSCRIBE", json!({"userIds": [bob.viewer.user]})).await;
    assert_eq!(reply["type"], "UNSUBSCRIBED");
    bobs.ask("SET_STATUS", json!({"status": "busy"})).await;
    watcher.is_quiet().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn bad_frames_get_an_error_and_the_socket_goes_on(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let alice = server.person("alice").await;
    let mut socket = server.connect(&alice).await;
    for text in [
        "",
        "{",
        "[]",
        "null",
        r#"{"type":"NOPE"}"#,
        r#"{"type":"SET_STATUS"}"#,
        r#"{"type":"SET_STATUS","payload":{"status":"offline"}}"#,
        r#"{"type":"SUBSCRIBE","payload":{"userIds":["x"]}}"#,
        r#"{"type":"SUBSCRIBE","payload":{"userIds":7}}"#,
        r#"{"type":"FOCUS","payload":{"focused":"yes"}}"#,
        r#"{"type":"AUTHENTICATE","payload":{"token":"x"}}"#,
    ] {
        socket.send_text(text).await;
        let reply = socket.next().await;
        assert_eq!(reply["type"], "ERROR", "{text}: {reply}");
        assert_eq!(reply["payload"]["code"], "INVALID_MESSAGE", "{text}: {reply}");
    }
    socket.send_binary(b"\0\x01").await;
    assert_eq!(socket.next().await["payload"]["code"], "INVALID_MESSAGE");
    let too_many: Vec<_> = (0..1001).map(|_| shared::UserId::new()).collect();
    let reply = socket.ask("SUBSCRIBE", json!({"userIds": too_many})).await;
    assert_eq!(reply["payload"]["details"][0]["field"], "userIds");
    let long = "x".repeat(101);
    let reply = socket.ask("SET_STATUS", json!({"status": "busy", "text": long})).await;
    assert_eq!(reply["payload"]["details"][0]["field"], "text");
    socket.is_quiet().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_authenticate_is_told_and_closed(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::with(engine, |s| s.limits.authenticate_seconds = 1).await;
    let mut socket = server.connect_raw("").await;
    socket.send(json!({"type": "SUBSCRIBE", "payload": {}})).await;
    assert_eq!(socket.next().await["payload"]["code"], "UNAUTHORIZED");
    assert_eq!(socket.close_code().await, 4401, "after the deadline");
    for query in ["?token=nonsense", "?ticket=nonsense"] {
        let mut socket = server.connect_raw(query).await;
        assert_eq!(socket.next().await["payload"]["code"], "UNAUTHORIZED");
        assert_eq!(socket.close_code().await, 4401);
    }
    let alice = server.person("alice").await;
    let mut socket = server.connect_raw(&format!("?token={}", alice.token)).await;
    assert_eq!(socket.next().await["type"], "AUTH_SUCCESS");
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_opens_one_socket_once_while_its_login_stands(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let alice = server.person("alice").await;
    let ticket = async || server.domain.accounts.ws_ticket(&alice.viewer).await.unwrap().ticket;
    let first_of = async |query: String| server.connect_raw(&query).await.next().await;
    let (one, two, three) = (ticket().await, ticket().await, ticket().await);
    let raced = futures_util::future::join_all((0..8).map(|_| first_of(format!("?ticket={one}")))).await;
    assert_eq!(raced.iter().filter(|first| first["type"] == "AUTH_SUCCESS").count(), 1, "{raced:?}");
    assert_eq!(first_of(format!("?ticket={one}")).await["payload"]["message"], "the ticket is not valid");
    assert_eq!(first_of(format!("?token={two}")).await["payload"]["message"], "the token is not valid");
    assert_eq!(first_of(format!("?ticket={two}")).await["type"], "AUTH_SUCCESS");
    server.domain.accounts.log_out(&alice.viewer).await.unwrap();
    assert_eq!(first_of(format!("?ticket={three}")).await["payload"]["message"], "the session has ended");
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn logging_out_closes_the_sockets_of_that_session_alone(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let (alice, bob) = server.friends().await;
    let (mut alices, mut bobs) = (server.connect(&alice).await, server.connect(&bob).await);
    server.domain.accounts.log_out(&alice.viewer).await.unwrap();
    assert_eq!(alices.close_code().await, 4401);
    bobs.is_quiet().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_tells_every_socket_to_reconnect_and_closes_1012(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let (alice, bob) = server.friends().await;
    let mut sockets = [server.connect(&alice).await, server.connect(&bob).await];
    server.stop();
    for socket in &mut sockets {
        let frame = socket.next().await;
        assert_eq!(frame["type"], "RECONNECT", "{frame}");
        assert!(frame["payload"]["afterMs"].as_u64().unwrap() < 5000);
        assert_eq!(socket.close_code().await, 1012);
    }
}

/// A snapshot shows what was published last: one that showed more than that would never be put right, because nothing
/// is published when somebody comes back as they were.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn who_is_seen_between_the_end_of_their_grace_and_its_telling_is_as_watchers_were_told(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::without_upkeep(engine).await;
    let (alice, bob) = server.friends().await;
    let (presence, store) = (&server.domain.presence, &server.domain.store.presence);
    let long_ago = Timestamp::now().before(Duration::from_secs(3600));
    let user = bob.viewer.user;
    presence.connected(&bob.viewer, 1, SocketKind::Presence).await.unwrap();
    store.remove_device(user, server.domain.instance, 1, long_ago, Duration::ZERO).await.unwrap();

    let mut watcher = server.connect(&alice).await;
    let snapshot = watcher.ask("SUBSCRIBE", json!({})).await;
    assert_eq!(snapshot["payload"]["users"][0]["status"], "online", "{snapshot}");
    presence.connected(&bob.viewer, 2, SocketKind::Presence).await.unwrap();
    watcher.is_quiet().await;

    store.remove_device(user, server.domain.instance, 2, long_ago, Duration::ZERO).await.unwrap();
    presence.settle(user).await.unwrap();
    assert_eq!(status(&watcher.next().await), ("PRESENCE_UPDATE", "offline"));
}
