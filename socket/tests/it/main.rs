//! A real server with an echo session against real clients: tokio-tungstenite, and raw TCP for what it would refuse.
#![expect(clippy::unwrap_used, reason = "tests")]

mod autobahn;
mod support;

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use support::{Client, Echo, LONG, client_frame, close_code, raw};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};
use tokio_tungstenite::tungstenite::Message;

#[tokio::test]
async fn a_text_comes_back_and_a_ping_is_answered_with_its_payload() {
    let server = Echo::start(|_| {});
    let mut client = Client::connect(&server).await;
    client.send("hello").await;
    assert_eq!(client.text().await, "hello");
    client.0.send(Message::Ping("abc".into())).await.unwrap();
    assert_eq!(client.0.next().await.unwrap().unwrap(), Message::Pong("abc".into()));
}

#[tokio::test]
async fn a_fragmented_text_is_put_together_around_a_ping() {
    let server = Echo::start(|_| {});
    let mut socket = raw(&server).await;
    let bytes = [client_frame(0x01, b"he"), client_frame(0x89, b""), client_frame(0x80, b"llo")].concat();
    for byte in bytes {
        socket.write_all(&[byte]).await.unwrap();
    }
    let mut answer = [0; 9];
    socket.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, *b"\x8a\x00\x81\x05hello");
}

#[tokio::test]
async fn what_breaks_the_protocol_is_closed_with_its_code_and_a_close_is_answered() {
    let server = Echo::start(|_| {});
    let over = client_frame(0x81, &vec![b'x'; support::MAX_MESSAGE + 1]);
    let mut announced = vec![0x81, 0xff];
    announced.extend((1u64 << 30).to_be_bytes());
    let half = vec![b'x'; support::MAX_MESSAGE / 2 + 1];
    for (bad, code) in [
        (over, 1009),
        (announced, 1009),
        ([client_frame(0x01, &half), client_frame(0x80, &half)].concat(), 1009),
        (client_frame(0x81, b"\xff\xfe"), 1007),
        ([client_frame(0x01, b"\xc3"), client_frame(0x80, b"x")].concat(), 1007),
        (client_frame(0xc1, b"x"), 1002),
        (client_frame(0x83, b"x"), 1002),
        (client_frame(0x80, b"x"), 1002),
        (client_frame(0x09, b"x"), 1002),
        (client_frame(0x89, &[0; 126]), 1002),
        (vec![0x81, 0x01, b'x', 0, 0, 0], 1002),
        (client_frame(0x88, b"\x03"), 1002),
        (client_frame(0x88, &close(999, b"")), 1002),
        (client_frame(0x88, &close(1005, b"")), 1002),
        (client_frame(0x88, &close(1006, b"")), 1002),
        (client_frame(0x88, &close(2999, b"")), 1002),
        (client_frame(0x88, &close(5000, b"")), 1002),
        (client_frame(0x88, &close(1000, b"\xff")), 1007),
        (client_frame(0x88, b""), 1000),
        (client_frame(0x88, &close(1001, "größer".as_bytes())), 1000),
        (client_frame(0x88, &close(4999, b"")), 1000),
    ] {
        let mut socket = raw(&server).await;
        socket.write_all(&bad).await.unwrap();
        assert_eq!(close_code(&mut socket).await, code, "{:?}", &bad[..bad.len().min(12)]);
    }
}

fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    [&code.to_be_bytes(), reason].concat()
}

#[tokio::test]
async fn what_came_before_a_frame_that_is_too_big_is_still_answered() {
    let server = Echo::start(|_| {});
    let mut socket = raw(&server).await;
    let over = client_frame(0x81, &vec![b'x'; support::MAX_MESSAGE + 1]);
    socket.write_all(&[client_frame(0x81, b"ok"), over].concat()).await.unwrap();
    let mut first = [0; 4];
    socket.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"\x81\x02ok");
    assert_eq!(close_code(&mut socket).await, 1009);
}

#[tokio::test]
async fn the_largest_message_allowed_is_echoed() {
    let server = Echo::start(|_| {});
    let mut client = Client::connect(&server).await;
    let text = "x".repeat(support::MAX_MESSAGE);
    client.send(&text).await;
    assert_eq!(client.text().await, text);
}

#[tokio::test]
async fn the_closing_handshake_is_answered_and_the_transport_ends() {
    let server = Echo::start(|_| {});
    let mut client = Client::connect(&server).await;
    client.0.close(None).await.unwrap();
    assert!(matches!(client.0.next().await, Some(Ok(Message::Close(_)))));
    assert!(timeout(LONG, client.0.next()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_silent_socket_is_closed_4401_when_its_time_to_authenticate_is_over() {
    let server = Echo::start(|o| (o.authenticate, o.wants_auth) = (Duration::from_millis(50), true));
    let mut client = Client::connect(&server).await;
    assert_eq!(client.closed().await, 4401);
}

#[tokio::test]
async fn a_credential_in_the_request_or_in_the_first_frame_authenticates() {
    let server = Echo::start(|o| o.wants_auth = true);
    let mut by_frame = Client::connect(&server).await;
    by_frame.send("nonsense").await;
    assert_eq!(by_frame.text().await, "who are you?");
    by_frame.send("AUTH").await;
    assert_eq!(by_frame.text().await, "welcome");
    let mut by_query = Client::connect_to(&format!("{}?token=t", server.url())).await;
    assert_eq!(by_query.text().await, "welcome");
}

#[tokio::test]
async fn bad_frames_are_tolerated_up_to_the_budget_then_4400() {
    let server = Echo::start(|o| o.bad_frames = 3);
    let mut client = Client::connect(&server).await;
    for _ in 0..2 {
        client.send("BAD").await;
        assert_eq!(client.text().await, "bad");
    }
    client.send("still here").await;
    assert_eq!(client.text().await, "still here");
    client.send("BAD").await;
    assert_eq!(client.text().await, "bad");
    assert_eq!(client.closed().await, 4400);
}

#[tokio::test]
async fn a_binary_message_comes_back_and_none_is_known_before_authentication() {
    let server = Echo::start(|o| o.wants_auth = true);
    let mut client = Client::connect(&server).await;
    client.0.send(Message::Binary("x".into())).await.unwrap();
    assert_eq!(client.text().await, "no binary");
    client.send("AUTH").await;
    assert_eq!(client.text().await, "welcome");
    client.0.send(Message::Binary("x".into())).await.unwrap();
    assert_eq!(client.0.next().await.unwrap().unwrap(), Message::Binary("x".into()));
}

#[tokio::test]
async fn a_peer_that_answers_no_ping_is_cut() {
    let server = Echo::start(|o| o.heartbeat = Duration::from_millis(50));
    // A raw client answers nothing by itself.
    let mut socket = raw(&server).await;
    let mut all = Vec::new();
    timeout(LONG, socket.read_to_end(&mut all)).await.unwrap().unwrap();
    assert!(all.starts_with(b"\x89\x00\x89\x00"), "{all:?}");
    let mut client = Client::connect(&server).await;
    for _ in 0..5 {
        // tungstenite answers it with the next read.
        assert!(matches!(client.0.next().await, Some(Ok(Message::Ping(_)))));
    }
}

#[tokio::test]
async fn a_slow_reader_is_cut_without_delaying_the_others() {
    let server = Echo::start(|o| o.queue_bytes = 128 * 1024);
    let mut slow = raw(&server).await;
    slow.write_all(&client_frame(0x81, b"SUBSCRIBE")).await.unwrap();
    let mut fast = Client::connect(&server).await;
    fast.send("SUBSCRIBE").await;
    let mut publisher = Client::connect(&server).await;
    let text = format!("PUBLISH{}", "x".repeat(30_000));
    let mut overflowed = false;
    for _ in 0..2000 {
        publisher.send(&text).await;
        assert_eq!(timeout(LONG, fast.text()).await.unwrap(), text, "the one that reads gets each at once");
        overflowed = publisher.text().await == "overflowed";
        if overflowed {
            break;
        }
    }
    assert!(overflowed, "the one that does not read is found out");
    // What it was sent before is whole and in order; then the close frame, then the end.
    let mut all = Vec::new();
    timeout(LONG, slow.read_to_end(&mut all)).await.unwrap().unwrap();
    let close = support::last_frame(&all);
    assert_eq!((close[0], u16::from_be_bytes([close[2], close[3]])), (0x88, 4408));
}

#[tokio::test]
async fn a_client_that_does_not_read_its_replies_is_not_read_from() {
    let server = Echo::start(|_| {});
    let mut client = Client::connect(&server).await;
    let (mut sink, mut stream) = client.0.split();
    let sender = tokio::spawn(async move {
        for i in 0..5000 {
            sink.send(format!("{i}").into()).await.unwrap();
        }
        sink
    });
    for i in 0..5000 {
        assert_eq!(timeout(LONG, stream.next()).await.unwrap().unwrap().unwrap(), Message::text(format!("{i}")));
    }
    client.0 = sender.await.unwrap().reunite(stream).unwrap();
}

#[tokio::test]
async fn however_much_one_client_sends_others_have_their_turn_in_between() {
    let server = Echo::start(|_| {});
    let much = [client_frame(0x81, b"NOTHING"), client_frame(0x89, b""), client_frame(0x8a, b"")];
    for frame in much {
        let mut socket = raw(&server).await;
        // One read of the server holds them all: nothing is waited for between them.
        let mut bytes = client_frame(0x81, b"WAIT FOR A TURN");
        bytes.extend(frame.repeat(1000));
        bytes.extend(client_frame(0x81, b"HAD IT A TURN?"));
        socket.write_all(&bytes).await.unwrap();
        let mut answer = [0; 2];
        loop {
            timeout(LONG, socket.read_exact(&mut answer)).await.unwrap().unwrap();
            if answer != *b"\x8a\x00" {
                break;
            }
        }
        let mut text = vec![0; answer[1].into()];
        socket.read_exact(&mut text).await.unwrap();
        assert_eq!(text, b"yes", "{:?}", &frame[..1]);
    }
}

#[tokio::test]
async fn the_answer_to_a_request_before_the_one_for_a_socket_is_not_lost() {
    let server = Echo::start(|_| {});
    let mut socket = server.connect().await;
    let plain = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    let requests = format!("{plain}{plain}{}", support::request("Sec-WebSocket-Version: 13\r\n"));
    socket.write_all(&[requests.as_bytes(), &client_frame(0x81, b"hello")].concat()).await.unwrap();
    let mut answers = Vec::new();
    while !answers.ends_with(b"\x81\x05hello") {
        answers.push(timeout(LONG, socket.read_u8()).await.unwrap().unwrap());
    }
    let answers = String::from_utf8_lossy(&answers);
    let statuses: Vec<&str> = answers.lines().filter_map(|line| line.strip_prefix("HTTP/1.1 ")).collect();
    assert_eq!(statuses, ["400 Bad Request", "400 Bad Request", "101 Switching Protocols"]);
}

#[tokio::test]
async fn a_drain_says_so_and_closes_1012_at_once() {
    let server = Echo::start(|_| {});
    let mut client = Client::connect(&server).await;
    client.send("x").await;
    assert_eq!(client.text().await, "x");
    server.stop.cancel();
    assert_eq!(client.text().await, "draining");
    assert_eq!(client.closed().await, 1012);
    timeout(Duration::from_secs(5), server.stopped()).await.unwrap();
}

#[tokio::test]
async fn a_foreign_origin_and_a_plain_request_get_no_socket() {
    let server = Echo::start(|o| o.origins = vec!["https://app.example".into()]);
    let http = server.url().replace("ws://", "http://");
    let refused = support::refusal(&server, "Origin: https://evil.example\r\n").await;
    assert!(refused.starts_with("HTTP/1.1 403") && refused.ends_with("\r\n\r\nno"), "{refused}");
    assert_eq!(reqwest::get(&http).await.unwrap().status(), 400);
    let no_key = support::refusal(&server, "Sec-WebSocket-Version: 12\r\n").await;
    assert!(no_key.starts_with("HTTP/1.1 400"), "{no_key}");
}

#[tokio::test]
async fn the_server_selects_its_subprotocol_and_never_the_token() {
    let server = Echo::start(|o| o.wants_auth = true);
    let answer = support::handshake(&server, "Sec-WebSocket-Protocol: chatapp.v1, bearer.t\r\n").await.1;
    assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
    assert!(answer.to_lowercase().contains("sec-websocket-protocol: chatapp.v1\r\n"), "{answer}");
}
