//! Servers over a store of their own, people who ask them, and answers in a form that can be compared.

use std::{collections::HashMap, path::Path, sync::Arc, thread::JoinHandle, time::Duration};

use domain::{Domain, upkeep};
use redis_fixture::{Kind, Redis};
use reqwest::{Method, header::HeaderMap};
use serde::Serialize;
use serde_json::{Value, json};
use shared::{AttachmentId, MessageId, RoomId, Settings, Timestamp, UserId, settings::FilesUrl};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// An inline snapshot of JSON that is the same for every engine.
macro_rules! assert_answer {
    ($value:expr, @$snapshot:literal) => {{
        let value = &$value;
        insta::allow_duplicates! { insta::assert_compact_json_snapshot!(value, @$snapshot) }
    }};
}
pub(crate) use assert_answer;

pub const API_KEY: &str = "a-service-key-0123456789";

#[derive(Debug, Clone, Copy)]
pub enum Engine {
    Embedded,
    Redis,
}

/// A running api-server; it ends with this value.
pub struct TestServer {
    pub url: String,
    pub domain: Domain,
    http: reqwest::Client,
    threads: Vec<JoinHandle<()>>,
    shutdown: CancellationToken,
    _dir: Option<TempDir>,
}

impl TestServer {
    pub async fn start(engine: Engine) -> Self {
        Self::with(engine, |_| {}).await
    }

    /// With other settings than the tests' own.
    pub async fn with(engine: Engine, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = settings();
        let dir = tempfile::tempdir().unwrap();
        settings.attachments.url = Some(FilesUrl::Directory(dir.path().join("attachments")));
        settings.store.url = match engine {
            Engine::Embedded => format!("embedded:{}", dir.path().display()).parse().unwrap(),
            Engine::Redis => Redis::shared(Kind::Node).url().parse().unwrap(),
        };
        change(&mut settings);
        Self::run(settings, Some(dir)).await
    }

    /// Over this Redis.
    pub async fn over(redis: &Redis, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = settings();
        settings.store.url = redis.url().parse().unwrap();
        change(&mut settings);
        Self::run(settings, None).await
    }

    /// Another process over the same store, as far as one can be in this process: only Redis allows it.
    pub async fn second(&self) -> Self {
        Self::run((*self.domain.settings).clone(), None).await
    }

    async fn run(settings: Settings, dir: Option<TempDir>) -> Self {
        let shutdown = CancellationToken::new();
        let (tell, told) = oneshot::channel();
        let end = shutdown.clone();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let store = store::open(&settings.store).await.unwrap();
                let domain = domain(store, Arc::new(settings));
                let server = api_server::Server::bind(domain.clone()).unwrap();
                tell.send((domain.clone(), server.addr().unwrap())).ok().unwrap();
                let upkeep = tokio::spawn(upkeep::run(domain.clone(), end.clone()));
                server.run(end).await.unwrap();
                upkeep.await.unwrap();
                domain.store.maintenance.close().await.unwrap();
            });
        });
        let (domain, address) = told.await.unwrap();
        let http = client();
        Self { url: format!("http://{address}"), domain, http, threads: vec![thread], shutdown, _dir: dir }
    }

    /// Files there are where attachments and avatars are kept.
    pub fn files(&self) -> Vec<String> {
        fn walk(dir: &Path, found: &mut Vec<String>) {
            for entry in std::fs::read_dir(dir).into_iter().flatten() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => walk(&path, found),
                    false => found.push(path.display().to_string()),
                }
            }
        }
        let FilesUrl::Directory(dir) = self.domain.settings.files_url() else { panic!("a directory") };
        let mut found = Vec::new();
        walk(&dir, &mut found);
        found
    }

    /// Ends, as a process does that is told to stop, and starts again over the same store.
    pub async fn restart(mut self) -> Self {
        let (settings, dir) = ((*self.domain.settings).clone(), self._dir.take());
        drop(self);
        Self::run(settings, dir).await
    }

    /// A chat-server over the same store that shares nothing else with this one; gives its URL.
    pub async fn add_chat_server(&mut self) -> String {
        let domain = domain(self.domain.store.clone(), self.domain.settings.clone());
        let end = self.shutdown.clone();
        let (tell, told) = oneshot::channel();
        self.threads.push(std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let server = chat_server::Server::bind(domain).unwrap();
                tell.send(server.addr().unwrap()).unwrap();
                server.run(end).await.unwrap();
            });
        }));
        format!("ws://{}/chat", told.await.unwrap())
    }

    /// A notification-server over the same store, in the registry before this returns.
    pub async fn add_notification_server(&mut self) {
        let (domain, end) = (self.domain.clone(), self.shutdown.clone());
        let (tell, told) = oneshot::channel();
        self.threads.push(std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let server = notification_server::Server::bind(domain).unwrap();
                tell.send(server.addr()).unwrap();
                server.run(end).await.unwrap();
            });
        }));
        told.await.unwrap();
        let registry = &self.domain.store.registry;
        while registry.instances(store::Service::Notification).await.unwrap().is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    /// A presence-server over the same store, in the registry before this returns; gives its URL.
    pub async fn add_presence_server(&mut self) -> String {
        let (domain, end) = (self.domain.clone(), self.shutdown.clone());
        self.threads.push(std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                presence_server::Server::bind(domain).unwrap().run(end).await.unwrap();
            });
        }));
        let registry = &self.domain.store.registry;
        let there = until(async || registry.instances(store::Service::Presence).await.unwrap().pop()).await;
        format!("{}/presence", there.url)
    }

    /// Somebody without a token.
    pub fn anyone(&self) -> Caller {
        self.bearer(None)
    }

    pub fn bearer(&self, token: Option<&str>) -> Caller {
        Caller { url: self.url.clone(), http: self.http.clone(), token: token.map(str::to_owned) }
    }

    /// A guest of this name.
    pub async fn guest(&self, name: &str) -> Person {
        let answer = self.anyone().post("/api/guest", json!({ "username": name })).await;
        self.person(&answer.expect(201))
    }

    /// A guest, and the owner of a public room with a guest in it.
    pub async fn room(&self) -> (Person, Person, String) {
        let (alice, bob) = (self.guest("alice").await, self.guest("bob").await);
        let room = alice.post("/api/rooms", json!({ "name": "Tea", "type": "public" })).await.expect(201).id();
        bob.call("POST", &format!("/api/rooms/{room}/join"), None).await.expect(200);
        (alice, bob, room)
    }

    /// The owner of a room whose history is for those who were there, a message in it from before somebody else joined,
    /// that other, and the room.
    pub async fn late(&self) -> (Person, String, Person, String) {
        let (alice, bob) = (self.guest("alice").await, self.guest("bob").await);
        let input = json!({ "name": "Tea", "type": "public", "historyVisibility": "joined" });
        let room = alice.post("/api/rooms", input).await.expect(201).id();
        let old = alice.send(&room, "before bob").await["id"].as_str().unwrap().to_owned();
        bob.call("POST", &format!("/api/rooms/{room}/join"), None).await.expect(200);
        (alice, old, bob, room)
    }

    /// An account of this name with the password `correct horse` and the address `NAME@example.org`.
    pub async fn account(&self, name: &str) -> Person {
        let email = format!("{name}@example.org");
        let input = json!({ "username": name, "email": email, "password": "correct horse" });
        self.person(&self.anyone().post("/api/signup", input).await.expect(201))
    }

    fn person(&self, signed_in: &Answer) -> Person {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let token = text(&signed_in.raw["token"]);
        Person {
            id: text(&signed_in.raw["user"]["id"]),
            refresh_token: text(&signed_in.raw["refreshToken"]),
            caller: self.bearer(Some(&token)),
            token,
        }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.shutdown.cancel();
        for thread in self.threads.drain(..) {
            // While another panic unwinds, that one is the news.
            if thread.join().is_err() && !std::thread::panicking() {
                panic!("the server ended badly");
            }
        }
    }
}

/// As a process of its own has it.
fn domain(store: store::Store, settings: Arc<Settings>) -> Domain {
    Domain::with_keys(store, settings, Arc::new(web::jwks::KeyReader::new().unwrap()))
}

fn settings() -> Settings {
    let mut settings = Settings::default();
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    (settings.api.listen, settings.chat.listen) = (any, any);
    (settings.presence.listen, settings.notification.listen) = (any, any);
    settings.store.key_prefix = format!("{}:", uuid::Uuid::new_v4().simple());
    settings.notification.api_keys = vec![API_KEY.into()];
    settings.http.workers = 1;
    settings.http.shutdown_seconds = 1;
    settings.limits.enabled = false;
    settings
}

fn client() -> reqwest::Client {
    let redirects = reqwest::redirect::Policy::none();
    reqwest::Client::builder().no_proxy().redirect(redirects).build().unwrap()
}

/// Asks one server, with or without a token.
pub struct Caller {
    url: String,
    http: reqwest::Client,
    token: Option<String>,
}

/// Somebody who is logged in.
pub struct Person {
    pub id: String,
    pub token: String,
    pub refresh_token: String,
    caller: Caller,
}

impl std::ops::Deref for Person {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl Caller {
    /// A request with the token, to be completed and given to [`Answer::of`].
    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(Method::from_bytes(method.as_bytes()).unwrap(), format!("{}{path}", self.url));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let request = self.request(method, path);
        Answer::of(match body {
            Some(body) => request.json(body),
            None => request,
        })
        .await
    }

    pub async fn get(&self, path: impl AsRef<str>) -> Answer {
        self.call("GET", path.as_ref(), None).await
    }

    pub async fn post(&self, path: impl AsRef<str>, body: Value) -> Answer {
        self.call("POST", path.as_ref(), Some(&body)).await
    }

    pub async fn patch(&self, path: impl AsRef<str>, body: Value) -> Answer {
        self.call("PATCH", path.as_ref(), Some(&body)).await
    }

    pub async fn put(&self, path: impl AsRef<str>, body: Value) -> Answer {
        self.call("PUT", path.as_ref(), Some(&body)).await
    }

    pub async fn delete(&self, path: impl AsRef<str>) -> Answer {
        self.call("DELETE", path.as_ref(), None).await
    }

    /// Sends a message; gives it as it was answered.
    pub async fn send(&self, room: &str, content: &str) -> Value {
        let sent = self.post(format!("/api/rooms/{room}/messages"), json!({ "content": content })).await;
        sent.expect(201).raw
    }
}

/// What came back. `body` is `raw` with ids, times and secrets made the same for every run.
#[derive(Debug, Clone, Serialize)]
pub struct Answer {
    pub status: u16,
    #[serde(skip_serializing_if = "Value::is_null")]
    pub body: Value,
    #[serde(skip)]
    pub raw: Value,
    #[serde(skip)]
    pub headers: HeaderMap,
}

impl Answer {
    /// Sends the request and holds its answer to what is true of all: it names its request, and a refusal is a
    /// problem document that repeats its status and names the request too; no answer is a failure of ours.
    pub async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        let json = headers.get("content-type").is_some_and(|kind| kind.to_str().unwrap().contains("json"));
        let raw = if json { serde_json::from_str(&text).unwrap() } else { Value::String(text) };
        let raw = if raw == "" { Value::Null } else { raw };
        let answer = Self { status, body: redact(raw.clone(), &mut HashMap::new()), raw, headers };
        answer.check();
        answer
    }

    fn check(&self) {
        let id = self.header("x-request-id").unwrap_or_else(|| panic!("no request id: {self:?}"));
        if self.status < 400 {
            return;
        }
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        assert_eq!(self.raw["requestId"], id, "{self:?}");
        assert_eq!(self.raw["status"], self.status, "{self:?}");
        assert_eq!(self.raw["error"], self.raw["detail"], "{self:?}");
        assert!(self.raw["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{self:?}");
        assert!(self.raw["code"].is_string() && self.raw["title"].is_string(), "{self:?}");
        assert_eq!(self.status == 401, self.header("www-authenticate") == Some("Bearer"), "{self:?}");
        assert_eq!(self.status == 429, self.header("retry-after").is_some(), "{self:?}");
        assert!(self.status < 500 || self.raw["code"] == "UNAVAILABLE", "{self:?}");
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The answer, which must have this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.raw);
        self
    }

    /// It must be a refusal with this status and code.
    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> Self {
        assert_eq!((self.status, &self.raw["code"]), (status, &json!(code)), "{}", self.raw);
        self
    }

    pub fn id(&self) -> String {
        self.raw["id"].as_str().unwrap().to_owned()
    }

    /// One field of each item of a page.
    pub fn items(&self, field: &str) -> Value {
        self.raw["items"].as_array().unwrap().iter().map(|item| item[field].clone()).collect()
    }
}

/// Looks again and again until there is something; what takes longer than this does not come.
pub async fn until<T>(mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            match look().await {
                Some(found) => return found,
                None => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), looking).await.expect("it does not come")
}

/// Ids become `[id 1]`, `[id 2]`, … in the order they appear, times `[time]`, secrets and request ids their names.
fn redact(value: Value, seen: &mut HashMap<String, usize>) -> Value {
    match value {
        Value::String(text) if is_id(&text) => {
            let next = seen.len() + 1;
            Value::String(format!("[id {}]", seen.entry(text).or_insert(next)))
        }
        Value::String(text) if text.parse::<Timestamp>().is_ok() => "[time]".into(),
        Value::Array(items) => items.into_iter().map(|item| redact(item, seen)).collect(),
        Value::Object(fields) => {
            let field = |(key, value): (String, Value)| {
                let secret = ["token", "refreshToken", "ticket", "requestId", "eventId"].contains(&key.as_str());
                let value = if secret { format!("[{key}]").into() } else { redact(value, seen) };
                (key, value)
            };
            fields.into_iter().map(field).collect()
        }
        other => other,
    }
}

fn is_id(text: &str) -> bool {
    text.parse::<AttachmentId>().is_ok()
        || text.parse::<UserId>().is_ok()
        || text.parse::<RoomId>().is_ok()
        || text.parse::<MessageId>().is_ok()
}
