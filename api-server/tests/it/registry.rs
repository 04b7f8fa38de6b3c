//! Where sockets are to be opened.

use std::time::Duration;

use rstest::rstest;
use shared::InstanceId;
use store::{Instance, Service};

use crate::{
    stand_in::{How, StandIn},
    support::{Engine, Person, TestServer, assert_answer, until},
};

/// Which of the instances is named.
async fn named(person: &Person) -> String {
    person.get("/api/registry/chat").await.expect(200).raw["instance"].as_str().unwrap().to_owned()
}

#[rstest]
#[tokio::test]
async fn clients_are_sent_to_the_least_loaded_instance_that_is_not_stopping(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let alice = server.guest("alice").await;
    let registry = &server.domain.store.registry;
    assert_answer!(alice.get("/api/registry/chat").await, @r#"
    {
      "status": 503,
      "body": {
        "code": "UNAVAILABLE",
        "detail": "temporarily unavailable; try again",
        "error": "temporarily unavailable; try again",
        "requestId": "[requestId]",
        "status": 503,
        "title": "Temporarily unavailable",
        "type": "about:blank"
      }
    }
    "#);
    let register = async |service, name: &str, load, draining| {
        let url = format!("ws://{name}.example");
        let (id, version) = (InstanceId::new(), "0".into());
        let instance = Instance { id, service, url, address: None, beat: 1, load, version, draining };
        registry.register(&instance, Duration::from_secs(60)).await.unwrap();
        instance.id
    };
    register(Service::Chat, "stopping", 0, true).await;
    alice.get("/api/registry/chat").await.refused(503, "UNAVAILABLE");
    register(Service::Chat, "full", 30, false).await;
    let least = register(Service::Chat, "least", 2, false).await;
    register(Service::Chat, "busy", 11, false).await;
    register(Service::Presence, "presence", 1, false).await;
    assert_answer!(alice.get("/api/registry/chat").await, @r#"{"status": 200, "body": {"instance": "[id 1]", "load": 2, "url": "ws://least.example"}}"#);
    assert_eq!(alice.get("/api/registry/presence").await.expect(200).raw["url"], "ws://presence.example");
    registry.deregister(Service::Chat, least).await.unwrap();
    assert_eq!(alice.get("/api/registry/chat").await.expect(200).raw["url"], "ws://busy.example");
}

#[rstest]
#[tokio::test]
async fn there_is_no_registry_of_other_services(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let alice = server.guest("alice").await;
    assert_answer!(alice.get("/api/registry/api").await, @r#"
    {
      "status": 404,
      "body": {
        "code": "NOT_FOUND",
        "detail": "there is a registry of chat and of presence",
        "error": "there is a registry of chat and of presence",
        "requestId": "[requestId]",
        "status": 404,
        "title": "Not found",
        "type": "about:blank"
      }
    }
    "#);
    for other in ["notification", "Chat", "x", "%00"] {
        alice.get(format!("/api/registry/{other}")).await.refused(404, "NOT_FOUND");
    }
}

#[rstest]
#[tokio::test]
async fn a_killed_instance_is_not_named_however_long_its_lease_lasts(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let alice = server.guest("alice").await;
    let idle = StandIn::start(Service::Chat, How::Answer(200)).await;
    let busy = StandIn::start(Service::Chat, How::Answer(200)).await;
    idle.register(&server, 0).await;
    busy.register(&server, 100).await;
    assert_eq!(named(&alice).await, idle.id.to_string());
    until(async || (idle.was_met() && busy.was_met()).then_some(())).await;
    let gone = idle.id.to_string();
    idle.kill();
    until(async || (named(&alice).await != gone).then_some(())).await;
    for _ in 0..10 {
        assert_eq!(named(&alice).await, busy.id.to_string());
    }
    busy.kill();
    until(async || (alice.get("/api/registry/chat").await.status == 503).then_some(())).await;
    alice.get("/api/registry/chat").await.refused(503, "UNAVAILABLE");
}

#[rstest]
#[tokio::test]
async fn an_instance_that_cannot_be_asked_is_believed(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let alice = server.guest("alice").await;
    // Two machines behind proxies of their own: the address of the one leads, from here, to the other.
    let here = StandIn::start(Service::Chat, How::Answer(200)).await;
    let elsewhere = Instance { id: InstanceId::new(), ..here.entry(0) };
    let minute = Duration::from_secs(60);
    here.register(&server, 100).await;
    server.domain.store.registry.register(&elsewhere, minute).await.unwrap();
    until(async || (here.times_met() >= 2).then_some(())).await;
    here.kill();
    for _ in 0..10 {
        assert_eq!(named(&alice).await, elsewhere.id.to_string());
    }
}

#[rstest]
#[tokio::test]
async fn clients_that_come_at_once_do_not_meet_at_one_instance(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let alice = server.guest("alice").await;
    for _ in 0..3 {
        let (id, service, url) = (InstanceId::new(), Service::Chat, "ws://chat.example".into());
        let entry =
            Instance { id, service, url, address: None, beat: 1, load: 7, version: "0".into(), draining: false };
        server.domain.store.registry.register(&entry, Duration::from_secs(60)).await.unwrap();
    }
    let mut sent = std::collections::BTreeMap::<String, usize>::new();
    for instance in futures_util::future::join_all((0..30).map(|_| named(&alice))).await {
        *sent.entry(instance).or_default() += 1;
    }
    assert_eq!(sent.into_values().collect::<Vec<_>>(), [10, 10, 10]);
}
