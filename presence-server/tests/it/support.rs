//! A presence-server on a free port over a store of its own, users, and sockets that await frames.

use std::{sync::Arc, time::Duration};

use domain::{Domain, Viewer, accounts::Guest, upkeep};
use futures_util::{SinkExt, StreamExt};
use redis_fixture::{Kind, Redis};
use serde_json::{Value, json};
use shared::{
    Settings,
    settings::{ExternalIssuer, StoreUrl},
};
use tokio::net::TcpStream;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, tungstenite::Message};
use tokio_util::sync::CancellationToken;

/// Longer than anything takes; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// An inline snapshot of a frame, the same for every engine.
macro_rules! assert_frame {
    ($($snapshot:tt)*) => {
        insta::allow_duplicates! { insta::assert_json_snapshot!($($snapshot)*) }
    };
}
pub(crate) use assert_frame;

#[derive(Debug, Clone, Copy)]
pub enum Engine {
    Embedded,
    Redis,
}

pub struct TestServer {
    pub domain: Domain,
    pub url: String,
    shutdown: CancellationToken,
    thread: Option<std::thread::JoinHandle<()>>,
    _dir: Option<tempfile::TempDir>,
}

pub struct Person {
    pub viewer: Viewer,
    pub token: String,
}

impl TestServer {
    pub async fn start(engine: Engine) -> Self {
        Self::with(engine, |_| {}).await
    }

    pub async fn with(engine: Engine, change: impl FnOnce(&mut Settings)) -> Self {
        Self::over(engine, change, |_| {}).await
    }

    /// Over a store with something put in its place.
    pub async fn over(
        engine: Engine,
        change: impl FnOnce(&mut Settings),
        instead: impl FnOnce(&mut store::Store),
    ) -> Self {
        let (mut settings, dir) = settings(engine);
        change(&mut settings);
        let mut store = store::open(&settings.store).await.unwrap();
        instead(&mut store);
        Self::run_over(store, settings, dir, true).await
    }

    /// One that also takes the tokens of this product.
    pub async fn taking(engine: Engine, issuer: ExternalIssuer) -> Self {
        let (mut settings, dir) = settings(engine);
        settings.auth.external = vec![issuer];
        Self::run(settings, dir, true).await
    }

    /// One that does only what it is asked: nobody looks for users whose grace has passed.
    pub async fn without_upkeep(engine: Engine) -> Self {
        let (settings, dir) = settings(engine);
        Self::run(settings, dir, false).await
    }

    /// Another over the same store, which it opens for itself, as a process of its own would: only Redis allows it.
    pub async fn second(&self) -> Self {
        Self::run((*self.domain.settings).clone(), None, true).await
    }

    async fn run(settings: Settings, dir: Option<tempfile::TempDir>, upkeep: bool) -> Self {
        let store = store::open(&settings.store).await.unwrap();
        Self::run_over(store, settings, dir, upkeep).await
    }

    async fn run_over(store: store::Store, settings: Settings, dir: Option<tempfile::TempDir>, upkeep: bool) -> Self {
        let keys = Arc::new(web::jwks::KeyReader::new().unwrap());
        let domain = Domain::with_keys(store, Arc::new(settings), keys);
        let shutdown = CancellationToken::new();
        let (server, token, of_server) =
            (presence_server::Server::bind(domain.clone()).unwrap(), shutdown.clone(), domain.clone());
        let url = format!("ws://{}/presence", server.addr().unwrap());
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let upkeep = upkeep.then(|| tokio::spawn(upkeep::run(of_server, token.clone())));
                server.run(token).await.unwrap();
                if let Some(upkeep) = upkeep {
                    upkeep.await.unwrap();
                }
            });
        });
        Self { domain, url, shutdown, thread: Some(thread), _dir: dir }
    }

    pub async fn person(&self, name: &str) -> Person {
        self.person_named(name.into()).await
    }

    pub async fn person_named(&self, name: String) -> Person {
        let guest = Guest { username: Some(name) };
        let token = self.domain.accounts.guest(guest, &"test".into()).await.unwrap().token;
        Person { viewer: self.domain.identity.authenticate(&token).await.unwrap(), token }
    }

    /// Two people who may watch each other: they have each other in their contacts.
    pub async fn friends(&self) -> (Person, Person) {
        let (alice, bob) = (self.person("alice").await, self.person("bob").await);
        self.domain.people.add_contact(&alice.viewer, bob.viewer.user).await.unwrap();
        self.domain.people.add_contact(&bob.viewer, alice.viewer.user).await.unwrap();
        (alice, bob)
    }

    pub async fn connect(&self, person: &Person) -> Socket {
        let mut socket = self.connect_raw("").await;
        socket.send(json!({"type": "AUTHENTICATE", "payload": {"token": person.token}})).await;
        assert_eq!(socket.next().await["type"], "AUTH_SUCCESS");
        socket
    }

    pub async fn connect_raw(&self, query: &str) -> Socket {
        Socket::open(&format!("{}{query}", self.url)).await
    }

    pub fn stop(&self) {
        self.shutdown.cancel();
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.shutdown.cancel();
        self.thread.take().map(std::thread::JoinHandle::join);
    }
}

fn settings(engine: Engine) -> (Settings, Option<tempfile::TempDir>) {
    let mut dir = None;
    let mut settings = Settings::default();
    settings.store.url = match engine {
        Engine::Embedded => StoreUrl::Embedded(dir.insert(tempfile::tempdir().unwrap()).path().into()),
        Engine::Redis => StoreUrl::Redis(Redis::shared(Kind::Node).url().into()),
    };
    settings.store.key_prefix = format!("t{}:", shared::EventId::random());
    settings.presence.listen = "127.0.0.1:0".parse().unwrap();
    settings.presence.grace_ms = 200;
    settings.http.workers = 2;
    settings.limits.enabled = false;
    (settings, dir)
}

pub struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    pub async fn open(url: &str) -> Self {
        let (stream, _) = tokio_tungstenite::connect_async(url).await.unwrap();
        Self(stream)
    }

    pub async fn send(&mut self, frame: Value) {
        self.send_text(&frame.to_string()).await;
    }

    pub async fn send_text(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    pub async fn send_binary(&mut self, bytes: &'static [u8]) {
        self.0.send(Message::binary(bytes)).await.unwrap();
    }

    /// The next JSON frame.
    pub async fn next(&mut self) -> Value {
        match self.next_message().await {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("expected a frame, got {other:?}"),
        }
    }

    /// The code of the close frame, after whatever frames come before it.
    pub async fn close_code(&mut self) -> u16 {
        loop {
            match self.next_message().await {
                Message::Text(_) => {}
                Message::Close(Some(frame)) => return frame.code.into(),
                other => panic!("expected a close, got {other:?}"),
            }
        }
    }

    async fn next_message(&mut self) -> Message {
        loop {
            let message = tokio::time::timeout(PATIENCE, self.0.next()).await.expect("a frame in time");
            match message.expect("an open socket").unwrap() {
                Message::Ping(_) | Message::Pong(_) => {}
                message => return message,
            }
        }
    }

    /// Sends a command and gives its reply; fails if anything comes before it.
    pub async fn ask(&mut self, kind: &str, payload: Value) -> Value {
        self.send(json!({"type": kind, "payload": payload, "requestId": "r"})).await;
        let reply = self.next().await;
        assert_eq!(reply["requestId"], "r", "{reply}");
        reply
    }

    /// Nothing but the answer to this ping is on its way.
    pub async fn is_quiet(&mut self) {
        assert_eq!(self.ask("PING", json!({})).await["type"], "PONG");
    }

    /// Ends without a word, as a lost network does.
    pub fn cut(self) {
        drop(self);
    }
}
