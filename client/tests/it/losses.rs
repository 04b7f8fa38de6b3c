//! Connections that end, and what comes back.

use client::{Disconnect, Error, Event, OutgoingMessage, protocol::RoomType};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::{Bytes, Message};

use crate::support::{Server, connect, connected, next, options, room, within};

#[tokio::test]
async fn a_message_without_an_ack_is_repeated_after_1012_under_the_same_key() {
    let (server, mut peer, chat, mut events) = connected().await;
    let script = async {
        let sent = peer.expect("SEND_MESSAGE").await;
        peer.close(1012).await;
        let mut peer = server.welcome().await;
        let again = peer.expect("SEND_MESSAGE").await;
        assert_eq!(again, sent, "the very same frame");
        assert!(sent["payload"]["clientMessageId"].as_str().is_some_and(|key| key.len() == 36));
        peer.ack(&again, 1, true).await;
        peer
    };
    let (ack, _peer) = tokio::join!(chat.send_message(room(), "hi"), within(script));
    assert!(ack.unwrap().duplicate);
    match next(&mut events).await {
        Event::Disconnected { reason: Disconnect::Closed { code: 1012, .. }, retry_in } => {
            assert!(retry_in <= options().backoff_cap);
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(next(&mut events).await, Event::Connected(_)));
    assert!(matches!(next(&mut events).await, Event::Resumed { .. }));
}

#[tokio::test]
async fn a_lost_tcp_connection_is_made_again_as_often_as_needed() {
    let (server, mut peer, chat, mut events) = connected().await;
    let script = async {
        peer.expect("SEND_MESSAGE").await;
        peer.drop_tcp();
        drop(server.accept_tcp().await);
        server.accept().await.drop_tcp();
        let mut peer = server.welcome().await;
        let again = peer.expect("SEND_MESSAGE").await;
        peer.ack(&again, 1, false).await;
        peer
    };
    let (ack, _peer) = tokio::join!(chat.send_message(room(), "hi"), within(script));
    ack.unwrap();
    for _ in 0..3 {
        let event = next(&mut events).await;
        assert!(matches!(event, Event::Disconnected { reason: Disconnect::Lost(_), .. }), "{event:?}");
    }
    assert!(matches!(next(&mut events).await, Event::Connected(_)));
}

#[tokio::test]
async fn messages_sent_during_an_outage_arrive_in_order_after_it() {
    let (server, peer, chat, mut events) = connected().await;
    peer.drop_tcp();
    assert!(matches!(next(&mut events).await, Event::Disconnected { .. }));
    let mut calls = Vec::new();
    let script = async {
        let mut peer = server.welcome().await;
        for n in 0..3 {
            let sent = peer.expect("SEND_MESSAGE").await;
            assert_eq!(sent["payload"]["content"], format!("{n}"));
            peer.ack(&sent, n + 1, false).await;
        }
        peer
    };
    for n in 0..3 {
        let message = OutgoingMessage::new(room(), n.to_string());
        let chat = chat.clone();
        calls.push(async move { chat.send(&message).await.unwrap().seq });
    }
    let (seqs, _peer) = tokio::join!(futures_util::future::join_all(calls), within(script));
    assert_eq!(seqs, [1, 2, 3]);
}

#[tokio::test]
async fn what_must_not_happen_twice_is_not_repeated() {
    let (server, mut peer, chat, _events) = connected().await;
    let script = async {
        peer.expect("CREATE_ROOM").await;
        peer.close(1012).await;
        let mut peer = server.welcome().await;
        // Fails if the first frame were the room again.
        peer.answer_ping().await;
        peer
    };
    let calls = async {
        let created = chat.create_room("r", RoomType::Public, Some("r")).await;
        chat.ping().await.unwrap();
        created
    };
    let (created, _peer) = tokio::join!(within(calls), within(script));
    assert!(matches!(created, Err(Error::Interrupted)), "{created:?}");
}

#[tokio::test]
async fn code_4503_is_the_end() {
    let (_server, mut peer, chat, mut events) = connected().await;
    let script = async {
        peer.expect("SEND_MESSAGE").await;
        peer.close(4503).await;
    };
    let (sent, ()) = tokio::join!(chat.send_message(room(), "hi"), within(script));
    assert!(matches!(sent, Err(Error::Closed(Disconnect::Closed { code: 4503, .. }))), "{sent:?}");
    assert!(matches!(next(&mut events).await, Event::Closed(Disconnect::Closed { code: 4503, .. })));
    assert_eq!(within(events.next()).await, None, "the task has ended: nobody will connect again");
    assert!(matches!(within(chat.ping()).await, Err(Error::Closed(_))));
}

#[tokio::test]
async fn a_frame_too_large_for_the_server_is_not_repeated() {
    let (server, mut peer, chat, _events) = connected().await;
    let script = async {
        peer.expect("SEND_MESSAGE").await;
        peer.close(1009).await;
        let mut peer = server.welcome().await;
        peer.answer_ping().await;
        peer
    };
    let calls = async {
        let sent = chat.send_message(room(), "large").await;
        chat.ping().await.unwrap();
        sent
    };
    let (sent, _peer) = tokio::join!(within(calls), within(script));
    assert!(matches!(sent, Err(Error::Interrupted)), "{sent:?}");
}

#[tokio::test]
async fn a_ping_of_the_server_is_answered() {
    let (_server, mut peer, _chat, _events) = connected().await;
    peer.socket.send(Message::Ping(Bytes::from_static(b"42"))).await.unwrap();
    assert_eq!(within(peer.socket.next()).await.unwrap().unwrap(), Message::Pong(Bytes::from_static(b"42")));
}

#[tokio::test]
async fn a_silent_server_is_pinged_and_kept_while_it_answers() {
    let server = Server::start().await;
    let url = server.url();
    let (mut peer, client) = tokio::join!(
        async {
            let mut peer = server.accept().await;
            peer.auth_success(300).await;
            peer.restore().await;
            peer
        },
        connect(&url)
    );
    let (chat, mut events) = client.unwrap();
    assert!(matches!(next(&mut events).await, Event::Connected(_)));
    // Reading them answers them. Three are more than two heartbeats.
    for _ in 0..3 {
        let message = within(peer.socket.next()).await.unwrap().unwrap();
        assert!(message.is_ping(), "{message:?}");
    }
    let (pong, ()) = tokio::join!(chat.ping(), peer.answer_ping());
    pong.unwrap();
}

#[tokio::test]
async fn a_server_silent_for_two_heartbeats_is_given_up() {
    let server = Server::start().await;
    let url = server.url();
    let (peer, client) = tokio::join!(
        async {
            let mut peer = server.accept().await;
            peer.auth_success(40).await;
            peer
        },
        connect(&url)
    );
    let (_chat, mut events) = client.unwrap();
    assert!(matches!(next(&mut events).await, Event::Connected(_)));
    // The peer is held but never read: no ping is answered.
    let event = next(&mut events).await;
    assert!(matches!(event, Event::Disconnected { reason: Disconnect::Silent, .. }), "{event:?}");
    let _peer = (server.welcome().await, peer);
    assert!(matches!(next(&mut events).await, Event::Connected(_)));
}

#[tokio::test]
async fn a_first_connection_that_fails_is_an_error_at_once() {
    let server = Server::start().await;
    let url = server.url();
    let refuse = async {
        let mut stream = server.accept_tcp().await;
        stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        stream
    };
    let (_stream, outcome) = tokio::join!(refuse, connect(&url));
    assert!(matches!(outcome.err(), Some(Error::Connect(Disconnect::Handshake { status: 503 }))));
}

#[tokio::test]
async fn a_wss_url_begins_with_a_tls_handshake() {
    let server = Server::start().await;
    let url = server.url().replace("ws://", "wss://");
    let look = async {
        let mut stream = server.accept_tcp().await;
        // RFC 8446 §5.1: a record of type handshake.
        assert_eq!(within(stream.read_u8()).await.unwrap(), 22);
    };
    let ((), outcome) = tokio::join!(look, connect(&url));
    assert!(matches!(outcome.err(), Some(Error::Connect(Disconnect::Lost(_)))));
}
