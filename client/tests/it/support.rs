//! A WebSocket server on a port of its own that does what the test says, frame by frame.

use std::time::Duration;

use client::{Chat, Event, Events, Options, Result, protocol::ServerFrame, shared::RoomId};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        handshake::server::{Request, Response},
        http::{HeaderValue, header::SEC_WEBSOCKET_PROTOCOL},
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};

/// Fails the test instead of hanging.
pub async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), work).await.expect("nothing happened for 20 s")
}

pub struct Server(TcpListener);

impl Server {
    pub async fn start() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    pub fn url(&self) -> String {
        format!("ws://{}", self.0.local_addr().unwrap())
    }

    /// The next TCP connection, before any HTTP.
    pub async fn accept_tcp(&self) -> TcpStream {
        within(self.0.accept()).await.unwrap().0
    }

    /// The next connection, upgraded but not authenticated.
    pub async fn accept(&self) -> Peer {
        let stream = self.accept_tcp().await;
        let mut offered = String::new();
        let mut path = String::new();
        #[expect(clippy::result_large_err, reason = "the library's signature")]
        let look = |request: &Request, mut response: Response| {
            offered = request.headers()[SEC_WEBSOCKET_PROTOCOL].to_str().unwrap().to_owned();
            path = request.uri().path().to_owned();
            response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("chatapp.v1"));
            Ok(response)
        };
        let socket = within(tokio_tungstenite::accept_hdr_async(stream, look)).await.unwrap();
        let token = offered.strip_prefix("chatapp.v1, bearer.").unwrap().to_owned();
        Peer { socket, token, path }
    }

    /// The next connection, authenticated, with a heartbeat that does not matter.
    pub async fn welcome(&self) -> Peer {
        let mut peer = self.accept().await;
        peer.auth_success(30_000).await;
        peer
    }
}

/// The server's end of a connection.
pub struct Peer {
    pub socket: WebSocketStream<TcpStream>,
    /// What the client authenticated with.
    pub token: String,
    pub path: String,
}

impl Peer {
    pub async fn auth_success(&mut self, heartbeat_ms: u64) {
        let id = "00000000-0000-7000-8000-000000000001";
        self.say(json!({ "type": "AUTH_SUCCESS", "payload": {
            "userId": id, "username": "alice", "status": "online", "sessionId": id, "heartbeatMs": heartbeat_ms, "resuming": false,
        }}))
        .await;
    }

    pub async fn say(&mut self, frame: Value) {
        within(self.socket.send(Message::text(frame.to_string()))).await.unwrap();
    }

    /// The client's next text frame, which must be of this type.
    pub async fn expect(&mut self, kind: &str) -> Value {
        loop {
            match within(self.socket.next()).await.unwrap().unwrap() {
                Message::Text(text) => {
                    let frame: Value = serde_json::from_str(&text).unwrap();
                    assert_eq!(frame["type"], kind, "{frame}");
                    return frame;
                }
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("expected {kind}, got {other:?}"),
            }
        }
    }

    pub async fn reply(&mut self, to: &Value, kind: &str, payload: Value) {
        self.say(json!({ "type": kind, "payload": payload, "requestId": to["requestId"] })).await;
    }

    /// Acknowledges a `SEND_MESSAGE`.
    pub async fn ack(&mut self, to: &Value, seq: u64, duplicate: bool) {
        let id = client::shared::MessageId { room: room(), seq };
        let payload = json!({
            "id": id, "roomId": room(), "seq": seq, "rev": seq, "timestamp": "2025-10-09T08:53:20.120Z",
            "clientMessageId": to["payload"]["clientMessageId"], "duplicate": duplicate,
        });
        self.reply(to, "MESSAGE_ACK", payload).await;
    }

    pub async fn close(mut self, code: u16) {
        let frame = CloseFrame { code: CloseCode::from(code), reason: "".into() };
        within(self.socket.close(Some(frame))).await.unwrap();
        // Until the client has answered, so that its side has seen the code.
        while within(self.socket.next()).await.is_some_and(|message| message.is_ok()) {}
    }

    /// Ends TCP without a close frame.
    pub fn drop_tcp(self) {
        drop(self);
    }

    /// Serves the `PING` of a client, which shows that the connection works.
    pub async fn answer_ping(&mut self) {
        let ping = self.expect("PING").await;
        self.reply(&ping, "PONG", json!({ "serverTime": "2025-10-09T08:53:20.120Z" })).await;
    }
}

/// One fixed room.
pub fn room() -> RoomId {
    "00000000-0000-7000-8000-0000000000aa".parse().unwrap()
}

/// Short delays, so that tests are quick.
pub fn options() -> Options {
    Options {
        backoff_base: Duration::from_millis(1),
        backoff_cap: Duration::from_millis(5),
        call_timeout: Duration::from_secs(10),
        ..Options::default()
    }
}

pub async fn connect(url: &str) -> Result<(Chat, Events)> {
    within(Chat::connect_with(url, "secret", options())).await
}

/// A server, a client, and the server's end of its connection; `Connected` has been read.
pub async fn connected() -> (Server, Peer, Chat, Events) {
    let server = Server::start().await;
    let url = server.url();
    let (peer, client) = tokio::join!(server.welcome(), connect(&url));
    let (chat, mut events) = client.unwrap();
    assert!(matches!(next(&mut events).await, Event::Connected(_)));
    (server, peer, chat, events)
}

pub async fn next(events: &mut Events) -> Event {
    within(events.next()).await.expect("the events ended")
}

/// The next event must be a frame.
pub async fn next_frame(events: &mut Events) -> ServerFrame {
    match next(events).await {
        Event::Frame(frame) => frame,
        other => panic!("expected a frame, got {other:?}"),
    }
}
