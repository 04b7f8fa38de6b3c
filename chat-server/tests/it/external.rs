//! A socket by another product's token ends with it, unless its client shows the next one.

use std::sync::LazyLock;

use host_fixture::{AUDIENCE, Host, KeyServer};
use rstest::rstest;
use serde_json::json;
use shared::settings::{ExternalIssuer, KeysAt};

use crate::support::{Client, Engine, World};

static HOST: LazyLock<Host> = LazyLock::new(|| Host::new("https://id.example"));

async fn world(engine: Engine) -> World {
    let keys = KeyServer::start(&HOST.jwks());
    let external = ExternalIssuer {
        issuer: HOST.issuer.clone(),
        audience: AUDIENCE.into(),
        keys: KeysAt::Url(keys.url().parse().unwrap()),
        username_claim: "preferred_username".into(),
    };
    World::with(engine, |settings| settings.auth.external = vec![external]).await
}

async fn connect(world: &World, token: &str) -> Client {
    let mut client = world.open(&format!("{}?token={token}", world.url(0)), &[]).await;
    let first = client.next().await;
    assert_eq!((&first["type"], &first["payload"]["username"]), (&json!("AUTH_SUCCESS"), &json!("ann")), "{first}");
    assert!(first["payload"].get("sessionId").is_none(), "{first}");
    client
}

/// A token is taken five seconds longer than it says.
const LEEWAY: i64 = 5;

#[rstest]
#[tokio::test]
async fn it_is_told_a_minute_ahead_and_closed_at_the_end(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let world = world(engine).await;
    let mut long = connect(&world, &HOST.token("ann")).await;
    long.quiet().await;
    let mut client = connect(&world, &HOST.ending("ann", 1 - LEEWAY)).await;
    let told = client.next().await;
    assert_eq!(told["type"], "TOKEN_EXPIRING");
    assert!((1..=1000).contains(&told["payload"]["inMs"].as_u64().unwrap()), "{told}");
    assert_eq!(client.closed().await, 4401);
    long.quiet().await;
}

#[rstest]
#[tokio::test]
async fn the_next_token_of_the_same_user_keeps_it_open(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let world = world(engine).await;
    let mut client = connect(&world, &HOST.ending("ann", 2 - LEEWAY)).await;
    assert_eq!(client.next().await["type"], "TOKEN_EXPIRING");
    for (bad, code) in
        [(HOST.token("bob"), "FORBIDDEN"), (HOST.ending("ann", -60), "UNAUTHORIZED"), ("x".into(), "UNAUTHORIZED")]
    {
        let reply = client.ask("AUTHENTICATE", json!({"token": bad})).await;
        assert_eq!((&reply["type"], &reply["payload"]["code"]), (&json!("ERROR"), &json!(code)), "{reply}");
    }
    let renewed = client.ask("AUTHENTICATE", json!({"token": HOST.token("ann")})).await;
    assert_eq!((&renewed["type"], &renewed["payload"]["resuming"]), (&json!("AUTH_SUCCESS"), &json!(false)));
    // Another that is not renewed shows that the time of both has come.
    let mut other = connect(&world, &HOST.ending("ann", 3 - LEEWAY)).await;
    assert_eq!(other.next().await["type"], "TOKEN_EXPIRING");
    assert_eq!(other.closed().await, 4401);
    client.quiet().await;
    let short = client.ask("AUTHENTICATE", json!({"token": HOST.ending("ann", 1 - LEEWAY)})).await;
    assert_eq!(short["type"], "AUTH_SUCCESS");
    assert_eq!(client.next().await["type"], "TOKEN_EXPIRING");
    assert_eq!(client.closed().await, 4401, "the last one counts");
}

#[tokio::test]
async fn a_held_connection_goes_on_being_held_and_a_session_needs_no_token() {
    let world = world(Engine::Embedded).await;
    let mut held = world.open(&format!("{}?hold=1&token={}", world.url(0), HOST.token("ann")), &[]).await;
    assert_eq!(held.next().await["payload"]["resuming"], true);
    let renewed = held.ask("AUTHENTICATE", json!({"token": HOST.token("ann")})).await;
    assert_eq!((&renewed["type"], &renewed["payload"]["resuming"]), (&json!("AUTH_SUCCESS"), &json!(true)));
    let bob = world.user("bob").await;
    let mut ours = world.connect(&bob).await;
    let reply = ours.ask("AUTHENTICATE", json!({"token": HOST.token("ann")})).await;
    assert_eq!(reply["payload"]["code"], "INVALID_MESSAGE");
    ours.quiet().await;
}
