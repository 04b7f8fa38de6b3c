//! Finding messages by what they say.

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{Engine, TestServer};

#[rstest]
#[tokio::test]
async fn what_is_found_comes_newest_first_and_goes_on(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let (alice, bob, room) = server.room().await;
    for content in ["Grüner TEE", "coffee", "tee", "a tee & cake", "ГРÜNER чай"] {
        alice.send(&room, content).await;
    }
    let gone = alice.send(&room, "tee, deleted").await["id"].as_str().unwrap().to_owned();
    alice.delete(format!("/api/messages/{gone}")).await.expect(204);
    for kind in ["encrypted", "image"] {
        let body = json!({ "content": "tee", "type": kind });
        alice.post(format!("/api/rooms/{room}/messages"), body).await.expect(201);
    }
    let find = async |query: &str| {
        let page = bob.get(format!("/api/rooms/{room}/search?{query}")).await.expect(200);
        (page.items("seq"), page.raw.get("nextBefore").cloned())
    };
    assert_eq!(find("query=Tee").await, (json!([4, 3, 1]), None));
    assert_eq!(find("query=gr%C3%BCner").await, (json!([1]), None));
    assert_eq!(find("query=%D0%A7%D0%90%D0%99").await, (json!([5]), None));
    assert_eq!(find("query=%26").await, (json!([4]), None), "a text, not a pattern");
    assert_eq!(find("query=.*").await, (json!([]), None));
    assert_eq!(find("query=tee&limit=2").await, (json!([4, 3]), Some(json!(3))));
    assert_eq!(find("query=tee&limit=2&before=3").await, (json!([1]), None));
    assert_eq!(find("query=tee&before=1").await, (json!([]), None));
}

#[rstest]
#[tokio::test]
async fn one_call_looks_through_a_bounded_part_and_says_where_to_go_on(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let (alice, bob, room) = server.room().await;
    alice.send(&room, "the needle").await;
    let long = "🙂".repeat(8000);
    for _ in 0..50 {
        alice.send(&room, &long).await;
    }
    let mut before = u64::MAX;
    let mut calls = 0;
    let found = loop {
        calls += 1;
        let page = bob.get(format!("/api/rooms/{room}/search?query=needle&before={before}")).await.expect(200);
        match page.raw.get("nextBefore").and_then(Value::as_u64) {
            Some(next) => {
                assert!(next < before, "it goes on");
                before = next;
            }
            None => break page.items("content"),
        }
    };
    assert_eq!(found, json!(["the needle"]));
    assert!(calls > 1, "1.6 MB are more than one call reads");
}

#[rstest]
#[tokio::test]
async fn a_search_shows_members_only_what_they_may_see(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let (alice, _, bob, room) = server.late().await;
    alice.send(&room, "with bob").await;
    let path = format!("/api/rooms/{room}/search?query=bob");
    assert_eq!(bob.get(&path).await.expect(200).raw["items"][0]["content"], "with bob");
    assert_eq!(bob.get(&path).await.items("seq"), json!([2]));
    assert_eq!(alice.get(&path).await.items("seq"), json!([2, 1]));
    let stranger = server.guest("stranger").await;
    stranger.get(&path).await.refused(403, "NOT_A_MEMBER");
    let private = alice.post("/api/rooms", json!({ "name": "P", "type": "private" })).await.expect(201).id();
    stranger.get(format!("/api/rooms/{private}/search?query=x")).await.refused(404, "ROOM_NOT_FOUND");
    let long = format!("query={}", "x".repeat(101));
    for bad in
        ["", "query=", "query=%20", "query=%00", "query=x&limit=0", "query=x&limit=201", "query=x&before=x", &long]
    {
        bob.get(format!("/api/rooms/{room}/search?{bad}")).await.refused(400, "INVALID_MESSAGE");
    }
}
