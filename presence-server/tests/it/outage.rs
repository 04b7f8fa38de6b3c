//! The store is away, or answers again: never "offline", and nothing twice.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use async_trait::async_trait;
use redis_fixture::{Append, Kind, Redis};
use serde_json::json;
use shared::{InstanceId, Timestamp, UserId, protocol::LastSeenFor, settings::StoreUrl};
use store::{ChosenStatus, Device, Presence, PresenceState, Publishing, presence::PresenceEvent};

use crate::{
    presence::status,
    states::call,
    support::{Engine, TestServer},
};

#[tokio::test(flavor = "multi_thread")]
async fn while_the_store_is_down_nobody_is_said_to_be_offline() {
    let mut redis = Redis::start(Kind::Node, Append::Never);
    let url = redis.url().to_owned();
    let server = TestServer::with(Engine::Redis, |settings| settings.store.url = StoreUrl::Redis(url.into())).await;
    let (alice, bob) = server.friends().await;
    let _bobs = server.connect(&bob).await;
    let mut watcher = server.connect(&alice).await;
    let snapshot = watcher.ask("SUBSCRIBE", json!({})).await;
    assert_eq!(snapshot["payload"]["users"][0]["status"], "online");
    redis.kill();
    for payload in [json!({}), json!({"userIds": [bob.viewer.user]})] {
        let reply = watcher.ask("SUBSCRIBE", payload).await;
        assert_eq!((&reply["type"], &reply["payload"]["code"]), (&json!("ERROR"), &json!("UNAVAILABLE")));
    }
    for (command, payload) in [("SET_STATUS", json!({"status": "busy"})), ("FOCUS", json!({"focused": false}))] {
        let reply = watcher.ask(command, payload).await;
        assert_eq!((&reply["type"], &reply["payload"]["code"]), (&json!("ERROR"), &json!("UNAVAILABLE")));
    }
    let path = format!("/api/presence?userIds={}", bob.viewer.user);
    let (code, problem) = call(&server, &alice, "GET", &path, None).await;
    assert_eq!((code, &problem["code"]), (503, &json!("UNAVAILABLE")));
    watcher.is_quiet().await;
}

/// Fails to read as often as it is told to.
struct Failing {
    inner: Arc<dyn Presence>,
    failures: AtomicUsize,
}

#[async_trait]
impl Presence for Failing {
    async fn beat(&self, instance: InstanceId, now: Timestamp, ttl: Duration) -> store::Result<bool> {
        self.inner.beat(instance, now, ttl).await
    }
    async fn put_device(&self, user: UserId, device: &Device, alone: &PresenceEvent) -> store::Result<PresenceState> {
        self.inner.put_device(user, device, alone).await
    }
    async fn remove_device(
        &self,
        user: UserId,
        instance: InstanceId,
        connection: u64,
        at: Timestamp,
        grace: Duration,
    ) -> store::Result<()> {
        self.inner.remove_device(user, instance, connection, at, grace).await
    }
    async fn set_chosen(&self, user: UserId, chosen: ChosenStatus, text: Option<&str>) -> store::Result<()> {
        self.inner.set_chosen(user, chosen, text).await
    }
    async fn set_last_seen_for(&self, user: UserId, whom: LastSeenFor) -> store::Result<()> {
        self.inner.set_last_seen_for(user, whom).await
    }
    async fn presence(&self, users: &[UserId]) -> store::Result<Vec<PresenceState>> {
        if self.failures.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok() {
            return Err(store::StoreError::Unavailable(anyhow::anyhow!("it is away")));
        }
        self.inner.presence(users).await
    }
    async fn publish(&self, event: &PresenceEvent, version: u64) -> store::Result<Publishing> {
        self.inner.publish(event, version).await
    }
    async fn due_at(&self, user: UserId, at: Timestamp) -> store::Result<()> {
        self.inner.due_at(user, at).await
    }
    async fn due_users(&self, now: Timestamp, lease: Duration, limit: usize) -> store::Result<Vec<UserId>> {
        self.inner.due_users(now, lease, limit).await
    }
    async fn finish_due_user(&self, user: UserId) -> store::Result<()> {
        self.inner.finish_due_user(user).await
    }
    async fn reap(&self, now: Timestamp, limit: usize) -> store::Result<usize> {
        self.inner.reap(now, limit).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_bus_lost_is_told_once_the_store_answers_and_nothing_else() {
    let redis = Redis::start(Kind::Node, Append::Never);
    let url = redis.url().to_owned();
    let failing = Arc::new(std::sync::OnceLock::<Arc<Failing>>::new());
    let wrap = failing.clone();
    let server = TestServer::over(
        Engine::Redis,
        |settings| settings.store.url = StoreUrl::Redis(url.into()),
        move |store| {
            let it = Arc::new(Failing { inner: store.presence.clone(), failures: AtomicUsize::new(0) });
            store.presence = wrap.get_or_init(|| it).clone();
        },
    )
    .await;
    let failures = &failing.get().unwrap().failures;
    let (alice, bob) = server.friends().await;
    let carol = server.person("carol").await;
    server.domain.people.add_contact(&carol.viewer, alice.viewer.user).await.unwrap();
    let (_bobs, _carols) = (server.connect(&bob).await, server.connect(&carol).await);
    let mut watcher = server.connect(&alice).await;
    let users = [bob.viewer.user, carol.viewer.user];
    let snapshot = watcher.ask("SUBSCRIBE", json!({"userIds": users})).await;
    assert_eq!(snapshot["payload"]["users"][1]["status"], "online");
    // A change that nobody hears of.
    let key = format!("{}{{u:{}}}:presence", server.domain.settings.store.key_prefix, bob.viewer.user);
    let busy = r#"{"status":"busy","text":null}"#;
    assert!(redis.command(&["HSET", &key, "published", busy]).unwrap().starts_with(":0"));
    failures.store(2, SeqCst);
    redis.cut_subscribers();
    assert_eq!(status(&watcher.next().await), ("PRESENCE_UPDATE", "busy"));
    assert_eq!(failures.load(SeqCst), 0, "it was tried again");
    // Of carol, who is as she was, nothing is said.
    watcher.is_quiet().await;
}
