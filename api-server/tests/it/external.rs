//! Another product's own tokens, wherever ours are taken: REST and both sockets.

use std::sync::LazyLock;

use futures_util::future::join_all;
use host_fixture::{AUDIENCE, Algorithm, Host, Key, KeyServer, hmac, merged, now};
use redis_fixture::{Append, Kind, Redis};
use rstest::rstest;
use serde_json::{Value, json};
use shared::{
    Settings,
    settings::{ExternalIssuer, KeysAt},
};

use crate::{
    jwt::{Places, Row, Signer, shown},
    support::{Engine, Person, TestServer},
};

/// Making RSA keys takes long.
static HOST: LazyLock<Host> = LazyLock::new(|| Host::new("https://id.example"));
static OTHER: LazyLock<Host> = LazyLock::new(|| Host::new("https://other.example"));

pub fn issuer(host: &Host, keys: KeysAt) -> ExternalIssuer {
    let (issuer, audience) = (host.issuer.clone(), AUDIENCE.to_owned());
    ExternalIssuer { issuer, audience, keys, username_claim: "preferred_username".into() }
}

pub fn at(server: &KeyServer) -> KeysAt {
    KeysAt::Url(server.url().parse().unwrap())
}

/// Takes the tokens of both products.
fn both<'a>(keys: &'a KeyServer, others: &'a KeyServer) -> impl FnOnce(&mut Settings) + 'a {
    |settings| settings.auth.external = vec![issuer(&HOST, at(keys)), issuer(&OTHER, at(others))]
}

fn servers() -> (KeyServer, KeyServer) {
    (KeyServer::start(&HOST.jwks()), KeyServer::start(&OTHER.jwks()))
}

#[rstest]
#[tokio::test]
async fn a_products_token_is_taken_wherever_ours_is(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let (keys, others) = servers();
    let places = Places::of(TestServer::with(engine, both(&keys, &others)).await).await;
    for kid in ["rs", "es", "ed"] {
        let token = HOST.sign(kid, json!({}), HOST.claims("ann"));
        places.answer(kid, &token, 200, "AUTH_SUCCESS").await;
    }
    let ann = places.server.bearer(Some(&HOST.token("ann")));
    let profile = ann.get("/api/profile").await.expect(200).raw;
    assert_eq!((&profile["username"], &profile["guest"]), (&json!("ann"), &Value::Null));
    let namesake = places.server.bearer(Some(&OTHER.token("ann"))).get("/api/profile").await.expect(200).raw;
    assert!(namesake["username"].as_str().unwrap().starts_with("ann-"), "{namesake}");
    assert_ne!(namesake["id"], profile["id"]);
    for url in &places.sockets {
        let ticket = ann.post("/api/ws-ticket", json!({})).await.expect(200).raw["ticket"].as_str().unwrap().to_owned();
        let open = format!("{url}?ticket={ticket}");
        assert_eq!(shown(&open, "nothing", "").await, "AUTH_SUCCESS");
        assert_eq!(shown(&open, "nothing", "").await, "UNAUTHORIZED", "once used");
    }
    // Each of the two processes that were asked has read each set once.
    assert_eq!((keys.requests(), others.requests()), (2, 1));
}

#[rstest]
#[tokio::test]
async fn what_is_a_products_is_the_products(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let (keys, others) = servers();
    let server = TestServer::with(engine, both(&keys, &others)).await;
    let ann = server.bearer(Some(&HOST.token("ann")));
    let passwords = json!({ "old": "correct horse", "new": "battery staple" });
    for answer in [
        ann.post("/api/password", passwords).await,
        ann.get("/api/sessions").await,
        ann.delete(format!("/api/sessions/{}", shared::SessionId::new())).await,
        ann.call("POST", "/api/logout", None).await,
    ] {
        let text = answer.refused(403, "FORBIDDEN").raw["detail"].to_string();
        assert!(text.contains("another product"), "{text}");
    }
    let login = json!({ "username": "ann", "password": "correct horse" });
    server.anyone().post("/api/login", login).await.refused(401, "UNAUTHORIZED");
    ann.patch("/api/profile", json!({ "displayName": "Ann of here" })).await.expect(200);
    let later = HOST.with("ann", json!({ "name": "Ann of there" }));
    let profile = server.bearer(Some(&later)).get("/api/profile").await.expect(200);
    assert_eq!(profile.raw["displayName"], "Ann of here");
}

/// What no signature can mend, and what is wrong with the signature.
fn table(ours: &Signer, person: &Person) -> Vec<Row> {
    let claims = HOST.claims("ann");
    let by = |kid: &str, header: Value, changes: Value| HOST.sign(kid, header, merged(claims.clone(), changes));
    let stranger = Key::new("ed", Algorithm::EdDSA);
    let strange = merged(HOST.header("ed"), json!({ "jwk": stranger.jwk() }));
    let modulus = HOST.key("rs").jwk()["n"].as_str().unwrap().to_owned();
    let hs = json!({ "alg": "HS256", "typ": "JWT", "kid": "rs" });
    let good = HOST.token("ann");
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let mut rows = vec![
        ("one product's key for another", OTHER.sign("ed", json!({}), claims.clone())),
        ("one product's RSA key for another", OTHER.sign("rs", json!({}), claims.clone())),
        ("one product's issuer by another's key", by("es", json!({}), json!({ "iss": OTHER.issuer }))),
        ("nobody's issuer", by("ed", json!({}), json!({ "iss": "https://evil.example" }))),
        ("issuers", by("ed", json!({}), json!({ "iss": [HOST.issuer] }))),
        ("our issuer", by("ed", json!({ "typ": "at+jwt" }), json!({ "iss": "chatapp", "aud": "chatapp" }))),
        (
            "our issuer, our kid",
            by("ed", json!({ "typ": "at+jwt", "kid": "A".repeat(22) }), json!({ "iss": "chatapp" })),
        ),
        ("ours with their issuer", ours.with(json!({}), json!({ "iss": HOST.issuer, "aud": AUDIENCE }))),
        ("ours with their kid", ours.with(json!({ "kid": "ed" }), json!({ "iss": HOST.issuer, "aud": AUDIENCE }))),
        ("HS256 with the public key", hmac(&hs, &claims, modulus.as_bytes())),
        ("HS256 with the key set", hmac(&hs, &claims, HOST.jwks().as_bytes())),
        ("RS256 that is HS256", hmac(&merged(hs.clone(), json!({ "alg": "RS256" })), &claims, modulus.as_bytes())),
        ("another algorithm", by("rs", json!({ "alg": "RS512" }), json!({}))),
        ("no algorithm", format!("{}.", by("ed", json!({ "alg": "none" }), json!({})).rsplit_once('.').unwrap().0)),
        ("one key, another's algorithm", by("es", json!({ "alg": "EdDSA" }), json!({}))),
        ("a stranger's key in the token", stranger.sign(&strange, &claims.to_string())),
        ("an unknown key", by("ed", json!({ "kid": "x" }), json!({}))),
        ("a kid that is a path", by("ed", json!({ "kid": "../../../etc/passwd" }), json!({}))),
        ("critical extensions", by("ed", json!({ "crit": ["exp"] }), json!({}))),
        ("a logout token", by("ed", json!({ "typ": "logout+jwt" }), json!({}))),
        ("a logout", by("ed", json!({}), json!({ "events": {} }))),
        ("another audience", by("ed", json!({}), json!({ "aud": "shop" }))),
        ("our audience", by("ed", json!({}), json!({ "aud": "chatapp" }))),
        ("no audience", by("ed", json!({}), json!({ "aud": null }))),
        ("expired", by("ed", json!({}), json!({ "exp": now() - 60 }))),
        ("no end", by("ed", json!({}), json!({ "exp": null }))),
        ("an end at 1e308", by("ed", json!({}), json!({ "exp": 1e308 }))),
        ("not yet", by("ed", json!({}), json!({ "nbf": now() + 600 }))),
        ("nobody", by("ed", json!({}), json!({ "sub": "" }))),
        ("a long subject", by("ed", json!({}), json!({ "sub": "x".repeat(256) }))),
        ("a long one", by("ed", json!({}), json!({ "x": "x".repeat(9000) }))),
        ("no signature", format!("{signed}.")),
        ("an altered signature", format!("{signed}.{}", signature.chars().rev().collect::<String>())),
    ];
    rows.push(("a refresh token", person.refresh_token.clone()));
    rows.into_iter().map(|(name, token)| (name.to_owned(), token)).collect()
}

#[rstest]
#[tokio::test]
async fn what_is_no_token_of_a_product_is_refused_wherever_it_is_shown(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let (keys, others) = servers();
    let places = Places::of(TestServer::with(engine, both(&keys, &others)).await).await;
    let bob = places.server.account("bob").await;
    let ours = Signer::of(&places.server, &bob).await;
    for (name, token) in table(&ours, &bob) {
        places.answer(&name, &token, 401, "UNAUTHORIZED").await;
    }
    // However many keys they made up: once each process, where it took less than ten seconds.
    assert!(keys.requests() <= 6 && others.requests() <= 6, "{} {}", keys.requests(), others.requests());
    assert_eq!(places.server.domain.store.users.count_users().await.unwrap(), 1, "nobody was made");
    places.answer("a good one", &HOST.token("ann"), 200, "AUTH_SUCCESS").await;
}

#[tokio::test]
async fn refusing_it_reads_nothing() {
    let (keys, others) = servers();
    let mut redis = Redis::start(Kind::Node, Append::Always);
    let places = Places::of(TestServer::over(&redis, both(&keys, &others)).await).await;
    let bob = places.server.account("bob").await;
    let ours = Signer::of(&places.server, &bob).await;
    places.answer("a good one", &HOST.token("ann"), 200, "AUTH_SUCCESS").await;
    redis.kill();
    for (name, token) in table(&ours, &bob) {
        // With a read it were UNAVAILABLE. A made-up key of ours is looked for: that is ours to do.
        if name != "our issuer, our kid" {
            places.answer(&name, &token, 401, "UNAUTHORIZED").await;
        }
    }
    places.answer("somebody new", &HOST.token("new"), 503, "UNAVAILABLE").await;
    redis.restart();
}

#[rstest]
#[tokio::test]
async fn of_many_first_requests_over_instances_one_user_is_made(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let (keys, others) = servers();
    let server = TestServer::with(engine, both(&keys, &others)).await;
    let second = match engine {
        Engine::Redis => Some(server.second().await),
        Engine::Embedded => None,
    };
    let asked = join_all((0..20).map(async |n| {
        let server = if n % 2 == 0 { &server } else { second.as_ref().unwrap_or(&server) };
        // Each says something else of the same user.
        let token = HOST.with("7", json!({ "preferred_username": format!("ann{}", n % 3), "jti": n }));
        server.bearer(Some(&token)).get("/api/profile").await.expect(200).raw["id"].clone()
    }))
    .await;
    assert!(asked.iter().all(|id| *id == asked[0]), "{asked:?}");
    assert_eq!(server.domain.store.users.count_users().await.unwrap(), 1);
}

#[tokio::test]
async fn while_a_products_keys_cannot_be_read_its_tokens_are_no_verdict_and_ours_go_on() {
    for (status, body) in [
        ("500 Internal Server Error", "{}".to_owned()),
        ("200 OK", "<html>".to_owned()),
        ("200 OK", json!({ "keys": vec![HOST.key("ed").jwk(); 10_000] }).to_string()),
        ("200 OK", "x".repeat(1 << 20)),
    ] {
        let keys = KeyServer::start("");
        keys.answer(status, "", &body);
        let others = KeyServer::start(&OTHER.jwks());
        let places = Places::of(TestServer::with(Engine::Embedded, both(&keys, &others)).await).await;
        places.answer(status, &HOST.token("ann"), 503, "UNAVAILABLE").await;
        places.answer("another product", &OTHER.token("ann"), 200, "AUTH_SUCCESS").await;
        let bob = places.server.account("bob").await;
        places.answer("ours", &bob.token, 200, "AUTH_SUCCESS").await;
        keys.answer("200 OK", "", &HOST.jwks());
        let ann = places.server.bearer(Some(&HOST.token("ann")));
        crate::support::until(async || (ann.get("/api/profile").await.status == 200).then_some(())).await;
    }
}

#[tokio::test]
async fn a_server_starts_while_a_product_is_away_and_reads_keys_from_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("keys.json");
    std::fs::write(&file, OTHER.jwks()).unwrap();
    let away = KeysAt::Url("http://127.0.0.1:1/keys".parse().unwrap());
    let issuers = vec![issuer(&HOST, away), issuer(&OTHER, KeysAt::File(file))];
    let server = TestServer::with(Engine::Embedded, |settings| settings.auth.external = issuers).await;
    server.bearer(Some(&HOST.token("ann"))).get("/api/profile").await.refused(503, "UNAVAILABLE");
    server.bearer(Some(&OTHER.token("ann"))).get("/api/profile").await.expect(200);
    server.anyone().get("/health").await.expect(200);
}
