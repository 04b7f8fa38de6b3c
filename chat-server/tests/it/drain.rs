//! A server that stops: whom it tells what, and in which order.

use rstest::rstest;
use store::{Instance, Service};

use crate::support::{Engine, World};

impl World {
    /// The chat-servers in the registry, once there are so many.
    async fn registered(&self, count: usize) -> Vec<Instance> {
        let registry = &self.domain.store.registry;
        loop {
            let instances = registry.instances(Service::Chat).await.unwrap();
            if instances.len() == count {
                return instances;
            }
            tokio::task::yield_now().await;
        }
    }
}

#[rstest]
#[tokio::test]
async fn a_drain_tells_every_socket_to_reconnect_and_closes_1012(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let mut world = World::start(engine).await;
    let bob = world.user("bob").await;
    let mut alice = world.connect(&world.user("alice").await).await;
    let mut client = world.connect(&bob).await;
    world.begin_stop(0);
    for client in [&mut alice, &mut client] {
        let frame = client.frame().await;
        assert_eq!(frame, r#"{"payload":{"afterMs":"<ms>"},"type":"RECONNECT"}"#);
        assert_eq!(client.closed().await, 1012);
    }
    world.stop(0).await;
    assert_eq!(world.domain.presence.own(bob.id).await.unwrap().devices, Some(0), "the server took its users along");
}

#[rstest]
#[tokio::test]
async fn a_drain_sends_clients_to_the_other_instance_and_the_last_one_names_none(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let mut world = World::start(engine).await;
    world.add_node().await;
    world.registered(2).await;
    let bob = world.user("bob").await;
    let mut client = world.connect(&bob).await;
    world.begin_stop(0);
    let told = client.next().await;
    assert_eq!(told["type"], "RECONNECT");
    let other = world.url(1);
    assert_eq!(told["payload"]["url"], other.trim_end_matches("/chat"));
    // Who is told to go cannot be sent here again by the registry.
    let left = world.domain.store.registry.instances(Service::Chat).await.unwrap();
    assert_eq!(left.iter().map(|i| i.url.as_str()).collect::<Vec<_>>(), [other.trim_end_matches("/chat")]);
    assert_eq!(client.closed().await, 1012);
    world.stop(0).await;

    let mut again = world.connect_to(1, &bob).await;
    world.begin_stop(1);
    assert_eq!(again.frame().await, r#"{"payload":{"afterMs":"<ms>"},"type":"RECONNECT"}"#);
    assert_eq!(again.closed().await, 1012);
    world.stop(1).await;
}

#[rstest]
#[tokio::test]
async fn a_store_that_hangs_does_not_keep_clients_from_being_told(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let mut world = World::start(engine).await;
    world.add_node().await;
    world.registered(2).await;
    let mut client = world.connect(&world.user("bob").await).await;
    let registry = world.registry.clone();
    let held = registry.gate.lock().await;
    world.begin_stop(0);
    assert_eq!(client.frame().await, r#"{"payload":{"afterMs":"<ms>"},"type":"RECONNECT"}"#);
    assert_eq!(client.closed().await, 1012);
    world.stop(0).await;
    drop(held);
}
