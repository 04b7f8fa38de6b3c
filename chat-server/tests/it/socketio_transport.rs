//! Socket.IO's transports on a real server: images, changing over, many requests at once, refusals, stopping.

use futures_util::future::join_all;
use image::{ImageFormat, RgbImage};
use rstest::rstest;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    raw_socketio::{Raw, Way, address},
    support::{Engine, LONG, World},
};

/// A PNG of at least so many bytes: noise, which nothing compresses.
fn picture(side: u32) -> Vec<u8> {
    let mut state = 1u32;
    let noise = RgbImage::from_fn(side, side, |_, _| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        image::Rgb([(state >> 8) as u8, (state >> 16) as u8, (state >> 24) as u8])
    });
    let mut bytes = std::io::Cursor::new(Vec::new());
    noise.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

const IMAGE: &str = r#"{"_placeholder":true,"num":0}"#;

fn with_image(room: &Value, message: &str) -> Value {
    json!({"room": room, "message": message, "image": serde_json::from_str::<Value>(IMAGE).unwrap()})
}

#[rstest]
#[tokio::test]
async fn an_image_is_stored_and_shown_as_an_attachment(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
    #[values(Way::Socket, Way::Polling)] way: Way,
) {
    let files = tempfile::tempdir().unwrap();
    let place = files.path().to_owned();
    let world =
        World::with(engine, move |s| s.attachments.url = Some(shared::settings::FilesUrl::Directory(place))).await;
    let bob = world.user("bob").await;
    let mut native = world.connect(&bob).await;
    let mut alice = Raw::guest(&world, way, "alice").await;
    let room = alice.ask("create_room", json!({"name": "Tea", "handle": "tea"})).await["room"].clone();
    native.ask("JOIN_ROOM", json!({"roomId": room})).await;
    alice.event().await;
    let small = picture(40);
    // Larger than a text may be, and nearly what an image may be.
    let large = picture(550);
    assert!(large.len() > 800_000 && large.len() <= 1 << 20, "{}", large.len());
    for (bytes, text, side) in [(&small, "", 40), (&large, "look", 550)] {
        let (reply, events) = alice.ask_with("send_message", with_image(&room, text), bytes).await;
        assert_eq!(reply["ok"], true, "{reply}");
        let event = match events.into_iter().next() {
            Some(event) => event,
            None => alice.event().await,
        };
        let told = native.next().await;
        let attachment = &told["payload"]["attachments"][0];
        assert_eq!((&attachment["width"], &attachment["mime"]), (&json!(side), &json!("image/png")), "{told}");
        assert_eq!(event[1]["attachments"], told["payload"]["attachments"]);
        assert_eq!(event[1]["type"], if text.is_empty() { "image" } else { "text" });
        let message = reply["id"].as_str().unwrap().parse().unwrap();
        let id = attachment["id"].as_str().unwrap().parse().unwrap();
        let viewer = world.domain.identity.identify(&bob.token).await.unwrap();
        let found = world.domain.files.of_message(&viewer, message, id, false).await.unwrap();
        assert!(found.size.is_some_and(|size| size > 0));
    }
    let (refused, _) = alice.ask_with("send_message", with_image(&room, "x"), b"no image at all").await;
    assert_eq!(refused["error"]["details"][0]["field"], "image", "{refused}");
    let (refused, _) = alice.ask_with("send_message", with_image(&room, "x"), &small[..60]).await;
    assert_eq!(refused["error"]["code"], "INVALID_MESSAGE", "{refused}");
    native.quiet().await;
}

#[tokio::test]
async fn what_is_larger_than_it_may_be_ends_the_connection() {
    let world = World::start(Engine::Embedded).await;
    let mut nobody = Raw::nobody(&world, Way::Socket).await;
    nobody.send_with("451-[\"x\"]", &vec![0; 70_000]).await;
    assert_eq!(nobody.closed().await, 1009, "nobody sends what is large");
    let mut text = Raw::guest(&world, Way::Socket, "alice").await;
    text.send(&format!("42{}", json!(["x", "y".repeat(70_000)]))).await;
    assert_eq!(text.closed().await, 1009);
    let mut polling = Raw::guest(&world, Way::Polling, "bob").await;
    let http = reqwest::Client::new();
    let refused = http.post(polling.url()).body("4".repeat(2_000_000)).send().await.unwrap();
    assert_eq!(refused.status(), 413);
    polling.quiet().await;
    let refused = http.post(polling.url()).body(format!("4{}", "x".repeat(70_000))).send().await.unwrap();
    assert_eq!(refused.status(), 400);
    assert_eq!(polling.any().await, None);
}

#[rstest]
#[tokio::test]
async fn nothing_is_lost_or_doubled_by_changing_over(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let world = World::start(engine).await;
    let bob = world.user("bob").await;
    let mut native = world.connect(&bob).await;
    let room = world.room(&mut native, "tea").await;
    // Sessions on both workers, their sockets accepted by either.
    let mut clients = Vec::new();
    for n in 0..6 {
        let mut client = Raw::guest(&world, Way::Polling, &format!("guest{n}")).await;
        assert_eq!(client.ask("join_room", json!({"room": room})).await["ok"], true);
        native.until("USER_JOINED").await;
        clients.push(client);
    }
    let talk = async {
        for n in 0..60 {
            native.ask_among_events("SEND_MESSAGE", json!({"roomId": room, "content": n.to_string()})).await;
        }
    };
    let listen = clients.into_iter().map(async |mut client| {
        let mut seen: Vec<u64> = Vec::new();
        while seen.len() < 60 {
            if seen.len() == 20 {
                client.upgrade().await;
                seen.push(u64::MAX);
            }
            let event = client.event().await;
            if event[0] == "message" {
                seen.push(event[1]["message"].as_str().unwrap().parse().unwrap());
            }
        }
        seen.retain(|n| *n != u64::MAX);
        // One more is to come for the place the change took.
        let last = client.event().await;
        seen.push(last[1]["message"].as_str().unwrap().parse().unwrap());
        client.quiet().await;
        seen
    });
    let ((), heard) = tokio::join!(talk, join_all(listen));
    for seen in heard {
        assert_eq!(seen, (0..60).collect::<Vec<u64>>());
    }
}

#[tokio::test]
async fn requests_of_a_session_come_on_any_worker_and_find_it() {
    let world = World::start(Engine::Embedded).await;
    let mut clients = Vec::new();
    for n in 0..8 {
        clients.push(Raw::guest(&world, Way::Polling, &format!("guest{n}")).await);
    }
    // Each request on a connection of its own, which either worker accepts.
    for client in &mut clients {
        for _ in 0..10 {
            client.quiet().await;
        }
    }
}

#[tokio::test]
async fn a_request_that_cannot_be_is_refused_as_the_protocol_numbers_it() {
    let world = World::with(Engine::Embedded, |s| s.http.allowed_origins = vec!["https://app.example".into()]).await;
    let base = format!("http://{}/socket.io/", address(&world, 0));
    let http = reqwest::Client::new();
    for (query, code) in [
        ("", 0),
        ("?EIO=4", 0),
        ("?EIO=4&transport=flash", 0),
        ("?EIO=4&transport=websocket", 3),
        ("?EIO=4&transport=polling&sid=nobody", 1),
        ("?transport=polling", 5),
        ("?EIO=3&transport=polling", 5),
    ] {
        let answer = http.get(format!("{base}{query}")).send().await.unwrap();
        assert_eq!(answer.status(), 400, "{query}");
        let body: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        assert_eq!(body["code"], code, "{query}: {body}");
    }
    let posted = http.post(format!("{base}?EIO=4&transport=polling")).body("40").send().await.unwrap();
    assert_eq!(posted.text().await.unwrap(), r#"{"code":2,"message":"Bad handshake method"}"#);
    let from = |origin: &str| http.get(format!("{base}?EIO=4&transport=polling")).header("Origin", origin);
    let foreign = from("https://evil.example").send().await.unwrap();
    assert_eq!(foreign.status(), 403);
    let ours = from("https://app.example").send().await.unwrap();
    assert_eq!(
        (ours.status().as_u16(), ours.headers()["access-control-allow-origin"].to_str().unwrap()),
        (200, "https://app.example")
    );
    assert_eq!(ours.headers()["content-type"], "text/plain; charset=UTF-8");
    assert!(ours.text().await.unwrap().starts_with("0{"));
    let asked = http.request(reqwest::Method::OPTIONS, format!("{base}?EIO=4&transport=polling"));
    let asked = asked.header("Origin", "https://app.example").header("Access-Control-Request-Method", "POST");
    assert_eq!(asked.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn there_are_as_many_sessions_as_are_allowed_and_none_where_it_is_off() {
    let world = World::with(Engine::Embedded, |s| s.chat.socketio.sessions = 2).await;
    let url = format!("http://{}/socket.io/?EIO=4&transport=polling", address(&world, 0));
    let mut first = Raw::nobody(&world, Way::Polling).await;
    let _second = Raw::nobody(&world, Way::Polling).await;
    assert_eq!(reqwest::get(&url).await.unwrap().status(), 503);
    first.send("1").await;
    assert_eq!(reqwest::get(&url).await.unwrap().status(), 200, "one has left");
    let off = World::with(Engine::Embedded, |s| s.chat.socketio.enabled = false).await;
    let url = format!("http://{}/socket.io/?EIO=4&transport=polling", address(&off, 0));
    assert_eq!(reqwest::get(&url).await.unwrap().status(), 404);
}

#[tokio::test]
async fn whoever_does_not_answer_a_ping_is_gone() {
    let world = World::with(Engine::Embedded, |s| {
        (s.chat.socketio.ping_interval_ms, s.chat.socketio.ping_timeout_ms) = (100, 100);
    })
    .await;
    let mut native = world.connect(&world.user("bob").await).await;
    let room = world.room(&mut native, "tea").await;
    let mut silent = Raw::guest(&world, Way::Polling, "silent").await;
    silent.ask_among_events("join_room", json!({"room": room})).await;
    native.until("USER_JOINED").await;
    // Nobody polls for it. Its membership stays, as everybody's does.
    let url = silent.url();
    let http = reqwest::Client::new();
    let over = async { while http.post(&url).body("6").send().await.unwrap().status() == 200 {} };
    timeout(LONG, over).await.expect("its end");
    native.quiet().await;
}

#[rstest]
#[tokio::test]
async fn when_the_server_stops_clients_are_told_to_come_back(#[values(Way::Socket, Way::Polling)] way: Way) {
    let mut world = World::start(Engine::Embedded).await;
    let mut raw = Raw::guest(&world, way, "alice").await;
    raw.quiet().await;
    let told = async {
        match way {
            Way::Socket => assert_eq!(raw.closed().await, 1012),
            // No DISCONNECT: after that clients would stay away.
            Way::Polling => assert_eq!(raw.any().await, None),
        }
    };
    world.begin_stop(0);
    told.await;
    world.stop(0).await;
}
