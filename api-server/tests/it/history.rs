//! Pages of history, in all their forms, and what of it a member may see.

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{Engine, TestServer, assert_answer};

#[rstest]
#[tokio::test]
async fn history_is_read_page_by_page_in_both_directions(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let (alice, bob, room) = server.room().await;
    let empty = bob.get(format!("/api/rooms/{room}/messages")).await;
    assert_answer!(empty, @r#"{"status": 200, "body": {"hasMore": false, "items": [], "position": {"eventId": "[eventId]", "rev": 2}}}"#);
    for n in 1..=7 {
        alice.send(&room, &n.to_string()).await;
    }
    assert_answer!(bob.get(format!("/api/rooms/{room}/messages?limit=1")).await, @r#"
    {
      "status": 200,
      "body": {
        "hasMore": true,
        "items": [
          {
            "content": "7",
            "id": "[id 1]",
            "roomId": "[id 2]",
            "seq": 7,
            "timestamp": "[time]",
            "type": "text",
            "userId": "[id 3]",
            "username": "alice"
          }
        ],
        "position": {
          "eventId": "[eventId]",
          "rev": 9
        }
      }
    }
    "#);
    let page = async |query: &str| {
        let page = bob.get(format!("/api/rooms/{room}/messages{query}")).await.expect(200);
        (page.items("seq"), page.raw["hasMore"].as_bool().unwrap())
    };
    for (query, seqs, more) in [
        ("", json!([7, 6, 5, 4, 3, 2, 1]), false),
        ("?limit=3", json!([7, 6, 5]), true),
        ("?limit=3&before=5", json!([4, 3, 2]), true),
        ("?limit=3&before=4", json!([3, 2, 1]), false),
        ("?before=1", json!([]), false),
        ("?before=0", json!([]), false),
        ("?limit=2&before=18446744073709551615", json!([7, 6]), true),
        ("?limit=3&after=0", json!([1, 2, 3]), true),
        ("?limit=3&after=4", json!([5, 6, 7]), false),
        ("?after=7", json!([]), false),
        ("?after=18446744073709551615", json!([]), false),
    ] {
        assert_eq!(page(query).await, (seqs, more), "{query}");
    }
    let (around, _) = page("?limit=3&around=4").await;
    assert_eq!(around, json!([5, 4, 3]));
    for query in ["?around=0", "?around=18446744073709551615"] {
        page(query).await;
    }
}

#[rstest]
#[tokio::test]
async fn a_page_that_cannot_be_is_refused(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let (alice, _, room) = server.room().await;
    for bad in [
        "limit=0",
        "limit=201",
        "limit=-1",
        "limit=x",
        "limit=99999999999999999999",
        "before=x",
        "before=-1",
        "after=1.5",
        "around=%00",
        "before=18446744073709551616",
        "before=1&after=1",
        "before=1&around=1",
        "limit=1&limit=2",
    ] {
        alice.get(format!("/api/rooms/{room}/messages?{bad}")).await.refused(400, "INVALID_MESSAGE");
    }
    let both = alice.get(format!("/api/rooms/{room}/messages?before=1&after=1")).await;
    assert_answer!(both, @r#"
    {
      "status": 400,
      "body": {
        "code": "INVALID_MESSAGE",
        "detail": "before: give at most one of before, after and around",
        "details": [
          {
            "field": "before",
            "problem": "give at most one of before, after and around"
          }
        ],
        "error": "before: give at most one of before, after and around",
        "requestId": "[requestId]",
        "status": 400,
        "title": "Invalid input",
        "type": "about:blank"
      }
    }
    "#);
}

#[rstest]
#[tokio::test]
async fn a_page_of_long_messages_is_cut_and_goes_on(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let (alice, bob, room) = server.room().await;
    let long = "🙂".repeat(8000);
    for _ in 0..12 {
        alice.send(&room, &long).await;
    }
    let (mut seen, mut before) = (Vec::new(), u64::MAX);
    loop {
        let page = bob.get(format!("/api/rooms/{room}/messages?before={before}")).await.expect(200);
        assert!(page.raw.to_string().len() <= 256 * 1024, "a page is {} bytes", page.raw.to_string().len());
        let Value::Array(seqs) = page.items("seq") else { panic!("no items: {page:?}") };
        before = seqs.last().unwrap().as_u64().unwrap();
        seen.extend(seqs);
        if page.raw["hasMore"] == false {
            break;
        }
    }
    assert_eq!(Value::Array(seen), json!((1..=12).rev().collect::<Vec<u64>>()));
}

#[rstest]
#[tokio::test]
async fn where_history_is_for_those_who_were_there_a_newcomer_sees_nothing_older(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let (alice, bob) = (server.guest("alice").await, server.guest("bob").await);
    let input = json!({ "name": "Tea", "type": "public", "historyVisibility": "joined" });
    let room = alice.post("/api/rooms", input).await.expect(201).id();
    let old = alice.send(&room, "before bob").await["id"].as_str().unwrap().to_owned();
    let joined = bob.call("POST", &format!("/api/rooms/{room}/join"), None).await.expect(200).raw;
    assert_eq!((joined.get("lastMessage"), &joined["unread"]), (None, &json!(0)), "{joined}");
    assert_eq!(bob.get("/api/unread").await.raw["total"], 0);
    alice.send(&room, "with bob").await;

    for query in ["", "?after=0", "?before=3", "?around=1", "?around=2", "?limit=1&after=0"] {
        let page = bob.get(format!("/api/rooms/{room}/messages{query}")).await.expect(200);
        assert_eq!(page.items("content"), json!(["with bob"]), "{query}");
        assert_eq!(page.raw["hasMore"], false, "{query}");
    }
    assert_eq!(bob.get(format!("/api/rooms/{room}/messages?before=2")).await.items("seq"), json!([]));
    bob.get(format!("/api/messages/{old}")).await.refused(404, "MESSAGE_NOT_FOUND");
    bob.delete(format!("/api/messages/{old}")).await.refused(404, "MESSAGE_NOT_FOUND");
    let all = alice.get(format!("/api/rooms/{room}/messages")).await;
    assert_eq!(all.items("content"), json!(["with bob", "before bob"]));
}
