//! More than one presence-server over one Redis.

use redis_fixture::{Append, Kind, Redis};
use serde_json::json;
use shared::settings::StoreUrl;
use store::Service;

use crate::{
    presence::status,
    process::Process,
    support::{Engine, TestServer},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_on_one_server_sees_who_comes_changes_and_goes_on_another() {
    let server = TestServer::start(Engine::Redis).await;
    let other = server.second().await;
    let (alice, bob) = server.friends().await;
    let mut watcher = server.connect(&alice).await;
    let snapshot = watcher.ask("SUBSCRIBE", json!({})).await;
    assert_eq!(snapshot["payload"]["users"][0]["status"], "offline");

    let mut bobs = other.connect(&bob).await;
    assert_eq!(status(&watcher.next().await), ("PRESENCE_UPDATE", "online"));
    bobs.ask("SET_STATUS", json!({"status": "away"})).await;
    assert_eq!(status(&watcher.next().await), ("PRESENCE_UPDATE", "away"));
    // A second device, on the watcher's server, and its end change nothing.
    server.connect(&bob).await.cut();
    bobs.cut();
    assert_eq!(status(&watcher.next().await), ("PRESENCE_UPDATE", "offline"));
    let snapshot = watcher.ask("SUBSCRIBE", json!({})).await;
    assert_eq!(snapshot["payload"]["users"][0]["status"], "offline");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_on_a_server_that_died_is_offline_once_when_its_lease_ends() {
    let server = TestServer::start(Engine::Redis).await;
    // Both look for the dead.
    let other = server.second().await;
    let (alice, bob) = server.friends().await;
    let mut watcher = server.connect(&alice).await;
    watcher.ask("SUBSCRIBE", json!({})).await;
    let mut doomed = Process::beside(&server, 1);
    let _bobs = doomed.connect(&bob).await;
    assert_eq!(status(&watcher.next().await), ("PRESENCE_UPDATE", "online"));

    doomed.kill();
    let update = watcher.next().await;
    assert_eq!(status(&update), ("PRESENCE_UPDATE", "offline"));
    assert!(update["payload"]["lastSeen"].is_string(), "{update}");
    // Whoever looks again has nothing to tell; if they had, it would come before what is published after it.
    for server in [&server, &other] {
        server.domain.presence.settle(bob.viewer.user).await.unwrap();
    }
    let _back = server.connect(&bob).await;
    assert_eq!(status(&watcher.next().await), ("PRESENCE_UPDATE", "online"));
    watcher.is_quiet().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_told_to_reconnect_is_sent_to_the_other_server() {
    let server = TestServer::start(Engine::Redis).await;
    let other = server.second().await;
    let alice = server.person("alice").await;
    while server.domain.store.registry.instances(Service::Presence).await.unwrap().len() < 2 {
        tokio::task::yield_now().await;
    }
    let mut socket = server.connect(&alice).await;
    server.stop();
    let frame = socket.next().await;
    assert_eq!(frame["type"], "RECONNECT", "{frame}");
    assert_eq!(frame["payload"]["url"], other.url.trim_end_matches("/presence"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_ended_unheard_is_found_in_time_and_after_a_loss_of_the_bus() {
    let redis = Redis::start(Kind::Node, Append::Never);
    for seconds in [1, 3600] {
        let server = TestServer::with(Engine::Redis, |settings| {
            settings.store.url = StoreUrl::Redis(redis.url().into());
            settings.auth.sessions_seconds = seconds;
        })
        .await;
        let (alice, bob) = server.friends().await;
        let (mut alices, mut bobs) = (server.connect(&alice).await, server.connect(&bob).await);
        let key = format!("{}{{u:{}}}:sessions", server.domain.settings.store.key_prefix, alice.viewer.user);
        let removed = redis.command(&["HDEL", &key, &alice.viewer.session().unwrap().to_string()]).unwrap();
        assert!(removed.starts_with(":1"), "{removed}");
        if seconds > 1 {
            alices.is_quiet().await;
            redis.cut_subscribers();
        }
        assert_eq!(alices.close_code().await, 4401);
        bobs.is_quiet().await;
    }
}
