//! Tokens that are refused.

use std::sync::Arc;

use client::{Chat, Disconnect, Error, ErrorCode, Event, Result, TokenProvider};
use parking_lot::Mutex;
use serde_json::json;
use tokio::io::AsyncWriteExt;

use crate::support::{Server, connected, next, options, within};

/// Gives `t0`, after a refusal `t1`, and so on; remembers what was refused.
#[derive(Default)]
pub struct Numbered(Mutex<Vec<String>>);

impl Numbered {
    fn current(&self) -> Result<String> {
        Ok(format!("t{}", self.0.lock().len()))
    }
}

type Answer<'a> = std::pin::Pin<Box<dyn Future<Output = Result<String>> + Send + 'a>>;

impl TokenProvider for Numbered {
    fn token(&self) -> Answer<'_> {
        Box::pin(async { self.current() })
    }
    fn refresh<'a>(&'a self, refused: &'a str) -> Answer<'a> {
        Box::pin(async move {
            self.0.lock().push(refused.to_owned());
            self.current()
        })
    }
}

#[tokio::test]
async fn after_4401_the_client_comes_back_with_a_fresh_token() {
    let server = Server::start().await;
    let url = server.url();
    let tokens = Arc::new(Numbered::default());
    let (peer, client) = tokio::join!(server.welcome(), Chat::connect_with(&url, tokens.clone(), options()));
    let (chat, _events) = client.unwrap();
    assert_eq!(peer.token, "t0");
    let script = async {
        peer.close(4401).await;
        let mut peer = server.welcome().await;
        assert_eq!(peer.token, "t1");
        peer.answer_ping().await;
        peer
    };
    let (pong, _peer) = tokio::join!(within(chat.ping()), within(script));
    pong.unwrap();
    assert_eq!(*tokens.0.lock(), ["t0"]);
}

#[tokio::test]
async fn a_token_that_is_about_to_end_is_followed_by_the_next_on_the_same_connection() {
    let server = Server::start().await;
    let url = server.url();
    let tokens = Arc::new(Numbered::default());
    let (mut peer, client) = tokio::join!(server.welcome(), Chat::connect_with(&url, tokens.clone(), options()));
    let (chat, _events) = client.unwrap();
    for n in 1..=2 {
        peer.say(json!({ "type": "TOKEN_EXPIRING", "payload": { "inMs": 60_000 } })).await;
        let asked = peer.expect("AUTHENTICATE").await;
        assert_eq!(asked["payload"]["token"], format!("t{n}"));
        peer.say(json!({ "type": "ERROR", "payload": { "code": "FORBIDDEN", "message": "" }, "requestId": asked["requestId"] })).await;
    }
    let (pong, ()) = tokio::join!(within(chat.ping()), peer.answer_ping());
    pong.unwrap();
    // What was shown last is what is refused.
    let script = async {
        peer.close(4401).await;
        let mut peer = server.welcome().await;
        assert_eq!(peer.token, "t3");
        peer.answer_ping().await;
        peer
    };
    let (pong, _peer) = tokio::join!(within(chat.ping()), within(script));
    pong.unwrap();
    assert_eq!(*tokens.0.lock(), ["t0", "t1", "t2"]);
}

/// As [`Numbered`], but its first refresh meets a server that is busy.
struct Busy(Numbered, std::sync::atomic::AtomicBool);

impl TokenProvider for Busy {
    fn token(&self) -> Answer<'_> {
        self.0.token()
    }
    fn refresh<'a>(&'a self, refused: &'a str) -> Answer<'a> {
        if self.1.swap(false, std::sync::atomic::Ordering::Relaxed) {
            let (code, detail, details) = (ErrorCode::Unavailable, String::new(), Vec::new());
            let busy = Error::Api { code, status: 503, detail, retry_after: None, details };
            return Box::pin(std::future::ready(Err(busy)));
        }
        self.0.refresh(refused)
    }
}

#[tokio::test]
async fn a_refresh_that_fails_for_the_moment_is_tried_again() {
    let server = Server::start().await;
    let url = server.url();
    let tokens = Busy(Numbered::default(), true.into());
    let (peer, client) = tokio::join!(server.welcome(), Chat::connect_with(&url, tokens, options()));
    let (chat, _events) = client.unwrap();
    let script = async {
        peer.close(4401).await;
        let mut peer = server.welcome().await;
        assert_eq!(peer.token, "t1");
        peer.answer_ping().await;
        peer
    };
    let (pong, _peer) = tokio::join!(within(chat.ping()), within(script));
    pong.unwrap();
}

#[tokio::test]
async fn an_upgrade_refused_with_401_is_repeated_with_a_fresh_token() {
    let server = Server::start().await;
    let url = server.url();
    let tokens = Arc::new(Numbered::default());
    let script = async {
        let mut stream = server.accept_tcp().await;
        stream.write_all(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        let peer = server.welcome().await;
        assert_eq!(peer.token, "t1");
        (stream, peer)
    };
    let (client, _peer) = tokio::join!(within(Chat::connect_with(&url, tokens, options())), within(script));
    client.unwrap();
}

#[tokio::test]
async fn a_server_that_refuses_every_token_is_not_asked_for_ever() {
    let server = Server::start().await;
    let url = server.url();
    let tokens = Arc::new(Numbered::default());
    let script = async {
        for n in 0..3 {
            let peer = server.welcome().await;
            assert_eq!(peer.token, format!("t{n}"));
            peer.close(4401).await;
        }
    };
    let story = async {
        let (_chat, mut events) = Chat::connect_with(&url, tokens, options()).await.unwrap();
        let mut connections = 0;
        loop {
            match next(&mut events).await {
                Event::Connected(_) => connections += 1,
                Event::Closed(reason) => break (connections, reason),
                _ => {}
            }
        }
    };
    let ((connections, reason), ()) = tokio::join!(within(story), within(script));
    assert_eq!(connections, 3);
    assert!(matches!(reason, Disconnect::Closed { code: 4401, .. }), "{reason:?}");
}

#[tokio::test]
async fn a_fixed_token_that_is_refused_is_the_end() {
    let (_server, peer, chat, mut events) = connected().await;
    peer.close(4401).await;
    assert!(matches!(next(&mut events).await, Event::Disconnected { .. }));
    assert!(matches!(next(&mut events).await, Event::Closed(Disconnect::Token(_))));
    assert!(matches!(within(chat.ping()).await, Err(Error::Closed(_))));
}
