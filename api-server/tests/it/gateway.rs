//! The notification endpoints, answered by a notification-server beside this one.

use std::net::TcpListener;

use rstest::rstest;
use serde_json::json;
use shared::InstanceId;
use store::{Instance, Service};

use crate::support::{API_KEY, Answer, Engine, TestServer, assert_answer};

/// Registers a notification-server that is not there.
async fn register_dead(server: &TestServer, id: InstanceId) {
    let (service, url) = (Service::Notification, unused_url());
    let instance = Instance { id, service, url, load: 0, version: "0".into(), draining: false };
    let minute = std::time::Duration::from_secs(60);
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
    assert_answer!(inbox, @r#"{"status": 200, "body": {"items": [{"body": "there", "createdAt": "[time]", "id": "[id 1]", "title": "Hi"}]}}"#);
    let item = inbox.raw["items"][0]["id"].as_str().unwrap();
    alice.call("PUT", &format!("/api/notifications/{item}/read"), None).await.expect(204);
    let all = alice.call("PUT", "/api/notifications/read-all", None).await.expect(200);
    assert_eq!(all.raw, json!({ "read": 0 }));
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
