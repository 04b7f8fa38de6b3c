//! Everybody reconnects at once.

use std::collections::HashMap;

use futures_util::{StreamExt, stream};
use rstest::rstest;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};
use shared::UserId;
use tokio::sync::Mutex;

use crate::support::{Engine, Person, Socket, TestServer};

const PEOPLE: usize = 250;
/// Who is in one group with others watches them.
const GROUP: usize = 25;
/// Sockets of each: so many come first, and so many more when all reconnect. 5,000 in all.
const FIRST: usize = 4;
const MORE: usize = 16;
/// Sockets that are being opened at the same moment.
const AT_ONCE: usize = 128;

/// Two storms at once would be about the machine.
static STORM: Mutex<()> = Mutex::const_new(());

/// Room for both ends of all sockets.
fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
}

async fn everybody(server: &TestServer) -> Vec<Person> {
    let people: Vec<Person> =
        stream::iter(0..PEOPLE).map(|n| server.person_named(format!("p{n}"))).buffered(AT_ONCE).collect().await;
    let store = &server.domain.store.people;
    let ids: Vec<UserId> = people.iter().map(|person| person.viewer.user).collect();
    let pairs = ids.chunks(GROUP).flat_map(|group| group.iter().flat_map(|a| group.iter().map(|b| (*a, *b))));
    let adding = pairs.filter(|(owner, other)| owner != other).map(|(owner, other)| async move {
        store.add_contact(owner, other, GROUP).await.unwrap();
    });
    stream::iter(adding).buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
    people
}

/// A socket that watches all others, and what it knows of each.
struct Watcher {
    socket: Socket,
    /// Status, and updates since the snapshot.
    known: HashMap<UserId, (String, usize)>,
}

impl Watcher {
    async fn open(server: &TestServer, person: &Person) -> Self {
        let mut socket = server.connect(person).await;
        let snapshot = socket.ask("SUBSCRIBE", json!({})).await;
        let users = snapshot["payload"]["users"].as_array().unwrap_or_else(|| panic!("{snapshot}"));
        let known = users.iter().map(|user| (id(user), (user["status"].as_str().unwrap().to_owned(), 0))).collect();
        Self { socket, known }
    }

    /// Takes what has come so far.
    async fn listen(&mut self) {
        self.socket.send(json!({"type": "PING", "payload": {}})).await;
        loop {
            let frame = self.socket.next().await;
            match frame["type"].as_str().unwrap() {
                "PONG" => return,
                "PRESENCE_UPDATE" => {
                    let (status, updates) = self.known.get_mut(&id(&frame["payload"])).unwrap();
                    let now = frame["payload"]["status"].as_str().unwrap().to_owned();
                    assert_ne!(*status, now, "what they know is not told again");
                    *status = now;
                    *updates += 1;
                }
                other => panic!("unexpected {other}"),
            }
        }
    }
}

fn id(user: &Value) -> UserId {
    user["userId"].as_str().unwrap().parse().unwrap()
}

/// So many of each, of everybody one after another, so that each comes while the others look.
async fn open_all(server: &TestServer, people: &[Person], each: usize) -> Vec<Watcher> {
    let opening = (0..each).flat_map(|_| people).map(|person| Watcher::open(server, person));
    let watchers: Vec<Watcher> = stream::iter(opening).buffer_unordered(AT_ONCE).collect().await;
    assert_eq!(watchers.len(), PEOPLE * each);
    watchers
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn when_all_reconnect_at_once_each_is_told_of_each_at_most_once(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let _one = STORM.lock().await;
    raise_limit();
    let server = TestServer::with(engine, |settings| settings.presence.grace_ms = 600_000).await;
    let people = everybody(&server).await;
    let mut watchers = open_all(&server, &people, FIRST).await;
    for watcher in &mut watchers {
        watcher.listen().await;
        assert_eq!(watcher.known.len(), GROUP - 1);
        for (user, (status, updates)) in &mut watcher.known {
            assert!(*updates <= 1 && status == "online", "{user}: {status} after {updates} updates");
            *updates = 0;
        }
    }
    // One for each stays; all others go and come at once, as after a deploy. Nobody is told anything of it.
    let stay = watchers.split_off(watchers.len() - PEOPLE);
    drop(watchers);
    let back = open_all(&server, &people, MORE).await;
    for mut watcher in back.into_iter().chain(stay) {
        watcher.listen().await;
        assert!(watcher.known.values().all(|known| *known == ("online".to_owned(), 0)), "{:?}", watcher.known);
    }
}
