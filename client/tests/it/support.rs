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
        let mut holds = false;
        #[expect(clippy::result_large_err, reason = "the library's signature")]
        let look = |request: &Request, mut response: Response| {
            offered = request.headers()[SEC_WEBSOCKET_PROTOCOL].to_str().unwrap().to_owned();
            path = request.uri().path().to_owned();
            holds = request.uri().query().is_some_and(|query| query.split('&').any(|pair| pair == "hold=1"));
            response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("chatapp.v1"));
            Ok(response)
        };
        let socket = within(tokio_tungstenite::accept_hdr_async(stream, look)).await.unwrap();
        let token = offered.strip_prefix("chatapp.v1, bearer.").unwrap().to_owned();
        Peer { socket, token, path, holds }
    }

    /// The next connection, authenticated, with a heartbeat that does not matter. On `/chat` its events are still held.
    pub async fn hold(&self) -> Peer {
        let mut peer = self.accept().await;
        peer.auth_success(30_000).await;
        peer
    }

    /// The next connection, authenticated; on `/chat` with no rooms, or with nothing missed.
    pub async fn welcome(&self) -> Peer {
        let mut peer = self.hold().await;
        if peer.holds {
            peer.restore().await;
        }
        peer
    }
}

/// A position in a log.
pub fn position(rev: u64) -> Value {
    json!({ "rev": rev, "eventId": format!("{rev:016x}") })
}

/// The server's end of a connection.
pub struct Peer {
    pub socket: WebSocketStream<TcpStream>,
    /// What the client authenticated with.
    pub token: String,
    pub path: String,
    /// It said `hold=1`.
    pub holds: bool,
}

impl Peer {
    pub async fn auth_success(&mut self, heartbeat_ms: u64) {
        let id = "00000000-0000-7000-8000-000000000001";
        self.say(json!({ "type": "AUTH_SUCCESS", "payload": {
            "userId": id, "username": "alice", "status": "online", "sessionId": id, "heartbeatMs": heartbeat_ms, "resuming": self.holds,
        }}))
        .await;
    }

    /// Answers `SYNC` with no rooms, and `RESUME` with nothing missed.
    pub async fn restore(&mut self) {
        let asked = self.next_text().await;
        if asked["type"] == "SYNC" {
            return self.reply(&asked, "SYNCED", json!({ "user": position(0), "rooms": [] })).await;
        }
        assert_eq!(asked["type"], "RESUME", "{asked}");
        let caught_up =
            |position: &Value| json!({ "status": "caught_up", "rev": position["rev"], "eventId": position["eventId"] });
        let named = asked["payload"]["rooms"].as_object().unwrap();
        let rooms: serde_json::Map<_, _> = named.iter().map(|(room, at)| (room.clone(), caught_up(at))).collect();
        let user = caught_up(&asked["payload"]["user"]);
        self.reply(&asked, "RESUMED", json!({ "user": user, "rooms": rooms })).await;
    }

    pub async fn say(&mut self, frame: Value) {
        within(self.socket.send(Message::text(frame.to_string()))).await.unwrap();
    }

    /// The client's next text frame, which must be of this type.
    pub async fn expect(&mut self, kind: &str) -> Value {
        let frame = self.next_text().await;
        assert_eq!(frame["type"], kind, "{frame}");
        frame
    }

    async fn next_text(&mut self) -> Value {
        loop {
            match within(self.socket.next()).await.unwrap().unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("expected a text frame, got {other:?}"),
            }
        }
    }

    /// Says that somebody wrote the message that is change `rev` of the room.
    pub async fn message(&mut self, room: RoomId, rev: u64) {
        let id = client::shared::MessageId { room, seq: rev };
        self.say(json!({ "type": "NEW_MESSAGE", "payload": {
            "id": id, "roomId": room, "seq": rev, "userId": room, "username": "bob", "content": rev.to_string(),
            "type": "text", "timestamp": "2025-10-09T08:53:20.120Z", "rev": rev, "eventId": format!("{rev:016x}"),
        }}))
        .await;
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

/// A server, a client, and the server's end of its connection; `Connected` and `Synced` have been read.
pub async fn connected() -> (Server, Peer, Chat, Events) {
    let server = Server::start().await;
    let url = server.url();
    let (peer, client) = tokio::join!(server.welcome(), connect(&url));
    let (chat, mut events) = client.unwrap();
    assert!(matches!(next(&mut events).await, Event::Connected(_)));
    assert_eq!(next(&mut events).await, Event::Synced { rooms: Vec::new(), more: false });
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

/// A room as its member sees it.
pub fn view(room: RoomId, rev: u64) -> Value {
    json!({
        "id": room, "name": "r", "type": "private", "createdBy": room, "memberCount": 2,
        "createdAt": "2025-10-09T08:53:20.120Z", "historyVisibility": "joined", "position": position(rev),
    })
}

/// A client that is synced to room [`room`] at `rev` and to its own log at 0.
pub async fn synced(rev: u64, options: client::Options) -> (Server, Peer, Chat, Events) {
    let server = Server::start().await;
    let url = server.url();
    let script = async {
        let mut peer = server.hold().await;
        let sync = peer.expect("SYNC").await;
        peer.reply(&sync, "SYNCED", json!({ "user": position(0), "rooms": [view(room(), rev)] })).await;
        peer
    };
    let (peer, client) = tokio::join!(script, within(Chat::connect_with(&url, "secret", options)));
    let (chat, mut events) = client.unwrap();
    assert!(matches!(next(&mut events).await, Event::Connected(_)));
    assert!(matches!(next(&mut events).await, Event::Synced { more: false, .. }));
    (server, peer, chat, events)
}

/// The next connection, whose `RESUME` has been read.
pub async fn resuming(server: &Server) -> (Peer, Value) {
    let mut peer = server.hold().await;
    let resume = peer.expect("RESUME").await;
    (peer, resume)
}

/// The next message's `rev`; what says how the connection stands is passed over.
pub async fn next_rev(events: &mut Events) -> u64 {
    loop {
        match next(events).await {
            Event::Frame(ServerFrame::NewMessage { rev, .. }) => return rev,
            Event::Connected(_) | Event::Disconnected { .. } | Event::Resumed { .. } => {}
            other => panic!("expected a message, got {other:?}"),
        }
    }
}
