//! The registry, rates, signing keys, health, sweeping.

use std::time::{Duration, Instant};

use shared::{
    InstanceId, Timestamp,
    protocol::Role,
    token::{Kid, PublicKey},
};
use store::{ApiKeyRecord, BackedUp, Draining, Finding, Instance, Service};

use crate::{
    engine::{Engine, Fixture},
    support::{MANY, actor, at_once, eventually, room_of},
};

const LONG: Duration = Duration::from_secs(600);
const SHORT: Duration = Duration::from_millis(300);

fn instance(service: Service, load: u64) -> Instance {
    let url = format!("ws://h:{load}/é");
    let address = (load != 2).then(|| ([10, 0, 0, 1], 3001).into());
    let (id, version) = (InstanceId::new(), "1.2.3".into());
    Instance { id, service, url, address, beat: load, load, version, draining: load == 3 }
}

pub async fn instances_come_least_loaded_first(s: &Fixture) {
    let mut chats: Vec<Instance> = [3, 1, 2].map(|load| instance(Service::Chat, load)).to_vec();
    let api = instance(Service::Api, 0);
    for instance in chats.iter().chain([&api]) {
        s.registry.register(instance, LONG).await.unwrap();
    }
    chats.sort_by_key(|i| i.load);
    assert_eq!(s.registry.instances(Service::Chat).await.unwrap(), chats);
    assert_eq!(s.registry.instances(Service::Api).await.unwrap(), [api]);
    assert_eq!(s.registry.instances(Service::Presence).await.unwrap(), []);
    chats[0].load = 100;
    s.registry.register(&chats[0], LONG).await.unwrap();
    chats.sort_by_key(|i| i.load);
    assert_eq!(s.registry.instances(Service::Chat).await.unwrap(), chats, "replaced, not added");
    s.registry.deregister(Service::Chat, chats[1].id).await.unwrap();
    s.registry.deregister(Service::Chat, chats[1].id).await.unwrap();
    s.registry.deregister(Service::Api, chats[0].id).await.unwrap();
    chats.remove(1);
    assert_eq!(s.registry.instances(Service::Chat).await.unwrap(), chats);
}

pub async fn an_instance_that_is_not_put_again_ends(s: &Fixture) {
    let (stays, goes) = (instance(Service::Chat, 1), instance(Service::Chat, 2));
    s.registry.register(&stays, SHORT).await.unwrap();
    s.registry.register(&stays, LONG).await.unwrap();
    let start = Instant::now();
    s.registry.register(&goes, SHORT).await.unwrap();
    let there = s.registry.instances(Service::Chat).await.unwrap().len();
    assert!(there == 2 || start.elapsed() >= SHORT);
    eventually("ended", async || s.registry.instances(Service::Chat).await.unwrap().len() == 1).await;
    assert!(start.elapsed() >= SHORT - Duration::from_millis(20), "not before its time");
    assert_eq!(s.registry.instances(Service::Chat).await.unwrap(), [stays]);
}

pub async fn an_instance_is_asked_to_stop_unless_it_is_the_last_of_its_service(s: &Fixture) {
    let [one, two] = [instance(Service::Chat, 1), instance(Service::Chat, 2)];
    let api = Instance { id: one.id, ..instance(Service::Api, 1) };
    let put = async |instance: &Instance| s.registry.register(instance, LONG).await.unwrap();
    let ask = async |instance: &Instance| s.elsewhere().await.registry.ask_to_drain(instance.id, LONG).await.unwrap();
    assert_eq!(ask(&one).await, Draining::Unknown);
    for instance in [&one, &two, &api] {
        assert!(!put(instance).await);
    }
    assert_eq!(ask(&one).await, Draining::Last(Service::Api), "its process is of another service, too");
    assert_eq!(ask(&two).await, Draining::Asked);
    assert_eq!(s.registry.draining().await.unwrap(), [two.id]);
    assert!(put(&two).await && !put(&one).await);
    s.registry.deregister(Service::Api, one.id).await.unwrap();
    assert_eq!(ask(&one).await, Draining::Last(Service::Chat), "the other one is about to go");
    assert_eq!(ask(&two).await, Draining::Asked, "twice is once");
}

pub async fn of_two_who_are_asked_to_stop_at_once_one_stays(s: &Fixture) {
    let [one, two] = [instance(Service::Chat, 1), instance(Service::Chat, 2)];
    for instance in [&one, &two] {
        s.registry.register(instance, LONG).await.unwrap();
    }
    let ask = async |instance: &Instance| s.registry.ask_to_drain(instance.id, SHORT).await.unwrap();
    let answers = tokio::join!(ask(&one), ask(&two));
    let asked = [answers.0, answers.1].iter().filter(|answer| **answer == Draining::Asked).count();
    assert_eq!(asked, 1, "{answers:?}");
    eventually("ended", async || s.registry.draining().await.unwrap().is_empty()).await;
    assert!(!s.registry.register(&one, LONG).await.unwrap() && !s.registry.register(&two, LONG).await.unwrap());
}

pub async fn a_bucket_gives_what_it_has(s: &Fixture) {
    let take = async |key: &str, want| s.limits.take(key, 5, Duration::from_secs(3600), want).await.unwrap();
    let first = take("user:{1}", 3).await;
    assert_eq!((first.granted, first.retry_after), (3, Duration::ZERO));
    let rest = take("user:{1}", 4).await;
    assert_eq!((rest.granted, rest.retry_after), (2, Duration::ZERO), "more was wanted than there was");
    let none = take("user:{1}", 1).await;
    assert_eq!(none.granted, 0);
    assert!(none.retry_after > Duration::from_secs(600) && none.retry_after <= Duration::from_secs(720), "{none:?}");
    assert_eq!(take("user:{2}", 9).await.granted, 5, "each key has a bucket of its own");
}

pub async fn a_bucket_fills_up_to_its_burst(s: &Fixture) {
    let refill = Duration::from_millis(500);
    let take = async |want| s.limits.take("k", 10, refill, want).await.unwrap();
    let start = Instant::now();
    assert_eq!(take(10).await.granted, 10);
    let empty = take(10).await;
    if empty.granted == 0 {
        assert!(empty.retry_after > Duration::ZERO && empty.retry_after <= refill / 10, "{empty:?}");
    }
    let mut granted = empty.granted;
    eventually("two refills", async || {
        granted += take(1).await.granted;
        granted >= 20
    })
    .await;
    // 20 tokens are gained in two refills; what the clocks may differ by is far less than a tenth of that.
    assert!(start.elapsed() >= refill * 2 * 9 / 10, "no faster than it fills: {:?}", start.elapsed());
    tokio::time::sleep(refill * 2).await;
    assert!(take(1000).await.granted <= 10, "and never over its burst");
}

pub async fn what_is_given_back_is_there_again_and_never_over_the_burst(s: &Fixture) {
    let hour = Duration::from_secs(3600);
    let take = async |want| s.limits.take("k", 5, hour, want).await.unwrap().granted;
    let give_back = async |count| s.limits.give_back("k", 5, hour, count).await.unwrap();
    give_back(3).await;
    assert_eq!(take(9).await, 5, "nothing was taken");
    give_back(2).await;
    assert_eq!(take(9).await, 2);
    give_back(1).await;
    give_back(9).await;
    assert_eq!(take(9).await, 5);
    assert_eq!(take(9).await, 0);
}

pub async fn takers_at_once_share_a_bucket(s: &Fixture) {
    let far = s.elsewhere().await;
    let granted = at_once((0..20).map(|i| {
        let limits = if i % 2 == 0 { s.limits.clone() } else { far.limits.clone() };
        async move { limits.take("k", 7, Duration::from_secs(3600), 2).await.unwrap().granted }
    }))
    .await;
    assert_eq!(granted.iter().sum::<u32>(), 7, "{granted:?}");
}

fn key(n: u8) -> PublicKey {
    PublicKey { kid: Kid::parse(&format!("abc_DEF-0123456789abc{}", n % 10)).unwrap(), x: format!("key{n}") }
}

pub async fn a_public_key_is_found_until_it_ends(s: &Fixture) {
    let (one, two, goes) = (key(1), key(2), key(3));
    assert_eq!(s.signing_keys.signing_keys().await.unwrap(), []);
    s.signing_keys.publish_key(&one, LONG).await.unwrap();
    s.signing_keys.publish_key(&two, SHORT).await.unwrap();
    s.signing_keys.publish_key(&two, LONG).await.unwrap();
    let start = Instant::now();
    s.signing_keys.publish_key(&goes, SHORT).await.unwrap();
    let found = s.signing_keys.signing_key(&goes.kid).await.unwrap();
    assert!(found == Some(goes.clone()) || start.elapsed() >= SHORT);
    eventually("ended", async || s.signing_keys.signing_key(&goes.kid).await.unwrap().is_none()).await;
    assert!(start.elapsed() >= SHORT - Duration::from_millis(20), "not before its time");
    let mut all = s.signing_keys.signing_keys().await.unwrap();
    all.sort_by(|a, b| a.x.cmp(&b.x));
    assert_eq!(all, [one.clone(), two], "all that have not ended");
    assert_eq!(s.signing_keys.signing_key(&one.kid).await.unwrap(), Some(one));
    assert_eq!(s.signing_keys.signing_key(&key(9).kid).await.unwrap(), None);
}

pub async fn health_warns_of_a_configuration_that_loses_data(s: &Fixture) {
    let warnings = s.health.check().await.unwrap();
    let Some(server) = s.server() else {
        assert_eq!(s.engine, Engine::Embedded);
        assert_eq!(warnings, []);
        return;
    };
    let mentions = |found: &[Finding], word: &str| found.iter().any(|found| found.what.contains(word));
    assert!(mentions(&warnings, "append"), "the server of the tests has no append-only file: {warnings:?}");
    assert!(!mentions(&warnings, "evict"), "{warnings:?}");
    server.command(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]).unwrap();
    let warnings = s.health.check().await;
    server.command(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]).unwrap();
    let warnings = warnings.unwrap();
    assert!(mentions(&warnings, "evict"), "{warnings:?}");
}

pub async fn an_api_key_is_kept_until_it_is_revoked(s: &Fixture) {
    let record = |id: &str| ApiKeyRecord {
        id: id.into(),
        name: format!("é {id}"),
        hash: [id.as_bytes()[0]; 32],
        created_at: Timestamp::from_millis(1),
    };
    let (one, other) = (record("b0000000"), record("a0000000"));
    assert_eq!(s.api_keys.keys().await.unwrap(), []);
    assert!(s.api_keys.create_key(&one).await.unwrap());
    assert!(s.api_keys.create_key(&other).await.unwrap());
    let again = ApiKeyRecord { name: "again".into(), ..one.clone() };
    assert!(!s.api_keys.create_key(&again).await.unwrap());
    assert_eq!(s.elsewhere().await.api_keys.keys().await.unwrap(), [other.clone(), one.clone()]);
    assert!(s.api_keys.revoke_key(&one.id).await.unwrap());
    assert!(!s.api_keys.revoke_key(&one.id).await.unwrap());
    assert!(!s.api_keys.revoke_key("").await.unwrap());
    assert_eq!(s.api_keys.keys().await.unwrap(), [other]);
}

pub async fn a_backup_is_complete_when_it_is_said_to_be(s: &Fixture) {
    let alice = actor("alice");
    let room = room_of(&s.store, &[&alice]).await;
    // As a shell completes it.
    let (given, into) = (s.scratch().join("backup/"), s.scratch().join("backup"));
    match s.backups.back_up(Some(&given)).await.unwrap() {
        BackedUp::Directory { path, pairs, bytes } => {
            assert!(into.join("db").exists());
            assert_eq!((s.engine, &path), (Engine::Embedded, &into));
            let back = s.scratch().join("back");
            let restored = store::embedded::restore(&into, &back).await.unwrap();
            assert_eq!(restored, BackedUp::Directory { path: back.clone(), pairs, bytes });
            let again = store::embedded::open(&back).await.unwrap();
            assert_eq!(again.rooms.room(room).await.unwrap(), s.rooms.room(room).await.unwrap());
            again.maintenance.close().await.unwrap();
        }
        BackedUp::Servers(servers) => {
            let [(_, file)] = servers.as_slice() else { panic!("one server: {servers:?}") };
            let saved = std::fs::metadata(file).unwrap().modified().unwrap();
            assert!(saved.elapsed().unwrap() < Duration::from_secs(60), "{file} was saved now");
        }
    }
}

pub async fn sweeping_a_quiet_store_does_nothing(s: &Fixture) {
    let alice = actor("alice");
    let room = room_of(&s.store, &[&alice]).await;
    let before = s.rooms.room(room).await.unwrap();
    for _ in 0..2 {
        assert_eq!(s.maintenance.sweep(Timestamp::now().after(LONG)).await.unwrap(), 0);
    }
    assert_eq!(s.rooms.room(room).await.unwrap(), before);
    assert_eq!(s.rooms.rooms_of(alice.id).await.unwrap(), [room]);
}

pub async fn sweeping_disturbs_nothing_that_is_going_on(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let room = room_of(&s.store, &[&alice]).await;
    let sweeper = {
        let maintenance = s.maintenance.clone();
        tokio::spawn(async move {
            loop {
                maintenance.sweep(Timestamp::now()).await.unwrap();
                tokio::task::yield_now().await;
            }
        })
    };
    for n in 0..20 {
        s.rooms.join(room, &bob, Role::Member, MANY).await.unwrap();
        assert_eq!(s.rooms.rooms_of(bob.id).await.unwrap(), [room]);
        s.users.create_user(&crate::support::account(&format!("user{n}"))).await.unwrap();
        assert!(s.users.user_id_by_name(&format!("user{n}")).await.unwrap().is_some());
        s.rooms.leave(room, &bob).await.unwrap();
        assert_eq!(s.rooms.rooms_of(bob.id).await.unwrap(), []);
    }
    assert!(!sweeper.is_finished(), "sweeping failed");
    sweeper.abort();
}
