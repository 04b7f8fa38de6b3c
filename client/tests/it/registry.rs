//! A connection that is found through the registry outlives its instance.

use std::sync::Arc;

use client::{Chat, Error, Event};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{
    rest,
    support::{Server, next, options, within},
    tokens::Numbered,
};

/// Answers one question for an instance; gives the request's head.
async fn name_instance(registry: &TcpListener, server: &Server) -> String {
    rest::answer(registry, "200 OK", "", &json!({ "url": server.url(), "instance": "i", "load": 1 })).await.0
}

#[tokio::test]
async fn when_its_instance_is_gone_the_registry_is_asked_again_and_the_client_resumes_elsewhere() {
    let (registry, api) = rest::server().await;
    let (first, second) = (Server::start().await, Server::start().await);
    let script = async {
        let head = name_instance(&registry, &first).await;
        assert!(head.starts_with("get /api/registry/chat "), "{head}");
        assert!(head.contains("authorization: bearer secret"), "{head}");
        first.welcome().await
    };
    let (client, peer) = tokio::join!(within(Chat::connect_with(api, "secret", options())), script);
    let (chat, mut events) = client.unwrap();
    // The instance in use comes first: nobody is asked where it was to be found.
    peer.drop_tcp();
    let peer = first.welcome().await;
    drop(first);
    peer.drop_tcp();
    let script = async {
        name_instance(&registry, &second).await;
        let mut peer = second.welcome().await;
        peer.answer_ping().await;
        peer
    };
    let (pong, _peer) = tokio::join!(within(chat.ping()), within(script));
    pong.unwrap();
    let mut resumes = 0;
    while resumes < 2 {
        resumes += usize::from(matches!(next(&mut events).await, Event::Resumed { .. }));
    }
}

#[tokio::test]
async fn while_the_registry_cannot_be_asked_the_last_address_is_tried_again() {
    let (registry, api) = rest::server().await;
    let server = Server::start().await;
    let script = async {
        name_instance(&registry, &server).await;
        server.welcome().await
    };
    let (client, peer) = tokio::join!(within(Chat::connect_with(api, "secret", options())), script);
    let (chat, _events) = client.unwrap();
    drop(registry);
    peer.drop_tcp();
    // This attempt fails: now the registry would be asked.
    drop(server.accept_tcp().await);
    let script = async {
        let mut peer = server.welcome().await;
        peer.answer_ping().await;
        peer
    };
    let (pong, _peer) = tokio::join!(within(chat.ping()), within(script));
    pong.unwrap();
}

#[tokio::test]
async fn a_token_that_the_registry_refuses_is_renewed() {
    let (registry, api) = rest::server().await;
    let server = Server::start().await;
    let tokens = Arc::new(Numbered::default());
    let script = async {
        rest::answer(&registry, "401 Unauthorized", "", &Value::Null).await;
        let head = name_instance(&registry, &server).await;
        assert!(head.contains("authorization: bearer t1"), "{head}");
        server.welcome().await
    };
    let (client, peer) = tokio::join!(within(Chat::connect_with(api, tokens, options())), script);
    client.unwrap();
    assert_eq!(peer.token, "t1");
}

#[tokio::test]
async fn a_registry_without_an_instance_is_an_error_at_once() {
    let (registry, api) = rest::server().await;
    let problem = json!({ "status": 503, "detail": "none lives", "code": "UNAVAILABLE" });
    let script = rest::answer(&registry, "503 Service Unavailable", "", &problem);
    let (client, _) = tokio::join!(within(Chat::connect_with(api, "secret", options())), script);
    assert!(matches!(client.err(), Some(Error::Connect(client::Disconnect::Lost(why))) if why.contains("none lives")));
}
