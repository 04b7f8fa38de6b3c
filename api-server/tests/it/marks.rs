//! How far members have come, and what became of a message.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use async_trait::async_trait;
use domain::Domain;
use rstest::rstest;
use serde_json::{Value, json};
use shared::{
    RoomId, UserId,
    protocol::{Position, command::Mark},
};
use store::{StoreError, UserChangeBody, UserChanges, UserLog};

use crate::support::{Engine, Person, TestServer, assert_answer, until};

async fn mark(who: &Person, room: &str, what: &str, seq: u64) -> Value {
    who.put(format!("/api/rooms/{room}/{what}"), json!({ "seq": seq })).await.expect(200).raw["seq"].clone()
}

#[rstest]
#[tokio::test]
async fn marks_move_forward_only_and_what_is_read_is_delivered(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let (alice, bob, room) = server.room().await;
    for n in 0..5 {
        alice.send(&room, &n.to_string()).await;
    }
    let of_bob = async || {
        let page = alice.get(format!("/api/rooms/{room}/receipts")).await.expect(200);
        let items = page.raw["items"].as_array().unwrap().clone();
        let own = items.iter().find(|item| item["userId"] == bob.id.as_str()).unwrap();
        (own["deliveredSeq"].as_u64().unwrap(), own["readSeq"].as_u64().unwrap())
    };
    assert_eq!(of_bob().await, (0, 0));
    assert_eq!(mark(&bob, &room, "delivered", 3).await, 3);
    assert_eq!(of_bob().await, (3, 0));
    assert_eq!(mark(&bob, &room, "delivered", 2).await, 3);
    assert_eq!(mark(&bob, &room, "read", 1).await, 1);
    assert_eq!(of_bob().await, (3, 1));
    assert_eq!(mark(&bob, &room, "read", u64::MAX).await, 5);
    assert_eq!(of_bob().await, (5, 5));
    assert_eq!(bob.get("/api/unread").await.raw["total"], 0);
    let page = bob.get(format!("/api/rooms/{room}/receipts?limit=1")).await;
    assert_answer!(page, @r#"
    {
      "status": 200,
      "body": {
        "items": [
          {
            "deliveredSeq": 5,
            "readSeq": 5,
            "roomId": "[id 1]",
            "userId": "[id 2]"
          }
        ],
        "nextCursor": "1"
      }
    }
    "#);
    let cursor = page.raw["nextCursor"].as_str().unwrap();
    let rest = bob.get(format!("/api/rooms/{room}/receipts?limit=2&cursor={cursor}")).await.expect(200);
    assert_eq!((rest.items("userId"), rest.raw.get("nextCursor")), (json!([bob.id]), None));
}

#[rstest]
#[tokio::test]
async fn marks_are_for_members(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let (alice, bob, room) = server.room().await;
    let private = alice.post("/api/rooms", json!({ "name": "P", "type": "private" })).await.expect(201).id();
    let stranger = server.guest("stranger").await;
    for (room, status, code) in [(&room, 403, "NOT_A_MEMBER"), (&private, 404, "ROOM_NOT_FOUND")] {
        for what in ["read", "delivered"] {
            let answer = stranger.put(format!("/api/rooms/{room}/{what}"), json!({ "seq": 1 })).await;
            answer.refused(status, code);
        }
        stranger.get(format!("/api/rooms/{room}/receipts")).await.refused(status, code);
    }
    for bad in ["limit=0", "limit=201", "cursor=x", "cursor=-1"] {
        bob.get(format!("/api/rooms/{room}/receipts?{bad}")).await.refused(400, "INVALID_MESSAGE");
    }
    for bad in [json!(-1), json!(1.5), json!("1"), json!(null)] {
        let answer = bob.put(format!("/api/rooms/{room}/delivered"), json!({ "seq": bad })).await;
        answer.refused(400, "INVALID_MESSAGE");
    }
}

#[rstest]
#[tokio::test]
async fn an_author_learns_what_became_of_a_message_for_each_who_may_see_it(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let mut server = TestServer::with(engine, |settings| settings.notification.delay_ms = 1).await;
    server.add_notification_server().await;
    let (alice, bob, room) = server.room().await;
    let (carol, dave) = (server.guest("carol").await, server.guest("dave").await);
    for person in [&carol, &dave] {
        person.call("POST", &format!("/api/rooms/{room}/join"), None).await.expect(200);
    }
    let viewer = server.domain.identity.authenticate(&carol.token).await.unwrap();
    server.domain.presence.connected(&viewer, 1, store::SocketKind::Chat).await.unwrap();
    let message = alice.send(&room, "tea?").await;
    let path = format!("/api/messages/{}/delivery", message["id"].as_str().unwrap());
    mark(&carol, &room, "delivered", 1).await;
    // Bob has no device and is told by his inbox; until the notifier and the worker have been there, there is less.
    let answer = until(async || {
        let answer = alice.get(&path).await.expect(200);
        let items = answer.raw["items"].as_array().unwrap();
        let states: Vec<Value> = items.iter().map(|item| item["push"]["state"].clone()).collect();
        (states == [json!("delivered"), json!("suppressed"), json!("delivered")]).then_some(answer)
    })
    .await;
    mark(&dave, &room, "read", 1).await;
    assert_answer!(answer, @r#"
    {
      "status": 200,
      "body": {
        "items": [
          {
            "delivered": false,
            "push": {
              "at": "[time]",
              "channel": "inbox",
              "channels": [
                {
                  "at": "[time]",
                  "attempts": 1,
                  "channel": "inbox",
                  "state": "delivered"
                }
              ],
              "state": "delivered"
            },
            "read": false,
            "stored": true,
            "userId": "[id 1]",
            "username": "bob"
          },
          {
            "delivered": true,
            "push": {
              "at": "[time]",
              "state": "suppressed"
            },
            "read": false,
            "stored": true,
            "userId": "[id 2]",
            "username": "carol"
          },
          {
            "delivered": false,
            "push": {
              "at": "[time]",
              "channel": "inbox",
              "channels": [
                {
                  "at": "[time]",
                  "attempts": 1,
                  "channel": "inbox",
                  "state": "delivered"
                }
              ],
              "state": "delivered"
            },
            "read": false,
            "stored": true,
            "userId": "[id 3]",
            "username": "dave"
          }
        ]
      }
    }
    "#);
    let last = alice.get(&path).await.raw["items"][2].clone();
    assert_eq!((&last["delivered"], &last["read"]), (&json!(true), &json!(true)));
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = alice.get(format!("{path}?limit=2{cursor}")).await.expect(200);
        seen.extend(page.items("username").as_array().unwrap().clone());
        match page.raw.get("nextCursor") {
            Some(next) => cursor = format!("&cursor={}", next.as_str().unwrap()),
            None => break,
        }
    }
    assert_eq!(seen, ["bob", "carol", "dave"]);
    bob.get(&path).await.refused(403, "FORBIDDEN");
    server.guest("stranger").await.get(&path).await.refused(404, "MESSAGE_NOT_FOUND");
    for bad in ["limit=0", "limit=201", "cursor=x"] {
        alice.get(format!("{path}?{bad}")).await.refused(400, "INVALID_MESSAGE");
    }
}

#[rstest]
#[tokio::test]
async fn who_may_not_see_a_message_is_not_among_its_recipients(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let (alice, old, _bob, room) = server.late().await;
    let answer = alice.get(format!("/api/messages/{old}/delivery")).await.expect(200);
    assert_eq!(answer.items("username"), json!([]));
    let new = alice.send(&room, "with bob").await;
    let answer = alice.get(format!("/api/messages/{}/delivery", new["id"].as_str().unwrap())).await.expect(200);
    assert_eq!(answer.items("username"), json!(["bob"]));
}

/// A user log that cannot be written to once.
struct Failing {
    inner: Arc<dyn UserLog>,
    fail: AtomicBool,
}

#[async_trait]
impl UserLog for Failing {
    async fn user_positions(&self, users: &[UserId]) -> store::Result<Vec<Position>> {
        self.inner.user_positions(users).await
    }

    async fn user_changes(&self, user: UserId, after: Position, limit: usize) -> store::Result<UserChanges> {
        self.inner.user_changes(user, after, limit).await
    }

    async fn note_read_mark(&self, user: UserId, room: RoomId, seq: u64) -> store::Result<Position> {
        match self.fail.swap(false, Relaxed) {
            true => Err(StoreError::Unavailable(std::io::Error::other("away").into())),
            false => self.inner.note_read_mark(user, room, seq).await,
        }
    }
}

#[rstest]
#[tokio::test]
async fn a_read_mark_of_which_nobody_was_told_is_told_by_its_repeat_and_only_once(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let (alice, bob, room) = server.room().await;
    let mut store = server.domain.store.clone();
    let log = Arc::new(Failing { inner: store.user_log.clone(), fail: AtomicBool::new(false) });
    store.user_log = log.clone();
    let domain = Domain::new(store, server.domain.settings.clone());
    let viewer = domain.identity.authenticate(&bob.token).await.unwrap();
    let room_id: RoomId = room.parse().unwrap();
    let mark = async |seq| domain.messages.mark_read(&viewer, &Mark { room_id, seq }).await;
    let told = async || match log.user_changes(viewer.user, Position::BEGINNING, 100).await.unwrap() {
        UserChanges::Page { changes, .. } => changes
            .iter()
            .filter_map(|change| match change.body {
                UserChangeBody::ReadMark { seq, .. } => Some(seq),
                _ => None,
            })
            .collect::<Vec<_>>(),
        UserChanges::Reset { .. } => panic!("trimmed"),
    };
    for n in 0..3 {
        alice.send(&room, &n.to_string()).await;
    }
    mark(0).await.unwrap();
    assert_eq!(told().await, [] as [u64; 0], "there is no mark");
    // The mark moves, and the process cannot say so.
    log.fail.store(true, Relaxed);
    assert_eq!(mark(1).await.unwrap_err().code(), shared::ErrorCode::Unavailable);
    for _ in 0..3 {
        assert_eq!(mark(1).await.unwrap().now.read, 1);
    }
    assert_eq!(told().await, [1]);
    // The mark moves, and the answer of the store is lost.
    domain.store.log.mark_read(room_id, viewer.user, 2).await.unwrap();
    for seq in [1, 2, 1, 2] {
        mark(seq).await.unwrap();
    }
    assert_eq!(told().await, [1, 2]);
    for _ in 0..3 {
        mark(u64::MAX).await.unwrap();
    }
    assert_eq!(told().await, [1, 2, 3]);
}
