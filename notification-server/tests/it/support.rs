//! A store with people in it, a server over it, and answers in a form that can be compared.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use domain::{Domain, Viewer, accounts::Guest};
use notification_server::{Channel, Outcome, Server};
use redis_fixture::{Append, Kind, Redis};
use serde::Serialize;
use serde_json::{Value, json};
use shared::{
    Settings, Timestamp, UserId,
    protocol::command::{CreateRoom, SendMessage},
    settings,
};
use store::{Attempt, BusEvent, InboxItem, Job, Signal, Subscriber, Topic, UserChangeBody, UserEvent};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// An inline snapshot of JSON that is the same for every engine.
macro_rules! assert_answer {
    ($value:expr, @$snapshot:literal) => {{
        let value = &$value;
        insta::allow_duplicates! { insta::assert_json_snapshot!(value, @$snapshot) }
    }};
}
pub(crate) use assert_answer;

pub const API_KEY: &str = "a-service-key-0123456789";
/// Whatever is awaited comes much sooner, or never.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug, Clone, Copy)]
pub enum Engine {
    Embedded,
    Redis,
}

/// A store and its domain; nothing runs yet.
pub struct World {
    pub domain: Domain,
    /// With [`Engine::Redis`].
    pub redis: Option<Redis>,
    _dir: TempDir,
}

pub struct Person {
    pub id: UserId,
    pub token: String,
    pub viewer: Viewer,
}

impl World {
    pub async fn new(engine: Engine) -> Self {
        Self::with(engine, |_| {}).await
    }

    /// With other settings than the tests' own.
    pub async fn with(engine: Engine, change: impl FnOnce(&mut Settings)) -> Self {
        web::observe::install_metrics();
        let dir = tempfile::tempdir().unwrap();
        let redis = match engine {
            Engine::Embedded => None,
            Engine::Redis => Some(Redis::start(Kind::Node, Append::Never)),
        };
        let url = match &redis {
            None => format!("embedded:{}", dir.path().display()),
            Some(redis) => redis.url(),
        };
        let key_prefix = format!("t{:08x}:", rand::random::<u32>());
        let mut settings = Settings {
            store: settings::Store { url: url.parse().unwrap(), key_prefix, ..settings::Store::default() },
            notification: settings::Notification {
                listen: "127.0.0.1:0".parse().unwrap(),
                api_keys: vec!["another-key-0123456789".into(), API_KEY.into()],
                delay_ms: 0,
                ..Default::default()
            },
            http: settings::Http { workers: 1, shutdown_seconds: 2, ..Default::default() },
            limits: settings::Limits { enabled: false, ..Default::default() },
            ..Default::default()
        };
        change(&mut settings);
        let store = store::open(&settings.store).await.unwrap();
        let domain = Domain::new(store, Arc::new(settings));
        let lease = Duration::from_secs(60);
        domain.store.presence.beat(domain.instance, Timestamp::now(), lease).await.unwrap();
        Self { domain, redis, _dir: dir }
    }

    pub async fn person(&self, name: &str) -> Person {
        let guest = Guest { username: Some(name.into()) };
        let signed_in = self.domain.accounts.guest(guest, &"127.0.0.1".into()).await.unwrap();
        let viewer = self.domain.identity.authenticate(&signed_in.token).await.unwrap();
        Person { id: signed_in.user.id, token: signed_in.token, viewer }
    }

    /// An account with the address `NAME@example.net` and the password `correct horse`.
    pub async fn account(&self, name: &str) -> Person {
        let input = json!({ "username": name, "email": format!("{name}@example.net"), "password": "correct horse" });
        let input = serde_json::from_value(input).unwrap();
        let signed_in = self.domain.accounts.sign_up(input, &"127.0.0.1".into()).await.unwrap();
        let viewer = self.domain.identity.authenticate(&signed_in.token).await.unwrap();
        Person { id: signed_in.user.id, token: signed_in.token, viewer }
    }

    /// A public room with these members, the first its owner.
    pub async fn room(&self, members: &[&Person]) -> shared::RoomId {
        let input: CreateRoom = serde_json::from_value(json!({ "name": "Tea", "type": "public" })).unwrap();
        let room = self.domain.rooms.create(&members[0].viewer, input).await.unwrap().id;
        for member in &members[1..] {
            self.domain.rooms.join(&member.viewer, room).await.unwrap();
        }
        room
    }

    pub async fn send(&self, from: &Person, room: shared::RoomId, content: &str) -> shared::MessageId {
        let input: SendMessage = serde_json::from_value(json!({ "roomId": room, "content": content })).unwrap();
        self.domain.messages.send(&from.viewer, input).await.unwrap().id
    }

    /// What comes into this inbox from now on.
    pub async fn watch(&self, person: &Person) -> Arrivals {
        let subscriber = self.domain.store.bus.subscriber();
        subscriber.subscriptions.subscribe(&[Topic::User(person.id)]).await.unwrap();
        Arrivals { domain: self.domain.clone(), user: person.id, subscriber }
    }

    /// What waits is due now, as if the time had come. Nothing may be under way.
    pub async fn make_due(&self) {
        let (now, outbox) = (Timestamp::now(), &self.domain.store.outbox);
        let later = now.after(Duration::from_secs(7 * 24 * 3600));
        let claimed = outbox.claim(shared::InstanceId::new(), later, Duration::from_secs(60), 100).await.unwrap();
        for claimed in claimed {
            let job = &claimed.job;
            let mut state = outbox.states_of(job.id, &[job.user]).await.unwrap().remove(0).unwrap();
            state.attempts.iter_mut().for_each(|attempt| attempt.next_at = None);
            state.claim = claimed.attempt;
            outbox.settle(&claimed, &state, Some(now)).await.unwrap();
        }
    }

    pub async fn inbox(&self, person: &Person) -> Vec<InboxItem> {
        let items = self.domain.store.inboxes.inbox(person.id, None, 100).await.unwrap();
        self.domain.notifications.with_texts(person.id, items).await.unwrap()
    }

    pub async fn serve(self) -> TestServer {
        self.serve_with(|server| server).await
    }

    pub async fn serve_with(self, adapt: impl FnOnce(Server) -> Server) -> TestServer {
        let server = adapt(Server::bind(self.domain.clone()).unwrap());
        let url = format!("http://{}", server.addr());
        let shutdown = CancellationToken::new();
        let running = actix_web::rt::spawn(server.run(shutdown.clone()));
        TestServer { world: self, url, http: reqwest::Client::new(), shutdown, running }
    }
}

pub struct Arrivals {
    domain: Domain,
    user: UserId,
    subscriber: Subscriber,
}

impl Arrivals {
    /// The next item that comes into the inbox.
    pub async fn next(&mut self) -> InboxItem {
        timeout(PATIENCE, async {
            loop {
                match self.subscriber.inbox.recv().await.unwrap() {
                    Signal::Event(BusEvent::User(_, event)) => {
                        if let UserEvent::Change(change) = event.as_ref()
                            && let UserChangeBody::Notification(item) = &change.body
                        {
                            let items =
                                self.domain.notifications.with_texts(self.user, vec![InboxItem::clone(item)]).await;
                            return items.unwrap().remove(0);
                        }
                    }
                    Signal::Event(_) => {}
                    Signal::Lost => panic!("the bus lost events"),
                }
            }
        })
        .await
        .expect("nothing came into the inbox")
    }
}

/// A running server. End a test with [`TestServer::stop`], which checks that it ends well.
pub struct TestServer {
    pub world: World,
    pub url: String,
    http: reqwest::Client,
    shutdown: CancellationToken,
    running: actix_web::rt::task::JoinHandle<anyhow::Result<()>>,
}

/// What came back, with ids and times made the same.
#[derive(Debug, Serialize)]
pub struct Answer {
    pub status: u16,
    #[serde(skip_serializing_if = "Value::is_null")]
    pub body: Value,
    #[serde(skip)]
    pub raw: Value,
}

impl TestServer {
    pub async fn request(&self, method: &str, path: &str, bearer: Option<&str>, body: Option<Value>) -> Answer {
        let mut request = self.http.request(method.parse().unwrap(), format!("{}{path}", self.url));
        if let Some(token) = bearer {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        let raw: Value = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() };
        Answer { status, body: redact(raw.clone(), &mut HashMap::new()), raw }
    }

    /// As a service with a key.
    pub async fn notify(&self, body: Value) -> Answer {
        self.request("POST", "/notify", Some(API_KEY), Some(body)).await
    }

    pub async fn get(&self, path: &str, person: &Person) -> Answer {
        self.request("GET", path, Some(&person.token), None).await
    }

    pub async fn send(&self, method: &str, path: &str, person: &Person, body: Value) -> Answer {
        self.request(method, path, Some(&person.token), Some(body)).await
    }

    pub async fn put(&self, path: &str, person: &Person) -> Answer {
        self.request("PUT", path, Some(&person.token), None).await
    }

    pub async fn state(&self, id: impl std::fmt::Display) -> Answer {
        self.request("GET", &format!("/notify/{id}"), Some(API_KEY), None).await
    }

    /// Waits until this has been counted by the process.
    pub async fn counted(&self, name: &str) {
        timeout(PATIENCE, async {
            let metrics =
                async || self.http.get(format!("{}/metrics", self.url)).send().await.unwrap().text().await.unwrap();
            while !metrics().await.contains(name) {
                sleep(Duration::from_millis(5)).await;
            }
        })
        .await
        .expect("it is not counted")
    }

    /// The first recipient's state of a channel that is as expected, once there is one.
    pub async fn reached(&self, id: impl std::fmt::Display, expected: impl Fn(&Value) -> bool) -> Value {
        timeout(PATIENCE, async {
            loop {
                let answer = self.state(&id).await;
                let states = answer.raw["recipients"][0]["channels"].as_array().cloned().unwrap_or_default();
                if let Some(state) = states.into_iter().find(&expected) {
                    return state;
                }
                sleep(Duration::from_millis(5)).await;
            }
        })
        .await
        .expect("no channel comes to that")
    }

    /// The state of a notification once every recipient is done with.
    pub async fn done(&self, id: impl std::fmt::Display) -> Answer {
        timeout(PATIENCE, async {
            loop {
                let answer = self.state(&id).await;
                let recipients = answer.raw["recipients"].as_array();
                if recipients.is_some_and(|all| all.iter().all(|one| one["done"] == true)) {
                    return answer;
                }
                sleep(Duration::from_millis(5)).await;
            }
        })
        .await
        .expect("the notification is not done")
    }

    pub async fn stop(self) {
        self.shutdown.cancel();
        timeout(PATIENCE, self.running).await.expect("it does not stop").unwrap().unwrap();
        self.world.domain.store.maintenance.close().await.unwrap();
    }
}

/// Ids become `[id 1]`, `[id 2]`, … in the order they appear, times `[time]`.
fn redact(value: Value, seen: &mut HashMap<String, usize>) -> Value {
    match value {
        Value::String(text) if text.parse::<UserId>().is_ok() || text.parse::<shared::MessageId>().is_ok() => {
            let next = seen.len() + 1;
            Value::String(format!("[id {}]", seen.entry(text).or_insert(next)))
        }
        Value::String(text) if text.parse::<Timestamp>().is_ok() => "[time]".into(),
        Value::Array(items) => items.into_iter().map(|item| redact(item, seen)).collect(),
        Value::Object(fields) => fields.into_iter().map(|(key, field)| (key, redact(field, seen))).collect(),
        other => other,
    }
}

/// How a job stands on a channel after one try.
pub fn attempt(channel: &str, state: &str, at: Timestamp) -> Attempt {
    Attempt { channel: channel.into(), state: state.into(), detail: None, tries: 1, next_at: None, held: false, at }
}

/// A channel that does what the test says, and tells when it was asked.
pub struct Scripted<F> {
    pub name: &'static str,
    pub outcome: F,
    pub attempts: tokio::sync::mpsc::Sender<Instant>,
}

#[async_trait]
impl<F: Fn() -> Outcome + Send + Sync> Channel for Scripted<F> {
    fn name(&self) -> &'static str {
        self.name
    }

    async fn deliver(&self, _: &Job, _: &str) -> Outcome {
        self.attempts.send(Instant::now()).await.unwrap();
        (self.outcome)()
    }
}
