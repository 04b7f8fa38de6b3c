//! `RECONNECT`: the server sends its clients elsewhere before it stops.

use client::{Disconnect, Event};
use serde_json::json;

use crate::support::{Server, connected, next, room, within};

#[tokio::test]
async fn reconnect_with_a_url_leads_there_when_it_is_due() {
    let (_home, mut peer, chat, mut events) = connected().await;
    let other = Server::start().await;
    let script = async {
        peer.say(json!({ "type": "RECONNECT", "payload": { "afterMs": 400, "url": other.url() } })).await;
        // Until then the old connection serves.
        let sent = peer.expect("SEND_MESSAGE").await;
        peer.ack(&sent, 1, false).await;
        let mut moved = other.welcome().await;
        assert_eq!((moved.path.as_str(), moved.token.as_str()), ("/chat", "secret"));
        moved.answer_ping().await;
        moved
    };
    let calls = async {
        chat.send_message(room(), "hi").await.unwrap();
        assert!(matches!(next(&mut events).await, Event::Disconnected { reason: Disconnect::Moved, .. }));
        assert!(matches!(next(&mut events).await, Event::Connected(_)));
        assert!(matches!(next(&mut events).await, Event::Resumed { .. }));
        chat.ping().await.unwrap();
    };
    tokio::join!(within(calls), within(script));
}

#[tokio::test]
async fn a_server_that_closes_early_is_left_for_the_url_it_named() {
    let (_home, mut peer, chat, _events) = connected().await;
    let other = Server::start().await;
    let script = async {
        peer.say(json!({ "type": "RECONNECT", "payload": { "afterMs": 100, "url": other.url() } })).await;
        peer.close(1012).await;
        let mut moved = other.welcome().await;
        moved.answer_ping().await;
        moved
    };
    let (pong, _moved) = tokio::join!(within(chat.ping()), within(script));
    pong.unwrap();
}

#[tokio::test]
async fn a_move_to_nowhere_ends_at_home() {
    let (home, mut peer, chat, _events) = connected().await;
    let nowhere = Server::start().await.url();
    let script = async {
        peer.say(json!({ "type": "RECONNECT", "payload": { "afterMs": 0, "url": nowhere } })).await;
        let mut peer = home.welcome().await;
        peer.answer_ping().await;
        peer
    };
    let (pong, _peer) = tokio::join!(within(chat.ping()), within(script));
    pong.unwrap();
}
