//! Pushes: subscribed to, encrypted, signed, retried and given up, one place at a time.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use notification_server::Schedule;
use rstest::rstest;
use serde_json::{Value, json};
use shared::{Settings, protocol::command::Mark};

use crate::{
    receiver::Receiver,
    support::{Engine, Person, TestServer, World},
};

/// Everything is on, and may lead to this machine.
pub fn pushing(settings: &mut Settings) {
    let settings = &mut settings.notification;
    settings.webpush.contact = Some("mailto:ops@example.com".into());
    settings.webhooks = true;
    settings.allow_private_targets = true;
}

pub const SUBSCRIPTIONS: &str = "/api/push/subscriptions";

pub async fn start(engine: Engine) -> (TestServer, Receiver, Person) {
    let receiver = Receiver::start().await;
    let world = World::with(engine, pushing).await;
    let alice = world.person("alice").await;
    let schedule = Schedule { base: Duration::from_millis(1), cap: Duration::from_millis(2), ..Schedule::default() };
    (world.serve_with(|server| server.with_schedule(schedule)).await, receiver, alice)
}

/// Subscribes a browser at this path of the push service; gives the subscription's id.
pub async fn subscribe(server: &TestServer, receiver: &Receiver, person: &Person, path: &str) -> String {
    let endpoint = format!("{}{path}", receiver.url);
    let input = json!({ "type": "webpush", "endpoint": endpoint, "keys": receiver.keys(), "expirationTime": null });
    let answer = server.send("POST", SUBSCRIPTIONS, person, input).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.raw["id"].as_str().unwrap().to_owned()
}

/// Notifies and waits until that is over; gives (channel, state, detail) of each place but the inbox.
pub async fn notify(server: &TestServer, person: &Person, body: Value) -> Vec<(String, String, String)> {
    let mut request = json!({ "userId": person.id, "title": "Tea", "body": "It is ready." });
    request.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
    let answer = server.notify(request).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let done = server.done(answer.raw["id"].as_str().unwrap()).await;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let states = done.raw["recipients"][0]["channels"].as_array().unwrap().iter();
    let states = states.map(|state| (text(&state["channel"]), text(&state["state"]), text(&state["detail"])));
    states.filter(|(channel, ..)| channel != "inbox").collect()
}

#[rstest]
#[actix_web::test]
async fn a_browser_gets_what_only_it_can_read_from_whom_it_knows(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let (server, mut receiver, alice) = start(engine).await;
    let key = server.get("/api/push/vapid-key", &alice).await.raw["publicKey"].as_str().unwrap().to_owned();
    let point = URL_SAFE_NO_PAD.decode(&key).unwrap();
    assert_eq!((point.len(), point[0]), (65, 4), "as applicationServerKey takes it");
    let id = subscribe(&server, &receiver, &alice, "/push/a").await;
    let body = json!({ "data": { "cups": 2 }, "category": "kitchen", "collapseKey": "tea", "ttl": 60 });
    let states = notify(&server, &alice, body).await;
    let delivered = |place: String| (place, "delivered".to_owned(), "201 Created".to_owned());
    assert_eq!(states[0], delivered(format!("webpush/{id}")));
    assert_eq!(states[1].2, "the user has no such subscription", "{states:?}");
    let pushed = receiver.next().await;
    assert_eq!(pushed["key"], key.as_str());
    assert_eq!(pushed["claims"]["aud"], receiver.url.as_str());
    assert_eq!(pushed["claims"]["sub"], "mailto:ops@example.com");
    let left = pushed["claims"]["exp"].as_i64().unwrap() - shared::Timestamp::now().as_millis() / 1000;
    assert!((1..=24 * 3600).contains(&left), "{left}");
    assert!((58..=60).contains(&pushed["ttl"].as_str().unwrap().parse().unwrap()), "{pushed}");
    assert_eq!(pushed["topic"].as_str().unwrap().len(), 32);
    let payload = &pushed["payload"];
    assert_eq!((&payload["title"], &payload["body"]), (&json!("Tea"), &json!("It is ready.")));
    assert_eq!((&payload["data"], &payload["category"]), (&json!({ "cups": 2 }), &json!("kitchen")));
    // The largest there may be is cut to what fits.
    let body = json!({ "body": "é".repeat(2000), "data": "x".repeat(4000) });
    notify(&server, &alice, body).await;
    let payload = receiver.next().await["payload"].clone();
    assert!(payload["body"].as_str().unwrap().len() > 3500 && payload["data"].is_null(), "{payload}");
    server.stop().await;
}

#[rstest]
#[actix_web::test]
async fn a_webhook_is_verified_by_the_receivers_own_library(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let (server, mut receiver, alice) = start(engine).await;
    let endpoint = format!("{}/hook/mine?status=500&times=1", receiver.url);
    let input = json!({ "type": "webhook", "endpoint": endpoint });
    let made = server.send("POST", SUBSCRIPTIONS, &alice, input.clone()).await;
    let secret = made.raw["secret"].as_str().unwrap();
    assert!(secret.starts_with("whsec_"));
    receiver.tell(&format!("mine {secret}")).await;
    let listed = server.get(SUBSCRIPTIONS, &alice).await.raw["items"][0].clone();
    assert_eq!((&listed["endpoint"], listed.get("secret")), (&json!(endpoint), None), "the secret is told once");
    let states = notify(&server, &alice, json!({ "channels": ["webhook"], "data": [1] })).await;
    assert_eq!(
        states,
        [(format!("webhook/{}", made.raw["id"].as_str().unwrap()), "delivered".into(), "201 Created".into())]
    );
    let (first, second) = (receiver.next().await, receiver.next().await);
    assert_eq!((&first["status"], &second["status"]), (&json!(500), &json!(201)));
    assert_eq!(first["id"], second["id"], "by it the receiver knows a repeat");
    assert_eq!(second["event"]["type"], "notification");
    assert_eq!(second["event"]["data"]["title"], "Tea");
    assert_eq!(second["event"]["data"]["data"], json!([1]));
    assert_eq!(server.send("DELETE", SUBSCRIPTIONS, &alice, input).await.status, 204);
    let states = notify(&server, &alice, json!({ "channels": ["webhook"] })).await;
    assert_eq!((states[0].0.as_str(), states[0].1.as_str()), ("webhook", "suppressed"));
    server.stop().await;
}

#[actix_web::test]
async fn what_a_push_service_answers_is_obeyed() {
    let (server, mut receiver, alice) = start(Engine::Embedded).await;
    // What it answers, how often; what becomes of it in so many attempts, and whether the subscription stays.
    let cases = [
        ("status=404", "failed", "404 Not Found: as asked; the subscription was removed", 1, false),
        ("status=410", "failed", "410 Gone: as asked; the subscription was removed", 1, false),
        // Once more, shorter, in the same attempt.
        ("status=413", "failed", "413 Payload Too Large: as asked", 2, true),
        ("status=413&times=1", "delivered", "201 Created", 2, true),
        ("status=403", "failed", "403 Forbidden: as asked", 1, true),
        ("status=307", "failed", "307 Temporary Redirect: as asked", 1, true),
        ("status=429&retry_after=1&times=1", "delivered", "201 Created", 2, true),
        ("status=503&times=3", "delivered", "201 Created", 4, true),
        ("status=500", "failed", "gave up after 10 attempts: 500 Internal Server Error: as asked", 10, true),
    ];
    for (n, (query, state, detail, attempts, stays)) in cases.into_iter().enumerate() {
        let path = format!("/push/{n}?{query}");
        let id = subscribe(&server, &receiver, &alice, &path).await;
        let states = notify(&server, &alice, json!({ "channels": ["webpush"] })).await;
        assert_eq!(states, [(format!("webpush/{id}"), state.into(), detail.into())], "{query}");
        for _ in 0..attempts {
            assert_eq!(receiver.next().await["payload"]["title"], "Tea", "{query}");
        }
        let left = server.get(SUBSCRIPTIONS, &alice).await.raw["items"].as_array().unwrap().len();
        assert_eq!(left, usize::from(stays), "{query}");
        let input = json!({ "type": "webpush", "endpoint": format!("{}{path}", receiver.url) });
        assert_eq!(server.send("DELETE", SUBSCRIPTIONS, &alice, input).await.status, 204);
    }
    server.stop().await;
}

#[actix_web::test]
async fn what_is_too_large_for_a_push_service_is_sent_shortened() {
    let (server, mut receiver, alice) = start(Engine::Embedded).await;
    subscribe(&server, &receiver, &alice, "/push/small?status=413&times=1").await;
    let body = json!({ "channels": ["webpush"], "body": "é".repeat(1500), "data": { "cups": 2 } });
    assert_eq!(notify(&server, &alice, body).await[0].1, "delivered");
    let [whole, short] = [receiver.next().await["payload"].clone(), receiver.next().await["payload"].clone()];
    assert_eq!((&whole["data"], whole["body"].as_str().unwrap().chars().count()), (&json!({ "cups": 2 }), 1500));
    assert_eq!((&short["id"], &short["title"]), (&whole["id"], &json!("Tea")));
    assert!((900..=1024).contains(&short.to_string().len()), "{short}");
    server.stop().await;
}

#[rstest]
#[actix_web::test]
async fn a_push_has_the_number_of_unread_messages_as_it_is_then(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let (server, mut receiver, alice) = start(engine).await;
    let (bob, carol) = (server.world.person("bob").await, server.world.person("carol").await);
    let [tea, work] = [server.world.room(&[&bob, &alice]).await, server.world.room(&[&carol, &alice]).await];
    subscribe(&server, &receiver, &alice, "/push/a").await;
    let unread = async || server.world.domain.rooms.unread(&alice.viewer).await.unwrap().total;
    for (author, room, total) in [(&bob, tea, 1), (&carol, work, 2), (&bob, tea, 3)] {
        server.world.send(author, room, "Tea?").await;
        let pushed = receiver.next().await;
        assert_eq!((&pushed["payload"]["badge"], unread().await), (&json!(total), total));
    }
    let mark = Mark { room_id: tea, seq: 9 };
    server.world.domain.messages.mark_read(&alice.viewer, &mark).await.unwrap();
    let input = json!({ "type": "webhook", "endpoint": format!("{}/hook/mine", receiver.url) });
    let made = server.send("POST", SUBSCRIPTIONS, &alice, input).await;
    receiver.tell(&format!("mine {}", made.raw["secret"].as_str().unwrap())).await;
    notify(&server, &alice, json!({ "channels": ["webhook"] })).await;
    assert_eq!((&receiver.next().await["event"]["data"]["badge"], unread().await), (&json!(1), 1), "also of others");
    server.stop().await;
}

#[rstest]
#[actix_web::test]
async fn each_device_is_tried_by_itself(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let (server, mut receiver, alice) = start(engine).await;
    subscribe(&server, &receiver, &alice, "/push/well").await;
    subscribe(&server, &receiver, &alice, "/push/busy?status=503&times=2").await;
    let states = notify(&server, &alice, json!({ "channels": ["webpush"] })).await;
    assert!(states.len() == 2 && states.iter().all(|(_, state, _)| state == "delivered"), "{states:?}");
    let mut paths = Vec::new();
    for _ in 0..4 {
        paths.push(receiver.next().await["path"].as_str().unwrap().to_owned());
    }
    paths.sort();
    assert_eq!(paths, ["/push/busy", "/push/busy", "/push/busy", "/push/well"]);
    server.stop().await;
}

#[rstest]
#[actix_web::test]
async fn a_device_tells_one_users_notifications_while_they_are_logged_in(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let (server, mut receiver, alice) = start(engine).await;
    let bob = server.world.person("bob").await;
    subscribe(&server, &receiver, &alice, "/push/shared").await;
    subscribe(&server, &receiver, &bob, "/push/shared").await;
    let to_alice = notify(&server, &alice, json!({ "channels": ["webpush"], "title": "For Alice" })).await;
    assert_eq!(to_alice[0].1, "suppressed", "{to_alice:?}");
    let to_bob = notify(&server, &bob, json!({ "channels": ["webpush"], "title": "For Bob" })).await;
    assert_eq!(to_bob[0].1, "delivered", "{to_bob:?}");
    assert_eq!(receiver.next().await["payload"]["title"], "For Bob");
    server.world.domain.store.sessions.end_session(bob.id, bob.viewer.session().unwrap()).await.unwrap();
    let after = notify(&server, &bob, json!({ "channels": ["webpush"] })).await;
    assert_eq!(after[0].1, "suppressed", "logged out: {after:?}");
    assert_eq!(server.world.domain.store.push.subscriptions(bob.id).await.unwrap(), []);
    server.stop().await;
}

#[actix_web::test]
async fn a_message_to_somebody_away_is_pushed_with_its_text() {
    let (server, mut receiver, alice) = start(Engine::Embedded).await;
    let bob = server.world.person("bob").await;
    let room = server.world.room(&[&alice, &bob]).await;
    subscribe(&server, &receiver, &alice, "/push/a").await;
    let message = server.world.send(&bob, room, "The kettle is on.").await;
    let payload = receiver.next().await["payload"].clone();
    assert_eq!((&payload["title"], &payload["body"]), (&json!("bob in Tea"), &json!("The kettle is on.")));
    assert_eq!(payload["data"]["messageId"], message.to_string());
    server.stop().await;
}

#[actix_web::test]
async fn what_cannot_be_pushed_to_is_refused() {
    let world = World::with(Engine::Embedded, |settings| {
        pushing(settings);
        settings.notification.allow_private_targets = false;
    })
    .await;
    let alice = world.person("alice").await;
    let server = world.serve().await;
    let p256dh = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
    let (auth, endpoint) = ("BTBZMqHH6r4Tts7J_aSIgg", "https://push.example.com/1");
    let keys = json!({ "p256dh": p256dh, "auth": auth });
    let off_curve = format!("{}A", &p256dh[..p256dh.len() - 1]);
    let cases = [
        (json!({ "type": "webpush", "endpoint": "http://push.example.com/", "keys": keys }), "use https"),
        (json!({ "type": "webpush", "endpoint": "https://127.1/", "keys": keys }), "not a public one"),
        (json!({ "type": "webhook", "endpoint": "https://[::ffff:10.0.0.1]/" }), "not a public one"),
        (json!({ "type": "webhook", "endpoint": "nowhere" }), "not a URL"),
        (json!({ "type": "webpush", "endpoint": endpoint }), "give p256dh and auth"),
        (json!({ "type": "webpush", "endpoint": endpoint, "keys": { "p256dh": off_curve, "auth": auth } }), "P-256"),
        (json!({ "type": "webpush", "endpoint": endpoint, "keys": { "p256dh": "", "auth": auth } }), "P-256"),
        (json!({ "type": "webpush", "endpoint": endpoint, "keys": { "p256dh": p256dh, "auth": "AA" } }), "16 bytes"),
        (json!({ "type": "webpush", "keys": keys }), "endpoint: is missing"),
        (json!({ "type": "telegram", "endpoint": endpoint }), "telegram"),
        (json!({ "endpoint": endpoint }), "type"),
        (json!([]), ""),
    ];
    for (input, problem) in cases {
        let answer = server.send("POST", SUBSCRIPTIONS, &alice, input.clone()).await;
        assert_eq!(answer.status, 400, "{input}: {answer:?}");
        assert!(answer.raw.to_string().contains(problem), "{input}: {answer:?}");
    }
    assert_eq!(server.request("GET", SUBSCRIPTIONS, None, None).await.status, 401);
    for n in 0..20 {
        let input = json!({ "type": "webpush", "endpoint": format!("{endpoint}{n}"), "keys": keys });
        assert_eq!(server.send("POST", SUBSCRIPTIONS, &alice, input).await.status, 201);
    }
    let more = json!({ "type": "webhook", "endpoint": endpoint });
    assert_eq!(server.send("POST", SUBSCRIPTIONS, &alice, more).await.status, 400, "the 21st");
    let again = json!({ "type": "webpush", "endpoint": format!("{endpoint}3"), "keys": keys });
    assert_eq!(server.send("POST", SUBSCRIPTIONS, &alice, again).await.status, 201, "one of them, again");
    server.stop().await;
}

#[actix_web::test]
async fn what_is_not_configured_says_so() {
    let world = World::new(Engine::Embedded).await;
    let alice = world.person("alice").await;
    let server = world.serve().await;
    assert_eq!(server.get("/api/push/vapid-key", &alice).await.status, 404);
    let input = json!({ "type": "webhook", "endpoint": "https://a.example/" });
    assert_eq!(server.send("POST", SUBSCRIPTIONS, &alice, input).await.status, 403);
    let states = notify(&server, &alice, json!({ "channels": ["webpush"] })).await;
    let expected = ("webpush".to_owned(), "suppressed".to_owned(), "this channel is not configured".to_owned());
    assert_eq!(states, [expected]);
    server.stop().await;
}

pub const SETTINGS: &str = "/api/notifications/settings";

#[rstest]
#[actix_web::test]
async fn a_user_is_told_as_they_wish(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let (server, mut receiver, alice) = start(engine).await;
    let bob = server.world.person("bob").await;
    let room = server.world.room(&[&alice, &bob]).await;
    subscribe(&server, &receiver, &alice, "/push/a").await;
    let given = server.get(SETTINGS, &alice).await.raw;
    assert_eq!(
        given["channels"],
        json!({ "email": true, "webpush": true, "fcm": true, "apns": true, "webhook": true })
    );
    assert_eq!((&given["rooms"], given.get("dnd")), (&json!({}), None));

    let wishes = json!({ "rooms": { room.to_string(): { "mentionsOnly": true, "muted": false } } });
    assert_eq!(server.send("PUT", SETTINGS, &alice, wishes.clone()).await.status, 200);
    assert_eq!(server.get(SETTINGS, &alice).await.raw["rooms"], wishes["rooms"]);
    server.world.send(&bob, room, "Nobody in particular").await;
    server.world.send(&bob, room, "@alice the kettle").await;
    assert_eq!(receiver.next().await["payload"]["body"], "@alice the kettle (+1 more)");

    let off = json!({ "channels": { "webpush": false } });
    assert_eq!(server.send("PUT", SETTINGS, &alice, off).await.status, 200);
    let states = notify(&server, &alice, json!({ "channels": ["webpush"] })).await;
    assert_eq!(states[0].2, "switched off by the user");
    let bad = server.send("PUT", SETTINGS, &alice, json!({ "dnd": { "from": "8", "to": "09:00", "timeZone": "UTC" } }));
    assert_eq!(bad.await.raw["details"][0]["field"], "dnd.from");
    server.stop().await;
}

/// Quiet at all hours but one that is far from now, by the clock of a zone without summer time.
pub fn quiet_now() -> Value {
    let hour = (shared::Timestamp::now().as_millis() / 3_600_000 + 12) % 24;
    let clock = |hour: i64| format!("{:02}:00", hour % 24);
    json!({ "dnd": { "from": clock(hour + 1), "to": clock(hour), "timeZone": "UTC" } })
}

#[rstest]
#[actix_web::test]
async fn what_comes_in_quiet_hours_is_held_and_the_newest_told(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let (server, mut receiver, alice) = start(engine).await;
    let bob = server.world.person("bob").await;
    let room = server.world.room(&[&alice, &bob]).await;
    let id = subscribe(&server, &receiver, &alice, "/push/a").await;
    assert_eq!(server.send("PUT", SETTINGS, &alice, quiet_now()).await.status, 200);
    let mut arrivals = server.world.watch(&alice).await;
    let is_held =
        |state: &Value| state["detail"].as_str().is_some_and(|detail| detail.starts_with("do not disturb until"));
    for text in ["first", "second"] {
        let message = server.world.send(&bob, room, text).await;
        let item = arrivals.next().await;
        assert_eq!(item.data.unwrap()["messageId"], message.to_string(), "the inbox has it at once");
        server.reached(item.id, is_held).await;
    }
    let answer =
        server.notify(json!({ "userId": alice.id, "title": "Tea", "body": "", "channels": ["webpush"] })).await;
    let state = server.reached(answer.raw["id"].as_str().unwrap(), is_held).await;
    assert_eq!((&state["channel"], &state["state"]), (&json!(format!("webpush/{id}")), &json!("queued")));
    // The hours end: what is due then is due now.
    assert_eq!(server.send("PUT", SETTINGS, &alice, json!({})).await.status, 200);
    server.world.make_due().await;
    let mut told = Vec::new();
    for _ in 0..2 {
        told.push(receiver.next().await["payload"]["title"].as_str().unwrap().to_owned());
    }
    told.sort();
    assert_eq!(told, ["Tea", "bob in Tea"], "of the room's two only the newest");
    server.stop().await;
}
