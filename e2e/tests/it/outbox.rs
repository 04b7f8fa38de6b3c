//! What `/notify` has accepted is delivered, at least once, whatever is killed: 10,000 jobs, counted by their receiver.

use std::{collections::HashMap, net::SocketAddr, sync::Arc};

use client::{
    Api,
    api::Notify,
    shared::{NotificationId, UserId},
};
use e2e::{System, eventually};
use futures_util::{StreamExt, TryStreamExt, stream};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

use crate::support::SOON;

const KEY: &str = "a-service-key-0123456789";
const PEOPLE: usize = 100;
/// Notifications, each for all of them: so many jobs for each.
const NOTIFICATIONS: usize = 100;
const JOBS: usize = PEOPLE * NOTIFICATIONS;
/// Delivered before the kill, at least.
const BEFORE: usize = 1000;
/// Jobs that a notification-server delivers at the same time.
const IN_FLIGHT: usize = 64;
/// Requests of this test under way at the same time.
const AT_ONCE: usize = 8;

const SETTINGS: [(&str, &str); 5] = [
    ("LIMITS__ENABLED", "false"),
    ("NOTIFICATION__API_KEYS", KEY),
    ("NOTIFICATION__WEBHOOKS", "true"),
    ("NOTIFICATION__ALLOW_PRIVATE_TARGETS", "true"),
    // What the dead one held comes back within the patience of a test.
    ("NOTIFICATION__CLAIM_SECONDS", "8"),
];

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_queued_jobs_survive_kill_9_of_the_embedded_process() {
    let mut system = System::embedded_with(&SETTINGS).await.unwrap();
    let (receiver, mut expected) = queue(&system).await;
    system.kill9("chatapp").await.unwrap();
    let before = receiver.seen();
    system.restart("chatapp").await.unwrap();
    receiver.has_all(&mut expected, before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_queued_jobs_survive_kill_9_of_a_notification_server_and_another_delivers_them() {
    let mut system = System::over_redis_with(0, &SETTINGS).await.unwrap();
    let (receiver, mut expected) = queue(&system).await;
    system.kill9("notification-0").await.unwrap();
    let before = receiver.seen();
    system.another_notification_server().await.unwrap();
    receiver.has_all(&mut expected, before).await;
}

/// Queues all of it while it is being delivered, and waits until some are; gives the ids that are to come.
async fn queue(system: &System) -> (Receiver, Vec<String>) {
    let receiver = Receiver::open().await;
    let (api, at) = (system.api().unwrap(), system.first_address("api").unwrap());
    let subscribe = |n| subscribe(&api, at, format!("http://{}/hook/{n}", receiver.address));
    let people: Vec<(UserId, String)> =
        stream::iter(0..PEOPLE).map(subscribe).buffer_unordered(AT_ONCE).collect().await;
    let user_ids: Vec<UserId> = people.iter().map(|(user, _)| *user).collect();
    let service = api.with_token(KEY);
    let notify = |n| {
        let notify = Notify {
            user_ids: user_ids.clone(),
            title: format!("Order {n}"),
            channels: Some(vec!["webhook".into()]),
            ..Notify::default()
        };
        let service = service.clone();
        async move { service.notify(&notify).await.map(|queued| queued.id) }
    };
    let queued: Vec<NotificationId> =
        stream::iter(0..NOTIFICATIONS).map(notify).buffer_unordered(AT_ONCE).try_collect().await.unwrap();
    let expected = queued.iter().flat_map(|id| people.iter().map(move |(_, place)| format!("{id}.{place}"))).collect();
    let some = async || (receiver.seen() >= BEFORE).then_some(());
    eventually("some are delivered", 2 * SOON, some).await.unwrap();
    (receiver, expected)
}

/// A new user whose notifications go to this URL; gives the id of that subscription.
async fn subscribe(api: &Api, at: SocketAddr, endpoint: String) -> (UserId, String) {
    let session = api.guest(None).await.unwrap();
    let request = reqwest::Client::new().post(format!("http://{at}/api/push/subscriptions"));
    let input = json!({ "type": "webhook", "endpoint": endpoint });
    let answer = request.bearer_auth(&session.token).json(&input).send().await.unwrap();
    let made: Value = answer.error_for_status().unwrap().json().await.unwrap();
    (session.user.id, made["id"].as_str().unwrap().to_owned())
}

/// Takes webhooks on loopback, and remembers how often each came.
struct Receiver {
    address: SocketAddr,
    came: Arc<Mutex<HashMap<String, usize>>>,
}

impl Receiver {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, came) = (listener.local_addr().unwrap(), Arc::<Mutex<HashMap<String, usize>>>::default());
        let known = came.clone();
        tokio::spawn(async move {
            // Bounded by what the servers deliver at the same time.
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(take(socket, known.clone()));
            }
        });
        Self { address, came }
    }

    /// Different ones that have come.
    fn seen(&self) -> usize {
        self.came.lock().len()
    }

    /// Waits for all of them. `before` of them had come by the kill; of those some were not settled yet, and come twice.
    async fn has_all(&self, expected: &mut Vec<String>, before: usize) {
        assert_eq!(expected.len(), JOBS);
        assert!((BEFORE..JOBS).contains(&before), "it was killed in the middle: {before} had come");
        let all = async || (self.seen() >= JOBS).then_some(());
        if let Err(e) = eventually("every job is delivered", 4 * SOON, all).await {
            panic!("{e}: {} of {JOBS}", self.seen());
        }
        let came = self.came.lock();
        let mut ids: Vec<String> = came.keys().cloned().collect();
        ids.sort();
        expected.sort();
        assert_eq!(ids, *expected, "by the ids that were queued, and no others");
        let again: Vec<usize> = came.values().copied().filter(|times| *times > 1).collect();
        println!("{before} before the kill, {} twice", again.len());
        assert!(again.len() <= IN_FLIGHT && again.iter().all(|times| *times == 2), "{again:?}");
    }
}

/// Reads requests (RFC 9112) of a connection until it ends, and answers each.
async fn take(socket: TcpStream, came: Arc<Mutex<HashMap<String, usize>>>) -> std::io::Result<()> {
    let mut socket = BufReader::new(socket);
    loop {
        let (mut id, mut length, mut line) = (String::new(), 0, String::new());
        while line != "\r\n" {
            line.clear();
            if socket.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            match line.trim_end().split_once(": ") {
                Some((name, value)) if name.eq_ignore_ascii_case("webhook-id") => id = value.to_owned(),
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.parse().unwrap(),
                _ => {}
            }
        }
        socket.read_exact(&mut vec![0; length]).await?;
        *came.lock().entry(id).or_default() += 1;
        socket.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await?;
    }
}
