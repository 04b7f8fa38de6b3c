//! Resources on its socket: guests and others in the lobby, with users of other dialects.

use rstest::rstest;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Client, Engine, User, World, assert_frame};

impl World {
    /// A socket of Resources, of a guest or this user; its user's id and token.
    async fn resources(&self, user: Option<&User>) -> (Client, Value, String) {
        let query = user.map_or_else(String::new, |user| format!("?token={}", user.token));
        let mut client = self.open(&format!("{}{query}", self.socket(0, "/resources/ws")), &[]).await;
        let welcome = client.next().await;
        assert_eq!(welcome["type"], "welcome", "{welcome}");
        (client, welcome["clientID"].clone(), welcome["token"].as_str().unwrap().to_owned())
    }

    /// Where a native user finds it.
    async fn lobby(&self) -> String {
        self.domain.store.rooms.room_id_by_handle("lobby").await.unwrap().unwrap().to_string()
    }
}

#[rstest]
#[tokio::test]
async fn what_is_sent_is_told_to_all_in_order_and_once(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let world = World::start(engine).await;
    let (mut one, first, _) = world.resources(None).await;
    let (mut two, second, _) = world.resources(None).await;
    assert_ne!(first, second);
    world.name(first.as_str().unwrap(), "one");
    one.send("hello").await;
    let frame = two.next().await;
    assert_frame!(two.show(frame.clone()), @r#"{"clientID":"<one>","content":"hello","id":"<message>","timestamp":"<time>","type":"message"}"#);
    assert_eq!(one.next().await, frame, "the sender too");
    for (text, content) in [
        (r#"{"message":"hi"}"#, json!("hi")),
        (r#"{"type":"message","content":"ho"}"#, json!("ho")),
        (r#"{"x":{"y":[1,null]}}"#, json!({ "x": { "y": [1, null] } })),
        ("[1,2]", json!([1, 2])),
        ("7", json!("7")),
    ] {
        two.send(text).await;
        for client in [&mut one, &mut two] {
            let frame = client.next().await;
            assert_eq!((&frame["content"], &frame["clientID"]), (&content, &second), "{text}");
        }
    }
    let texts: Vec<String> = (0..50).map(|n| format!("n{n}")).collect();
    one.send_together(texts.iter().map(Message::text)).await;
    for client in [&mut one, &mut two] {
        for text in &texts {
            assert_eq!(client.next().await["content"], json!(text));
        }
    }
}

#[rstest]
#[tokio::test]
async fn a_native_user_and_one_of_the_messaging_api_are_among_them(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::start(engine).await;
    let (ann, bob) = (world.user("ann").await, world.user("bob").await);
    let (mut guest, id, _) = world.resources(None).await;
    let lobby = world.lobby().await;
    let mut native = world.connect(&ann).await;
    native.ask("JOIN_ROOM", json!({ "handle": "lobby" })).await;
    let mut messaging = world.open(&format!("{}?token={}", world.socket(0, "/ws"), bob.token), &[]).await;
    assert_eq!(messaging.next().await["type"], "connected");
    messaging.send(&json!({ "type": "join_group", "data": { "groupID": lobby } }).to_string()).await;
    native.until("USER_JOINED").await;

    guest.send("hello").await;
    let own = guest.next().await;
    let (n, m) = (native.next().await, messaging.next().await);
    assert_eq!((&n["payload"]["content"], &n["payload"]["userId"]), (&json!("hello"), &id));
    assert_eq!(
        (&m["type"], &m["data"]["content"], &m["data"]["senderID"]),
        (&json!("group_message"), &json!("hello"), &id)
    );
    assert_eq!((&n["payload"]["id"], &m["data"]["id"]), (&own["id"], &own["id"]));

    native.ask_among_events("SEND_MESSAGE", json!({ "roomId": lobby, "content": "natively" })).await;
    let heard = guest.next().await;
    assert_eq!((&heard["content"], &heard["clientID"]), (&json!("natively"), &json!(ann.id)));
    native.ask_among_events("DELETE_MESSAGE", json!({ "messageId": heard["id"] })).await;
    assert_eq!(guest.next().await, json!({ "type": "delete", "id": heard["id"] }));
}

#[rstest]
#[tokio::test]
async fn whoever_has_a_token_is_who_they_are_and_hears_of_the_lobby_alone(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::start(engine).await;
    let ann = world.user("ann").await;
    let mut native = world.connect(&ann).await;
    let tea = world.room(&mut native, "tea").await;
    let (mut client, id, token) = world.resources(Some(&ann)).await;
    assert_eq!((id, token), (json!(ann.id), ann.token.clone()));
    native.ask_among_events("SEND_MESSAGE", json!({ "roomId": tea, "content": "elsewhere" })).await;
    native.ask_among_events("CREATE_ROOM", json!({ "name": "coffee", "type": "public" })).await;
    client.send("here").await;
    assert_eq!(client.next().await["content"], "here");
    // A second time: they are in the lobby already, and the token a guest was given opens it again.
    let (_, guest, token) = world.resources(None).await;
    let user = User { token, ..ann.clone() };
    assert_eq!(world.resources(Some(&user)).await.1, guest);
}

#[rstest]
#[tokio::test]
async fn what_is_refused_is_told(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let world = World::with(engine, |settings| settings.auth.guests = false).await;
    let url = world.socket(0, "/resources/ws");
    let mut guest = world.open(&url, &[]).await;
    assert_frame!(guest.frame().await, @r#"{"code":"FORBIDDEN","error":"guests are not allowed here","type":"error"}"#);
    assert_eq!(guest.closed().await, 1008);
    let mut wrong = world.open(&format!("{url}?token=wrong"), &[]).await;
    assert_eq!(wrong.next().await["code"], "UNAUTHORIZED");
    assert_eq!(wrong.closed().await, 4401);

    let ann = world.account("ann").await;
    let (mut client, ..) = world.resources(Some(&ann)).await;
    client.send(" ").await;
    let frame = client.next().await;
    assert_eq!((&frame["type"], &frame["code"]), (&json!("error"), &json!("INVALID_MESSAGE")));
    client.send(&"x".repeat(8001)).await;
    assert_eq!(client.next().await["code"], "INVALID_MESSAGE");
    client.send_together([Message::binary(vec![1, 2])]).await;
    assert_eq!(client.next().await["code"], "INVALID_MESSAGE");
    client.send("still here").await;
    assert_eq!(client.next().await["content"], "still here");
}

#[tokio::test]
async fn guests_of_one_address_are_limited() {
    let world = World::with(Engine::Embedded, |settings| {
        settings.limits.enabled = true;
        settings.limits.signups_per_minute = 1;
        settings.limits.messages_burst = 1;
        settings.limits.messages_per_second = 1;
    })
    .await;
    let (mut client, ..) = world.resources(None).await;
    let mut second = world.open(&world.socket(0, "/resources/ws"), &[]).await;
    assert_eq!(second.next().await["code"], "RATE_LIMIT_EXCEEDED");
    assert_eq!(second.closed().await, 1012);
    client.send("one").await;
    assert_eq!(client.next().await["content"], "one");
    client.send("two").await;
    assert_eq!(client.next().await["code"], "RATE_LIMIT_EXCEEDED");
}
