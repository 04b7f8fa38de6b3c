//! An orderly end: the sockets are told, the process ends with success, and soon.

use std::time::Duration;

use e2e::{Person, Signal, System, within};
use futures_util::{StreamExt, future::join_all};
use tokio::time::Instant;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest, http::header::SEC_WEBSOCKET_PROTOCOL},
};

use crate::support::SOON;

/// The promise.
const AT_MOST: Duration = Duration::from_secs(10);
/// Idle sockets on each service.
const SOCKETS: usize = 20;

type Socket = WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>;

/// A bare socket, which does nothing by itself when it is closed.
async fn socket(person: &Person, url: &str) -> Socket {
    let mut request = url.into_client_request().unwrap();
    let protocols = format!("chatapp.v1, bearer.{}", person.session.token);
    request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, protocols.parse().unwrap());
    let (mut socket, _) = connect_async(request).await.unwrap();
    let first = within("AUTH_SUCCESS", SOON, socket.next()).await.unwrap().unwrap().unwrap();
    assert!(first.to_text().unwrap().contains("AUTH_SUCCESS"), "{first}");
    socket
}

/// Reads a socket to its end: the types of its last frames, and its close code.
async fn read_to_end(mut socket: Socket) -> (Vec<String>, Option<u16>) {
    let mut types = Vec::new();
    while let Some(Ok(message)) = socket.next().await {
        match message {
            Message::Text(text) => {
                let frame: serde_json::Value = serde_json::from_str(&text).unwrap();
                types.push(frame["type"].as_str().unwrap().to_owned());
            }
            Message::Close(frame) => return (types, frame.map(|frame| frame.code.into())),
            _ => {}
        }
    }
    (types, None)
}

/// Opens sockets to the process, signals it, and looks at how it and they end.
async fn stops(system: &mut System, name: &str, urls: &[String], signal: Signal) {
    let alice = system.sign_up("alice").await.unwrap();
    let mut sockets = Vec::new();
    for url in urls {
        sockets.extend(join_all((0..SOCKETS).map(|_| socket(&alice, url))).await);
    }
    let begin = Instant::now();
    let readers = tokio::spawn(join_all(sockets.into_iter().map(read_to_end)));
    let exit = within("it stops", AT_MOST, system.stop(name, signal)).await.unwrap().unwrap();
    assert!(begin.elapsed() < AT_MOST);
    assert_eq!(exit.code, Some(0), "{}", exit.output);
    for (types, code) in readers.await.unwrap() {
        assert_eq!(code, Some(1012), "{types:?}");
        assert_eq!(types.last().map(String::as_str), Some("RECONNECT"), "{types:?}");
    }
}

#[tokio::test]
async fn sigterm_ends_the_embedded_process_with_1012_on_every_socket() {
    let mut system = System::embedded().await.unwrap();
    let urls = [format!("{}/chat", system.chat_url().unwrap()), format!("{}/presence", system.presence_url().unwrap())];
    stops(&mut system, "chatapp", &urls, Signal::Term).await;
}

#[tokio::test]
async fn ctrl_c_ends_the_embedded_process_with_1012_on_every_socket() {
    let mut system = System::embedded().await.unwrap();
    let urls = [format!("{}/chat", system.chat_url().unwrap()), format!("{}/presence", system.presence_url().unwrap())];
    stops(&mut system, "chatapp", &urls, Signal::Int).await;
}

#[tokio::test]
async fn sigterm_ends_a_chat_server_with_1012_on_every_socket() {
    let mut system = System::over_redis(1).await.unwrap();
    let urls = [format!("{}/chat", system.chat_url().unwrap())];
    stops(&mut system, "chat-0", &urls, Signal::Term).await;
}

#[tokio::test]
async fn sigterm_ends_the_other_services_too() {
    let mut system = System::over_redis(0).await.unwrap();
    let urls = [format!("{}/presence", system.presence_url().unwrap())];
    stops(&mut system, "presence-0", &urls, Signal::Term).await;
    for name in ["notification-0", "api-0"] {
        let exit = within("it stops", AT_MOST, system.sigterm(name)).await.unwrap().unwrap();
        assert_eq!(exit.code, Some(0), "{name}: {}", exit.output);
    }
}

#[tokio::test]
async fn sigterm_ends_every_service_while_redis_is_away() {
    let mut system = System::over_redis(1).await.unwrap();
    let alice = system.sign_up("alice").await.unwrap();
    let urls = [format!("{}/chat", system.chat_url().unwrap()), format!("{}/presence", system.presence_url().unwrap())];
    let sockets = join_all(urls.iter().map(|url| socket(&alice, url))).await;
    system.redis().unwrap().kill();
    assert!(alice.api.rooms(None).await.unwrap_err().is_temporary());
    // On each worker somebody waits for a connection that will not come, which one of them has begun.
    let api = alice.api.clone();
    let waiting = tokio::spawn(async move {
        loop {
            join_all((0..16).map(|_| api.rooms(None))).await;
        }
    });
    for name in ["api-0", "chat-0", "presence-0", "notification-0"] {
        let exit = within("it stops", AT_MOST, system.sigterm(name)).await.unwrap().unwrap();
        assert_eq!(exit.code, Some(0), "{name}: {}", exit.output);
        assert!(!exit.output.contains("panicked"), "{name}: {}", exit.output);
    }
    waiting.abort();
    for (types, code) in join_all(sockets.into_iter().map(read_to_end)).await {
        assert_eq!(code, Some(1012), "{types:?}");
    }
}
