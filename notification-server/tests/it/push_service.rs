//! Web Push as a browser and its push service see it that nobody here wrote: `web-push-testing`, a simulator.

use reqwest::Client;
use rstest::rstest;
use serde_json::{Value, json};

use crate::{
    push::{SUBSCRIPTIONS, notify, pushing},
    receiver::Receiver,
    support::{Engine, Person, TestServer, World},
};

/// A browser on the simulator.
struct Browser {
    http: Client,
    service: String,
    /// As `PushManager.subscribe()` gives it, with the name of this browser.
    subscription: Value,
}

impl Browser {
    /// Asks its push service as the page that has this `applicationServerKey`.
    async fn subscribe(service: &Receiver, key: &str) -> Self {
        let mut this = Self { http: Client::new(), service: service.url.clone(), subscription: Value::Null };
        let options = json!({ "userVisibleOnly": "true", "applicationServerKey": key });
        this.subscription = this.ask("subscribe", options).await["data"].clone();
        this
    }

    async fn ask(&self, path: &str, body: Value) -> Value {
        let request = self.http.post(format!("{}/{path}", self.service)).json(&body);
        let answer = request.send().await.unwrap().error_for_status().unwrap().text().await.unwrap();
        serde_json::from_str(&answer).unwrap_or_default()
    }

    /// What it has got and decrypted, as its service worker reads it.
    async fn notifications(&self) -> Vec<Value> {
        let asked = json!({ "clientHash": self.subscription["clientHash"] });
        let got = self.ask("get-notifications", asked).await["data"]["messages"].clone();
        got.as_array().unwrap().iter().map(|text| serde_json::from_str(text.as_str().unwrap()).unwrap()).collect()
    }

    /// Its user takes the permission away.
    async fn expire(&self) {
        let hash = self.subscription["clientHash"].as_str().unwrap();
        self.ask(&format!("expire-subscription/{hash}"), json!({})).await;
    }
}

async fn register(server: &TestServer, person: &Person, browser: &Browser) {
    let Browser { subscription, .. } = browser;
    let (endpoint, keys) = (&subscription["endpoint"], &subscription["keys"]);
    let input = json!({ "type": "webpush", "endpoint": endpoint, "keys": keys });
    let answer = server.send("POST", SUBSCRIPTIONS, person, input).await;
    assert_eq!(answer.status, 201, "{answer:?}");
}

#[rstest]
#[actix_web::test]
async fn a_push_service_that_nobody_here_wrote_accepts_and_its_browser_reads_what_is_pushed(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let service = Receiver::push_service().await;
    let world = World::with(engine, pushing).await;
    let (alice, bob) = (world.person("alice").await, world.person("bob").await);
    let room = world.room(&[&alice, &bob]).await;
    let server = world.serve().await;
    let key = server.get("/api/push/vapid-key", &alice).await.raw["publicKey"].as_str().unwrap().to_owned();
    let (browser, other) = (Browser::subscribe(&service, &key).await, Browser::subscribe(&service, &key).await);
    register(&server, &alice, &browser).await;
    let only = json!({ "channels": ["webpush"], "data": { "cups": 2 } });
    let states = notify(&server, &alice, only.clone()).await;
    assert_eq!((states[0].1.as_str(), states[0].2.as_str()), ("delivered", "201 Created"));
    let got = browser.notifications().await;
    assert_eq!((got.len(), &got[0]["title"], &got[0]["body"]), (1, &json!("Tea"), &json!("It is ready.")));
    assert_eq!(got[0]["data"], json!({ "cups": 2 }));

    let message = server.world.send(&bob, room, "Grüße, 茶 ist fertig 🫖").await;
    server.done(shared::NotificationId::for_message(message)).await;
    let got = browser.notifications().await;
    assert_eq!((&got[1]["title"], &got[1]["body"]), (&json!("bob in Tea"), &json!("Grüße, 茶 ist fertig 🫖")));
    assert_eq!(other.notifications().await, [] as [Value; 0], "whose endpoint is not known here");

    browser.expire().await;
    let states = notify(&server, &alice, only).await;
    assert!(states[0].1 == "failed" && states[0].2.starts_with("410 Gone"), "{states:?}");
    assert_eq!(server.get(SUBSCRIPTIONS, &alice).await.raw["items"], json!([]), "it was removed");
    server.stop().await;
}

#[actix_web::test]
async fn a_push_service_refuses_whom_the_browser_did_not_subscribe_with() {
    let service = Receiver::push_service().await;
    let worlds = [World::with(Engine::Embedded, pushing).await, World::with(Engine::Embedded, pushing).await];
    let [one, two] = worlds;
    let alice = two.person("alice").await;
    let bob = one.person("bob").await;
    let (one, two) = (one.serve().await, two.serve().await);
    let key = one.get("/api/push/vapid-key", &bob).await.raw["publicKey"].as_str().unwrap().to_owned();
    let browser = Browser::subscribe(&service, &key).await;
    register(&two, &alice, &browser).await;
    let states = notify(&two, &alice, json!({ "channels": ["webpush"] })).await;
    assert!(states[0].1 == "failed" && states[0].2.starts_with("400 Bad Request"), "{states:?}");
    assert_eq!(browser.notifications().await, [] as [Value; 0]);
    one.stop().await;
    two.stop().await;
}
