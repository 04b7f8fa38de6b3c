//! Presence without a socket.

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{Engine, Person, TestServer, assert_frame};

pub async fn call(server: &TestServer, person: &Person, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
    let url = server.url.replace("ws://", "http://").replace("/presence", path);
    let request = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = request.request(method.parse().unwrap(), url).bearer_auth(&person.token);
    let request = body.iter().fold(request, |request, body| request.json(body));
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn what_is_set_over_rest_is_what_watchers_are_told(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let (alice, bob) = server.friends().await;
    let mut watcher = server.connect(&alice).await;
    watcher.ask("SUBSCRIBE", json!({})).await;
    let _bobs = server.connect(&bob).await;
    assert_eq!(watcher.next().await["payload"]["status"], "online");
    let busy = json!({ "status": "busy", "text": "in a call" });
    let (status, set) = call(&server, &bob, "PUT", "/api/presence/me", Some(busy)).await;
    assert_eq!((status, &set["status"], &set["seen"]["status"]), (200, &json!("busy"), &json!("busy")));
    let update = watcher.next().await;
    assert_eq!((&update["payload"]["status"], &update["payload"]["statusText"]), (&json!("busy"), &json!("in a call")));
    let (_, seen) = call(&server, &alice, "GET", "/api/presence", None).await;
    assert_frame!(seen, { ".users[].userId" => "[id]" }, @r#"
    {
      "users": [
        {
          "devices": 1,
          "status": "busy",
          "statusText": "in a call",
          "userId": "[id]",
          "username": "bob"
        }
      ]
    }
    "#);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn who_is_invisible_sees_what_they_chose_and_others_see_nothing(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let (alice, bob) = server.friends().await;
    let _bobs = server.connect(&bob).await;
    let input = json!({ "status": "invisible", "text": "shh" });
    call(&server, &bob, "PUT", "/api/presence/me", Some(input)).await;
    let (_, own) = call(&server, &bob, "GET", "/api/presence/me", None).await;
    assert_frame!(own, { ".seen.userId" => "[id]", ".seen.lastSeen" => "[when they hid]" }, @r#"
    {
      "seen": {
        "devices": 0,
        "lastSeen": "[when they hid]",
        "status": "offline",
        "userId": "[id]",
        "username": "bob"
      },
      "status": "invisible",
      "text": "shh"
    }
    "#);
    let (_, seen) = call(&server, &alice, "GET", "/api/presence", None).await;
    assert_eq!((&seen["users"][0]["status"], &seen["users"][0]["devices"]), (&json!("offline"), &json!(0)));
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_sees_everybody_offline_and_bad_input_is_refused(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::with(engine, |settings| settings.presence.max_watched = 2).await;
    let (alice, bob) = server.friends().await;
    let stranger = server.person("stranger").await;
    let _bobs = server.connect(&bob).await;
    let (a, b) = (alice.viewer.user, bob.viewer.user);
    let (_, seen) = call(&server, &stranger, "GET", &format!("/api/presence?userIds={b}"), None).await;
    assert_eq!(seen["users"][0]["status"], "offline");
    let (_, seen) = call(&server, &alice, "GET", &format!("/api/presence?userIds={b}"), None).await;
    assert_eq!(seen["users"][0]["status"], "online");
    for path in ["?userIds=", "?userIds=x", &format!("?userIds={a},{b},{}", stranger.viewer.user)] {
        let (status, problem) = call(&server, &alice, "GET", &format!("/api/presence{path}"), None).await;
        assert_eq!((status, &problem["details"][0]["field"]), (400, &json!("userIds")), "{path}");
    }
    let long = json!({ "status": "online", "text": "x".repeat(101) });
    for (body, field) in [(json!({ "status": "asleep" }), "body"), (long, "text")] {
        let (status, problem) = call(&server, &alice, "PUT", "/api/presence/me", Some(body)).await;
        assert_eq!((status, &problem["details"][0]["field"]), (400, &json!(field)));
    }
    let nobody = Person { token: "x".into(), ..alice };
    assert_eq!(call(&server, &nobody, "GET", "/api/presence/me", None).await.0, 401);
}
