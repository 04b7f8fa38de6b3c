//! Whatever comes in, each route answers with the documented refusal and the server goes on.

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{Answer, Engine, Person, TestServer, assert_answer};

/// What is there for a route to be called on.
struct Stage {
    server: TestServer,
    alice: Person,
    bob: String,
    room: String,
    message: String,
}

impl Stage {
    async fn new(engine: Engine) -> Self {
        let mut server = TestServer::start(engine).await;
        server.add_notification_server().await;
        let (alice, bob, room) = server.room().await;
        let message = alice.send(&room, "hello").await["id"].as_str().unwrap().to_owned();
        Self { server, alice, bob: bob.id, room, message }
    }

    /// It still answers, and answers what it did.
    async fn goes_on(&self) {
        self.server.anyone().get("/health").await.expect(200);
        let page = self.alice.get(format!("/api/rooms/{}/messages", self.room)).await.expect(200);
        assert_eq!(page.items("seq"), json!([1]), "nothing refused was stored");
    }
}

/// Every route that reads a JSON body, with a body it takes and the fields it needs.
fn with_body(stage: &Stage) -> Vec<(&'static str, String, Value, &'static [&'static str])> {
    let room = &stage.room;
    vec![
        (
            "POST",
            "/api/signup".into(),
            json!({ "username": "x", "email": "x@example.org", "password": "correct horse" }),
            &["username", "email", "password"],
        ),
        ("POST", "/api/login".into(), json!({ "username": "x", "password": "y" }), &["password"]),
        ("POST", "/api/guest".into(), json!({ "username": "x" }), &[]),
        ("POST", "/api/token/refresh".into(), json!({ "refreshToken": "x" }), &["refreshToken"]),
        ("POST", "/api/password/forgot".into(), json!({ "email": "x@example.org" }), &["email"]),
        (
            "POST",
            "/api/password/reset".into(),
            json!({ "token": "x", "password": "correct horse" }),
            &["token", "password"],
        ),
        ("POST", "/api/email/verify".into(), json!({ "token": "x" }), &["token"]),
        ("PATCH", "/api/profile".into(), json!({ "bio": "x" }), &[]),
        ("POST", "/api/rooms".into(), json!({ "name": "x", "type": "public" }), &["name", "type"]),
        ("PUT", format!("/api/rooms/{room}/members/{}", stage.bob), json!({ "role": "member" }), &["role"]),
        ("PATCH", format!("/api/rooms/{room}"), json!({ "name": "x" }), &[]),
        ("POST", format!("/api/rooms/{room}/invites"), json!({ "maxUses": 1 }), &[]),
        ("PUT", format!("/api/rooms/{room}/read"), json!({ "seq": 1 }), &["seq"]),
        ("PUT", format!("/api/rooms/{room}/delivered"), json!({ "seq": 1 }), &["seq"]),
        ("PATCH", format!("/api/messages/{}", stage.message), json!({ "content": "x" }), &["content"]),
        ("POST", format!("/api/rooms/{room}/messages"), json!({ "content": "x" }), &["content"]),
        ("POST", "/notify".into(), json!({ "userId": stage.bob, "title": "x", "body": "y" }), &["title", "body"]),
    ]
}

/// Routes with a body that are for people who are not logged in.
const OPEN: [&str; 7] = [
    "/api/signup",
    "/api/login",
    "/api/guest",
    "/api/token/refresh",
    "/api/password/forgot",
    "/api/password/reset",
    "/api/email/verify",
];

/// As somebody who may: services notify, people do all else.
fn request(stage: &Stage, method: &str, path: &str) -> reqwest::RequestBuilder {
    match path {
        "/notify" => stage.server.bearer(Some(crate::support::API_KEY)).request(method, path),
        _ => stage.alice.request(method, path),
    }
}

#[rstest]
#[tokio::test]
async fn a_body_that_is_not_what_a_route_reads_is_refused_by_every_route(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let stage = Stage::new(engine).await;
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    for (method, path, good, needed) in with_body(&stage) {
        let json = |body: String| request(&stage, method, &path).header("content-type", "application/json").body(body);
        let first = good.as_object().unwrap().keys().next().unwrap();
        let mut bad: Vec<String> = vec![
            "".into(),
            "{".into(),
            "null".into(),
            "[]".into(),
            "7".into(),
            "\"text\"".into(),
            "{}}".into(),
            "{\"a\":\u{0}}".into(),
            deep.clone(),
            format!("{{\"{first}\":{deep}}}"),
            format!("{{\"{first}\":{{\"a\":1}}}}"),
            format!("{{\"{first}\":1e999}}"),
        ];
        bad.extend(needed.iter().map(|field| {
            let mut body = good.clone();
            body.as_object_mut().unwrap().remove(*field);
            body.to_string()
        }));
        for body in bad {
            let shown: String = body.chars().take(60).collect();
            let answer = Answer::of(json(body)).await;
            assert_eq!((answer.status, &answer.raw["code"]), (400, &json!("INVALID_MESSAGE")), "{path}: {shown}");
        }
        let invalid_utf8 = request(&stage, method, &path).header("content-type", "application/json");
        Answer::of(invalid_utf8.body([format!("{{\"{first}\":\"").as_bytes(), b"\xff\"}"].concat()))
            .await
            .refused(400, "INVALID_MESSAGE");
        let other_type = request(&stage, method, &path).header("content-type", "text/plain").body(good.to_string());
        Answer::of(other_type).await.refused(400, "INVALID_MESSAGE");
        let no_type = request(&stage, method, &path).body(good.to_string());
        Answer::of(no_type).await.refused(400, "INVALID_MESSAGE");
        let zip = request(&stage, method, &path).header("content-encoding", "gzip").json(&good);
        let zip = Answer::of(zip).await;
        assert!((400..500).contains(&zip.status), "{path}: {zip:?}");
        stage.goes_on().await;
    }
}

#[rstest]
#[tokio::test]
async fn a_body_over_the_limit_is_refused_by_every_route_with_or_without_its_length(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let stage = Stage::new(engine).await;
    let big = json!({ "username": "x".repeat(300 * 1024) }).to_string();
    for (method, path, ..) in with_body(&stage) {
        let json = || request(&stage, method, &path).header("content-type", "application/json");
        let known = Answer::of(json().body(big.clone())).await;
        let chunks = big.as_bytes().chunks(64 * 1024).map(|c| Ok::<_, std::io::Error>(c.to_vec())).collect::<Vec<_>>();
        let streamed = Answer::of(json().body(reqwest::Body::wrap_stream(futures_util::stream::iter(chunks)))).await;
        for answer in [known, streamed] {
            assert_eq!((answer.status, &answer.raw["code"]), (413, &json!("PAYLOAD_TOO_LARGE")), "{path}: {answer:?}");
        }
        stage.goes_on().await;
    }
    let one = Answer::of(stage.alice.request("POST", "/api/rooms").json(&json!({ "name": big }))).await;
    assert_answer!(one, @r#"
    {
      "status": 413,
      "body": {
        "code": "PAYLOAD_TOO_LARGE",
        "detail": "the body is larger than 262144 bytes",
        "error": "the body is larger than 262144 bytes",
        "requestId": "[requestId]",
        "status": 413,
        "title": "Too large",
        "type": "about:blank"
      }
    }
    "#);
}

#[rstest]
#[tokio::test]
async fn an_id_that_is_none_names_nothing_on_every_route(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let stage = Stage::new(engine).await;
    let upper = stage.room.to_uppercase().replace('-', "");
    let long = "9".repeat(20_000);
    let odd = [
        "x",
        "0",
        "-1",
        "%00",
        "%ff",
        "%F0%9F%99%82",
        "null",
        "*",
        "a%20b",
        "%2e%2e%2f",
        upper.as_str(),
        long.as_str(),
    ];
    let routes = [
        ("GET", "/api/users/{}", "USER_NOT_FOUND"),
        ("GET", "/api/users/{}/status", "USER_NOT_FOUND"),
        ("PUT", "/api/contacts/{}", "USER_NOT_FOUND"),
        ("DELETE", "/api/contacts/{}", "USER_NOT_FOUND"),
        ("DELETE", "/api/contacts/requests/{}", "USER_NOT_FOUND"),
        ("PUT", "/api/blocks/{}", "USER_NOT_FOUND"),
        ("DELETE", "/api/blocks/{}", "USER_NOT_FOUND"),
        ("PUT", "/api/direct/{}", "USER_NOT_FOUND"),
        ("GET", "/api/rooms/{}", "ROOM_NOT_FOUND"),
        ("DELETE", "/api/rooms/{}", "ROOM_NOT_FOUND"),
        ("POST", "/api/rooms/{}/join", "ROOM_NOT_FOUND"),
        ("DELETE", "/api/rooms/{}/leave", "ROOM_NOT_FOUND"),
        ("GET", "/api/rooms/{}/members", "ROOM_NOT_FOUND"),
        ("DELETE", "/api/rooms/{}/members/x", "ROOM_NOT_FOUND"),
        ("GET", "/api/rooms/{}/bans", "ROOM_NOT_FOUND"),
        ("GET", "/api/rooms/{}/invites", "ROOM_NOT_FOUND"),
        ("DELETE", "/api/rooms/{}/invites/x", "ROOM_NOT_FOUND"),
        ("POST", "/api/invites/{}", "NOT_FOUND"),
        ("PUT", "/api/rooms/{}/bans/x", "ROOM_NOT_FOUND"),
        ("DELETE", "/api/rooms/{}/bans/x", "ROOM_NOT_FOUND"),
        ("GET", "/api/rooms/{}/messages", "ROOM_NOT_FOUND"),
        ("GET", "/api/rooms/{}/search?query=x", "ROOM_NOT_FOUND"),
        ("GET", "/api/rooms/{}/receipts", "ROOM_NOT_FOUND"),
        ("GET", "/api/messages/{}", "MESSAGE_NOT_FOUND"),
        ("DELETE", "/api/messages/{}", "MESSAGE_NOT_FOUND"),
        ("GET", "/api/messages/{}/replies", "MESSAGE_NOT_FOUND"),
        ("GET", "/api/messages/{}/delivery", "MESSAGE_NOT_FOUND"),
        ("PUT", "/api/messages/{}/reactions/x", "MESSAGE_NOT_FOUND"),
        ("DELETE", "/api/messages/{}/reactions/x", "MESSAGE_NOT_FOUND"),
        ("GET", "/api/registry/{}", "NOT_FOUND"),
        ("PUT", "/api/notifications/{}/read", "NOT_FOUND"),
    ];
    for (method, path, code) in routes {
        for id in odd {
            let answer = stage.alice.call(method, &path.replace("{}", id), None).await;
            assert_eq!((answer.status, &answer.raw["code"]), (404, &json!(code)), "{method} {path} {id}: {answer:?}");
        }
    }
    for id in odd {
        let room = format!("/api/rooms/{id}");
        stage.alice.put(format!("{room}/read"), json!({ "seq": 1 })).await.refused(404, "ROOM_NOT_FOUND");
        stage.alice.post(format!("{room}/messages"), json!({ "content": "x" })).await.refused(404, "ROOM_NOT_FOUND");
        let service = stage.server.bearer(Some(crate::support::API_KEY));
        service.get(format!("/notify/{id}")).await.refused(404, "NOT_FOUND");
    }
    stage.goes_on().await;
}

#[rstest]
#[tokio::test]
async fn without_a_valid_token_every_route_but_the_open_ones_answers_401(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let stage = Stage::new(engine).await;
    let (room, message, bob) = (&stage.room, &stage.message, &stage.bob);
    let mut routes: Vec<(&str, String, Option<Value>)> = with_body(&stage)
        .into_iter()
        .filter(|(_, path, ..)| !OPEN.contains(&path.as_str()))
        .map(|(method, path, body, _)| (method, path, Some(body)))
        .collect();
    routes.extend([
        ("POST", "/api/logout".into(), None),
        ("POST", "/api/email/verification".into(), None),
        ("GET", "/api/profile".into(), None),
        ("GET", "/api/users?query=a".into(), None),
        ("GET", format!("/api/users/{bob}"), None),
        ("GET", format!("/api/users/{bob}/status"), None),
        ("GET", "/api/contacts".into(), None),
        ("PUT", format!("/api/contacts/{bob}"), None),
        ("DELETE", format!("/api/contacts/{bob}"), None),
        ("GET", "/api/contacts/requests".into(), None),
        ("DELETE", format!("/api/contacts/requests/{bob}"), None),
        ("GET", "/api/blocks".into(), None),
        ("PUT", format!("/api/blocks/{bob}"), None),
        ("DELETE", format!("/api/blocks/{bob}"), None),
        ("GET", "/api/rooms".into(), None),
        ("GET", "/api/rooms/public".into(), None),
        ("GET", format!("/api/rooms/{room}"), None),
        ("DELETE", format!("/api/rooms/{room}"), None),
        ("POST", format!("/api/rooms/{room}/join"), None),
        ("DELETE", format!("/api/rooms/{room}/leave"), None),
        ("GET", format!("/api/rooms/{room}/members"), None),
        ("DELETE", format!("/api/rooms/{room}/members/{bob}"), None),
        ("GET", format!("/api/rooms/{room}/bans"), None),
        ("GET", format!("/api/rooms/{room}/invites"), None),
        ("DELETE", format!("/api/rooms/{room}/invites/x"), None),
        ("POST", "/api/invites/x".into(), None),
        ("PUT", format!("/api/rooms/{room}/bans/{bob}"), None),
        ("DELETE", format!("/api/rooms/{room}/bans/{bob}"), None),
        ("PUT", format!("/api/direct/{bob}"), None),
        ("GET", "/api/unread".into(), None),
        ("GET", format!("/api/rooms/{room}/messages"), None),
        ("GET", format!("/api/rooms/{room}/search?query=x"), None),
        ("GET", format!("/api/rooms/{room}/receipts"), None),
        ("GET", format!("/api/messages/{message}"), None),
        ("GET", format!("/api/messages/{message}/replies"), None),
        ("GET", format!("/api/messages/{message}/delivery"), None),
        ("PUT", format!("/api/messages/{message}/reactions/x"), None),
        ("DELETE", format!("/api/messages/{message}/reactions/x"), None),
        ("DELETE", format!("/api/messages/{message}"), None),
        ("GET", "/api/registry/chat".into(), None),
        ("GET", format!("/notify/{}", uuid::Uuid::now_v7()), None),
        ("GET", "/api/notifications".into(), None),
        ("PUT", "/api/notifications/read-all".into(), None),
        ("PUT", format!("/api/notifications/{}/read", uuid::Uuid::now_v7()), None),
    ]);
    let altered = format!("{}x", stage.alice.token);
    for (method, path, body) in routes {
        for token in [None, Some("garbage"), Some(altered.as_str())] {
            let answer = stage.server.bearer(token).call(method, &path, body.as_ref()).await;
            assert_eq!(
                (answer.status, &answer.raw["code"]),
                (401, &json!("UNAUTHORIZED")),
                "{method} {path} {token:?}"
            );
        }
    }
    // Nothing of it was done.
    stage.goes_on().await;
}

#[rstest]
#[tokio::test]
async fn an_unknown_path_and_a_wrong_method_are_told_apart(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let stage = Stage::new(engine).await;
    assert_answer!(stage.alice.get("/api/nothing").await, @r#"
    {
      "status": 404,
      "body": {
        "code": "NOT_FOUND",
        "detail": "there is no such path",
        "error": "there is no such path",
        "requestId": "[requestId]",
        "status": 404,
        "title": "Not found",
        "type": "about:blank"
      }
    }
    "#);
    assert_answer!(stage.alice.get("/api/login").await, @r#"
    {
      "status": 405,
      "body": {
        "code": "NOT_FOUND",
        "detail": "the path does not know this method",
        "error": "the path does not know this method",
        "requestId": "[requestId]",
        "status": 405,
        "title": "Method not allowed",
        "type": "about:blank"
      }
    }
    "#);
    for path in ["/api", "/api/", "/api/rooms/", "/api/rooms//join", "//", "/%00", "/health/x", "/.env", "/docs/none"] {
        stage.alice.get(path).await.refused(404, "NOT_FOUND");
    }
    for (method, path) in [
        ("DELETE", "/api/rooms"),
        ("PUT", "/api/rooms/x"),
        ("POST", "/health"),
        ("PUT", "/api/messages/x"),
        ("GET", "/notify"),
        ("POST", "/api/notifications"),
        ("TRACE", "/api/rooms"),
        ("OPTIONS", "/api/rooms"),
        ("BREW", "/api/rooms"),
        ("POST", "/openapi.json"),
        ("POST", "/docs/"),
    ] {
        let answer = stage.alice.call(method, path, None).await;
        assert_eq!(answer.status, 405, "{method} {path}: {answer:?}");
        let allowed: Vec<_> = answer.header("allow").unwrap().split(", ").collect();
        assert!(!allowed.is_empty() && !allowed.contains(&method), "{method} {path}: {allowed:?}");
    }
    stage.goes_on().await;
}

#[rstest]
#[tokio::test]
async fn texts_with_zero_bytes_and_very_long_ones_harm_nothing(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let stage = Stage::new(engine).await;
    for text in
        ["\u{0}".into(), "a\u{0}b".into(), "x".repeat(200_000), "\u{202e}🙂\u{fffd}".into(), "' OR 1=1 --".to_owned()]
    {
        for (method, path, good, needed) in with_body(&stage) {
            for field in needed.iter().filter(|field| good[**field].is_string() && **field != "content") {
                let mut body = good.clone();
                body[*field] = json!(text);
                if method == "POST" && path == "/api/rooms" && *field == "name" {
                    body["type"] = json!("private");
                }
                let answer = Answer::of(request(&stage, method, &path).json(&body)).await;
                assert!(answer.status < 500, "{path} {field}: {answer:?}");
            }
        }
    }
    let long = "x".repeat(60_000);
    for path in [
        format!("/api/users?query={long}"),
        format!("/api/users?query=a&cursor={long}"),
        format!("/api/rooms/public?query={long}"),
        format!("/api/rooms/public?cursor={long}"),
        format!("/api/notifications?cursor={long}"),
        "/api/notifications?cursor=%00".into(),
        "/api/notifications?limit=x".into(),
    ] {
        let answer = stage.alice.get(&path).await;
        assert!([400, 403].contains(&answer.status), "{answer:?}");
    }
    stage.goes_on().await;
}
