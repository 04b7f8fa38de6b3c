//! Pushes to apps, against services on loopback that behave as Google's and Apple's documentation says. They were not
//! tried against the real ones.

use std::{path::Path, time::Duration};

use notification_server::Schedule;
use serde_json::{Value, json};
use shared::Settings;

use crate::{
    push::{SUBSCRIPTIONS, notify},
    receiver::Receiver,
    support::{Engine, Person, TestServer, World},
};

async fn start(dir: &Path) -> (TestServer, Receiver, Person) {
    let services = Receiver::services().await;
    let (account, key) = (dir.join("account.json"), dir.join("key.p8"));
    std::fs::write(&account, services.first["account"].to_string()).unwrap();
    std::fs::write(&key, services.first["apple"].as_str().unwrap()).unwrap();
    let text = |name: &str| services.first[name].as_str().map(str::to_owned);
    let world = World::with(Engine::Embedded, |settings: &mut Settings| {
        let (fcm, apns) = (&mut settings.notification.fcm, &mut settings.notification.apns);
        (fcm.service_account, fcm.url) = (Some(account), services.url.clone());
        (apns.key_file, apns.url) = (Some(key), services.url.clone());
        (apns.key_id, apns.team_id, apns.topic) = (text("key"), text("team"), text("topic"));
    })
    .await;
    let alice = world.person("alice").await;
    let schedule = Schedule { base: Duration::from_millis(1), cap: Duration::from_millis(2), ..Schedule::default() };
    (world.serve_with(|server| server.with_schedule(schedule)).await, services, alice)
}

/// Subscribes an app whose pushes are answered so; gives the subscription.
async fn subscribe(server: &TestServer, person: &Person, kind: &str, answers: &str) -> Value {
    let token: String = answers.bytes().map(|byte| format!("{byte:02x}")).collect();
    let answer = server.send("POST", SUBSCRIPTIONS, person, json!({ "type": kind, "token": token })).await;
    assert_eq!((answer.status, &answer.raw["token"]), (201, &json!(token)), "{answer:?}");
    answer.raw
}

#[actix_web::test]
async fn an_app_gets_what_its_system_shows() {
    let dir = tempfile::tempdir().unwrap();
    let (server, mut services, alice) = start(dir.path()).await;
    let bob = server.world.person("bob").await;
    let room = server.world.room(&[&bob, &alice]).await;
    for content in ["one", "two"] {
        let message = server.world.send(&bob, room, content).await;
        server.done(shared::NotificationId::for_message(message)).await;
    }
    let android = subscribe(&server, &alice, "fcm", "ok").await;
    let body =
        json!({ "data": { "cups": 2 }, "category": "kitchen", "collapseKey": "tea", "ttl": 60, "channels": ["fcm"] });
    let states = notify(&server, &alice, body.clone()).await;
    assert_eq!(
        (&states[0].0, states[0].1.as_str()),
        (&format!("fcm/{}", android["id"].as_str().unwrap()), "delivered")
    );
    let pushed = services.next().await;
    let message = &pushed["message"];
    assert_eq!(message["token"], android["token"]);
    assert_eq!(message["notification"], json!({ "title": "Tea", "body": "It is ready." }));
    assert_eq!((&message["data"]["data"], &message["data"]["category"]), (&json!(r#"{"cups":2}"#), &json!("kitchen")));
    assert_eq!((&message["android"]["collapse_key"], &message["android"]["priority"]), (&json!("tea"), &json!("HIGH")));
    let counted = (&message["data"]["badge"], &message["android"]["notification"]["notification_count"]);
    assert_eq!(counted, (&json!("2"), &json!(2)), "as many as are unread");
    // An access token serves until it is refused.
    notify(&server, &alice, json!({ "channels": ["fcm"] })).await;
    assert_eq!(services.next().await["access"], pushed["access"]);
    services.tell("revoke").await;
    let states = notify(&server, &alice, json!({ "channels": ["fcm"] })).await;
    assert_eq!(states[0].1, "delivered", "{states:?}");
    assert_ne!(services.next().await["access"], pushed["access"]);

    let phone = subscribe(&server, &alice, "apns", "ok").await;
    let body = json!({ "channels": ["apns"], "data": { "cups": 2 }, "category": "kitchen", "collapseKey": "tea" });
    let states = notify(&server, &alice, body).await;
    assert_eq!((&states[0].0, states[0].1.as_str()), (&format!("apns/{}", phone["id"].as_str().unwrap()), "delivered"));
    let first = services.next().await;
    let aps = &first["payload"]["aps"];
    assert_eq!(aps["alert"], json!({ "title": "Tea", "body": "It is ready." }));
    assert_eq!(aps["badge"], 2);
    assert_eq!((&aps["category"], &aps["thread-id"]), (&json!("kitchen"), &json!("tea")));
    assert_eq!(first["payload"]["data"], json!({ "cups": 2 }));
    assert_eq!(first["headers"]["id"], first["payload"]["id"]);
    notify(&server, &alice, json!({ "channels": ["apns"], "body": "é".repeat(2000), "data": "x".repeat(4000) })).await;
    let second = services.next().await;
    assert_eq!(second["token"], first["token"], "one token in 50 minutes");
    assert!(second["payload"]["aps"]["alert"]["body"].as_str().unwrap().len() > 3000, "as much as fits");
    server.stop().await;
}

#[actix_web::test]
async fn what_the_services_document_is_obeyed() {
    let dir = tempfile::tempdir().unwrap();
    let (server, mut services, alice) = start(dir.path()).await;
    // What is answered, what becomes of it in how many attempts, and whether the subscription stays.
    let cases = [
        ("fcm", "404 UNREGISTERED", "failed", 1, false),
        ("fcm", "400 INVALID_ARGUMENT", "failed", 1, true),
        ("fcm", "403 SENDER_ID_MISMATCH", "failed", 1, true),
        ("fcm", "401 THIRD_PARTY_AUTH_ERROR 1", "delivered", 2, true),
        ("fcm", "429 QUOTA_EXCEEDED 1", "delivered", 2, true),
        ("fcm", "500 INTERNAL 2", "delivered", 3, true),
        ("fcm", "503 UNAVAILABLE", "failed", 10, true),
        ("apns", "410 Unregistered", "failed", 1, false),
        ("apns", "410 ExpiredToken", "failed", 1, false),
        ("apns", "400 BadDeviceToken", "failed", 1, false),
        ("apns", "400 DeviceTokenNotForTopic", "failed", 1, false),
        ("apns", "400 BadTopic", "failed", 1, true),
        ("apns", "413 PayloadTooLarge", "failed", 1, true),
        ("apns", "403 ExpiredProviderToken 1", "delivered", 2, true),
        ("apns", "403 InvalidProviderToken 1", "delivered", 2, true),
        ("apns", "429 TooManyRequests 1", "delivered", 2, true),
        ("apns", "500 InternalServerError 1", "delivered", 2, true),
        ("apns", "503 Shutdown", "failed", 10, true),
    ];
    for (kind, answers, state, attempts, stays) in cases {
        let subscription = subscribe(&server, &alice, kind, answers).await;
        let states = notify(&server, &alice, json!({ "channels": [kind] })).await;
        assert_eq!(states[0].1, state, "{kind} {answers}: {states:?}");
        let reason = answers.split(' ').nth(1).unwrap();
        assert!(state == "delivered" || states[0].2.contains(reason), "{kind} {answers}: {states:?}");
        for _ in 0..attempts {
            assert_eq!(services.next().await["service"], kind, "{answers}");
        }
        let left = server.get(SUBSCRIPTIONS, &alice).await.raw["items"].as_array().unwrap().len();
        assert_eq!(left, usize::from(stays), "{kind} {answers}");
        let input = json!({ "type": kind, "token": subscription["token"] });
        assert_eq!(server.send("DELETE", SUBSCRIPTIONS, &alice, input).await.status, 204);
    }
    for (input, problem) in [
        (json!({ "type": "apns", "token": "../../x" }), "hex digits"),
        (json!({ "type": "fcm", "token": "with space" }), "visible ASCII"),
        (json!({ "type": "fcm", "token": "" }), "visible ASCII"),
        (json!({ "type": "fcm", "endpoint": "https://a.example/" }), "token: is missing"),
    ] {
        let answer = server.send("POST", SUBSCRIPTIONS, &alice, input.clone()).await;
        assert_eq!(answer.status, 400, "{input}");
        assert!(answer.raw.to_string().contains(problem), "{input}: {answer:?}");
    }
    server.stop().await;
}

#[actix_web::test]
async fn a_key_that_cannot_be_read_keeps_the_server_from_starting() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing");
    let broken = dir.path().join("broken");
    std::fs::write(&broken, r#"{"project_id":"p","client_email":"e","private_key":"x","token_uri":"t"}"#).unwrap();
    for file in [missing, broken] {
        let world = World::with(Engine::Embedded, |settings| {
            settings.notification.fcm.service_account = Some(file.clone());
        })
        .await;
        let error = format!("{:#}", notification_server::Server::bind(world.domain.clone()).err().unwrap());
        assert!(error.contains("notification.fcm.service_account"), "{error}");
    }
}
