//! Resources over REST: said, listed and taken back, in a lobby that nobody can take.

use futures_util::future::join_all;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{Caller, Engine, TestServer, assert_answer};

async fn add(caller: &Caller, content: &str) -> String {
    let answer = caller.post("/resources", json!({ "content": content })).await.expect(201);
    answer.raw["id"].as_str().unwrap().to_owned()
}

async fn contents(caller: &Caller, query: &str) -> Vec<Value> {
    let list = caller.get(format!("/resources{query}")).await.expect(200).raw;
    list.as_array().unwrap().iter().map(|one| one["content"].clone()).collect()
}

#[rstest]
#[tokio::test]
async fn what_is_said_is_listed_until_its_owner_takes_it_back(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let (ann, bob) = (server.guest("ann").await, server.account("bob").await);
    assert_eq!(contents(&ann, "").await, Vec::<Value>::new());
    let added = ann.post("/resources", json!({ "message": "one", "author": "x" })).await;
    assert_answer!(added, @r#"
    {
      "status": 201,
      "body": {
        "id": "[id 1]",
        "clientID": "[id 2]",
        "content": "one",
        "timestamp": "[time]"
      }
    }
    "#);
    assert_eq!(added.raw["clientID"], json!(ann.id));
    let (first, second) = (added.id(), add(&bob, "two").await);
    add(&ann, r#"{"a":[1]}"#).await;
    assert_eq!(contents(&bob, "").await, [json!("one"), json!("two"), json!({ "a": [1] })]);
    assert_eq!(contents(&bob, "?limit=1").await, [json!({ "a": [1] })]);
    assert_eq!(contents(&bob, &format!("?limit=1&before={second}")).await, [json!("one")]);

    bob.delete(format!("/resources/{first}")).await.refused(403, "FORBIDDEN");
    ann.delete(format!("/resources/{first}")).await.expect(204);
    ann.delete(format!("/resources/{first}")).await.expect(204);
    assert_eq!(contents(&bob, "").await, [json!("two"), json!({ "a": [1] })]);

    for input in
        [json!({}), json!({ "message": "a", "content": "b" }), json!({ "content": " " }), json!({ "content": 7 })]
    {
        ann.post("/resources", input).await.refused(400, "INVALID_MESSAGE");
    }
    ann.delete("/resources/x").await.refused(404, "MESSAGE_NOT_FOUND");
    ann.get("/resources?limit=201").await.refused(400, "INVALID_MESSAGE");
    for (method, path) in [("GET", "/resources"), ("POST", "/resources"), ("DELETE", "/resources/x")] {
        server.anyone().call(method, path, None).await.refused(401, "UNAUTHORIZED");
    }
    // What is of another room is no resource.
    let room = ann.post("/api/rooms", json!({ "name": "Tea", "type": "public" })).await.expect(201).id();
    let other = ann.send(&room, "elsewhere").await["id"].as_str().unwrap().to_owned();
    ann.delete(format!("/resources/{other}")).await.refused(404, "MESSAGE_NOT_FOUND");
    ann.get(format!("/resources?before={other}")).await.refused(404, "MESSAGE_NOT_FOUND");
}

#[rstest]
#[tokio::test]
async fn the_lobby_is_nobodys(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let (ann, bob) = (server.account("ann").await, server.guest("bob").await);
    for handle in ["lobby", "Lobby", "LOBBY"] {
        let input = json!({ "name": "Mine", "type": "public", "handle": handle });
        ann.post("/api/rooms", input).await.refused(409, "HANDLE_TAKEN");
    }
    let said = add(&ann, "hello").await;
    contents(&bob, "").await;
    let rooms = ann.get("/api/rooms").await.expect(200).raw;
    let lobby = &rooms["items"][0];
    assert_eq!(
        (&lobby["handle"], &lobby["role"], &lobby["type"]),
        (&json!("lobby"), &json!("member"), &json!("public"))
    );
    let id = lobby["id"].as_str().unwrap();
    let members = bob.get(format!("/api/rooms/{id}/members")).await.expect(200).raw;
    let roles: Vec<_> = members["items"].as_array().unwrap().iter().map(|m| (&m["username"], &m["role"])).collect();
    assert_eq!(roles, [(&json!("ann"), &json!("member")), (&json!("bob"), &json!("member"))]);
    // Nobody owns it when all have left, either.
    for one in [&ann, &bob] {
        one.delete(format!("/api/rooms/{id}/leave")).await.expect(204);
    }
    contents(&bob, "").await;
    assert_eq!(bob.get(format!("/api/rooms/{id}")).await.expect(200).raw["role"], "member");
    bob.delete(format!("/resources/{said}")).await.refused(403, "FORBIDDEN");
    bob.delete(format!("/api/rooms/{id}")).await.refused(403, "FORBIDDEN");
    // A native user is among them.
    let native = ann.call("POST", &format!("/api/rooms/{id}/join"), None).await.expect(200).raw;
    assert_eq!(native["unread"], 0);
    ann.send(id, "natively").await;
    assert_eq!(contents(&bob, "").await, ["hello", "natively"]);
}

#[rstest]
#[tokio::test]
async fn of_many_who_come_first_one_makes_the_lobby(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let second = match engine {
        Engine::Redis => Some(server.second().await),
        Engine::Embedded => None,
    };
    let join = async |n: usize| {
        let server = second.as_ref().filter(|_| n % 2 == 1).unwrap_or(&server);
        server.guest(&format!("g{n}")).await
    };
    let people = join_all((0..12).map(join)).await;
    join_all(people.iter().map(|person| add(person, "first"))).await;
    for person in &people {
        assert_eq!(contents(person, "").await.len(), 12, "there is one lobby");
    }
}
