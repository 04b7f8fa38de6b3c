//! REST over a server that answers what it is told.

use std::{sync::Arc, time::Duration};

use client::{Api, Error, ErrorCode, LoginTokens, TokenProvider, api::Session};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::support::within;

/// Answers one request and gives back the request's head and body.
pub async fn answer(listener: &TcpListener, status: &str, headers: &str, body: &Value) -> (String, Value) {
    let (mut stream, _) = within(listener.accept()).await.unwrap();
    let mut read = Vec::new();
    let head_end = loop {
        if let Some(at) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        assert_ne!(within(stream.read_buf(&mut read)).await.unwrap(), 0);
    };
    let head = String::from_utf8(read[..head_end].to_vec()).unwrap().to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
    while read.len() < head_end + length {
        assert_ne!(within(stream.read_buf(&mut read)).await.unwrap(), 0);
    }
    let text = body.to_string();
    let response =
        format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{text}", text.len());
    within(stream.write_all(response.as_bytes())).await.unwrap();
    (head, serde_json::from_slice(&read[head_end..]).unwrap_or_default())
}

/// A server for [`answer`], and its API.
pub async fn server() -> (TcpListener, Api) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let api = Api::new(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
    (listener, api)
}

fn session() -> Session {
    let id = "00000000-0000-7000-8000-000000000001";
    let user = json!({ "id": id, "username": "alice", "displayName": "A", "status": "offline", "createdAt": "2025-10-09T08:53:20.120Z" });
    let session = json!({ "user": user, "token": "old", "refreshToken": "r1", "expiresIn": 900 });
    serde_json::from_value(session).unwrap()
}

#[tokio::test]
async fn a_refusal_carries_code_detail_and_the_time_to_wait() {
    let (listener, api) = server().await;
    let api = api.with_token("secret");
    let problem = json!({ "status": 429, "title": "t", "detail": "slowly", "code": "RATE_LIMIT_EXCEEDED" });
    let (outcome, (head, _)) =
        tokio::join!(api.unread(), answer(&listener, "429 Too Many Requests", "retry-after: 7\r\n", &problem));
    assert!(head.starts_with("get /api/unread http/1.1"), "{head}");
    assert!(head.contains("authorization: bearer secret"), "{head}");
    match outcome {
        Err(Error::Api { code: ErrorCode::RateLimitExceeded, status: 429, detail, retry_after, .. }) => {
            assert_eq!((detail.as_str(), retry_after), ("slowly", Some(Duration::from_secs(7))));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_e_mail_address_logs_in_as_such() {
    let (listener, api) = server().await;
    let body = serde_json::to_value(session()).unwrap();
    let (login, (_, sent)) = tokio::join!(api.login("a@example.org", "pw"), answer(&listener, "200 OK", "", &body));
    assert_eq!(sent, json!({ "email": "a@example.org", "password": "pw" }));
    assert_eq!(login.unwrap().token, "old");
}

#[tokio::test]
async fn connections_that_share_a_login_refresh_it_once() {
    let (listener, api) = server().await;
    let tokens = Arc::new(LoginTokens::new(api, session()));
    let fresh = json!({ "token": "new", "refreshToken": "r2", "expiresIn": 900 });
    let both = async { tokio::join!(tokens.refresh("old"), tokens.refresh("old")) };
    let ((one, two), (_, sent)) = tokio::join!(within(both), answer(&listener, "200 OK", "", &fresh));
    assert_eq!(sent, json!({ "refreshToken": "r1" }));
    assert_eq!((one.unwrap().as_str(), two.unwrap().as_str()), ("new", "new"));
    assert_eq!(tokens.token().await.unwrap(), "new");
}

#[tokio::test]
async fn an_emoji_is_one_part_of_the_path() {
    let (listener, api) = server().await;
    let id = client::shared::MessageId { room: crate::support::room(), seq: 7 };
    for (add, method) in [(true, "put"), (false, "delete")] {
        let body = json!({ "messageId": id, "emoji": "👍 +/", "count": 2 });
        let (count, (head, _)) = tokio::join!(api.react(id, "👍 +/", add), answer(&listener, "200 OK", "", &body));
        assert_eq!(count.unwrap(), 2);
        let path = format!("{method} /api/messages/{id}/reactions/%f0%9f%91%8d%20%2b%2f http/1.1").to_lowercase();
        assert!(head.starts_with(&path), "{head}");
    }
}

#[tokio::test]
async fn a_search_names_what_and_where_and_says_how_to_go_on() {
    let (listener, api) = server().await;
    let room = crate::support::room();
    let body = json!({ "items": [], "nextBefore": 40 });
    let (page, (head, _)) =
        tokio::join!(api.search(room, "a b", Some(90), None), answer(&listener, "200 OK", "", &body));
    assert!(head.starts_with(&format!("get /api/rooms/{room}/search?before=90&query=a+b http/1.1")), "{head}");
    let page = page.unwrap();
    assert_eq!((page.items.len(), page.next_before), (0, Some(40)));
}

#[tokio::test]
async fn what_became_of_a_message_is_read() {
    let (listener, api) = server().await;
    let id = client::shared::MessageId { room: crate::support::room(), seq: 7 };
    let push = json!({ "channel": "webpush", "state": "delivered", "at": "2025-10-09T08:53:20.120Z" });
    let user = client::shared::UserId::new();
    let one =
        json!({ "userId": user, "username": "b", "stored": true, "delivered": true, "read": false, "push": push });
    let body = json!({ "items": [one], "nextCursor": "c" });
    let (page, (head, _)) = tokio::join!(api.delivery(id, None), answer(&listener, "200 OK", "", &body));
    assert!(head.contains("/delivery http/1.1"), "{head}");
    let page = page.unwrap();
    assert_eq!((page.items[0].read, page.next_cursor.as_deref()), (false, Some("c")));
    assert_eq!(page.items[0].push.as_ref().unwrap().state, "delivered");
}
