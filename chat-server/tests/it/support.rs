//! Servers on ports of their own, users, clients, and frames with what differs from run to run taken out.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use chat_server::Server;
use domain::{
    Domain, Viewer,
    accounts::{Guest, Signup},
};
use futures_util::{SinkExt, StreamExt};
use redis_fixture::{Kind, Redis};
use serde_json::{Value, json};
use shared::{
    InstanceId, RoomId, Settings, Timestamp, UserId,
    protocol::{HistoryVisibility, RoomType},
    settings::StoreUrl,
};
use store::{
    Actor, Bus, Instance, Limits, Registry, RoomRecord, Service, Subscriber, Subscriptions, Taken, Topic, TypingEvent,
};
use tempfile::TempDir;
use tokio::{
    net::TcpStream,
    sync::{Semaphore, oneshot},
    task::coop,
    time::{timeout, timeout_at},
};
use tokio_tungstenite::{WebSocketStream, client_async_with_config, tungstenite};
use tokio_util::sync::CancellationToken;
use tungstenite::{Message, client::IntoClientRequest, protocol::WebSocketConfig};

/// No answer takes so long.
pub const LONG: Duration = Duration::from_secs(20);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// A directory; all servers share the open store.
    Embedded,
    /// A real server; each chat-server opens the store for itself, as a process of its own would.
    Redis,
}

/// An inline snapshot of a frame, the same on every engine.
macro_rules! assert_frame {
    ($frame:expr, @$expected:literal) => {{
        let frame = $frame;
        insta::allow_duplicates! { insta::assert_snapshot!(frame, @$expected) }
    }};
}
pub(crate) use assert_frame;

/// One store, and the names of what is in it.
pub struct World {
    pub domain: Domain,
    pub bus: Arc<LossyBus>,
    /// Of the first server, as the limits are.
    pub registry: Arc<GatedRegistry>,
    pub limits: Arc<SlowLimits>,
    settings: Settings,
    names: Names,
    nodes: Vec<Node>,
    _dir: TempDir,
}

/// As a process of its own has it.
fn domain(store: store::Store, settings: &Settings) -> Domain {
    Domain::with_keys(store, Arc::new(settings.clone()), Arc::new(web::jwks::KeyReader::new().unwrap()))
}

/// Id → how a snapshot shows it.
type Names = Arc<Mutex<BTreeMap<String, String>>>;

/// The store's bus, which can lose what is published on a topic for a while, and publishes no typing while its gate is
/// held.
pub struct LossyBus {
    inner: Arc<dyn Bus>,
    subscribers: Mutex<Vec<Arc<dyn Subscriptions>>>,
    pub typing: tokio::sync::Mutex<()>,
}

/// The store's limits, which may wait, and may leave nothing of the task's budget.
pub struct SlowLimits {
    inner: Arc<dyn Limits>,
    /// One is used up each time; a test takes them away, and gives them back.
    pub turns: Semaphore,
    pub exhausting: AtomicBool,
}

#[async_trait]
impl Limits for SlowLimits {
    async fn take(&self, key: &str, burst: u32, refill: Duration, want: u32) -> store::Result<Taken> {
        self.turns.acquire().await.unwrap().forget();
        let taken = self.inner.take(key, burst, refill, want).await?;
        while self.exhausting.load(Ordering::Relaxed) && coop::has_budget_remaining() {
            coop::consume_budget().await;
        }
        Ok(taken)
    }

    async fn give_back(&self, key: &str, burst: u32, refill: Duration, count: u32) -> store::Result<()> {
        self.inner.give_back(key, burst, refill, count).await
    }
}

/// The store's registry, which does not let go of who leaves it while its gate is held.
pub struct GatedRegistry {
    inner: Arc<dyn Registry>,
    pub gate: tokio::sync::Mutex<()>,
}

#[async_trait]
impl Registry for GatedRegistry {
    async fn register(&self, instance: &Instance, ttl: Duration) -> store::Result<()> {
        self.inner.register(instance, ttl).await
    }

    async fn deregister(&self, service: Service, id: InstanceId) -> store::Result<()> {
        let _gate = self.gate.lock().await;
        self.inner.deregister(service, id).await
    }

    async fn instances(&self, service: Service) -> store::Result<Vec<Instance>> {
        self.inner.instances(service).await
    }
}

#[async_trait]
impl Bus for LossyBus {
    async fn publish_typing(&self, event: &TypingEvent) -> store::Result<()> {
        let _gate = self.typing.lock().await;
        self.inner.publish_typing(event).await
    }

    fn subscriber(&self) -> Subscriber {
        let subscriber = self.inner.subscriber();
        self.subscribers.lock().unwrap().push(subscriber.subscriptions.clone());
        subscriber
    }
}

impl LossyBus {
    fn all(&self) -> Vec<Arc<dyn Subscriptions>> {
        self.subscribers.lock().unwrap().clone()
    }

    /// From now on nothing of this topic arrives.
    pub async fn mute(&self, topic: Topic) {
        for subscriber in self.all() {
            subscriber.unsubscribe(&[topic]).await;
        }
    }

    /// It arrives again.
    pub async fn unmute(&self, topic: Topic) {
        for subscriber in self.all() {
            subscriber.subscribe(&[topic]).await.unwrap();
        }
    }
}

pub struct Node {
    pub port: u16,
    pub stop: CancellationToken,
    done: Option<oneshot::Receiver<()>>,
}

#[derive(Clone)]
pub struct User {
    pub id: UserId,
    pub name: String,
    pub token: String,
}

impl World {
    pub async fn start(engine: Engine) -> Self {
        Self::with(engine, |_| {}).await
    }

    pub async fn with(engine: Engine, change: impl FnOnce(&mut Settings)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut settings = Settings::default();
        settings.store.url = match engine {
            Engine::Embedded => StoreUrl::Embedded(dir.path().join("data")),
            Engine::Redis => StoreUrl::Redis(Redis::shared(Kind::Node).url().into()),
        };
        settings.store.key_prefix = format!("t{}:", shared::EventId::random());
        settings.chat.listen = "127.0.0.1:0".parse().unwrap();
        settings.http.workers = 2;
        settings.limits.enabled = false;
        change(&mut settings);
        let mut store = store::open(&settings.store).await.unwrap();
        let (subscribers, typing) = (Mutex::default(), tokio::sync::Mutex::default());
        let bus = Arc::new(LossyBus { inner: store.bus.clone(), subscribers, typing });
        store.bus = bus.clone();
        let (turns, exhausting) = (Semaphore::new(Semaphore::MAX_PERMITS), AtomicBool::new(false));
        let limits = Arc::new(SlowLimits { inner: store.limits.clone(), turns, exhausting });
        store.limits = limits.clone();
        let registry = Arc::new(GatedRegistry { inner: store.registry.clone(), gate: tokio::sync::Mutex::new(()) });
        store.registry = registry.clone();
        let domain = domain(store, &settings);
        let (names, nodes) = (Names::default(), Vec::new());
        let mut world = Self { domain, settings, bus, registry, limits, names, nodes, _dir: dir };
        world.add_node().await;
        world
    }

    /// One more chat-server on the same store.
    pub async fn add_node(&mut self) -> usize {
        let store = match (&self.settings.store.url, self.nodes.is_empty()) {
            (StoreUrl::Redis(_), false) => store::open(&self.settings.store).await.unwrap(),
            _ => self.domain.store.clone(),
        };
        let domain = domain(store, &self.settings);
        let server = Server::bind(domain).unwrap();
        let port = server.addr().unwrap().port();
        let stop = CancellationToken::new();
        let (finished, done) = oneshot::channel();
        let token = stop.clone();
        std::thread::spawn(move || {
            let result = actix_web::rt::System::new().block_on(server.run(token));
            let _ = finished.send(());
            result.unwrap();
        });
        self.nodes.push(Node { port, stop, done: Some(done) });
        self.nodes.len() - 1
    }

    /// Stops a server and waits for its end.
    pub async fn stop(&mut self, node: usize) {
        self.nodes[node].stop.cancel();
        let done = self.nodes[node].done.take().unwrap();
        timeout(LONG, done).await.unwrap().unwrap();
    }

    pub fn begin_stop(&self, node: usize) {
        self.nodes[node].stop.cancel();
    }

    /// A user of this name.
    pub async fn user(&self, name: &str) -> User {
        let guest = Guest { username: Some(name.into()) };
        let signed_in = self.domain.accounts.guest(guest, &"127.0.0.1".into()).await.unwrap();
        self.names.lock().unwrap().insert(signed_in.user.id.to_string(), format!("<{name}>"));
        User { id: signed_in.user.id, name: name.into(), token: signed_in.token }
    }

    /// A user with an account, who may write to strangers.
    pub async fn account(&self, name: &str) -> User {
        let (email, password) = (format!("{name}@example.org"), "correct horse".into());
        let input = Signup { username: name.into(), email, password, display_name: None };
        let signed_in = self.domain.accounts.sign_up(input, &"127.0.0.1".into()).await.unwrap();
        self.names.lock().unwrap().insert(signed_in.user.id.to_string(), format!("<{name}>"));
        User { id: signed_in.user.id, name: name.into(), token: signed_in.token }
    }

    pub async fn viewer(&self, user: &User) -> Viewer {
        self.domain.identity.identify(&user.token).await.unwrap()
    }

    pub fn url(&self, node: usize) -> String {
        self.socket(node, "/chat")
    }

    pub fn socket(&self, node: usize, path: &str) -> String {
        format!("ws://127.0.0.1:{}{path}", self.nodes[node].port)
    }

    /// An authenticated socket of this user.
    pub async fn connect(&self, user: &User) -> Client {
        self.connect_to(0, user).await
    }

    pub async fn connect_to(&self, node: usize, user: &User) -> Client {
        let mut client = self.open(&format!("{}?token={}", self.url(node), user.token), &[]).await;
        assert_eq!(client.next().await["type"], "AUTH_SUCCESS");
        client
    }

    /// An authenticated socket of this user that will resume.
    pub async fn held(&self, node: usize, user: &User) -> Client {
        let mut client = self.open(&format!("{}?hold=1&token={}", self.url(node), user.token), &[]).await;
        let first = client.next().await;
        assert_eq!((&first["type"], &first["payload"]["resuming"]), (&json!("AUTH_SUCCESS"), &json!(true)));
        client
    }

    /// A socket that has shown nothing, or these headers.
    pub async fn open(&self, url: &str, headers: &[(&'static str, String)]) -> Client {
        let mut request = url.into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let address = url.trim_start_matches("ws://").split('/').next().unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        let config = WebSocketConfig::default().read_buffer_size(4096).write_buffer_size(4096);
        let (socket, _) = client_async_with_config(request, stream, Some(config)).await.unwrap();
        Client { socket, names: self.names.clone(), requests: 0 }
    }

    /// A public room of this owner, and its id.
    pub async fn room(&self, owner: &mut Client, name: &str) -> String {
        let created = owner.ask("CREATE_ROOM", json!({"name": name, "type": "public"})).await;
        assert_eq!(created["type"], "ROOM_CREATED", "{created}");
        let id = created["payload"]["room"]["id"].as_str().unwrap().to_owned();
        self.name(&id, name);
        id
    }

    /// A private room of these users from its beginning, the first its owner: nobody is told of anybody's joining who
    /// connects after it.
    pub async fn room_of(&self, name: &str, users: &[&User]) -> RoomId {
        let room = RoomRecord {
            id: RoomId::new(),
            handle: None,
            name: Some(name.into()),
            description: None,
            kind: RoomType::Private,
            created_by: users[0].id,
            created_at: Timestamp::now(),
            history_visibility: HistoryVisibility::All,
            retention: None,
            asked: None,
        };
        let members: Vec<_> = users.iter().map(|u| Actor { id: u.id, username: u.name.clone() }).collect();
        self.domain.store.rooms.create_room(&room, &members).await.unwrap();
        self.name(&room.id.to_string(), name);
        room.id
    }

    /// How snapshots show it.
    pub fn shown(&self, id: &str) -> String {
        self.names.lock().unwrap().get(id).cloned().unwrap_or_default()
    }

    /// How snapshots show this id.
    pub fn name(&self, id: &str, name: &str) {
        self.names.lock().unwrap().insert(id.into(), format!("<{name}>"));
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for node in &self.nodes {
            node.stop.cancel();
        }
    }
}

pub struct Client {
    pub socket: WebSocketStream<TcpStream>,
    names: Names,
    requests: u64,
}

impl Client {
    /// Sends a command without waiting.
    pub async fn tell(&mut self, kind: &str, payload: Value) {
        self.send(&json!({"type": kind, "payload": payload}).to_string()).await;
    }

    pub async fn send(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    /// Sends all of these in one write, as far as 4 KB go.
    pub async fn send_together(&mut self, messages: impl IntoIterator<Item = Message>) {
        for message in messages {
            self.socket.feed(message).await.unwrap();
        }
        self.socket.flush().await.unwrap();
    }

    /// Sends a command and gives its reply; events that come before it are an error.
    pub async fn ask(&mut self, kind: &str, payload: Value) -> Value {
        let (reply, events) = self.ask_among_events(kind, payload).await;
        assert!(events.is_empty(), "unexpected: {events:?}");
        reply
    }

    /// Sends a command and gives its reply, and the events that came before it.
    pub async fn ask_among_events(&mut self, kind: &str, payload: Value) -> (Value, Vec<Value>) {
        self.requests += 1;
        let id = format!("q{}", self.requests);
        self.send(&json!({"type": kind, "payload": payload, "requestId": id}).to_string()).await;
        let mut events = Vec::new();
        loop {
            let frame = self.next().await;
            if frame["requestId"] == id.as_str() {
                return (frame, events);
            }
            events.push(frame);
        }
    }

    /// The reply as a snapshot.
    pub async fn reply(&mut self, kind: &str, payload: Value) -> String {
        let reply = self.ask(kind, payload).await;
        self.show(reply)
    }

    /// The next frame.
    pub async fn next(&mut self) -> Value {
        match self.any().await {
            Some(Message::Text(text)) => serde_json::from_str(&text).unwrap(),
            other => panic!("expected a text, got {other:?}"),
        }
    }

    /// The next frame as a snapshot.
    pub async fn frame(&mut self) -> String {
        let frame = self.next().await;
        self.show(frame)
    }

    /// The code of the close that must come next.
    pub async fn closed(&mut self) -> u16 {
        match self.any().await {
            Some(Message::Close(Some(frame))) => frame.code.into(),
            other => panic!("expected a close, got {other:?}"),
        }
    }

    async fn any(&mut self) -> Option<Message> {
        loop {
            match timeout(LONG, self.socket.next()).await.expect("a frame") {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(message)) => return Some(message),
                Some(Err(_)) | None => return None,
            }
        }
    }

    /// All is quiet: what was sent before this has been answered, and nothing else has come. A round trip, no sleep.
    pub async fn quiet(&mut self) {
        let pong = self.ask("PING", json!({})).await;
        assert_eq!(pong["type"], "PONG");
    }

    /// Frames until one of this type, which is the last.
    pub async fn until(&mut self, kind: &str) -> Vec<Value> {
        let deadline = tokio::time::Instant::now() + LONG;
        let mut frames = Vec::new();
        loop {
            let frame = timeout_at(deadline, self.next()).await.expect(kind);
            let last = frame["type"] == kind;
            frames.push(frame);
            if last {
                return frames;
            }
        }
    }

    /// A frame with ids by name, and times and event ids taken out.
    pub fn show(&self, mut frame: Value) -> String {
        redact(&mut frame);
        let mut text = frame.to_string();
        for (id, name) in self.names.lock().unwrap().iter() {
            text = text.replace(id, name);
        }
        text
    }
}

fn redact(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (key, field) in fields.iter_mut() {
                let shown = match key.as_str() {
                    "timestamp" | "createdAt" | "editedAt" | "joinedAt" | "serverTime" | "deletedAt" => "<time>",
                    "eventId" => "<event>",
                    "sessionId" => "<session>",
                    "afterMs" | "retryAfterMs" if field.is_u64() => "<ms>",
                    // A message's; rooms' and users' are UUIDs.
                    "id" | "messageId" | "messageID" | "replyTo" if field.as_str().is_some_and(|id| id.len() == 32) => {
                        "<message>"
                    }
                    _ => {
                        redact(field);
                        continue;
                    }
                };
                assert!(field.is_string() || shown == "<ms>", "{key}: {field}");
                *field = json!(shown);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(redact),
        _ => {}
    }
}
