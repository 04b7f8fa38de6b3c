//! Attempts: retried, given up, taken over from the dead, and not made too late.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use notification_server::{Channel, Outcome, Schedule};
use rstest::rstest;
use serde_json::json;
use shared::{InstanceId, NotificationId, Timestamp, UserId};
use store::Job;
use tokio::sync::mpsc;

use crate::support::{Engine, Scripted, World, assert_answer};

/// Short waits, three attempts.
fn hurried() -> Schedule {
    Schedule {
        base: Duration::from_millis(1),
        cap: Duration::from_millis(2),
        attempts: 3,
        // No job is taken twice because the machine is slow.
        lease: Duration::from_secs(60),
    }
}

/// For jobs whose holder has died.
fn short_lease() -> Schedule {
    Schedule { lease: Duration::from_millis(100), ..hurried() }
}

fn job(user: UserId) -> Job {
    Job {
        id: NotificationId::new(),
        user,
        title: "t".into(),
        body: String::new(),
        data: None,
        category: None,
        channels: None,
        collapse_key: None,
        expires_at: None,
        created_at: Timestamp::now(),
        message: None,
        after: 0,
        badge: None,
        letter: None,
        request_hash: None,
    }
}

#[rstest]
#[actix_web::test]
async fn a_failing_channel_is_retried_and_given_up_while_the_others_deliver_once(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::new(engine).await;
    let alice = world.person("alice").await;
    let (attempts, mut tried) = mpsc::channel(16);
    let outcome = || Outcome::Retry { why: "503 from the push service".into(), after: None };
    let failing = Arc::new(Scripted { name: "failing", outcome, attempts });
    let (attempts, mut delivered) = mpsc::channel(16);
    let outcome = || Outcome::Delivered { detail: Some("201".into()) };
    let working = Arc::new(Scripted { name: "working", outcome, attempts });
    let schedule = hurried();
    let server =
        world.serve_with(|server| server.with_channel(failing).with_channel(working).with_schedule(schedule)).await;
    let answer = server.notify(json!({ "userId": alice.id, "title": "t", "body": "" })).await;
    assert_answer!(server.done(answer.raw["id"].as_str().unwrap()).await, @r#"
    {
      "status": 200,
      "body": {
        "id": "[id 1]",
        "recipients": [
          {
            "channels": [
              {
                "at": "[time]",
                "attempts": 1,
                "channel": "inbox",
                "state": "delivered"
              },
              {
                "at": "[time]",
                "attempts": 3,
                "channel": "failing",
                "detail": "gave up after 3 attempts: 503 from the push service",
                "state": "failed"
              },
              {
                "at": "[time]",
                "attempts": 1,
                "channel": "working",
                "detail": "201",
                "state": "delivered"
              }
            ],
            "done": true,
            "userId": "[id 2]"
          }
        ]
      }
    }
    "#);
    for attempt in 1..=3 {
        assert!(tried.try_recv().is_ok(), "attempt {attempt}");
    }
    assert!(tried.try_recv().is_err(), "and no fourth");
    assert!(delivered.try_recv().is_ok() && delivered.try_recv().is_err(), "once, though the job was tried thrice");
    assert_eq!(server.world.inbox(&alice).await.len(), 1);

    let named = json!({ "userId": alice.id, "title": "t", "body": "", "channels": ["inbox"] });
    let answer = server.notify(named).await;
    assert_answer!(server.done(answer.raw["id"].as_str().unwrap()).await, @r#"
    {
      "status": 200,
      "body": {
        "id": "[id 1]",
        "recipients": [
          {
            "channels": [
              {
                "at": "[time]",
                "attempts": 1,
                "channel": "inbox",
                "state": "delivered"
              }
            ],
            "done": true,
            "userId": "[id 2]"
          }
        ]
      }
    }
    "#);
    assert!(tried.try_recv().is_err(), "only by the channels it names");
    server.stop().await;
}

#[rstest]
#[actix_web::test]
async fn a_channel_that_asks_to_be_left_alone_is_until_then(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let world = World::new(engine).await;
    let alice = world.person("alice").await;
    let (attempts, mut tried) = mpsc::channel(16);
    let after = Duration::from_millis(300);
    let outcome = move || Outcome::Retry { why: "busy".into(), after: Some(after) };
    let channel = Arc::new(Scripted { name: "scripted", outcome, attempts });
    let server = world.serve_with(|server| server.with_channel(channel).with_schedule(hurried())).await;
    server.notify(json!({ "userId": alice.id, "title": "t", "body": "" })).await;
    let first = tried.recv().await.unwrap();
    let waited = tried.recv().await.unwrap() - first;
    // Times are kept in whole milliseconds.
    assert!(waited >= after - Duration::from_millis(1), "again after {waited:?}");
    server.stop().await;
}

/// Never answers.
struct Silent;

#[async_trait]
impl Channel for Silent {
    fn name(&self) -> &'static str {
        "silent"
    }

    async fn deliver(&self, _: &Job, _: &str) -> Outcome {
        std::future::pending().await
    }
}

#[actix_web::test]
async fn a_channel_that_is_silent_is_given_half_of_the_time_that_a_claim_holds() {
    let world = World::with(Engine::Embedded, |settings| settings.notification.claim_seconds = 2).await;
    let alice = world.person("alice").await;
    let server = world.serve_with(|server| server.with_channel(Arc::new(Silent))).await;
    let answer = server.notify(json!({ "userId": alice.id, "title": "t", "body": "" })).await;
    let id = answer.raw["id"].as_str().unwrap();
    let state = server.reached(id, |state| state["channel"] == "silent").await;
    assert_eq!(
        (&state["detail"], &state["attempts"]),
        (&json!("no answer within 1 s"), &json!(1)),
        "no claim was lost"
    );
    server.stop().await;
}

#[rstest]
#[actix_web::test]
async fn a_job_of_a_dead_process_is_taken_over_and_what_it_delivered_is_not_doubled(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::new(engine).await;
    let alice = world.person("alice").await;
    let job = job(alice.id);
    let outbox = &world.domain.store.outbox;
    outbox.enqueue(std::slice::from_ref(&job)).await.unwrap();
    let claimed = outbox.claim(InstanceId::new(), Timestamp::now(), short_lease().lease, 10).await.unwrap();
    assert_eq!(claimed.len(), 1);
    // It delivers, and dies before it can say so.
    let item = domain::notifications::inbox_item(&claimed[0].job);
    world.domain.store.inboxes.add_to_inbox(alice.id, &item, None).await.unwrap();
    let server = world.serve_with(|server| server.with_schedule(short_lease())).await;
    assert_answer!(server.done(job.id).await, @r#"
    {
      "status": 200,
      "body": {
        "id": "[id 1]",
        "recipients": [
          {
            "channels": [
              {
                "at": "[time]",
                "attempts": 2,
                "channel": "inbox",
                "state": "delivered"
              }
            ],
            "done": true,
            "userId": "[id 2]"
          }
        ]
      }
    }
    "#);
    assert_eq!(server.world.inbox(&alice).await.len(), 1);
    server.stop().await;
}

#[rstest]
#[actix_web::test]
async fn a_channel_that_panics_fails_alone(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let world = World::new(engine).await;
    let alice = world.person("alice").await;
    let (attempts, mut tried) = mpsc::channel(16);
    let outcome = || panic!("a defect of this channel");
    let channel = Arc::new(Scripted { name: "scripted", outcome, attempts });
    let server = world.serve_with(|server| server.with_channel(channel).with_schedule(hurried())).await;
    let answer = server.notify(json!({ "userId": alice.id, "title": "t", "body": "" })).await;
    assert_answer!(server.done(answer.raw["id"].as_str().unwrap()).await, @r#"
    {
      "status": 200,
      "body": {
        "id": "[id 1]",
        "recipients": [
          {
            "channels": [
              {
                "at": "[time]",
                "attempts": 1,
                "channel": "inbox",
                "state": "delivered"
              },
              {
                "at": "[time]",
                "attempts": 3,
                "channel": "scripted",
                "detail": "gave up after 3 attempts: internal error",
                "state": "failed"
              }
            ],
            "done": true,
            "userId": "[id 2]"
          }
        ]
      }
    }
    "#);
    for attempt in 1..=3 {
        assert!(tried.try_recv().is_ok(), "attempt {attempt}");
    }
    assert!(tried.try_recv().is_err(), "and no fourth");
    server.stop().await;
}

#[rstest]
#[actix_web::test]
async fn a_job_that_no_process_survives_is_given_up(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let world = World::new(engine).await;
    let alice = world.person("alice").await;
    let job = job(alice.id);
    let outbox = &world.domain.store.outbox;
    outbox.enqueue(std::slice::from_ref(&job)).await.unwrap();
    let schedule = short_lease();
    for ago in (1..=schedule.attempts).rev() {
        let then = Timestamp::now().before(10 * ago * schedule.lease);
        assert_eq!(outbox.claim(InstanceId::new(), then, schedule.lease, 10).await.unwrap().len(), 1, "{ago}");
    }
    let server = world.serve_with(|server| server.with_schedule(schedule)).await;
    assert_answer!(server.done(job.id).await, @r#"
    {
      "status": 200,
      "body": {
        "id": "[id 1]",
        "recipients": [
          {
            "channels": [
              {
                "at": "[time]",
                "attempts": 3,
                "channel": "inbox",
                "detail": "gave up after 3 attempts that did not end",
                "state": "failed"
              }
            ],
            "done": true,
            "userId": "[id 2]"
          }
        ]
      }
    }
    "#);
    assert!(server.world.inbox(&alice).await.is_empty());
    server.stop().await;
}

#[rstest]
#[actix_web::test]
async fn an_expired_notification_is_not_delivered(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let world = World::new(engine).await;
    let alice = world.person("alice").await;
    let job = Job { expires_at: Some(Timestamp::now()), ..job(alice.id) };
    world.domain.store.outbox.enqueue(std::slice::from_ref(&job)).await.unwrap();
    let server = world.serve().await;
    assert_answer!(server.done(job.id).await, @r#"
    {
      "status": 200,
      "body": {
        "id": "[id 1]",
        "recipients": [
          {
            "channels": [
              {
                "at": "[time]",
                "attempts": 0,
                "channel": "inbox",
                "detail": "expired",
                "state": "suppressed"
              }
            ],
            "done": true,
            "userId": "[id 2]"
          }
        ]
      }
    }
    "#);
    assert!(server.world.inbox(&alice).await.is_empty());
    server.stop().await;
}

#[actix_web::test]
async fn an_outage_of_the_store_is_told_and_survived() {
    let world = World::new(Engine::Redis).await;
    let alice = world.person("alice").await;
    let mut arrivals = world.watch(&alice).await;
    let server = world.serve().await;
    let body = |title| json!({ "userId": alice.id, "title": title, "body": "" });
    server.notify(body("before")).await;
    assert_eq!(arrivals.next().await.title, "before");
    let redis = server.world.redis.as_ref().unwrap();
    redis.signal("STOP");
    for what in ["work on the outbox", "look for rooms with something new"] {
        server.counted(&format!(r#"chatapp_notification_loop_failures_total{{loop="{what}"}}"#)).await;
    }
    // Users are looked up in memory; the job must be written.
    assert_answer!(server.notify(body("during")).await, @r#"
    {
      "status": 503,
      "body": {
        "code": "UNAVAILABLE",
        "detail": "temporarily unavailable; try again",
        "error": "temporarily unavailable; try again",
        "requestId": "[id 1]",
        "status": 503,
        "title": "Temporarily unavailable",
        "type": "about:blank"
      }
    }
    "#);
    redis.signal("CONT");
    let after = server.notify(body("after")).await;
    assert_eq!(after.status, 202);
    server.done(after.raw["id"].as_str().unwrap()).await;
    let titles: Vec<String> = server.world.inbox(&alice).await.into_iter().map(|item| item.title).collect();
    assert!(titles.contains(&"after".into()), "{titles:?}");
    server.stop().await;
}
