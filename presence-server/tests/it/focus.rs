//! Looking, looking away, and what of it others see.

use std::time::Duration;

use rstest::rstest;
use serde_json::{Value, json};
use shared::Timestamp;

use crate::{
    presence::status,
    support::{Engine, Person, Socket, TestServer},
};

/// Two friends, one of whom watches the other come.
async fn watched(server: &TestServer) -> (Person, Socket, Socket) {
    let (alice, bob) = server.friends().await;
    let mut watcher = server.connect(&alice).await;
    watcher.ask("SUBSCRIBE", json!({})).await;
    let bobs = server.connect(&bob).await;
    assert_eq!(status(&watcher.next().await), ("PRESENCE_UPDATE", "online"));
    (bob, bobs, watcher)
}

async fn focus(socket: &mut Socket, focused: bool) {
    assert_eq!(socket.ask("FOCUS", json!({"focused": focused})).await["type"], "FOCUS_SET");
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn who_looks_at_none_of_their_devices_is_away_after_a_while(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::with(engine, |settings| settings.presence.away_ms = 700).await;
    let (bob, mut desktop, mut watcher) = watched(&server).await;
    let mut phone = server.connect(&bob).await;
    focus(&mut phone, true).await;
    // The one they look at counts, however long the other is idle.
    focus(&mut desktop, false).await;
    let looked_away = Timestamp::now();
    focus(&mut phone, false).await;
    assert_eq!(status(&watcher.next().await), ("PRESENCE_UPDATE", "away"));
    assert!(Timestamp::now().since(looked_away) >= Duration::from_millis(700));
    // What is said again changes nothing, and begins nothing anew.
    focus(&mut phone, false).await;
    watcher.is_quiet().await;
    focus(&mut desktop, true).await;
    assert_eq!(status(&watcher.next().await), ("PRESENCE_UPDATE", "online"));
    watcher.is_quiet().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn the_idle_device_counts_once_the_one_in_focus_has_gone_for_good(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::with(engine, |settings| {
        settings.presence.away_ms = 1;
        settings.presence.grace_ms = 700;
    })
    .await;
    let (bob, mut desktop, mut watcher) = watched(&server).await;
    focus(&mut desktop, false).await;
    assert_eq!(status(&watcher.next().await), ("PRESENCE_UPDATE", "away"));
    let mut phone = server.connect(&bob).await;
    focus(&mut phone, true).await;
    assert_eq!(status(&watcher.next().await), ("PRESENCE_UPDATE", "online"));
    // A reload.
    phone.cut();
    let mut phone = server.connect(&bob).await;
    focus(&mut phone, true).await;
    watcher.is_quiet().await;
    phone.cut();
    assert_eq!(status(&watcher.next().await), ("PRESENCE_UPDATE", "away"));
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn what_was_chosen_stands_whether_they_look_or_not(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::with(engine, |settings| settings.presence.away_ms = 1).await;
    let (_bob, mut desktop, mut watcher) = watched(&server).await;
    desktop.ask("SET_STATUS", json!({"status": "busy"})).await;
    assert_eq!(status(&watcher.next().await), ("PRESENCE_UPDATE", "busy"));
    focus(&mut desktop, false).await;
    desktop.ask("SET_STATUS", json!({"status": "online"})).await;
    assert_eq!(status(&watcher.next().await), ("PRESENCE_UPDATE", "away"), "they look at nothing");
}

fn last_seen(frame: &Value) -> Option<Timestamp> {
    serde_json::from_value(frame["payload"]["lastSeen"].clone()).unwrap()
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn who_is_invisible_leaves_no_trace(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let (bob, mut desktop, mut watcher) = watched(&server).await;
    desktop.ask("SET_STATUS", json!({"status": "invisible"})).await;
    let update = watcher.next().await;
    assert_eq!(status(&update), ("PRESENCE_UPDATE", "offline"));
    let hidden = last_seen(&update).unwrap();
    let seen = async |watcher: &mut Socket| {
        let snapshot = watcher.ask("SUBSCRIBE", json!({})).await;
        (snapshot["payload"]["users"][0].clone(), server.domain.presence.own(bob.viewer.user).await.unwrap())
    };
    let before = seen(&mut watcher).await;
    desktop.cut();
    let user = bob.viewer.user;
    let gone = async || server.domain.store.presence.presence(&[user]).await.unwrap()[0].devices.is_empty();
    while !gone().await {
        tokio::task::yield_now().await;
    }
    server.connect(&bob).await.cut();
    while !gone().await {
        tokio::task::yield_now().await;
    }
    // As if their last connection had ended when they hid, a grace time before that was told.
    assert_eq!(seen(&mut watcher).await, before);
    assert_eq!(before.0["lastSeen"], json!(hidden));
    watcher.is_quiet().await;
}
