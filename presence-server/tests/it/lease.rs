//! A process that stood still for longer than its lease.

use std::time::Duration;

use rstest::rstest;
use serde_json::json;
use shared::Timestamp;

use crate::{
    presence::status,
    support::{Engine, TestServer},
};

const LEASE: Duration = Duration::from_secs(30);

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_was_taken_for_dead_announces_its_connections_again(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::without_upkeep(engine).await;
    let (presence, store) = (&server.domain.presence, &server.domain.store.presence);
    let (alice, bob) = server.friends().await;
    let mut watcher = server.connect(&alice).await;
    watcher.ask("SUBSCRIBE", json!({})).await;
    let mut bobs = server.connect(&bob).await;
    bobs.ask("FOCUS", json!({"focused": true})).await;
    assert_eq!(status(&watcher.next().await), ("PRESENCE_UPDATE", "online"));
    let user = bob.viewer.user;
    let devices = async || store.presence(&[user]).await.unwrap().remove(0).devices;
    let before = devices().await;

    presence.beat(LEASE).await.unwrap();
    // Others find the lease ended, and nobody connected.
    assert_eq!(store.reap(Timestamp::now().after(LEASE), 9).await.unwrap(), 2);
    assert_eq!(devices().await, []);
    presence.beat(LEASE).await.unwrap();
    let after = devices().await;
    assert_eq!(after.len(), 1);
    assert_ne!(after[0].instance, before[0].instance, "under another lease");
    assert_eq!((after[0].focused, after[0].since), (before[0].focused, before[0].since));
    // A beat later nothing is put again, and they go as they would have gone.
    presence.beat(LEASE).await.unwrap();
    assert_eq!(devices().await, after);
    bobs.cut();
    while !devices().await.is_empty() {
        tokio::task::yield_now().await;
    }
    watcher.is_quiet().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn who_was_told_offline_meanwhile_is_online_again(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::without_upkeep(engine).await;
    let (presence, store) = (&server.domain.presence, &server.domain.store.presence);
    let (alice, bob) = server.friends().await;
    let mut watcher = server.connect(&alice).await;
    watcher.ask("SUBSCRIBE", json!({})).await;
    let _bobs = server.connect(&bob).await;
    assert_eq!(status(&watcher.next().await), ("PRESENCE_UPDATE", "online"));
    let long_ago = Timestamp::now().before(LEASE);
    store.beat(server.domain.instance, long_ago, Duration::ZERO).await.unwrap();
    store.reap(long_ago, 9).await.unwrap();
    presence.settle(bob.viewer.user).await.unwrap();
    assert_eq!(status(&watcher.next().await), ("PRESENCE_UPDATE", "offline"));
    // Its first beat is like that of one that never had a lease; the second finds out.
    presence.beat(LEASE).await.unwrap();
    store.beat(server.domain.instance, long_ago, Duration::ZERO).await.unwrap();
    store.reap(long_ago, 9).await.unwrap();
    presence.beat(LEASE).await.unwrap();
    assert_eq!(status(&watcher.next().await), ("PRESENCE_UPDATE", "online"));
    watcher.is_quiet().await;
}
