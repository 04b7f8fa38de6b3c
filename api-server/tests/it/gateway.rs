//! What other services answer, through this one: real ones, and stand-ins that fail.

use std::{net::TcpListener, time::Duration};

use rstest::rstest;
use serde_json::json;
use shared::InstanceId;
use store::{Instance, Service};

use crate::{
    stand_in::{How, StandIn},
    support::{API_KEY, Answer, Engine, Person, TestServer, assert_answer, until},
};

/// Registers a notification-server that is not there.
async fn register_dead(server: &TestServer, id: InstanceId) {
    let (service, url) = (Service::Notification, unused_url());
    let version = "0".into();
    let instance = Instance { id, service, url, address: None, beat: 1, load: 0, version, draining: false };
    let minute = Duration::from_secs(60);
    server.domain.store.registry.register(&instance, minute).await.unwrap();
}

fn unused_url() -> String {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    format!("http://{address}")
}

#[rstest]
#[tokio::test]
async fn notifications_go_through_to_the_inbox(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let mut server = TestServer::start(engine).await;
    server.add_notification_server().await;
    let alice = server.guest("alice").await;
    let service = server.bearer(Some(API_KEY));
    let queued = service.post("/notify", json!({ "userId": alice.id, "title": "Hi", "body": "there" })).await;
    assert_answer!(queued, @r#"{"status": 202, "body": {"id": "[id 1]", "status": "queued"}}"#);
    let state = loop {
        let state = service.get(format!("/notify/{}", queued.id())).await.expect(200);
        if state.raw["recipients"][0]["done"] == true {
            break state;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    };
    assert_eq!(state.raw["recipients"].as_array().unwrap().len(), 1);
    let inbox = alice.get("/api/notifications?limit=10").await;
    assert_answer!(inbox, @r#"
    {
      "status": 200,
      "body": {
        "items": [
          {
            "body": "there",
            "createdAt": "[time]",
            "id": "[id 1]",
            "title": "Hi"
          }
        ],
        "unread": 1
      }
    }
    "#);
    let item = inbox.raw["items"][0]["id"].as_str().unwrap();
    alice.call("PUT", &format!("/api/notifications/{item}/read"), None).await.expect(204);
    let all = alice.call("PUT", "/api/notifications/read-all", None).await.expect(200);
    assert_eq!(all.raw, json!({ "read": 0 }));
}

#[tokio::test]
async fn a_link_of_an_e_mail_leads_through_without_a_login() {
    let mut server = TestServer::start(Engine::Embedded).await;
    server.add_notification_server().await;
    let (nobody, path) = (server.bearer(None), "/api/notifications/unsubscribe?token=x");
    for answer in [nobody.get(path).await, nobody.post(path, json!({})).await] {
        assert_eq!(answer.expect(400).raw["details"][0]["field"], "token");
    }
}

#[rstest]
#[tokio::test]
async fn who_is_calling_is_checked_behind_the_gateway_too(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let mut server = TestServer::start(engine).await;
    server.add_notification_server().await;
    let alice = server.guest("alice").await;
    let body = json!({ "userId": alice.id, "title": "Hi", "body": "there" });
    assert_answer!(alice.post("/notify", body.clone()).await, @r#"
    {
      "status": 403,
      "body": {
        "code": "FORBIDDEN",
        "detail": "the token is not of scope notify",
        "error": "the token is not of scope notify",
        "requestId": "[requestId]",
        "status": 403,
        "title": "Not allowed",
        "type": "about:blank"
      }
    }
    "#);
    server.bearer(Some("not-a-service-key-012345")).post("/notify", body).await.refused(401, "UNAUTHORIZED");
    server.anyone().get("/api/notifications").await.refused(401, "UNAUTHORIZED");
    let nobody = json!({ "userId": uuid::Uuid::now_v7(), "title": "Hi", "body": "there" });
    server.bearer(Some(API_KEY)).post("/notify", nobody).await.refused(404, "USER_NOT_FOUND");
}

#[rstest]
#[tokio::test]
async fn without_a_notification_server_its_endpoints_are_unavailable(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let alice = server.guest("alice").await;
    assert_answer!(alice.get("/api/notifications").await, @r#"
    {
      "status": 503,
      "body": {
        "code": "UNAVAILABLE",
        "detail": "temporarily unavailable; try again",
        "error": "temporarily unavailable; try again",
        "requestId": "[requestId]",
        "status": 503,
        "title": "Temporarily unavailable",
        "type": "about:blank"
      }
    }
    "#);
    for (method, path) in [
        ("POST", "/notify"),
        ("GET", "/notify/x"),
        ("PUT", "/api/notifications/x/read"),
        ("PUT", "/api/notifications/read-all"),
    ] {
        alice.call(method, path, None).await.refused(503, "UNAVAILABLE");
    }
}

#[rstest]
#[tokio::test]
async fn where_no_instance_can_be_reached_the_endpoints_are_unavailable(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    register_dead(&server, InstanceId::new()).await;
    let alice = server.guest("alice").await;
    alice.get("/api/notifications").await.refused(503, "UNAVAILABLE");
    alice.post("/notify", json!({})).await.refused(503, "UNAVAILABLE");
}

#[rstest]
#[tokio::test]
async fn an_instance_that_cannot_be_reached_is_skipped(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    // Older than the live one's, so that they come before it.
    let dead: Vec<_> = (0..3).map(|_| InstanceId::new()).collect();
    let mut server = TestServer::start(engine).await;
    server.add_notification_server().await;
    for id in &dead {
        register_dead(&server, *id).await;
    }
    let known = server.domain.store.registry.instances(Service::Notification).await.unwrap();
    assert_eq!(known.last().map(|instance| instance.id), Some(server.domain.instance), "the live one is asked last");
    let alice = server.guest("alice").await;
    let body = json!({ "userId": alice.id, "title": "Hi", "body": "there" });
    server.bearer(Some(API_KEY)).post("/notify", body).await.expect(202);
    alice.get("/api/notifications").await.expect(200);
    alice.call("PUT", "/api/notifications/read-all", None).await.expect(200);
}

#[rstest]
#[tokio::test]
async fn the_query_goes_along_and_headers_of_the_client_do_not(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let mut server = TestServer::start(engine).await;
    server.add_notification_server().await;
    let alice = server.guest("alice").await;
    alice.get("/api/notifications?limit=x").await.refused(400, "INVALID_MESSAGE");
    let forged =
        alice.request("GET", "/api/notifications").header("x-user-id", "somebody").header("host", "evil.example");
    Answer::of(forged).await.expect(200);
}

#[rstest]
#[tokio::test]
async fn presence_is_asked_for_and_set_without_a_socket(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let mut server = TestServer::start(engine).await;
    server.add_presence_server().await;
    let (alice, bob) = (server.guest("alice").await, server.guest("bob").await);
    alice.call("PUT", &format!("/api/contacts/{}", bob.id), None).await.expect(204);
    let set = alice.put("/api/presence/me", json!({ "status": "busy", "text": "in a call" })).await;
    assert_answer!(set, @r#"
    {
      "status": 200,
      "body": {
        "seen": {
          "devices": 0,
          "status": "offline",
          "userId": "[id 1]",
          "username": "alice"
        },
        "status": "busy",
        "text": "in a call"
      }
    }
    "#);
    assert_eq!(alice.get("/api/presence/me").await.expect(200).raw, set.raw);
    let seen = bob.get(format!("/api/presence?userIds={},{}", alice.id, bob.id)).await;
    assert_answer!(seen, @r#"
    {
      "status": 200,
      "body": {
        "users": [
          {
            "devices": 0,
            "status": "offline",
            "userId": "[id 1]",
            "username": "alice"
          },
          {
            "devices": 0,
            "status": "offline",
            "userId": "[id 2]",
            "username": "bob"
          }
        ]
      }
    }
    "#);
    bob.get("/api/presence?userIds=x").await.refused(400, "INVALID_MESSAGE");
    bob.put("/api/presence/me", json!({ "status": "sleepy" })).await.refused(400, "INVALID_MESSAGE");
    server.anyone().get("/api/presence/me").await.refused(401, "UNAUTHORIZED");
}

/// Two stand-ins for presence-servers, the first failing in this way, and somebody who asks.
async fn beside(how: How, patience_ms: u64) -> (TestServer, Person, StandIn, StandIn) {
    let server = TestServer::with(Engine::Embedded, |settings| settings.api.gateway_ms = patience_ms).await;
    let alice = server.guest("alice").await;
    let failing = StandIn::start(Service::Presence, how).await;
    let good = StandIn::start(Service::Presence, How::Answer(200)).await;
    failing.register(&server, 0).await;
    good.register(&server, 0).await;
    (server, alice, failing, good)
}

/// Longer than any test takes.
const LONG_MS: u64 = 60_000;

#[tokio::test]
async fn a_killed_instance_costs_no_request() {
    let (_server, alice, killed, good) = beside(How::Answer(200), LONG_MS).await;
    alice.get("/api/presence/me").await.expect(200);
    alice.get("/api/presence/me").await.expect(200);
    assert_eq!((killed.asked().len(), good.asked().len()), (1, 1), "in turn");
    killed.kill();
    for _ in 0..20 {
        alice.get("/api/presence/me").await.expect(200);
        alice.put("/api/presence/me", json!({})).await.expect(200);
    }
}

#[tokio::test]
async fn an_instance_that_cannot_serve_now_is_followed_by_another() {
    for status in [502, 503, 504] {
        let (_server, alice, draining, good) = beside(How::Answer(status), LONG_MS).await;
        for _ in 0..4 {
            alice.get("/api/presence/me").await.expect(200);
        }
        assert_eq!((draining.asked().len(), good.asked().len()), (2, 4), "{status}");
    }
}

#[tokio::test]
async fn an_instance_that_hangs_is_left_in_time_for_another() {
    let (_server, alice, hanging, good) = beside(How::Hang, 600).await;
    for _ in 0..4 {
        alice.get("/api/presence/me").await.expect(200);
    }
    assert_eq!((hanging.asked().len(), good.asked().len()), (2, 4));
    good.set(How::Hang);
    let begin = std::time::Instant::now();
    alice.get("/api/presence/me").await.refused(503, "UNAVAILABLE");
    assert!(begin.elapsed() >= Duration::from_millis(590), "the last one has all that is left");
}

#[tokio::test]
async fn an_instance_that_fails_again_and_again_is_spared() {
    let (server, alice, flapping, good) = beside(How::Break, LONG_MS).await;
    // Whoever asks first makes the recorder.
    server.anyone().get("/metrics").await.expect(200);
    for n in 0..4 {
        alice.get("/api/presence/me").await.expect(200);
        alice.get("/api/presence/me").await.expect(200);
        assert_eq!(flapping.asked().len(), n + 1);
    }
    flapping.set(How::Answer(200));
    alice.get("/api/presence/me").await.expect(200);
    alice.get("/api/presence/me").await.expect(200);
    flapping.set(How::Break);
    for _ in 0..40 {
        alice.get("/api/presence/me").await.expect(200);
    }
    assert_eq!(flapping.asked().len(), 4 + 1 + 5, "one answer, and it began anew; then it was spared");
    good.set(How::Break);
    let refused = until(async || {
        let answer = alice.get("/api/presence/me").await.refused(503, "UNAVAILABLE");
        let before = good.asked().len();
        alice.get("/api/presence/me").await.refused(503, "UNAVAILABLE");
        (good.asked().len() == before).then_some(answer)
    });
    refused.await;
    let metrics = server.anyone().get("/metrics").await.expect(200).raw.as_str().unwrap().to_owned();
    for name in [
        "chatapp_gateway_breakers_opened_total{service=\"presence\"}",
        "chatapp_gateway_attempts_total{service=\"presence\",outcome=\"lost\"}",
        "chatapp_gateway_attempts_total{service=\"presence\",outcome=\"spared\"}",
        "chatapp_gateway_unanswered_total{service=\"presence\"}",
    ] {
        assert!(metrics.contains(name), "{name} in {metrics}");
    }
}

#[tokio::test]
async fn a_request_that_may_have_been_carried_out_is_repeated_only_where_that_does_no_harm() {
    let server = TestServer::start(Engine::Embedded).await;
    let alice = server.guest("alice").await;
    let one = StandIn::start(Service::Notification, How::Break).await;
    let other = StandIn::start(Service::Notification, How::Break).await;
    one.register(&server, 0).await;
    other.register(&server, 0).await;
    let asked = || one.asked().len() + other.asked().len();
    alice.post("/notify", json!({})).await.refused(503, "UNAVAILABLE");
    assert_eq!(asked(), 1);
    let keyed = alice.request("POST", "/notify").header("idempotency-key", "k").json(&json!({}));
    Answer::of(keyed).await.refused(503, "UNAVAILABLE");
    assert_eq!(asked(), 3, "by key");
    alice.call("PUT", "/api/notifications/read-all", None).await.refused(503, "UNAVAILABLE");
    assert_eq!(asked(), 5, "idempotent");
    one.set(How::Answer(503));
    other.set(How::Answer(503));
    let refusal = alice.request("POST", "/notify").json(&json!({})).send().await.unwrap();
    assert_eq!((refusal.status().as_u16(), asked()), (503, 6), "as it was answered");
}

#[tokio::test]
async fn only_what_is_the_callers_goes_along_and_only_what_is_meant_for_them_comes_back() {
    let (_server, alice, good, _other) = beside(How::Answer(200), LONG_MS).await;
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let id = uuid::Uuid::now_v7().to_string();
    let asked = alice
        .request("GET", "/api/presence?userIds=a,b")
        .header("traceparent", trace)
        .header("x-request-id", &id)
        .header("x-forwarded-for", "6.6.6.6")
        .header("x-user-id", "somebody")
        .header("cookie", "c=1")
        .header("te", "trailers");
    let answer = Answer::of(asked).await.expect(200);
    assert_eq!((answer.header("x-request-id"), answer.header("x-internal")), (Some(&*id), None));
    let head = good.asked().pop().unwrap();
    let fields: Vec<&str> = head.lines().collect();
    assert_eq!(fields[0], "get /api/presence?userids=a,b http/1.1");
    let mut names: Vec<_> = fields[1..].iter().filter_map(|field| Some(field.split_once(':')?.0)).collect();
    names.sort_unstable();
    let expected = ["accept", "authorization", "host", "traceparent", "x-forwarded-for", "x-request-id"];
    assert_eq!(names, expected, "{head}");
    for field in [format!("traceparent: {trace}"), format!("x-request-id: {id}"), "x-forwarded-for: 127.0.0.1".into()] {
        assert!(fields.contains(&&*field), "{field} in {head}");
    }
}

#[tokio::test]
async fn an_answer_without_an_end_is_not_passed_on() {
    let (_server, alice, one, other) = beside(How::Flood, LONG_MS).await;
    other.kill();
    let answer = until(async || {
        let answer = alice.request("GET", "/api/presence/me").send().await.unwrap();
        (!one.asked().is_empty()).then_some(answer)
    });
    assert_eq!(answer.await.status().as_u16(), 500);
}
