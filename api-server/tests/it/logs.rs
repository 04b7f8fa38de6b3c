//! What the server writes to its log of a request, and what it must not.

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use serde_json::json;
use tracing_subscriber::EnvFilter;

use crate::support::{API_KEY, Answer, Engine, TestServer};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Everything our own crates and the framework say in this process from now on.
    fn of_the_process() -> Self {
        let log = Self::default();
        let ours = "api_server=trace,web=trace,domain=trace,store=trace,notification_server=trace";
        let filter = EnvFilter::new(format!("{ours},actix_web=trace,actix_server=trace,tracing_actix_web=trace"));
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false);
        subscriber.with_writer(move || writer.clone()).try_init().unwrap();
        log
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

#[tokio::test]
async fn the_log_names_requests_and_holds_no_token_password_or_text_of_a_message() {
    let log = Log::of_the_process();
    let mut server = TestServer::start(Engine::Redis).await;
    server.add_notification_server().await;
    let alice = server.account("alice").await;
    let room = alice.post("/api/rooms", json!({ "name": "Tea", "type": "public" })).await.expect(201).id();
    alice.send(&room, "for your eyes only").await;
    let anyone = server.anyone();
    let in_query = anyone.get(format!("/api/rooms?token={}&ticket=one-time-secret", alice.token)).await;
    let given = Answer::of(alice.request("GET", "/api/rooms?limit=x").header("x-request-id", &room)).await;
    assert_eq!(given.header("x-request-id"), Some(room.as_str()), "a name given by who passes it on is kept");
    let odd = Answer::of(alice.request("GET", "/api/rooms").header("x-request-id", "odd name")).await;
    assert_ne!(odd.header("x-request-id"), Some("odd name"), "but only one of its form");
    server.bearer(Some(API_KEY)).post("/notify", json!({ "userId": alice.id, "title": "T", "body": "sesame" })).await;
    alice.get("/api/notifications").await.expect(200);
    let invite = alice.post(format!("/api/rooms/{room}/invites"), json!({})).await.expect(201);
    let code = invite.raw["code"].as_str().unwrap();
    anyone.post(format!("/api/invites/{code}"), json!({})).await.expect(401);
    alice.post(format!("/api/invites/{code}"), json!({})).await.expect(200);
    alice.get(format!("/api/invites/{code}")).await.expect(405);
    anyone.post("/api/login", json!({ "username": "alice", "password": "not the password" })).await;
    anyone.post("/api/token/refresh", json!({ "refreshToken": alice.refresh_token })).await.expect(200);
    anyone.post("/api/token/refresh", json!({ "refreshToken": format!("{}x", alice.refresh_token) })).await.expect(401);
    let lost = json!({ "token": format!("{}.secret-of-a-letter", alice.id), "password": "another horse" });
    anyone.post("/api/password/reset", lost.clone()).await.expect(400);
    anyone.post("/api/email/verify", lost).await.expect(400);
    server.bearer(Some(&format!("{}x", alice.token))).get("/api/rooms").await.expect(401);

    let text = log.text();
    for answer in [&in_query, &given] {
        assert!(text.contains(answer.header("x-request-id").unwrap()), "the request is named in the log");
    }
    let signature = alice.token.rsplit('.').next().unwrap();
    let secret = alice.refresh_token.split_once('.').unwrap().1;
    for hidden in [
        alice.token.as_str(),
        signature,
        secret,
        code,
        API_KEY,
        "correct horse",
        "not the password",
        "for your eyes only",
        "one-time-secret",
        "secret-of-a-letter",
        "another horse",
        "sesame",
    ] {
        let line = text.lines().find(|line| line.contains(hidden));
        assert_eq!(line, None, "{hidden:?} is in the log");
    }
}
