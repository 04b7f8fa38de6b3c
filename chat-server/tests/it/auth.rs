//! Who may open a socket, and how they say who they are.

use std::{cell::Cell, rc::Rc};

use domain::{accounts::DeleteAccount, admin::Admin};
use rstest::rstest;
use serde_json::{Value, json};
use store::SocketKind;

use crate::support::{Engine, User, World, assert_frame};

#[rstest]
#[tokio::test]
async fn a_token_in_the_header_the_query_the_subprotocol_or_the_first_frame_authenticates(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::start(engine).await;
    let alice = world.user("alice").await;
    let (url, token) = (world.url(0), &alice.token);

    let mut header = world.open(&url, &[("authorization", format!("Bearer {token}"))]).await;
    assert_frame!(header.frame().await, @r#"{"payload":{"heartbeatMs":30000,"resuming":false,"sessionId":"<session>","status":"online","userId":"<alice>","username":"alice"},"type":"AUTH_SUCCESS"}"#);
    let mut query = world.open(&format!("{url}?token={token}"), &[]).await;
    assert_eq!(query.next().await["type"], "AUTH_SUCCESS");
    let offer = format!("chatapp.v1, bearer.{token}");
    let mut protocol = world.open(&url, &[("sec-websocket-protocol", offer)]).await;
    assert_eq!(protocol.next().await["type"], "AUTH_SUCCESS");
    let mut frame = world.open(&url, &[]).await;
    assert_frame!(frame.reply("AUTHENTICATE", json!({"token": token})).await, @r#"{"payload":{"heartbeatMs":30000,"resuming":false,"sessionId":"<session>","status":"online","userId":"<alice>","username":"alice"},"requestId":"q1","type":"AUTH_SUCCESS"}"#);
}

#[rstest]
#[tokio::test]
async fn before_authentication_every_other_command_is_unauthorized_and_the_socket_stays(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::start(engine).await;
    let alice = world.user("alice").await;
    let mut client = world.open(&world.url(0), &[]).await;
    assert_frame!(client.reply("PING", json!({})).await, @r#"{"payload":{"code":"UNAUTHORIZED","message":"send AUTHENTICATE first"},"requestId":"q1","type":"ERROR"}"#);
    client.send("nonsense").await;
    assert_frame!(client.frame().await, @r#"{"payload":{"code":"INVALID_MESSAGE","message":"not a frame {\"type\", \"payload\", \"requestId?\"}: expected ident at line 1 column 2"},"type":"ERROR"}"#);
    let reply = client.ask("AUTHENTICATE", json!({"token": alice.token})).await;
    assert_eq!(reply["type"], "AUTH_SUCCESS");
    assert_frame!(client.reply("AUTHENTICATE", json!({"token": alice.token})).await, @r#"{"payload":{"code":"INVALID_MESSAGE","details":[{"field":"type","problem":"this socket is authenticated"}],"message":"type: this socket is authenticated"},"requestId":"q3","type":"ERROR"}"#);
}

#[rstest]
#[tokio::test]
async fn a_bad_token_is_told_so_and_closed_4401(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let world = World::start(engine).await;
    let mut query = world.open(&format!("{}?token=nonsense", world.url(0)), &[]).await;
    assert_frame!(query.frame().await, @r#"{"payload":{"code":"UNAUTHORIZED","message":"the token is not valid"},"type":"ERROR"}"#);
    assert_eq!(query.closed().await, 4401);
    let mut frame = world.open(&world.url(0), &[]).await;
    assert_eq!(frame.ask("AUTHENTICATE", json!({"token": "nonsense"})).await["payload"]["code"], "UNAUTHORIZED");
    assert_eq!(frame.closed().await, 4401);
    let mut ticket = world.open(&format!("{}?ticket=nonsense", world.url(0)), &[]).await;
    assert_eq!(ticket.next().await["payload"]["code"], "UNAUTHORIZED");
    assert_eq!(ticket.closed().await, 4401);
}

async fn ticket(world: &World, user: &User) -> String {
    let viewer = world.domain.identity.authenticate(&user.token).await.unwrap();
    world.domain.accounts.ws_ticket(&viewer).await.unwrap().ticket
}

/// What a socket with this ticket is told first.
async fn first_of(world: &World, ticket: &str) -> Value {
    world.open(&format!("{}?ticket={ticket}", world.url(0)), &[]).await.next().await
}

#[rstest]
#[tokio::test]
async fn a_ticket_opens_one_socket_of_all_that_race_for_it(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let world = World::start(engine).await;
    let alice = world.user("alice").await;
    let one = ticket(&world, &alice).await;
    let raced = futures_util::future::join_all((0..8).map(|_| first_of(&world, &one))).await;
    let opened: Vec<_> = raced.iter().filter(|first| first["type"] == "AUTH_SUCCESS").collect();
    assert_eq!(opened.len(), 1, "{raced:?}");
    assert_eq!(opened[0]["payload"]["userId"], json!(alice.id));
    let refused = first_of(&world, &one).await;
    assert_eq!(refused["payload"]["message"], "the ticket is not valid", "once used");
    let other = ticket(&world, &alice).await;
    assert_ne!(one, other);
    let mut held = world.open(&format!("{}?hold=1&ticket={other}", world.url(0)), &[]).await;
    assert_eq!(held.next().await["payload"]["resuming"], true);
}

#[rstest]
#[tokio::test]
async fn a_ticket_is_of_no_use_after_its_login_or_as_a_token(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::start(engine).await;
    let alice = world.user("alice").await;
    let (one, two) = (ticket(&world, &alice).await, ticket(&world, &alice).await);
    let bearer = [("authorization", format!("Bearer {one}"))];
    let protocol = [("sec-websocket-protocol", format!("chatapp.v1, bearer.{one}"))];
    let (url, query) = (world.url(0), format!("{}?token={one}", world.url(0)));
    for (url, headers) in [(&url, &bearer[..]), (&url, &protocol[..]), (&query, &[][..])] {
        let mut client = world.open(url, headers).await;
        assert_eq!(client.next().await["payload"]["message"], "the token is not valid");
        assert_eq!(client.closed().await, 4401);
    }
    let mut client = world.open(&url, &[]).await;
    assert_eq!(client.ask("AUTHENTICATE", json!({"token": one})).await["payload"]["code"], "UNAUTHORIZED");
    for bad in ["x", "x".repeat(43).as_str(), &"x".repeat(5000), &alice.token, &format!("{one}x")] {
        assert_eq!(first_of(&world, bad).await["payload"]["message"], "the ticket is not valid");
    }
    assert_eq!(first_of(&world, &one).await["type"], "AUTH_SUCCESS", "none of this used it up");
    let viewer = world.domain.identity.authenticate(&alice.token).await.unwrap();
    world.domain.accounts.log_out(&viewer).await.unwrap();
    assert_eq!(first_of(&world, &two).await["payload"]["message"], "the session has ended");
}

#[rstest]
#[tokio::test]
async fn who_says_nothing_is_closed_4401(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let world = World::with(engine, |s| s.limits.authenticate_seconds = 1).await;
    let mut client = world.open(&world.url(0), &[]).await;
    assert_eq!(client.closed().await, 4401);
}

#[rstest]
#[tokio::test]
async fn ending_a_session_closes_its_sockets_and_keeps_it_from_coming_back(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let mut world = World::start(engine).await;
    let second = world.add_node().await;
    let alice = world.user("alice").await;
    let bob = world.user("bob").await;
    let mut clients = [world.connect(&alice).await, world.connect_to(second, &alice).await];
    let mut other = world.connect(&bob).await;
    let viewer = world.domain.identity.authenticate(&alice.token).await.unwrap();
    world.domain.accounts.log_out(&viewer).await.unwrap();
    for client in &mut clients {
        assert_eq!(client.closed().await, 4401);
    }
    let mut again = world.open(&format!("{}?token={}", world.url(0), alice.token), &[]).await;
    assert_frame!(again.frame().await, @r#"{"payload":{"code":"UNAUTHORIZED","message":"the session has ended"},"type":"ERROR"}"#);
    assert_eq!(again.closed().await, 4401);
    other.quiet().await;
}

#[rstest]
#[tokio::test]
async fn deleting_an_account_closes_its_sockets_for_good_and_its_rooms_lose_it(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let mut world = World::start(engine).await;
    let second = world.add_node().await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let unused = ticket(&world, &alice).await;
    world.room_of("Tea", &[&alice, &bob]).await;
    let mut clients = [world.connect(&alice).await, world.connect_to(second, &alice).await];
    let mut other = world.connect(&bob).await;
    let viewer = world.domain.identity.authenticate(&alice.token).await.unwrap();
    world.domain.accounts.delete(&viewer, DeleteAccount::default()).await.unwrap();
    for client in &mut clients {
        assert_eq!(client.closed().await, 4503);
    }
    for credential in [format!("token={}", alice.token), format!("ticket={unused}")] {
        let mut again = world.open(&format!("{}?{credential}", world.url(0)), &[]).await;
        assert_frame!(again.frame().await, @r#"{"payload":{"code":"UNAUTHORIZED","message":"the account is gone"},"type":"ERROR"}"#);
        assert_eq!(again.closed().await, 4503);
    }
    let left = other.next().await;
    assert_eq!((&left["type"], &left["payload"]["username"]), (&json!("USER_LEFT"), &json!("deleted user")));
    let passed_on = other.next().await;
    assert_eq!((&passed_on["type"], &passed_on["payload"]["userId"]), (&json!("MEMBER_UPDATED"), &json!(bob.id)));
    other.quiet().await;
}

#[rstest]
#[tokio::test]
async fn a_foreign_page_gets_403_and_a_plain_request_400_as_problems(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::with(engine, |s| s.http.allowed_origins = vec!["https://app.example".into()]).await;
    let url = world.url(0).replace("ws://", "http://");
    let handshake = [
        ("Origin", "https://evil.example"),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "x3JJHMbDL1EzLkh9GBhXDw=="),
        ("X-Request-Id", "7f2c1c1e-5d7d-4a6e-9b1a-0a2b3c4d5e6f"),
    ];
    let asked = |url: &str| handshake.iter().fold(reqwest::Client::new().get(url), |r, (k, v)| r.header(*k, *v)).send();
    for (url, status, code) in [(url.clone(), 403, "FORBIDDEN"), (url.replace("/chat", "/nothing"), 404, "NOT_FOUND")] {
        let answer = asked(&url).await.unwrap();
        assert_eq!(answer.status(), status);
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        let problem: serde_json::Value = answer.json().await.unwrap();
        assert_eq!((&problem["code"], &problem["requestId"]), (&code.into(), &handshake[5].1.into()));
    }
    let plain = reqwest::get(&url).await.unwrap();
    assert_eq!(plain.status(), 400);
    assert_eq!(plain.headers()["content-type"], "application/problem+json");
}

#[rstest]
#[tokio::test]
async fn a_connection_makes_its_user_online_until_it_ends(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let world = World::start(engine).await;
    let alice = world.user("alice").await;
    let client = world.connect(&alice).await;
    let devices = || async { world.domain.presence.own(alice.id).await.unwrap().devices };
    assert_eq!(devices().await, Some(1));
    let second = world.connect(&alice).await;
    assert_eq!(devices().await, Some(2));
    drop(client);
    while devices().await != Some(1) {
        tokio::task::yield_now().await;
    }
    drop(second);
    let state = || async { world.domain.store.presence.presence(&[alice.id]).await.unwrap().remove(0) };
    while !state().await.devices.is_empty() {
        tokio::task::yield_now().await;
    }
    assert!(state().await.last_seen.is_some());
}

/// As one that is given up while it authenticates.
#[rstest]
#[tokio::test]
async fn a_connection_that_comes_to_no_orderly_end_leaves_presence_too(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let sockets: &'static web::Sockets = Box::leak(Box::new(web::Sockets::new("test")));
    let world = World::start(engine).await;
    let alice = world.user("alice").await;
    let viewer = world.domain.identity.authenticate(&alice.token).await.unwrap();
    let presence = &world.domain.presence;
    let devices = || async { presence.own(alice.id).await.unwrap().devices };
    let left = Rc::new(Cell::new(0));
    for dropped in [false, true] {
        let counted = left.clone();
        let mut announced = sockets.announce(presence, &viewer, 7, move || counted.set(counted.get() + 1));
        presence.connected(&viewer, 7, SocketKind::Chat).await.unwrap();
        assert_eq!((devices().await, sockets.count()), (Some(1), 1));
        if !dropped {
            announced.end().await;
            assert_eq!(devices().await, Some(0));
        }
        drop(announced);
        while devices().await != Some(0) {
            tokio::task::yield_now().await;
        }
        assert_eq!(sockets.count(), 0);
    }
    assert_eq!(left.get(), 2, "each once");
}

#[rstest]
#[tokio::test]
async fn a_ban_closes_the_sockets_of_its_user_on_every_instance_and_none_opens(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let mut world = World::start(engine).await;
    let second = world.add_node().await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let unused = ticket(&world, &alice).await;
    world.room_of("Tea", &[&alice, &bob]).await;
    let mut clients = [world.connect(&alice).await, world.connect_to(second, &alice).await];
    let mut other = world.connect(&bob).await;
    let operator = Admin::new(world.domain.store.clone());
    operator.ban(&alice.id.to_string()).await.unwrap();
    for client in &mut clients {
        assert_eq!(client.closed().await, 4503);
    }
    for credential in [format!("token={}", alice.token), format!("ticket={unused}")] {
        let mut again = world.open(&format!("{}?{credential}", world.url(0)), &[]).await;
        assert_frame!(again.frame().await, @r#"{"payload":{"code":"FORBIDDEN","message":"the account is banned"},"type":"ERROR"}"#);
        assert_eq!(again.closed().await, 4503);
    }
    // They stay a member: a ban can be lifted.
    other.quiet().await;
}
