//! What blocks and contact requests do to open sockets.

use rstest::rstest;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Client, Engine, User, World};

/// Two people in a direct room, each with a socket that has seen all that was before.
async fn pair(world: &World) -> ((User, Client), (User, Client), String) {
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    world.domain.store.people.add_contact(bob.id, alice.id, 9).await.unwrap();
    let viewer = world.domain.identity.authenticate(&alice.token).await.unwrap();
    let room = world.domain.rooms.open_direct(&viewer, bob.id).await.unwrap().to_string();
    let (a, b) = (world.connect(&alice).await, world.connect(&bob).await);
    ((alice, a), (bob, b), room)
}

/// The next frame that is a reply.
async fn reply(client: &mut Client) -> Value {
    loop {
        let frame = client.next().await;
        if !frame["requestId"].is_null() {
            return frame;
        }
    }
}

#[rstest]
#[tokio::test]
async fn a_block_is_told_on_all_devices_of_its_owner_and_stops_both_at_once(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::start(engine).await;
    let ((alice, mut a1), (bob, mut b), room) = pair(&world).await;
    let mut a2 = world.connect(&alice).await;
    let viewer = world.domain.identity.authenticate(&alice.token).await.unwrap();
    world.domain.people.block(&viewer, bob.id).await.unwrap();
    // No event has to arrive anywhere for the next message to be refused.
    let hello = json!({"roomId": room, "content": "hello?"});
    let refused = b.ask("SEND_MESSAGE", hello.clone()).await;
    assert_eq!((&refused["type"], &refused["payload"]["code"]), (&json!("ERROR"), &json!("BLOCKED")), "{refused}");
    for client in [&mut a1, &mut a2] {
        let told = client.frame().await;
        insta::allow_duplicates! {
            insta::assert_snapshot!(told, @r#"{"payload":{"blocked":true,"userId":"<bob>","userPosition":{"eventId":"<event>","rev":2}},"type":"BLOCK_UPDATED"}"#);
        }
    }
    assert_eq!(a1.ask("SEND_MESSAGE", hello.clone()).await["payload"]["code"], "BLOCKED");
    b.tell("TYPING_STATUS", json!({"roomId": room, "isTyping": true})).await;
    for client in [&mut b, &mut a1, &mut a2] {
        client.quiet().await;
    }
    world.domain.people.unblock(&viewer, bob.id).await.unwrap();
    assert_eq!(a1.next().await["payload"]["blocked"], false);
    b.ask_among_events("SEND_MESSAGE", hello).await.0["payload"]["id"].as_str().unwrap();
    assert_eq!(a1.next().await["type"], "NEW_MESSAGE");
}

#[rstest]
#[tokio::test]
async fn a_repeat_that_was_sent_before_the_block_was_seen_gets_its_acknowledgement(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::start(engine).await;
    let ((alice, _a), (bob, mut b), room) = pair(&world).await;
    let sent = |key: &str| json!({"roomId": room, "content": "hello", "clientMessageId": key});
    let (first, _) = b.ask_among_events("SEND_MESSAGE", sent("k")).await;
    let viewer = world.domain.identity.authenticate(&alice.token).await.unwrap();
    world.domain.people.block(&viewer, bob.id).await.unwrap();
    let frames = ["k", "new", "k"]
        .map(|key| Message::text(json!({"type": "SEND_MESSAGE", "payload": sent(key), "requestId": key}).to_string()));
    b.send_together(frames).await;
    for code in [None, Some("BLOCKED"), None] {
        let reply = reply(&mut b).await;
        match code {
            Some(code) => assert_eq!(reply["payload"]["code"], code, "{reply}"),
            None => {
                assert_eq!(reply["type"], "MESSAGE_ACK", "{reply}");
                assert_eq!(reply["payload"]["id"], first["payload"]["id"]);
                assert_eq!(reply["payload"]["duplicate"], true);
            }
        }
    }
}

#[rstest]
#[tokio::test]
async fn a_contact_request_is_told_on_all_devices_of_both(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let world = World::with(engine, |settings| settings.people.contact_requests = true).await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let mut sockets = Vec::new();
    for user in [&alice, &alice, &bob, &bob] {
        sockets.push(world.connect(user).await);
    }
    let most = store::Most { contacts: 9, requests: 9 };
    world.domain.store.people.ask_contact(alice.id, bob.id, most).await.unwrap();
    for (n, client) in sockets.iter_mut().enumerate() {
        let told = client.frame().await;
        insta::allow_duplicates! {
            if n < 2 {
                insta::assert_snapshot!(told, @r#"{"payload":{"direction":"outgoing","pending":true,"userId":"<bob>","userPosition":{"eventId":"<event>","rev":1}},"type":"CONTACT_REQUEST_UPDATED"}"#);
            } else {
                insta::assert_snapshot!(told, @r#"{"payload":{"direction":"incoming","pending":true,"userId":"<alice>","userPosition":{"eventId":"<event>","rev":1}},"type":"CONTACT_REQUEST_UPDATED"}"#);
            }
        }
    }
    let viewer = world.domain.identity.authenticate(&bob.token).await.unwrap();
    world.domain.people.add_contact(&viewer, alice.id).await.unwrap();
    for client in &mut sockets {
        let told = client.next().await;
        assert_eq!((&told["type"], &told["payload"]["added"]), (&json!("CONTACT_UPDATED"), &json!(true)), "{told}");
        client.quiet().await;
    }
}
