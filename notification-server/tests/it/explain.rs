//! Why was I not notified? Every state of a notification, as whoever sent it is told, and as the author of a message is.

use std::{sync::Arc, time::Duration};

use domain::messages::Delivery;
use notification_server::{Outcome, Schedule};
use rstest::rstest;
use serde_json::{Value, json};
use shared::{MessageId, NotificationId, Timestamp, protocol::command::Mark};
use tokio::sync::mpsc;

use crate::{
    push::{SETTINGS, SUBSCRIPTIONS, pushing, quiet_now, start, subscribe},
    receiver::Receiver,
    support::{Engine, Person, Scripted, TestServer, World},
};

const HOUR: i64 = 3600;

fn time(value: &Value) -> Timestamp {
    value.as_str().unwrap().parse().unwrap()
}

/// Queues a push for a browser whose service answers as asked; gives the notification.
async fn push_to(server: &TestServer, receiver: &Receiver, person: &Person, path: &str) -> String {
    subscribe(server, receiver, person, path).await;
    let request = json!({ "userId": person.id, "title": "Tea", "body": "", "channels": ["webpush"] });
    server.notify(request).await.raw["id"].as_str().unwrap().to_owned()
}

impl TestServer {
    /// What the author is told about the first recipient.
    async fn told(&self, author: &Person, message: MessageId) -> Value {
        let page = self.world.domain.messages.delivery(&author.viewer, message, None, None).await.unwrap();
        let push = |item: &Delivery| serde_json::to_value(&item.push).unwrap();
        page.items.first().map(push).unwrap_or_default()
    }
}

#[rstest]
#[actix_web::test]
async fn when_it_is_tried_again_is_told_and_is_what_the_service_asked_for(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let (server, receiver, alice) = start(engine).await;
    let in_two_hours = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(2);
    let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&in_two_hours).unwrap();
    let cases = [
        (format!("/push/1?status=429&retry_after={HOUR}"), HOUR, "429 Too Many Requests: as asked"),
        (format!("/push/2?status=503&retry_after={date}"), 2 * HOUR, "503 Service Unavailable: as asked"),
        // A day is the most that is waited for.
        ("/push/3?status=503&retry_after=999999999".to_owned(), 24 * HOUR, "503 Service Unavailable: as asked"),
    ];
    for (path, wait, detail) in cases {
        let before = Timestamp::now();
        let id = push_to(&server, &receiver, &alice, &path).await;
        let state = server.reached(&id, |state| state["attempts"] == 1).await;
        assert_eq!((&state["state"], &state["detail"]), (&json!("queued"), &json!(detail)));
        let waits = time(&state["nextAttemptAt"]).as_millis() - before.as_millis();
        // A date is in whole seconds.
        let expected = wait * 1000 - 2000..wait * 1000 + 20_000;
        assert!(expected.contains(&waits), "{path}: {waits} ms");
        let input = json!({ "type": "webpush", "endpoint": format!("{}{path}", receiver.url) });
        assert_eq!(server.send("DELETE", SUBSCRIPTIONS, &alice, input).await.status, 204);
    }
    server.stop().await;
}

#[rstest]
#[actix_web::test]
async fn a_service_is_waited_for_by_its_own_subscription_alone(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let (server, mut receiver, alice) = start(engine).await;
    let patient = subscribe(&server, &receiver, &alice, "/push/busy?status=429&retry_after=3600").await;
    let id = push_to(&server, &receiver, &alice, "/push/soon?status=503&times=2").await;
    let delivered = server.reached(&id, |state| state["state"] == "delivered").await;
    assert_eq!((&delivered["attempts"], delivered.get("nextAttemptAt")), (&json!(3), None));
    let place = format!("webpush/{patient}");
    let waits = server.reached(&id, |state| state["channel"] == place.as_str()).await;
    assert_eq!((&waits["state"], &waits["attempts"]), (&json!("queued"), &json!(1)), "{waits}");
    let mut paths = Vec::new();
    for _ in 0..4 {
        paths.push(receiver.next().await["path"].as_str().unwrap().to_owned());
    }
    paths.sort();
    assert_eq!(paths, ["/push/busy", "/push/soon", "/push/soon", "/push/soon"]);
    server.stop().await;
}

#[rstest]
#[actix_web::test]
async fn what_is_held_again_and_again_is_not_given_up(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    const TIMES: u32 = 5;
    let receiver = Receiver::start().await;
    let world = World::with(engine, pushing).await;
    let alice = world.person("alice").await;
    let schedule = Schedule { attempts: TIMES - 2, ..Schedule::default() };
    let server = world.serve_with(|server| server.with_schedule(schedule)).await;
    assert_eq!(server.send("PUT", SETTINGS, &alice, quiet_now()).await.status, 200);
    let id = push_to(&server, &receiver, &alice, "/push/a").await;
    let mut since = Value::Null;
    for time in 1..=TIMES {
        let held = server.reached(&id, |state| state["at"] != since).await;
        let detail = held["detail"].as_str().unwrap();
        assert!(detail.starts_with("do not disturb until"), "{time}: {held}");
        assert_eq!((&held["state"], &held["attempts"]), (&json!("queued"), &json!(0)), "{time}");
        let until = detail.rsplit(' ').next().unwrap().parse::<Timestamp>().unwrap();
        assert!(self::time(&held["nextAttemptAt"]) >= until, "{held}");
        since = held["at"].clone();
        if time == TIMES {
            assert_eq!(server.send("PUT", SETTINGS, &alice, json!({})).await.status, 200);
        }
        server.world.make_due().await;
    }
    let delivered = server.reached(&id, |state| state["state"] == "delivered").await;
    assert_eq!(delivered["attempts"], 1);
    server.stop().await;
}

#[rstest]
#[actix_web::test]
async fn what_a_service_has_accepted_is_told_with_its_answer(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let (server, receiver, alice) = start(engine).await;
    let id = push_to(&server, &receiver, &alice, "/push/a?location=/message/7").await;
    let told = server.done(&id).await.raw["recipients"][0]["channels"][0].clone();
    assert_eq!((&told["state"], &told["detail"]), (&json!("delivered"), &json!("201 Created as /message/7")));
    let id = push_to(&server, &receiver, &alice, &format!("/push/b?location=/{}", "x".repeat(500))).await;
    server.done(&id).await;
    let long = server.reached(&id, |state| state["detail"].as_str().is_some_and(|detail| detail.contains("/x"))).await;
    assert_eq!(long["detail"].as_str().unwrap().len(), 200, "bounded");
    server.stop().await;
}

#[rstest]
#[actix_web::test]
async fn the_author_of_a_message_is_told_how_far_it_came_and_nothing_of_the_recipients_affairs(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let (server, receiver, bob) = start(engine).await;
    let alice = server.world.person("carol").await;
    let room = server.world.room(&[&alice, &bob]).await;
    subscribe(&server, &receiver, &bob, "/push/a?status=503&retry_after=3600").await;
    let busy = server.world.send(&alice, room, "busy").await;
    let id = NotificationId::for_message(busy);
    let queued = server.reached(id, |state| state["detail"].as_str().is_some_and(|d| d.starts_with("503"))).await;
    let told = server.told(&alice, busy).await;
    let of = |told: &Value, channel: &str| {
        let channels = told["channels"].as_array().unwrap();
        channels.iter().find(|one| one["channel"] == channel).cloned().unwrap()
    };
    assert_eq!((&told["channel"], &told["state"]), (&json!("inbox"), &json!("delivered")));
    let expected = json!({
        "channel": "webpush", "state": "queued", "attempts": 1,
        "nextAttemptAt": queued["nextAttemptAt"], "at": queued["at"],
    });
    assert_eq!(of(&told, "webpush"), expected, "when it is tried again, and not what their service said");

    assert_eq!(server.send("PUT", SETTINGS, &bob, quiet_now()).await.status, 200);
    let held = server.world.send(&alice, room, "held").await;
    let id = NotificationId::for_message(held);
    server.reached(id, |state| state["detail"].as_str().is_some_and(|d| d.starts_with("do not"))).await;
    let told = of(&server.told(&alice, held).await, "webpush");
    assert_eq!((&told["state"], told.get("nextAttemptAt"), told.get("reason")), (&json!("queued"), None, None));

    // Read meanwhile: everybody may know. Muted meanwhile: whoever runs the service may.
    server.world.domain.messages.mark_read(&bob.viewer, &Mark { room_id: room, seq: held.seq }).await.unwrap();
    server.world.make_due().await;
    let told = server.reached(id, |state| state["state"] == "suppressed" && state["channel"] != "webhook").await;
    assert_eq!(told["detail"], "read meanwhile");
    let muted = server.world.send(&alice, room, "muted").await;
    let id = NotificationId::for_message(muted);
    server.reached(id, |state| state["detail"].as_str().is_some_and(|d| d.starts_with("do not"))).await;
    let wishes = json!({ "rooms": { room.to_string(): { "muted": true } } });
    assert_eq!(server.send("PUT", SETTINGS, &bob, wishes).await.status, 200);
    server.world.make_due().await;
    let shown = server.reached(id, |state| state["detail"] == "muted").await;
    assert_eq!(shown["state"], "suppressed");
    let told = of(&server.told(&alice, muted).await, "webpush");
    assert_eq!((&told["state"], told.get("reason")), (&json!("suppressed"), None));
    server.stop().await;
}

#[rstest]
#[actix_web::test]
async fn attempts_are_counted_by_channel_and_outcome_and_the_last_one_has_failed(
    #[values((Engine::Embedded, "doomed-here"), (Engine::Redis, "doomed-there"))] case: (Engine, &'static str),
) {
    let (engine, name) = case;
    let world = World::new(engine).await;
    let alice = world.person("alice").await;
    let (attempts, _tried) = mpsc::channel(16);
    let outcome = || Outcome::Retry { why: "busy".into(), after: None };
    let doomed = Arc::new(Scripted { name, outcome, attempts });
    let wait = Duration::from_millis(1);
    let schedule = Schedule { base: wait, cap: wait, attempts: 3, ..Schedule::default() };
    let server = world.serve_with(|server| server.with_channel(doomed).with_schedule(schedule)).await;
    server.notify(json!({ "userId": alice.id, "title": "t", "body": "" })).await;
    let count = |outcome: &str, times: u32| {
        format!("chatapp_notification_attempts_total{{channel=\"{name}\",outcome=\"{outcome}\"}} {times}")
    };
    server.counted(&count("failed", 1)).await;
    server.counted(&count("retried", 2)).await;
    server.stop().await;
}
