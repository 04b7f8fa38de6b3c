//! The behaviours of Engine.IO 4, on a server that sends everything back. Written after the protocol's text; where its
//! public test suite asks for the same, the names are alike.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "../examples/echo/server.rs"]
mod server;

use std::{net::TcpListener, time::Duration};

use engineio::Config;
use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite};
use tungstenite::Message;

/// No answer takes so long.
const LONG: Duration = Duration::from_secs(20);
/// No ping comes in a test that does not wait for one.
const NEVER: Duration = Duration::from_secs(3600);

type Socket = WebSocketStream<TcpStream>;

struct Server {
    address: String,
    http: reqwest::Client,
}

impl Server {
    fn start() -> Self {
        Self::with(server::config(NEVER, NEVER))
    }

    fn with(config: Config) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        listener.set_nonblocking(true).unwrap();
        std::thread::spawn(move || actix_web::rt::System::new().block_on(server::run(listener, config, 2)));
        Self { address, http: reqwest::Client::new() }
    }

    fn url(&self, query: &str) -> String {
        format!("http://{}/engine.io/?{query}", self.address)
    }

    /// Status and body.
    async fn get(&self, query: &str) -> (u16, String) {
        let answer = timeout(LONG, self.http.get(self.url(query)).send()).await.expect("an answer").unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    async fn post(&self, sid: &str, body: impl Into<reqwest::Body>) -> (u16, String) {
        let answer = self.http.post(self.url(&polling(sid))).body(body).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// The id of a new session.
    async fn open(&self) -> String {
        let (status, body) = self.get("EIO=4&transport=polling").await;
        assert_eq!(status, 200);
        sid(&body)
    }

    async fn poll(&self, sid: &str) -> (u16, String) {
        self.get(&polling(sid)).await
    }

    async fn socket(&self, query: &str) -> Result<Socket, tungstenite::Error> {
        let stream = TcpStream::connect(&self.address).await.unwrap();
        let url = format!("ws://{}/engine.io/?{query}", self.address);
        Ok(timeout(LONG, client_async(url, stream)).await.expect("an answer")?.0)
    }

    async fn session_by_socket(&self) -> Socket {
        let mut socket = self.socket("EIO=4&transport=websocket").await.unwrap();
        assert!(text(&mut socket).await.starts_with('0'));
        socket
    }

    async fn probing(&self, sid: &str) -> Socket {
        self.socket(&format!("EIO=4&transport=websocket&sid={sid}")).await.unwrap()
    }
}

fn polling(sid: &str) -> String {
    format!("EIO=4&transport=polling&sid={sid}")
}

fn sid(open: &str) -> String {
    let about: serde_json::Value = serde_json::from_str(open.strip_prefix('0').unwrap()).unwrap();
    about["sid"].as_str().unwrap().into()
}

async fn next(socket: &mut Socket) -> Option<Message> {
    match timeout(LONG, socket.next()).await.expect("a message or the end") {
        Some(Ok(message)) => Some(message),
        _ => None,
    }
}

async fn text(socket: &mut Socket) -> String {
    match next(socket).await {
        Some(Message::Text(text)) => text.to_string(),
        other => panic!("expected a text, got {other:?}"),
    }
}

/// It ends, after whatever still comes.
async fn ends(mut socket: Socket) {
    while let Some(message) = next(&mut socket).await {
        if message.is_close() {
            return;
        }
    }
}

fn ok() -> (u16, String) {
    (200, "ok".into())
}

#[tokio::test]
async fn a_session_is_opened_by_a_request_or_by_a_socket() {
    let server = Server::with(server::config(Duration::from_millis(12_345), Duration::from_millis(6789)));
    let (_, polled) = server.get("EIO=4&transport=polling").await;
    let mut socket = server.socket("EIO=4&transport=websocket").await.unwrap();
    let opened = text(&mut socket).await;
    for (open, upgrades) in [(&polled, r#"["websocket"]"#), (&opened, "[]")] {
        let about: serde_json::Value = serde_json::from_str(open.strip_prefix('0').unwrap()).unwrap();
        assert_eq!(about.as_object().unwrap().len(), 5, "{about}");
        assert_eq!(about["sid"].as_str().unwrap().len(), 22);
        assert_eq!(about["upgrades"].to_string(), upgrades);
        assert_eq!((&about["pingInterval"], &about["pingTimeout"]), (&12_345.into(), &6789.into()));
        assert_eq!(about["maxPayload"], 1_000_000);
    }
    assert_ne!(sid(&polled), sid(&opened));
}

#[tokio::test]
async fn what_opens_none_is_refused() {
    let server = Server::start();
    for (query, code) in
        [("transport=polling", 5), ("EIO=abc&transport=polling", 5), ("EIO=4", 0), ("EIO=4&transport=x", 0)]
    {
        let (status, body) = server.get(query).await;
        assert_eq!(status, 400, "{query}");
        assert!(body.starts_with(&format!(r#"{{"code":{code},"#)), "{query}: {body}");
        assert!(server.socket(&query.replace("polling", "websocket")).await.is_err(), "{query}");
    }
    for method in [reqwest::Method::POST, reqwest::Method::PUT] {
        let answer = server.http.request(method, server.url("EIO=4&transport=polling")).send().await.unwrap();
        assert_eq!(answer.status(), 400);
    }
    assert!(server.socket("EIO=4&transport=websocket&sid=nobody").await.is_err());
    assert_eq!(server.poll("nobody").await.0, 400);
    let foreign = server.http.get(server.url("EIO=4&transport=polling")).header("Origin", "http://evil.example");
    assert_eq!(foreign.send().await.unwrap().status(), 403);
}

#[tokio::test]
async fn messages_come_back_in_order_text_and_binary() {
    let server = Server::start();
    let sid = server.open().await;
    for (body, back) in [
        ("4hello", "4hello"),
        ("4test1\x1e4test2\x1e4test3", "4test1\x1e4test2\x1e4test3"),
        ("4hello\x1ebAQIDBA==", "4hello\x1ebAQIDBA=="),
        ("4é€\x1e6\x1e4x", "4é€\x1e4x"),
    ] {
        assert_eq!(server.post(&sid, body).await, ok(), "{body}");
        let mut got = server.poll(&sid).await.1;
        while got.len() < back.len() {
            got = format!("{got}\x1e{}", server.poll(&sid).await.1);
        }
        assert_eq!(got, back);
    }
    let mut socket = server.session_by_socket().await;
    socket.send(Message::text("4hello")).await.unwrap();
    socket.send(Message::binary(vec![1, 2, 3, 4])).await.unwrap();
    assert_eq!(text(&mut socket).await, "4hello");
    assert_eq!(next(&mut socket).await, Some(Message::binary(vec![1, 2, 3, 4])));
}

#[tokio::test]
async fn an_answer_has_no_more_than_it_may_and_what_is_left_is_the_next() {
    let server = Server::with(Config { max_payload: 1000, ..server::config(NEVER, NEVER) });
    let sid = server.open().await;
    let (a, b) = ("a".repeat(600), "b".repeat(600));
    assert_eq!(server.post(&sid, format!("4{a}\x1e4{b}")).await, ok());
    assert_eq!(server.poll(&sid).await.1, format!("4{a}"));
    assert_eq!(server.poll(&sid).await.1, format!("4{b}"));
}

#[tokio::test]
async fn what_is_no_packet_ends_the_session() {
    let server = Server::start();
    for body in ["abc", "", "2probe", "b!", "4a\x1ex"] {
        let sid = server.open().await;
        assert_eq!(server.post(&sid, body).await.0, 400, "{body:?}");
        let (status, body) = server.poll(&sid).await;
        assert!(status == 400 || (status, &*body) == (200, "1"), "{status} {body}");
        assert_eq!(server.poll(&sid).await.0, 400);
    }
    for packet in ["abc", "", "2", "0", "2probe", "é"] {
        let mut socket = server.session_by_socket().await;
        socket.send(Message::text(packet)).await.unwrap();
        ends(socket).await;
    }
}

#[tokio::test]
async fn of_two_polls_at_once_the_first_is_told_the_end_and_the_second_refused() {
    let server = Server::start();
    let sid = server.open().await;
    let (one, two) = tokio::join!(server.poll(&sid), server.poll(&sid));
    let mut answers = [one, two];
    answers.sort();
    assert_eq!(answers[0], (200, "1".into()));
    assert_eq!(answers[1].0, 400);
    assert_eq!(server.poll(&sid).await.0, 400);
}

#[tokio::test]
async fn the_server_pings_and_goes_on_with_who_answers() {
    let server = Server::with(server::config(Duration::from_millis(50), LONG));
    let sid = server.open().await;
    let mut socket = server.session_by_socket().await;
    for _ in 0..3 {
        assert_eq!(server.poll(&sid).await, (200, "2".into()));
        assert_eq!(server.post(&sid, "3").await, ok());
        assert_eq!(text(&mut socket).await, "2");
        socket.send(Message::text("3")).await.unwrap();
    }
}

#[tokio::test]
async fn who_does_not_answer_a_ping_is_gone() {
    let server = Server::with(server::config(Duration::from_millis(30), Duration::from_millis(30)));
    let sid = server.open().await;
    let socket = server.session_by_socket().await;
    ends(socket).await;
    let over = async { while server.post(&sid, "6").await.0 == 200 {} };
    timeout(LONG, over).await.expect("its end");
    assert_eq!(server.poll(&sid).await.0, 400);
}

#[tokio::test]
async fn a_client_closes_its_session() {
    let server = Server::start();
    let sid = server.open().await;
    // The poll waits when the close comes, as the answer to it shows.
    let ((status, body), _) = tokio::join!(server.poll(&sid), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        server.post(&sid, "1").await
    });
    assert_eq!((status, &*body), (200, "6"));
    assert_eq!(server.poll(&sid).await.0, 400);
    let mut socket = server.session_by_socket().await;
    socket.send(Message::text("1")).await.unwrap();
    ends(socket).await;
}

#[tokio::test]
async fn a_socket_takes_the_place_of_requests() {
    let server = Server::start();
    let sid = server.open().await;
    let mut socket = server.probing(&sid).await;
    // Until it is gone on with, requests bring and take messages.
    socket.send(Message::text("2probe")).await.unwrap();
    assert_eq!(text(&mut socket).await, "3probe");
    assert_eq!(server.poll(&sid).await, (200, "6".into()), "the client is to change over");
    assert_eq!(server.post(&sid, "4early").await, ok());
    socket.send(Message::text("5")).await.unwrap();
    socket.send(Message::text("4hello")).await.unwrap();
    assert_eq!(text(&mut socket).await, "4early");
    assert_eq!(text(&mut socket).await, "4hello");
    assert_eq!(server.poll(&sid).await.0, 400, "requests are over");
    assert_eq!(server.post(&sid, "4late").await.0, 400);
    ends(server.probing(&sid).await).await;
    socket.send(Message::text("4still")).await.unwrap();
    assert_eq!(text(&mut socket).await, "4still");
}

#[tokio::test]
async fn a_poll_that_waits_is_ended_for_the_socket() {
    let server = Server::start();
    let sid = server.open().await;
    let mut socket = server.probing(&sid).await;
    let change = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        socket.send(Message::text("2probe")).await.unwrap();
        assert_eq!(text(&mut socket).await, "3probe");
    };
    let (polled, ()) = tokio::join!(server.poll(&sid), change);
    assert_eq!(polled, (200, "6".into()));
}

#[tokio::test]
async fn a_socket_that_is_no_use_leaves_the_session_as_it_is() {
    let server = Server::start();
    let sid = server.open().await;
    for packets in [&["5"][..], &["4hello"], &["2probe", "4hello"], &["abc"], &["2probe", "2probe", "6"]] {
        let mut socket = server.probing(&sid).await;
        for packet in packets {
            socket.send(Message::text(*packet)).await.unwrap();
        }
        ends(socket).await;
        assert_eq!(server.post(&sid, "4on").await, ok());
        assert_eq!(server.poll(&sid).await, (200, "4on".into()), "{packets:?}");
    }
    let gone = server.probing(&sid).await;
    drop(gone);
    let second = server.probing(&sid).await;
    drop(second);
    assert_eq!(server.post(&sid, "4on").await, ok());
    assert_eq!(server.poll(&sid).await, (200, "4on".into()));
}

#[tokio::test]
async fn there_are_no_more_sessions_than_may_be() {
    let server = Server::with(Config { sessions: 1, ..server::config(NEVER, NEVER) });
    let sid = server.open().await;
    assert_eq!(server.get("EIO=4&transport=polling").await.0, 503);
    assert_eq!(server.post(&sid, "1").await, ok());
    let left = async { while server.get("EIO=4&transport=polling").await.0 == 503 {} };
    timeout(LONG, left).await.expect("its end");
}

#[tokio::test]
async fn what_is_too_large_is_refused_before_it_is_kept() {
    let server = Server::start();
    let sid = server.open().await;
    // Announced, not sent: whoever is refused while they send may not get to read it.
    let mut refused = TcpStream::connect(&server.address).await.unwrap();
    let head = format!("POST /engine.io/?{} HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n", polling(&sid));
    refused.write_all(head.as_bytes()).await.unwrap();
    let mut status = [0; 12];
    timeout(LONG, refused.read_exact(&mut status)).await.expect("an answer").unwrap();
    assert_eq!(&status, b"HTTP/1.1 413");
    assert_eq!(server.post(&sid, "4on").await, ok(), "the session goes on");
    let mut socket = server.session_by_socket().await;
    socket.send(Message::text(format!("4{}", "x".repeat(65_537)))).await.unwrap();
    ends(socket).await;
}
