//! Editing and reacting: who may, what is answered, what others then see.

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{Engine, TestServer, assert_answer};

fn path(message: &Value) -> String {
    format!("/api/messages/{}", message["id"].as_str().unwrap())
}

#[rstest]
#[tokio::test]
async fn an_edited_message_has_its_new_content_everywhere_and_says_when(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let (alice, bob, room) = server.room().await;
    let message = bob.send(&room, "a slip").await;
    let edited = bob.patch(path(&message), json!({ "content": "as meant" })).await;
    assert_answer!(edited, @r#"
    {
      "status": 200,
      "body": {
        "content": "as meant",
        "editedAt": "[time]",
        "id": "[id 1]",
        "roomId": "[id 2]",
        "seq": 1,
        "timestamp": "[time]",
        "type": "text",
        "userId": "[id 3]",
        "username": "bob"
      }
    }
    "#);
    assert_eq!(edited.raw["timestamp"], message["timestamp"]);
    assert_eq!(alice.get(path(&message)).await.expect(200).raw, edited.raw);
    let page = alice.get(format!("/api/rooms/{room}/messages")).await.expect(200);
    assert_eq!(page.raw["items"], json!([edited.raw]));
    assert_eq!(alice.get("/api/rooms").await.raw["items"][0]["lastMessage"], edited.raw);
    assert_eq!(alice.get("/api/unread").await.raw["total"], 1, "an edit is nothing new to read");
}

#[rstest]
#[tokio::test]
async fn only_its_author_edits_a_message_and_not_a_deleted_one(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let (alice, bob, room) = server.room().await;
    let message = path(&bob.send(&room, "bob's").await);
    let new = json!({ "content": "new" });
    alice.patch(&message, new.clone()).await.refused(403, "FORBIDDEN");
    server.guest("stranger").await.patch(&message, new.clone()).await.refused(404, "MESSAGE_NOT_FOUND");
    for bad in [json!({}), json!({ "content": " " }), json!({ "content": "x".repeat(8001) }), json!({ "content": 1 })] {
        bob.patch(&message, bad).await.refused(400, "INVALID_MESSAGE");
    }
    assert_eq!(bob.get(&message).await.raw["content"], "bob's");
    bob.delete(&message).await.expect(204);
    bob.patch(&message, new.clone()).await.refused(404, "MESSAGE_NOT_FOUND");
    let other = path(&bob.send(&room, "another").await);
    bob.delete(format!("/api/rooms/{room}/leave")).await.expect(204);
    bob.patch(&other, new).await.refused(404, "MESSAGE_NOT_FOUND");
}

#[rstest]
#[tokio::test]
async fn a_reaction_counts_once_for_each_who_gave_it_and_each_sees_their_own(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let (alice, bob, room) = server.room().await;
    let message = alice.send(&room, "tea?").await;
    let at = |emoji: &str| format!("{}/reactions/{emoji}", path(&message));
    for _ in 0..2 {
        let given = bob.call("PUT", &at("👍"), None).await;
        assert_answer!(given, @r#"{"status": 200, "body": {"count": 1, "emoji": "👍", "messageId": "[id 1]"}}"#);
    }
    assert_eq!(alice.call("PUT", &at("👍"), None).await.expect(200).raw["count"], 2);
    assert_eq!(alice.call("PUT", &at("%2F%25"), None).await.expect(200).raw["emoji"], "/%");
    let reactions = json!([
        { "emoji": "👍", "count": 2, "userIds": [bob.id, alice.id], "me": true },
        { "emoji": "/%", "count": 1, "userIds": [alice.id] },
    ]);
    let places = [
        bob.get(path(&message)).await.raw["reactions"].clone(),
        bob.get(format!("/api/rooms/{room}/messages")).await.raw["items"][0]["reactions"].clone(),
        bob.get("/api/rooms").await.raw["items"][0]["lastMessage"]["reactions"].clone(),
        bob.get(format!("/api/rooms/{room}")).await.raw["lastMessage"]["reactions"].clone(),
        bob.get(format!("/api/rooms/{room}/search?query=tea")).await.raw["items"][0]["reactions"].clone(),
    ];
    for place in places {
        assert_eq!(place, reactions);
    }
    for _ in 0..2 {
        assert_eq!(bob.delete(at("👍")).await.expect(200).raw["count"], 1);
    }
    assert_eq!(bob.delete(at("🙈")).await.expect(200).raw["count"], 0, "what was never given");
    let left = bob.get(path(&message)).await.raw["reactions"].clone();
    assert_eq!(left[0], json!({ "emoji": "👍", "count": 1, "userIds": [alice.id] }));
    alice.delete(path(&message)).await.expect(204);
    assert_eq!(bob.get(path(&message)).await.raw.get("reactions"), None);
    bob.call("PUT", &at("👍"), None).await.refused(404, "MESSAGE_NOT_FOUND");
}

#[rstest]
#[tokio::test]
async fn who_is_not_listed_among_many_sees_their_reaction_all_the_same(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let (alice, bob, room) = server.room().await;
    let message = alice.send(&room, "hands up").await;
    let at = format!("{}/reactions/x", path(&message));
    for n in 0..50 {
        let guest = server.guest(&format!("g{n}")).await;
        guest.call("POST", &format!("/api/rooms/{room}/join"), None).await.expect(200);
        guest.call("PUT", &at, None).await.expect(200);
    }
    bob.call("PUT", &at, None).await.expect(200);
    let of = async |who: &crate::support::Person| {
        let reaction = who.get(path(&message)).await.raw["reactions"][0].clone();
        (reaction["count"].clone(), reaction["userIds"].as_array().unwrap().len(), reaction.get("me").cloned())
    };
    assert_eq!(of(&bob).await, (json!(51), 50, Some(json!(true))));
    assert_eq!(of(&alice).await, (json!(51), 50, None));
}

#[rstest]
#[tokio::test]
async fn what_is_no_reaction_is_refused(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let (alice, bob, room) = server.room().await;
    let message = path(&alice.send(&room, "tea?").await);
    let long = "x".repeat(65);
    for bad in ["%20", "a%20b", "%0A", "%00", "%C2%A0", &long] {
        for method in ["PUT", "DELETE"] {
            let answer = bob.call(method, &format!("{message}/reactions/{bad}"), None).await;
            answer.refused(400, "INVALID_MESSAGE");
        }
    }
    server
        .guest("stranger")
        .await
        .call("PUT", &format!("{message}/reactions/x"), None)
        .await
        .refused(404, "MESSAGE_NOT_FOUND");
    for n in 0..20 {
        bob.call("PUT", &format!("{message}/reactions/{n}"), None).await.expect(200);
    }
    alice.call("PUT", &format!("{message}/reactions/20"), None).await.refused(400, "INVALID_MESSAGE");
    alice.call("PUT", &format!("{message}/reactions/19"), None).await.expect(200);
}

#[rstest]
#[tokio::test]
async fn what_a_newcomer_may_not_see_they_cannot_change_answer_or_ask_about(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let (alice, old, bob, room) = server.late().await;
    bob.call("PUT", &format!("/api/messages/{old}/reactions/x"), None).await.refused(404, "MESSAGE_NOT_FOUND");
    bob.get(format!("/api/messages/{old}/replies")).await.refused(404, "MESSAGE_NOT_FOUND");
    bob.get(format!("/api/messages/{old}/delivery")).await.refused(404, "MESSAGE_NOT_FOUND");
    let reply = json!({ "content": "x", "replyTo": old });
    bob.post(format!("/api/rooms/{room}/messages"), reply).await.refused(404, "MESSAGE_NOT_FOUND");
    // Nor their own from before they left and came back.
    let own = bob.send(&room, "bob's own").await;
    bob.delete(format!("/api/rooms/{room}/leave")).await.expect(204);
    bob.call("POST", &format!("/api/rooms/{room}/join"), None).await.expect(200);
    bob.patch(path(&own), json!({ "content": "y" })).await.refused(404, "MESSAGE_NOT_FOUND");
    bob.delete(path(&own)).await.refused(404, "MESSAGE_NOT_FOUND");
    assert_eq!(alice.get(path(&own)).await.expect(200).raw["content"], "bob's own");
}
