//! Calls and their replies.

use std::time::Duration;

use client::{Chat, Error, ErrorCode, Event, OutgoingMessage, PageQuery, protocol::ServerFrame};
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio_tungstenite::tungstenite::{Bytes, Message};

use crate::support::{Server, connect, connected, next_frame, options, position, room, within};

#[tokio::test]
async fn the_token_goes_as_a_subprotocol_to_the_chat_path() {
    let server = Server::start().await;
    let url = server.url();
    let (peer, client) = tokio::join!(server.welcome(), connect(&url));
    assert_eq!((peer.token.as_str(), peer.path.as_str()), ("secret", "/chat"));
    assert_eq!(client.unwrap().0.identity().username, "alice");
}

#[tokio::test]
async fn replies_find_their_calls_in_any_order() {
    let (_server, mut peer, chat, _events) = connected().await;
    let script = async {
        let first = peer.expect("SEND_MESSAGE").await;
        let second = peer.expect("SEND_MESSAGE").await;
        for (message, seq) in [(&second, 2), (&first, 1)] {
            peer.ack(message, seq, false).await;
        }
        (first["payload"]["content"].clone(), second["payload"]["content"].clone())
    };
    let (one, two, contents) =
        tokio::join!(chat.send_message(room(), "one"), chat.send_message(room(), "two"), within(script));
    assert_eq!(contents, (json!("one"), json!("two")));
    assert_eq!((one.unwrap().seq, two.unwrap().seq), (1, 2));
}

#[tokio::test]
async fn a_second_ack_for_one_message_disturbs_nobody() {
    let (_server, mut peer, chat, mut events) = connected().await;
    let script = async {
        let first = peer.expect("SEND_MESSAGE").await;
        peer.ack(&first, 1, false).await;
        peer.ack(&first, 1, true).await;
        let second = peer.expect("SEND_MESSAGE").await;
        peer.ack(&first, 1, true).await;
        peer.ack(&second, 2, true).await;
        peer.say(json!({ "type": "ROOM_LEFT", "payload": { "roomId": room() } })).await;
    };
    let sends = async {
        let first = chat.send_message(room(), "one").await.unwrap();
        (first, chat.send_message(room(), "two").await.unwrap())
    };
    let ((first, second), ()) = tokio::join!(within(sends), within(script));
    assert_eq!((first.seq, first.duplicate), (1, false));
    assert_eq!((second.seq, second.duplicate), (2, true), "the server's word that it is a repetition is passed on");
    let frame = next_frame(&mut events).await;
    assert!(matches!(frame, ServerFrame::RoomLeft { .. }), "a stray reply is no event: {frame:?}");
}

#[tokio::test]
async fn a_reply_that_is_too_late_is_a_timeout_and_the_connection_goes_on() {
    let server = Server::start().await;
    let url = server.url();
    let options = client::Options { call_timeout: Duration::from_millis(500), ..options() };
    let (mut peer, client) = tokio::join!(server.welcome(), Chat::connect_with(&url, "secret", options));
    let (chat, _events) = client.unwrap();
    let message = OutgoingMessage::new(room(), "slow");
    assert!(matches!(within(chat.send(&message)).await, Err(Error::Timeout(_))));
    let late = peer.expect("SEND_MESSAGE").await;
    let script = async {
        peer.ack(&late, 1, false).await;
        let again = peer.expect("SEND_MESSAGE").await;
        assert_eq!(again["payload"]["clientMessageId"], late["payload"]["clientMessageId"]);
        assert_ne!(again["requestId"], late["requestId"]);
        peer.ack(&again, 1, true).await;
    };
    let (ack, ()) = tokio::join!(chat.send(&message), within(script));
    assert!(ack.unwrap().duplicate);
}

#[tokio::test]
async fn an_error_frame_is_the_outcome_of_its_call() {
    let (_server, mut peer, chat, _events) = connected().await;
    let script = async {
        let call = peer.expect("GET_HISTORY").await;
        assert_eq!(call["payload"], json!({ "roomId": room(), "before": 7, "limit": 2 }));
        let error = json!({ "code": "RATE_LIMIT_EXCEEDED", "message": "slowly", "retryAfterMs": 1500 });
        peer.reply(&call, "ERROR", error).await;
    };
    let query = PageQuery { before: Some(7), limit: Some(2), ..PageQuery::default() };
    match tokio::join!(chat.history(room(), query), within(script)).0 {
        Err(Error::Api { code: ErrorCode::RateLimitExceeded, status: 429, retry_after, .. }) => {
            assert_eq!(retry_after, Some(Duration::from_millis(1500)));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn frames_a_client_does_not_know_are_passed_over() {
    let (_server, mut peer, chat, mut events) = connected().await;
    peer.say(json!({ "type": "FROM_THE_FUTURE", "payload": { "x": 1 } })).await;
    peer.say(json!({ "type": "ROOM_LEFT", "payload": { "roomId": room() } })).await;
    assert!(matches!(next_frame(&mut events).await, ServerFrame::RoomLeft { .. }));
    let (pong, ()) = tokio::join!(chat.ping(), peer.answer_ping());
    pong.unwrap();
}

#[tokio::test]
async fn an_application_that_reads_no_events_still_gets_its_replies() {
    let server = Server::start().await;
    let url = server.url();
    let options = client::Options { event_queue: 4, event_patience: Duration::from_millis(250), ..options() };
    let (mut peer, client) = tokio::join!(server.welcome(), Chat::connect_with(&url, "secret", options));
    let (chat, _events) = client.unwrap();
    // If each of these were waited for, the reply would come too late.
    for _ in 0..50 {
        peer.say(json!({ "type": "ROOM_LEFT", "payload": { "roomId": room() } })).await;
    }
    let (pong, ()) = tokio::join!(chat.ping(), peer.answer_ping());
    pong.unwrap();
}

#[tokio::test]
async fn a_frame_the_server_would_refuse_is_not_sent() {
    let (_server, mut peer, chat, _events) = connected().await;
    let error = chat.send_message(room(), &"x".repeat(70_000)).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::PayloadTooLarge));
    let (pong, ()) = tokio::join!(chat.ping(), peer.answer_ping());
    pong.unwrap();
}

#[tokio::test]
async fn calls_beyond_the_bound_wait_until_there_is_room() {
    let server = Server::start().await;
    let url = server.url();
    let options = client::Options { pending_calls: 2, ..options() };
    let (mut peer, client) = tokio::join!(server.welcome(), Chat::connect_with(&url, "secret", options));
    let (chat, _events) = client.unwrap();
    let script = async {
        let first = peer.expect("SEND_MESSAGE").await;
        let second = peer.expect("SEND_MESSAGE").await;
        // The third was asked for together with them; frames keep their order, so it is not on its way either.
        peer.socket.send(Message::Ping(Bytes::new())).await.unwrap();
        let next = peer.socket.next().await.unwrap().unwrap();
        assert!(next.is_pong(), "{next:?}");
        peer.ack(&first, 1, false).await;
        let third = peer.expect("SEND_MESSAGE").await;
        peer.ack(&second, 2, false).await;
        peer.ack(&third, 3, false).await;
    };
    let sends = ["one", "two", "three"].map(|content| chat.send_message(room(), content));
    let (acks, ()) = tokio::join!(futures_util::future::join_all(sends), within(script));
    assert!(acks.iter().all(Result::is_ok), "{acks:?}");
}

#[tokio::test]
async fn closing_says_so_to_the_server_and_fails_what_is_under_way() {
    let (_server, mut peer, chat, mut events) = connected().await;
    let caller = chat.clone();
    let call = tokio::spawn(async move { caller.ping().await });
    peer.expect("PING").await;
    let (_, close) = tokio::join!(within(chat.close()), async { within(peer.socket.next()).await.unwrap().unwrap() });
    assert!(close.is_close(), "{close:?}");
    assert!(matches!(within(call).await.unwrap(), Err(Error::Closed(_))));
    assert_eq!(within(events.next()).await, Some(Event::Closed(client::Disconnect::Finished)));
    assert_eq!(within(events.next()).await, None);
}

#[tokio::test]
async fn commands_are_spelt_as_the_protocol_says() {
    let (_server, mut peer, chat, _events) = connected().await;
    let id = client::shared::MessageId { room: room(), seq: 7 };
    let script = async {
        let edit = peer.expect("EDIT_MESSAGE").await;
        assert_eq!(edit["payload"], json!({ "messageId": id, "content": "new" }));
        let ack = json!({ "messageId": id, "editedAt": "2025-10-09T08:53:20.120Z" });
        peer.reply(&edit, "EDIT_MESSAGE_ACK", ack).await;
        let react = peer.expect("REACT").await;
        assert_eq!(react["payload"], json!({ "messageId": id, "emoji": "👍", "add": false }));
        peer.reply(&react, "REACT_ACK", json!({ "messageId": id, "emoji": "👍", "count": 3 })).await;
        let sync = peer.expect("SYNC").await;
        assert_eq!(sync["payload"], json!({ "cursor": "c" }));
        peer.reply(&sync, "SYNCED", json!({ "user": position(9), "rooms": [], "nextCursor": "d" })).await;
        for kind in ["MARK_READ", "MARK_DELIVERED"] {
            let mark = peer.expect(kind).await;
            assert_eq!((&mark["payload"], &mark["requestId"]), (&json!({ "roomId": room(), "seq": 7 }), &json!(null)));
        }
        let typing = peer.expect("TYPING_STATUS").await;
        assert_eq!(typing["payload"], json!({ "roomId": room(), "isTyping": true }));
        // A page that a caller asked for asks for no other.
        peer.answer_ping().await;
    };
    let calls = async {
        assert_eq!(chat.edit_message(id, "new").await.unwrap().to_string(), "2025-10-09T08:53:20.120Z");
        assert_eq!(chat.react(id, "👍", false).await.unwrap(), 3);
        assert_eq!(chat.sync(Some("c")).await.unwrap().next_cursor.as_deref(), Some("d"));
        chat.mark_read(room(), 7).await.unwrap();
        chat.mark_delivered(room(), 7).await.unwrap();
        chat.typing(room(), true).await.unwrap();
        chat.ping().await.unwrap();
    };
    tokio::join!(within(calls), within(script));
}
