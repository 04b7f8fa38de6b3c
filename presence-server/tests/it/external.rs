//! A socket by another product's token ends with it, unless its client shows the next one.

use host_fixture::{AUDIENCE, Host, KeyServer};
use rstest::rstest;
use serde_json::json;
use shared::settings::{ExternalIssuer, KeysAt};

use crate::support::{Engine, TestServer};

#[rstest]
#[tokio::test]
async fn it_is_told_ahead_goes_on_with_the_next_token_and_ends_with_the_last(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let host = Host::new("https://id.example");
    let keys = KeyServer::start(&host.jwks());
    let server = TestServer::taking(
        engine,
        ExternalIssuer {
            issuer: host.issuer.clone(),
            audience: AUDIENCE.into(),
            keys: KeysAt::Url(keys.url().parse().unwrap()),
            username_claim: "preferred_username".into(),
        },
    )
    .await;
    let authenticate = |token: &str| json!({"type": "AUTHENTICATE", "payload": {"token": token}, "requestId": "1"});
    let mut socket = server.connect_raw("").await;
    socket.send(authenticate(&host.ending("ann", 30))).await;
    let first = socket.next().await;
    assert_eq!((&first["type"], &first["payload"]["username"]), (&json!("AUTH_SUCCESS"), &json!("ann")));
    assert_eq!(socket.next().await["type"], "TOKEN_EXPIRING");
    socket.send(authenticate(&host.token("bob"))).await;
    assert_eq!(socket.next().await["payload"]["code"], "FORBIDDEN");
    // Taken five seconds longer than it says.
    socket.send(authenticate(&host.ending("ann", -4))).await;
    assert_eq!(socket.next().await["type"], "AUTH_SUCCESS");
    assert_eq!(socket.next().await["type"], "TOKEN_EXPIRING");
    assert_eq!(socket.close_code().await, 4401);
}
