//! The routes: what goes in, what comes out, who may.

use rstest::rstest;
use serde_json::{Value, json};
use shared::{UserId, token};

use crate::{
    push::pushing,
    support::{API_KEY, Engine, Person, World, assert_answer},
};
use notification_server::channel::Channels;

#[rstest]
#[actix_web::test]
async fn a_notification_comes_into_the_inbox_and_its_state_says_so(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::new(engine).await;
    let (alice, bob) = (world.person("alice").await, world.person("bob").await);
    let mut arrivals = world.watch(&alice).await;
    let server = world.serve().await;
    let answer = server
        .notify(json!({
            "userIds": [alice.id, bob.id, alice.id], "title": "Your order", "body": "It is on its way.",
            "data": { "order": 7 }, "category": "orders",
        }))
        .await;
    assert_answer!(answer, @r#"
    {
      "status": 202,
      "body": {
        "id": "[id 1]",
        "status": "queued"
      }
    }
    "#);
    assert_eq!(arrivals.next().await.title, "Your order");
    assert_answer!(server.done(answer.raw["id"].as_str().unwrap()).await, @r#"
    {
      "status": 200,
      "body": {
        "id": "[id 1]",
        "recipients": [
          {
            "channels": [
              {
                "at": "[time]",
                "attempts": 1,
                "channel": "inbox",
                "state": "delivered"
              }
            ],
            "done": true,
            "userId": "[id 2]"
          },
          {
            "channels": [
              {
                "at": "[time]",
                "attempts": 1,
                "channel": "inbox",
                "state": "delivered"
              }
            ],
            "done": true,
            "userId": "[id 3]"
          }
        ]
      }
    }
    "#);
    assert_answer!(server.get("/api/notifications", &alice).await, @r#"
    {
      "status": 200,
      "body": {
        "items": [
          {
            "body": "It is on its way.",
            "category": "orders",
            "createdAt": "[time]",
            "data": {
              "order": 7
            },
            "id": "[id 1]",
            "title": "Your order"
          }
        ],
        "unread": 1
      }
    }
    "#);
    server.stop().await;
}

#[rstest]
#[actix_web::test]
async fn an_unknown_user_is_not_found_and_nobody_is_notified(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::new(engine).await;
    let alice = world.person("alice").await;
    let mut arrivals = world.watch(&alice).await;
    let server = world.serve().await;
    let request = |users: Vec<UserId>, title| json!({ "userIds": users, "title": title, "body": "" });
    assert_answer!(server.notify(request(vec![alice.id, UserId::new()], "first")).await, @r#"
    {
      "status": 404,
      "body": {
        "code": "USER_NOT_FOUND",
        "detail": "there is no such user",
        "error": "there is no such user",
        "requestId": "[id 1]",
        "status": 404,
        "title": "No such user",
        "type": "about:blank"
      }
    }
    "#);
    assert_eq!(server.notify(request(vec![alice.id], "second")).await.status, 202);
    assert_eq!(arrivals.next().await.title, "second", "what was refused did not come before");
    server.stop().await;
}

#[actix_web::test]
async fn bad_input_is_told_field_by_field() {
    let world = World::new(Engine::Embedded).await;
    let alice = world.person("alice").await;
    let server = world.serve().await;
    let with = |change: Value| {
        let mut body = json!({ "userId": alice.id, "title": "t", "body": "b" });
        for (key, value) in change.as_object().unwrap() {
            body[key] = value.clone();
        }
        body
    };
    let cases = [
        ("nobody", with(json!({ "userId": null }))),
        ("both", with(json!({ "userIds": [alice.id] }))),
        ("an empty list", with(json!({ "userId": null, "userIds": [] }))),
        ("too many", with(json!({ "userId": null, "userIds": (0..1001).map(|_| UserId::new()).collect::<Vec<_>>() }))),
        ("not an id", with(json!({ "userId": "bob" }))),
        ("no title", json!({ "userId": alice.id, "body": "b" })),
        ("a blank title", with(json!({ "title": "  " }))),
        ("a long title", with(json!({ "title": "x".repeat(201) }))),
        ("a long body", with(json!({ "body": "x".repeat(2001) }))),
        ("much data", with(json!({ "data": "x".repeat(5000) }))),
        ("no such channel", with(json!({ "channels": ["pigeon"] }))),
        ("no channel", with(json!({ "channels": [] }))),
        ("a ttl of 0", with(json!({ "ttl": 0 }))),
        ("a ttl of a year", with(json!({ "ttl": 31_536_000 }))),
        ("a long collapse key", with(json!({ "collapseKey": "x".repeat(65) }))),
        ("several at once", with(json!({ "title": "", "ttl": 0 }))),
        ("not an object", json!([1])),
    ];
    let mut told = Vec::new();
    for (case, body) in cases {
        let answer = server.notify(body).await;
        told.push(format!("{case}: {} {}", answer.status, answer.body["details"]));
    }
    assert_answer!(told, @r#"
    [
      "nobody: 400 [{\"field\":\"userId\",\"problem\":\"give either userId or userIds\"}]",
      "both: 400 [{\"field\":\"userId\",\"problem\":\"give either userId or userIds\"}]",
      "an empty list: 400 [{\"field\":\"userIds\",\"problem\":\"name 1 to 1000 users\"}]",
      "too many: 400 [{\"field\":\"userIds\",\"problem\":\"name 1 to 1000 users\"}]",
      "not an id: 400 [{\"field\":\"body\",\"problem\":\"Json deserialize error: not a valid user id at line 1 column 38\"}]",
      "no title: 400 [{\"field\":\"body\",\"problem\":\"Json deserialize error: missing field `title` at line 1 column 60\"}]",
      "a blank title: 400 [{\"field\":\"title\",\"problem\":\"must not be blank\"}]",
      "a long title: 400 [{\"field\":\"title\",\"problem\":\"use 1 to 200 characters\"}]",
      "a long body: 400 [{\"field\":\"body\",\"problem\":\"use up to 2000 characters\"}]",
      "much data: 400 [{\"field\":\"data\",\"problem\":\"use up to 4096 bytes\"}]",
      "no such channel: 400 [{\"field\":\"channels\",\"problem\":\"use some of inbox, email, webpush, fcm, apns, webhook\"}]",
      "no channel: 400 [{\"field\":\"channels\",\"problem\":\"use some of inbox, email, webpush, fcm, apns, webhook\"}]",
      "a ttl of 0: 400 [{\"field\":\"ttl\",\"problem\":\"use 1 to 2419200 s\"}]",
      "a ttl of a year: 400 [{\"field\":\"ttl\",\"problem\":\"use 1 to 2419200 s\"}]",
      "a long collapse key: 400 [{\"field\":\"collapseKey\",\"problem\":\"use 1 to 64 characters\"}]",
      "several at once: 400 [{\"field\":\"title\",\"problem\":\"use 1 to 200 characters\"},{\"field\":\"title\",\"problem\":\"must not be blank\"},{\"field\":\"ttl\",\"problem\":\"use 1 to 2419200 s\"}]",
      "not an object: 400 [{\"field\":\"body\",\"problem\":\"Json deserialize error: invalid type: integer `1`, expected a user id at line 1 column 2\"}]"
    ]
    "#);
    assert_answer!(server.notify(with(json!({ "title": "" }))).await, @r#"
    {
      "status": 400,
      "body": {
        "code": "INVALID_MESSAGE",
        "detail": "title: use 1 to 200 characters; title: must not be blank",
        "details": [
          {
            "field": "title",
            "problem": "use 1 to 200 characters"
          },
          {
            "field": "title",
            "problem": "must not be blank"
          }
        ],
        "error": "title: use 1 to 200 characters; title: must not be blank",
        "requestId": "[id 1]",
        "status": 400,
        "title": "Invalid input",
        "type": "about:blank"
      }
    }
    "#);
    let huge = server.notify(with(json!({ "body": "x".repeat(300_000) }))).await;
    assert_eq!((huge.status, &huge.body["code"]), (413, &json!("PAYLOAD_TOO_LARGE")));
    for path in ["/api/notifications?limit=-1", "/api/notifications?cursor=x"] {
        let answer = server.get(path, &alice).await;
        assert_eq!((answer.status, &answer.body["code"]), (400, &json!("INVALID_MESSAGE")), "{path}");
    }
    server.stop().await;
}

#[actix_web::test]
async fn what_is_not_there_is_not_found() {
    let world = World::new(Engine::Embedded).await;
    let alice = world.person("alice").await;
    let server = world.serve().await;
    let id = UserId::new();
    assert_answer!(server.state(id).await, @r#"
    {
      "status": 404,
      "body": {
        "code": "NOT_FOUND",
        "detail": "there is no such notification",
        "error": "there is no such notification",
        "requestId": "[id 1]",
        "status": 404,
        "title": "Not found",
        "type": "about:blank"
      }
    }
    "#);
    assert_answer!(server.put(&format!("/api/notifications/{id}/read"), &alice).await, @r#"
    {
      "status": 404,
      "body": {
        "code": "NOT_FOUND",
        "detail": "there is no such notification in your inbox",
        "error": "there is no such notification in your inbox",
        "requestId": "[id 1]",
        "status": 404,
        "title": "Not found",
        "type": "about:blank"
      }
    }
    "#);
    assert_eq!(server.state("no-id").await.status, 404);
    server.stop().await;
}

#[rstest]
#[actix_web::test]
async fn who_may_do_what(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let world = World::new(engine).await;
    let alice = world.person("alice").await;
    let scoped = token_of_scope(&world, &alice, "read notify").await;
    let other_scope = token_of_scope(&world, &alice, "notify-not").await;
    let server = world.serve().await;
    let body = || json!({ "userId": alice.id, "title": "t", "body": "" });
    let id = server.notify(body()).await.raw["id"].as_str().unwrap().to_owned();
    let callers = [
        ("a key", Some(API_KEY)),
        ("the other key", Some("another-key-0123456789")),
        ("a token of the scope", Some(scoped.as_str())),
        ("a user's token", Some(alice.token.as_str())),
        ("another scope", Some(other_scope.as_str())),
        ("half a key", Some(&API_KEY[..16])),
        ("a broken token", Some(&alice.token[..40])),
        ("nobody", None),
    ];
    let state = format!("/notify/{id}");
    let routes = [
        ("POST", "/notify", Some(body())),
        ("GET", state.as_str(), None),
        ("GET", "/api/notifications", None),
        ("PUT", "/api/notifications/read-all", None),
    ];
    let mut table = Vec::new();
    for (who, bearer) in callers {
        let mut row = Vec::new();
        for (method, path, body) in &routes {
            row.push(server.request(method, path, bearer, body.clone()).await.status.to_string());
        }
        table.push(format!("{who}: {}", row.join(" ")));
    }
    assert_answer!(table, @r#"
    [
      "a key: 202 200 401 401",
      "the other key: 202 200 401 401",
      "a token of the scope: 202 200 200 200",
      "a user's token: 403 403 200 200",
      "another scope: 403 403 200 200",
      "half a key: 401 401 401 401",
      "a broken token: 401 401 401 401",
      "nobody: 401 401 401 401"
    ]
    "#);
    assert_answer!(server.request("POST", "/notify", None, Some(body())).await, @r#"
    {
      "status": 401,
      "body": {
        "code": "UNAUTHORIZED",
        "detail": "send Authorization: Bearer <key or token>",
        "error": "send Authorization: Bearer <key or token>",
        "requestId": "[id 1]",
        "status": 401,
        "title": "Authentication is needed",
        "type": "about:blank"
      }
    }
    "#);
    assert_answer!(server.request("POST", "/notify", Some(&alice.token), Some(body())).await, @r#"
    {
      "status": 403,
      "body": {
        "code": "FORBIDDEN",
        "detail": "the token is not of scope notify",
        "error": "the token is not of scope notify",
        "requestId": "[id 1]",
        "status": 403,
        "title": "Not allowed",
        "type": "about:blank"
      }
    }
    "#);
    server.stop().await;
}

/// A token that an operator's tool would sign: its key is in the store.
async fn token_of_scope(world: &World, person: &Person, scope: &str) -> String {
    let (key, minute) = (token::SigningKey::generate().unwrap(), std::time::Duration::from_secs(60));
    world.domain.store.signing_keys.publish_key(key.public(), minute).await.unwrap();
    let claims = token::access_claims(person.id, person.viewer.session().unwrap(), minute);
    key.sign(&token::Claims { scope: Some(scope.into()), ..claims }).unwrap()
}

#[actix_web::test]
async fn the_description_lists_every_route() {
    let server = World::new(Engine::Embedded).await.serve().await;
    let api = server.request("GET", "/openapi.json", None, None).await.raw;
    let routes: Vec<String> = api["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| item.as_object().unwrap().keys().map(move |method| format!("{method} {path}")))
        .collect();
    assert_answer!(routes, @r#"
    [
      "get /api/notifications",
      "put /api/notifications/read-all",
      "get /api/notifications/settings",
      "put /api/notifications/settings",
      "get /api/notifications/unsubscribe",
      "post /api/notifications/unsubscribe",
      "put /api/notifications/{id}/read",
      "delete /api/push/subscriptions",
      "get /api/push/subscriptions",
      "post /api/push/subscriptions",
      "get /api/push/vapid-key",
      "get /health",
      "get /metrics",
      "post /notify",
      "get /notify/{id}",
      "get /ready"
    ]
    "#);
    let body = &api["paths"]["/notify"]["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"];
    assert_eq!(body, "#/components/schemas/NotifyRequest");
    let required = &api["components"]["schemas"]["NotifyRequest"]["required"];
    assert_eq!(required, &json!(["title", "body"]));
    server.stop().await;
}

#[actix_web::test]
async fn what_is_done_is_counted() {
    let world = World::new(Engine::Embedded).await;
    let alice = world.person("alice").await;
    let server = world.serve().await;
    let answer = server.notify(json!({ "userId": alice.id, "title": "t", "body": "" })).await;
    server.done(answer.raw["id"].as_str().unwrap()).await;
    server.counted(r#"chatapp_notification_attempts_total{channel="inbox",outcome="delivered"}"#).await;
    server.counted("chatapp_outbox_claims_total").await;
    server.stop().await;
}

#[actix_web::test]
async fn every_channel_can_be_named_by_a_request() {
    let world = World::with(Engine::Embedded, pushing).await;
    let channels = Channels::new(&world.domain).unwrap();
    for channel in &channels.all {
        assert!(domain::notifications::CHANNELS.contains(&channel.name()), "{}", channel.name());
    }
    assert_eq!(channels.all.len(), 4, "all but those that need keys of the operator's");
}
