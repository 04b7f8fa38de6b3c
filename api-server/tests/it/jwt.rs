//! RFC 8725 as a table: what is no valid access token is refused wherever one can be shown, and without a read.

use std::time::Duration;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::{SinkExt, StreamExt};
use host_fixture::merged;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use redis_fixture::{Append, Kind, Redis};
use rstest::rstest;
use serde_json::{Value, json};
use shared::{
    Timestamp,
    token::{Kid, PublicKey},
};
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Message, client::IntoClientRequest},
};

use crate::support::{Engine, Person, TestServer};

/// A signer whose key is in the store, as another instance's is, and which signs whatever it is given.
pub struct Signer {
    pair: Ed25519KeyPair,
    kid: String,
    claims: Value,
}

impl Signer {
    /// Its claims are those of a token of this person's, so that nothing is wrong but what a case changes.
    pub async fn of(server: &TestServer, person: &Person) -> Self {
        let viewer = server.domain.identity.identify(&person.token).await.unwrap();
        let (now, kid) = (Timestamp::now().as_secs(), "A".repeat(22));
        let claims = json!({
            "iss": "chatapp", "aud": "chatapp", "sub": viewer.user, "sid": viewer.session().unwrap(), "iat": now, "nbf": now,
            "exp": now + 600
        });
        let pair = Ed25519KeyPair::generate().unwrap();
        let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        let key = PublicKey { kid: Kid::parse(&kid).unwrap(), x };
        server.domain.store.signing_keys.publish_key(&key, Duration::from_secs(600)).await.unwrap();
        Self { pair, kid, claims }
    }

    fn header(&self) -> Value {
        json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": self.kid })
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        self.sign_text(header, &claims.to_string())
    }

    fn sign_text(&self, header: &Value, claims: &str) -> String {
        let text = [header.to_string(), claims.to_owned()].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
        let signature = self.pair.sign(text.as_bytes());
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// With these fields in place of the right ones; null takes one out.
    pub fn with(&self, header: Value, claims: Value) -> String {
        self.sign(&merged(self.header(), header), &merged(self.claims.clone(), claims))
    }

    /// By an HMAC whose secret is what everybody may know.
    fn hmac(&self, secret: &[u8]) -> String {
        let mut header = Header::new(Algorithm::HS256);
        (header.typ, header.kid) = (Some("at+jwt".into()), Some(self.kid.clone()));
        jsonwebtoken::encode(&header, &self.claims, &EncodingKey::from_secret(secret)).unwrap()
    }
}

/// A case's name, and its token.
pub type Row = (String, String);

/// What no signature can mend, and what is wrong with the signature.
fn table(signer: &Signer, person: &Person) -> Vec<Row> {
    [algorithms(signer), claims(signer), headers(signer), signatures(signer), others(signer, person)].concat()
}

fn algorithms(signer: &Signer) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for alg in ["none", "None", "nOnE", "NONE", "HS256", "RS256", "ES256", "EdDSA ", "eddsa"] {
        let token = signer.with(json!({ "alg": alg }), json!({}));
        let unsigned = format!("{}.", token.rsplit_once('.').unwrap().0);
        rows.extend([(format!("alg {alg}"), token), (format!("alg {alg} without a signature"), unsigned)]);
    }
    let public = signer.pair.public_key();
    rows.push(("HS256 with the public key".into(), signer.hmac(public.as_ref())));
    let published = URL_SAFE_NO_PAD.encode(public.as_ref());
    rows.push(("HS256 with the public key as it is published".into(), signer.hmac(published.as_bytes())));
    rows
}

fn claims(signer: &Signer) -> Vec<Row> {
    let now = Timestamp::now().as_secs();
    let fields = [
        ("another issuer", json!({ "iss": "other" })),
        ("no issuer", json!({ "iss": null })),
        ("issuers", json!({ "iss": ["other"] })),
        ("another audience", json!({ "aud": "other" })),
        ("no audience", json!({ "aud": null })),
        ("expired", json!({ "exp": now - 60 })),
        ("no end", json!({ "exp": null })),
        ("an end before all time", json!({ "exp": -1 })),
        ("an end as a text", json!({ "exp": (now + 600).to_string() })),
        ("an end as a list", json!({ "exp": [now + 600] })),
        ("an end at 1e308", json!({ "exp": 1e308 })),
        ("not yet", json!({ "nbf": now + 600 })),
        ("no beginning", json!({ "nbf": null })),
        ("a beginning as a text", json!({ "nbf": now.to_string() })),
        ("a beginning at 1e308", json!({ "nbf": 1e308 })),
        ("nobody", json!({ "sub": null })),
        ("who is no user", json!({ "sub": "../admin" })),
        ("no session", json!({ "sid": null })),
        ("what is no session", json!({ "sid": "x" })),
        ("a session as a number", json!({ "sid": 1 })),
    ];
    let mut rows: Vec<Row> =
        fields.map(|(name, fields)| (name.to_owned(), signer.with(json!({}), fields))).into_iter().collect();
    let end = signer.claims["exp"].to_string();
    let overflowing = signer.claims.to_string().replace(&end, "6e999");
    for (name, text) in [("an end that overflows", overflowing.as_str()), ("a list", "[]"), ("no JSON", "{")] {
        rows.push((name.into(), signer.sign_text(&signer.header(), text)));
    }
    rows
}

fn headers(signer: &Signer) -> Vec<Row> {
    let fields = [
        ("no kid", json!({ "kid": null })),
        ("an empty kid", json!({ "kid": "" })),
        ("a kid that is a path", json!({ "kid": "../../../etc/passwd" })),
        ("a kid with a command", json!({ "kid": "x\r\nGET jwk:AAAAAAAAAAAA" })),
        ("a kid that is a number", json!({ "kid": 1 })),
        ("a long kid", json!({ "kid": "A".repeat(3000) })),
        ("critical extensions", json!({ "crit": ["exp"] })),
        ("no critical extensions", json!({ "crit": [] })),
        ("no type", json!({ "typ": null })),
        ("the type of any JWT", json!({ "typ": "JWT" })),
        ("the type of a refresh token", json!({ "typ": "rt+jwt" })),
    ];
    fields.map(|(name, fields)| (name.to_owned(), signer.with(fields, json!({})))).into_iter().collect()
}

fn signatures(signer: &Signer) -> Vec<Row> {
    let good = signer.with(json!({}), json!({}));
    let [header, payload, signature] = good.split('.').collect::<Vec<_>>().try_into().unwrap();
    let other = signer.with(json!({}), json!({ "scope": "notify" }));
    let other_payload = other.split('.').nth(1).unwrap();
    let pair = Ed25519KeyPair::generate().unwrap();
    let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
    let stranger = Signer { pair, kid: signer.kid.clone(), claims: signer.claims.clone() };
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": signer.kid, "x": x });
    let rows = [
        ("no signature", format!("{header}.{payload}.")),
        ("two parts", format!("{header}.{payload}")),
        ("four parts", format!("{good}.{signature}")),
        ("an altered signature", format!("{header}.{payload}.{}", signature.chars().rev().collect::<String>())),
        ("a short signature", format!("{header}.{payload}.{}", &signature[..40])),
        ("another's signature", format!("{header}.{other_payload}.{signature}")),
        ("a stranger's signature", stranger.with(json!({}), json!({}))),
        ("a stranger's key in the token", stranger.with(json!({ "jwk": jwk }), json!({}))),
        ("a long one", format!("{header}.{}.{signature}", "A".repeat(5_000))),
    ];
    rows.map(|(name, token)| (name.to_owned(), token)).into_iter().collect()
}

/// What was given for something else, and what is nothing.
fn others(signer: &Signer, person: &Person) -> Vec<Row> {
    let odd = ["x", ".", "..", "...", "null", "undefined", "a.b.c", signer.kid.as_str()];
    let mut rows: Vec<Row> = odd.map(|odd| (odd.to_owned(), odd.to_owned())).into_iter().collect();
    rows.push(("a refresh token".into(), person.refresh_token.clone()));
    rows.push(("a ticket".into(), "A".repeat(43)));
    rows.push(("a very long one".into(), "A".repeat(50_000)));
    rows
}

/// Ways to show a token to a socket.
pub const WAYS: [&str; 4] = ["header", "subprotocol", "query", "first frame"];

/// The code of what a socket says first to a token shown in this way, and how it is closed where that is not as usual.
pub async fn shown(url: &str, way: &str, token: &str) -> String {
    let query = format!("{url}?token={token}");
    let mut request = if way == "query" { query.as_str() } else { url }.into_client_request().unwrap();
    match way {
        "header" => drop(request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap())),
        "subprotocol" => {
            let offer = format!("chatapp.v1, bearer.{token}").parse().unwrap();
            request.headers_mut().insert("sec-websocket-protocol", offer);
        }
        _ => {}
    }
    let (mut socket, _) = connect_async(request).await.unwrap();
    if way == "first frame" {
        let frame = json!({ "type": "AUTHENTICATE", "payload": { "token": token } });
        socket.send(Message::text(frame.to_string())).await.unwrap();
    }
    let first =
        tokio::time::timeout(Duration::from_secs(20), socket.next()).await.expect("an answer").unwrap().unwrap();
    let first: Value = serde_json::from_str(first.to_text().unwrap()).unwrap();
    let closed = tokio::time::timeout(Duration::from_secs(20), socket.next());
    match first["payload"]["code"].as_str() {
        Some(code) => {
            let Some(Ok(Message::Close(Some(close)))) = closed.await.unwrap() else { panic!("{way}: not closed") };
            match (code, u16::from(close.code)) {
                ("UNAUTHORIZED", 4401) | ("UNAVAILABLE", 1012) => code.to_owned(),
                (code, closed) => format!("{code} {closed}"),
            }
        }
        None => first["type"].as_str().unwrap().to_owned(),
    }
}

/// Where tokens are taken.
pub struct Places {
    pub server: TestServer,
    pub sockets: [String; 2],
}

impl Places {
    pub async fn of(mut server: TestServer) -> Self {
        let sockets = [server.add_chat_server().await, server.add_presence_server().await];
        Self { server, sockets }
    }

    /// The token is answered so, over REST and in every way at both sockets.
    pub async fn answer(&self, name: &str, token: &str, rest: u16, socket: &str) {
        let answer = self.server.bearer(Some(token)).get("/api/profile").await;
        assert_eq!(answer.status, rest, "{name}: {}", answer.raw);
        for url in &self.sockets {
            for way in WAYS {
                // Half a header is as much as a request may have, and a URL must be one.
                if token.len() > 10_000 && way != "first frame" || token.contains([' ', '\r']) {
                    continue;
                }
                assert_eq!(shown(url, way, token).await, socket, "{name}: {way} {url}");
            }
        }
    }
}

#[rstest]
#[tokio::test]
async fn what_is_no_access_token_is_refused_wherever_it_is_shown(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let places = Places::of(TestServer::start(engine).await).await;
    let alice = places.server.account("alice").await;
    let signer = Signer::of(&places.server, &alice).await;
    places.answer("a good one", &signer.with(json!({}), json!({})), 200, "AUTH_SUCCESS").await;
    for (name, token) in table(&signer, &alice) {
        places.answer(&name, &token, 401, "UNAUTHORIZED").await;
    }
    // These are right, but for whom they name.
    let gone = places.server.account("gone").await;
    let ended = gone.token.clone();
    gone.call("POST", "/api/logout", None).await.expect(204);
    let nobody = json!({ "sub": shared::UserId::new() });
    let no_session = json!({ "sid": shared::SessionId::new() });
    for (name, token) in [
        ("an unknown key", signer.with(json!({ "kid": "B".repeat(22) }), json!({}))),
        ("an unknown session", signer.with(json!({}), no_session)),
        ("a session that ended", ended),
    ] {
        places.answer(name, &token, 401, "UNAUTHORIZED").await;
    }
    // Nobody need come back with it.
    places.answer("an unknown user", &signer.with(json!({}), nobody), 401, "UNAUTHORIZED 4503").await;
}

#[tokio::test]
async fn refusing_it_reads_nothing() {
    let mut redis = Redis::start(Kind::Node, Append::Always);
    let places = Places::of(TestServer::over(&redis, |_| {}).await).await;
    let alice = places.server.account("alice").await;
    let signer = Signer::of(&places.server, &alice).await;
    let good = signer.with(json!({}), json!({}));
    places.answer("a good one", &good, 200, "AUTH_SUCCESS").await;
    redis.kill();
    for (name, token) in table(&signer, &alice) {
        // With a read it were UNAVAILABLE.
        places.answer(&name, &token, 401, "UNAUTHORIZED").await;
    }
    redis.restart();
}

#[rstest]
#[tokio::test]
async fn keys_that_a_token_brings_or_points_at_are_not_looked_at(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let places = Places::of(TestServer::start(engine).await).await;
    let alice = places.server.account("alice").await;
    let signer = Signer::of(&places.server, &alice).await;
    let elsewhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let url = format!("http://{}/keys", elsewhere.local_addr().unwrap());
    for pointer in [json!({ "jku": url }), json!({ "x5u": url })] {
        places.answer("ours, with a pointer", &signer.with(pointer.clone(), json!({})), 200, "AUTH_SUCCESS").await;
        let kid = json!({ "kid": "C".repeat(22) });
        places.answer("a pointer", &signer.with(merged(pointer, kid), json!({})), 401, "UNAUTHORIZED").await;
    }
    assert!(elsewhere.accept().is_err(), "nobody came");
}

#[tokio::test]
async fn a_token_of_a_mebibyte_is_refused_before_it_is_all_there() {
    let places = Places::of(TestServer::start(Engine::Embedded).await).await;
    let token = "A".repeat(1 << 20);
    // HTTP's own limit comes first.
    let answer = places.server.anyone().request("GET", "/api/profile").bearer_auth(&token).send().await;
    assert!(answer.is_err() || answer.is_ok_and(|answer| answer.status().is_client_error()));
    for url in &places.sockets {
        let (mut socket, _) = connect_async(url).await.unwrap();
        let frame = json!({ "type": "AUTHENTICATE", "payload": { "token": token } });
        // The server may have closed before all of it was sent.
        let _ = socket.send(Message::text(frame.to_string())).await;
        match socket.next().await {
            Some(Ok(Message::Close(Some(close)))) => assert_eq!(u16::from(close.code), 1009),
            Some(Err(_)) => {}
            other => panic!("{other:?}"),
        }
        let query = connect_async(format!("{url}?token={token}")).await;
        assert!(query.is_err(), "no handshake");
    }
    places.server.anyone().get("/health").await.expect(200);
}
