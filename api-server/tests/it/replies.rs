//! Replies: to what, and how they are listed.

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{Answer, Engine, Person, TestServer};

async fn reply(who: &Person, room: &str, to: &Value, content: &str) -> Answer {
    who.post(format!("/api/rooms/{room}/messages"), json!({ "content": content, "replyTo": to["id"] })).await
}

#[rstest]
#[tokio::test]
async fn replies_are_listed_in_order_page_by_page_and_counted(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let (alice, bob, room) = server.room().await;
    let question = alice.send(&room, "tea?").await;
    let path = format!("/api/messages/{}", question["id"].as_str().unwrap());
    assert_eq!(bob.get(format!("{path}/replies")).await.expect(200).raw, json!({ "items": [], "hasMore": false }));
    let mut replies = Vec::new();
    for n in 0..5 {
        alice.send(&room, "aside").await;
        replies.push(reply(&bob, &room, &question, &n.to_string()).await.expect(201));
    }
    bob.delete(format!("/api/messages/{}", replies[1].id())).await.expect(204);
    let page = async |query: &str| {
        let page = alice.get(format!("{path}/replies{query}")).await.expect(200);
        (page.items("seq"), page.items("content"), page.raw["hasMore"].as_bool().unwrap())
    };
    assert_eq!(page("").await, (json!([3, 5, 7, 9, 11]), json!(["0", "", "2", "3", "4"]), false));
    assert_eq!(page("?limit=2").await, (json!([3, 5]), json!(["0", ""]), true));
    assert_eq!(page("?limit=2&after=5").await, (json!([7, 9]), json!(["2", "3"]), true));
    assert_eq!(page("?limit=2&after=9").await, (json!([11]), json!(["4"]), false));
    assert_eq!(alice.get(&path).await.raw["replyCount"], 4, "those that are not deleted");
    for bad in ["limit=0", "limit=201", "after=x", "after=-1"] {
        alice.get(format!("{path}/replies?{bad}")).await.refused(400, "INVALID_MESSAGE");
    }
    server.guest("stranger").await.get(format!("{path}/replies")).await.refused(404, "MESSAGE_NOT_FOUND");
}

#[rstest]
#[tokio::test]
async fn one_replies_to_what_is_there_only(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let (alice, bob, room) = server.room().await;
    let first = alice.send(&room, "first").await;
    let none = shared::MessageId { room: room.parse().unwrap(), seq: 2 };
    reply(&bob, &room, &json!({ "id": none }), "x").await.refused(404, "MESSAGE_NOT_FOUND");
    alice.delete(format!("/api/messages/{}", first["id"].as_str().unwrap())).await.expect(204);
    let to_deleted = reply(&bob, &room, &first, "to what is gone").await.expect(201);
    assert_eq!((&to_deleted.raw["seq"], &to_deleted.raw["replyTo"]), (&json!(2), &first["id"]));
    let stranger = server.guest("stranger").await;
    reply(&stranger, &room, &first, "x").await.refused(403, "NOT_A_MEMBER");
}
