//! Where sockets are to be opened.

use std::time::Duration;

use rstest::rstest;
use shared::InstanceId;
use store::{Instance, Service};

use crate::support::{Engine, TestServer, assert_answer};

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
        let instance = Instance { id: InstanceId::new(), service, url, load, version: "0".into(), draining };
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
