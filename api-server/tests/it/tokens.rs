//! Tokens: rotation, replay, logging out, the public keys, and what is no valid token.

use futures_util::future::join_all;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, jwk::JwkSet};
use rstest::rstest;
use serde_json::{Value, json};
use shared::token::{SigningKey, access_claims};

use crate::support::{Answer, Caller, Engine, TestServer, assert_answer};

async fn refresh(caller: &Caller, token: &Value) -> Answer {
    caller.post("/api/token/refresh", json!({ "refreshToken": token })).await
}

#[rstest]
#[tokio::test]
async fn refreshing_gives_the_next_pair_and_replaying_a_used_token_ends_the_session(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let (alice, anyone) = (server.guest("alice").await, server.anyone());
    let first = json!(alice.refresh_token);
    let second = refresh(&anyone, &first).await;
    assert_answer!(second, @r#"
    {
      "status": 200,
      "body": {
        "expiresIn": 900,
        "refreshToken": "[refreshToken]",
        "token": "[token]",
        "user": {
          "createdAt": "[time]",
          "displayName": "alice",
          "guest": true,
          "id": "[id 1]",
          "lastSeenFor": "everyone",
          "status": "offline",
          "username": "alice"
        }
      }
    }
    "#);
    assert_ne!(second.raw["refreshToken"], first);
    server.bearer(second.raw["token"].as_str()).get("/api/profile").await.expect(200);

    let third = refresh(&anyone, &second.raw["refreshToken"]).await.expect(200).raw["refreshToken"].clone();
    assert_answer!(refresh(&anyone, &first).await, @r#"
    {
      "status": 401,
      "body": {
        "code": "UNAUTHORIZED",
        "detail": "the refresh token is not valid",
        "error": "the refresh token is not valid",
        "requestId": "[requestId]",
        "status": 401,
        "title": "Authentication is needed",
        "type": "about:blank"
      }
    }
    "#);
    refresh(&anyone, &third).await.refused(401, "UNAUTHORIZED");
}

#[rstest]
#[tokio::test]
async fn many_may_refresh_with_one_token_at_once_and_the_last_answer_is_good(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let (alice, anyone) = (server.guest("alice").await, server.anyone());
    let token = json!(alice.refresh_token);
    let answers = join_all((0..8).map(|_| refresh(&anyone, &token))).await;
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    let last = refresh(&anyone, &token).await.expect(200).raw["refreshToken"].clone();
    refresh(&anyone, &last).await.expect(200);
    alice.get("/api/profile").await.expect(200);
}

#[rstest]
#[tokio::test]
async fn a_refresh_whose_answer_was_lost_is_asked_again(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let (alice, anyone) = (server.guest("alice").await, server.anyone());
    let lost = refresh(&anyone, &json!(alice.refresh_token)).await.expect(200).raw["refreshToken"].clone();
    let next = refresh(&anyone, &json!(alice.refresh_token)).await.expect(200).raw["refreshToken"].clone();
    let last = refresh(&anyone, &next).await.expect(200).raw["refreshToken"].clone();
    // Who had the answer after all is one too many.
    refresh(&anyone, &lost).await.refused(401, "UNAUTHORIZED");
    refresh(&anyone, &last).await.refused(401, "UNAUTHORIZED");
}

#[rstest]
#[tokio::test]
async fn logging_out_ends_this_session_alone(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let alice = server.account("alice").await;
    let input = json!({ "username": "alice", "password": "correct horse" });
    let other = server.anyone().post("/api/login", input).await.expect(200).raw;
    let out = alice.call("POST", "/api/logout", None).await;
    assert_answer!(out, @r#"{"status": 204}"#);
    refresh(&server.anyone(), &json!(alice.refresh_token)).await.refused(401, "UNAUTHORIZED");
    refresh(&server.anyone(), &other["refreshToken"]).await.expect(200);
    alice.call("POST", "/api/logout", None).await.refused(401, "UNAUTHORIZED");
    server.bearer(other["token"].as_str()).get("/api/profile").await.expect(200);
}

#[rstest]
#[tokio::test]
async fn what_is_no_refresh_token_is_refused(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let alice = server.guest("alice").await;
    let family = alice.refresh_token.rsplit_once('.').unwrap().0.to_owned();
    let session = family.rsplit_once('.').unwrap().0;
    for bad in ["", ".", "a.b", &alice.token, "\u{0}.\u{0}", &"x".repeat(100_000), &uuid::Uuid::now_v7().to_string()] {
        refresh(&server.anyone(), &json!(bad)).await.refused(401, "UNAUTHORIZED");
    }
    refresh(&server.anyone(), &json!(alice.refresh_token)).await.expect(200);
    // Who knows no more than the ids, which stand in every access token, ends nothing.
    for guess in ["guess", "guess.guess", ".", &"x".repeat(43)] {
        refresh(&server.anyone(), &json!(format!("{session}.{guess}"))).await.refused(401, "UNAUTHORIZED");
    }
    alice.get("/api/profile").await.expect(200);
    // Who knows the family has had a token.
    refresh(&server.anyone(), &json!(format!("{family}.guess"))).await.refused(401, "UNAUTHORIZED");
    alice.get("/api/profile").await.refused(401, "UNAUTHORIZED");
}

#[rstest]
#[tokio::test]
async fn a_token_can_be_validated_from_the_published_keys_alone(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let alice = server.guest("alice").await;
    let published = server.anyone().get("/.well-known/jwks.json").await.expect(200).raw;
    let keys: JwkSet = serde_json::from_value(published).unwrap();
    let kid = jsonwebtoken::decode_header(&alice.token).unwrap().kid.unwrap();
    let key = DecodingKey::from_jwk(keys.find(&kid).unwrap()).unwrap();
    let mut rules = Validation::new(Algorithm::EdDSA);
    rules.set_audience(&["chatapp"]);
    rules.set_issuer(&["chatapp"]);
    let claims = jsonwebtoken::decode::<Value>(&alice.token, &key, &rules).unwrap().claims;
    assert_eq!(claims["sub"], alice.id);
    let lifetime = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
    assert_eq!(lifetime, 900);
}

#[tokio::test]
async fn a_token_of_one_api_server_is_accepted_by_another_over_the_same_redis() {
    let first = TestServer::start(Engine::Redis).await;
    let second = first.second().await;
    let (alice, bob) = (first.guest("alice").await, second.guest("bob").await);
    assert_eq!(second.bearer(Some(&alice.token)).get("/api/profile").await.expect(200).raw["id"], alice.id);
    assert_eq!(first.bearer(Some(&bob.token)).get("/api/profile").await.expect(200).raw["id"], bob.id);
    let keys = first.anyone().get("/.well-known/jwks.json").await.expect(200).raw;
    assert_eq!(keys["keys"].as_array().unwrap().len(), 2, "each signs with a key of its own: {keys}");
    let next = refresh(&second.anyone(), &json!(alice.refresh_token)).await.expect(200).raw["refreshToken"].clone();
    refresh(&first.anyone(), &next).await.expect(200);
    refresh(&first.anyone(), &json!(alice.refresh_token)).await.refused(401, "UNAUTHORIZED");
}

#[rstest]
#[tokio::test]
async fn an_expired_altered_or_foreign_token_is_refused(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let alice = server.guest("alice").await;
    let viewer = server.domain.identity.authenticate(&alice.token).await.unwrap();
    let foreign = SigningKey::generate().unwrap();
    let claims = access_claims(viewer.user, viewer.session().unwrap(), std::time::Duration::from_secs(60));
    let foreign_token = foreign.sign(&claims).unwrap();
    // Known to the store, as another instance's is, so that nothing but the claim is wrong.
    let ours = SigningKey::generate().unwrap();
    let hour = std::time::Duration::from_secs(3600);
    server.domain.store.signing_keys.publish_key(ours.public(), hour).await.unwrap();
    server.bearer(Some(&ours.sign(&claims).unwrap())).get("/api/profile").await.expect(200);
    let with = |change: fn(&mut shared::token::Claims)| {
        let mut claims = claims.clone();
        change(&mut claims);
        ours.sign(&claims).unwrap()
    };
    let expired = with(|claims| claims.exp -= 120);
    assert_answer!(server.bearer(Some(&expired)).get("/api/profile").await, @r#"
    {
      "status": 401,
      "body": {
        "code": "UNAUTHORIZED",
        "detail": "the token has expired",
        "error": "the token has expired",
        "requestId": "[requestId]",
        "status": 401,
        "title": "Authentication is needed",
        "type": "about:blank"
      }
    }
    "#);

    let [header, payload, signature] = alice.token.split('.').collect::<Vec<_>>().try_into().unwrap();
    for bad in [
        foreign_token,
        with(|claims| claims.nbf += 120),
        with(|claims| claims.aud = "other".into()),
        with(|claims| claims.iss = "other".into()),
        with(|claims| claims.sub = shared::UserId::new()),
        with(|claims| claims.sid = shared::SessionId::new()),
        "garbage".into(),
        "a.b.c".into(),
        "x".repeat(5000),
        format!("{header}.{payload}."),
        format!("{header}.{payload}.{}", signature.chars().rev().collect::<String>()),
        format!("{header}.{}.{signature}", payload.chars().rev().collect::<String>()),
        alice.refresh_token.clone(),
    ] {
        server.bearer(Some(&bad)).get("/api/profile").await.refused(401, "UNAUTHORIZED");
    }
    for header in ["", "Bearer", "Bearer ", "Basic YTpi", &format!("Token {}", alice.token), &alice.token] {
        let request = server.anyone().request("GET", "/api/profile").header("authorization", header);
        Answer::of(request).await.refused(401, "UNAUTHORIZED");
    }
    let lower =
        server.anyone().request("GET", "/api/profile").header("authorization", format!("bearer {}", alice.token));
    Answer::of(lower).await.expect(200);
}
