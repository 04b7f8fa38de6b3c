//! The Messaging API on its socket: every frame, and conversations with users of other dialects.

use rstest::rstest;
use serde_json::{Value, json};
use shared::RoomId;

use tokio::time::timeout;

use crate::support::{Client, Engine, LONG, User, World, assert_frame};

impl World {
    /// A socket of the Messaging API.
    async fn messaging(&self, user: &User) -> Client {
        let mut client = self.open(&format!("{}?token={}", self.socket(0, "/ws"), user.token), &[]).await;
        let first = client.next().await;
        assert_eq!((&first["type"], &first["data"]["userID"]), (&json!("connected"), &json!(user.id)));
        client
    }
}

impl Client {
    async fn say(&mut self, kind: &str, data: Value) {
        self.send(&json!({ "type": kind, "data": data }).to_string()).await;
    }

    /// Nothing else has come, and what was sent before is done.
    async fn still(&mut self) {
        self.say("ping", json!({})).await;
        assert_eq!(self.next().await["type"], "pong");
    }
}

#[rstest]
#[tokio::test]
async fn a_direct_conversation_with_a_native_user(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let world = World::start(engine).await;
    let (ann, bob) = (world.account("ann").await, world.account("bob").await);
    let (mut a, mut b) = (world.messaging(&ann).await, world.connect(&bob).await);
    let input = json!({ "senderID": ann.id, "recipientID": bob.id, "content": "hi", "messageType": "text", "clientMessageId": "1" });
    a.say("send_message", input).await;
    let (one, two) = (a.next().await, a.next().await);
    // The room is new: its event and the reply may come in any order.
    let (said, sent) = if one["type"] == "message_sent" { (two, one) } else { (one, two) };
    let room = RoomId::direct(ann.id, bob.id).to_string();
    world.name(&room, "room");
    assert_frame!(a.show(sent), @r#"{"data":{"clientMessageId":"1","conversationID":"<room>","id":"<message>","timestamp":"<time>"},"type":"message_sent"}"#);
    assert_frame!(a.show(said), @r#"{"data":{"clientMessageId":"1","content":"hi","delivered":false,"groupID":null,"id":"<message>","messageType":"text","read":false,"recipientID":"<bob>","senderID":"<ann>","timestamp":"<time>"},"type":"direct_message"}"#);
    let native = b.until("NEW_MESSAGE").await.pop().unwrap();
    assert_eq!((&native["payload"]["content"], &native["payload"]["userId"]), (&json!("hi"), &json!(ann.id)));

    b.ask_among_events("SEND_MESSAGE", json!({ "recipientId": ann.id, "content": "hello" })).await;
    let heard = heard(&mut a, "direct_message").await;
    assert_eq!((&heard["senderID"], &heard["recipientID"]), (&json!(bob.id), &json!(ann.id)));
    assert_eq!((&heard["content"], &heard["groupID"]), (&json!("hello"), &Value::Null));
    // An author who is alone here: whose room it is was read when they came.
    let mut again = world.messaging(&ann).await;
    drop(b);
    again.say("message", json!({ "recipientID": bob.id, "content": "still there?" })).await;
    let own = self::heard(&mut again, "direct_message").await;
    assert_eq!((&own["recipientID"], &own["content"]), (&json!(bob.id), &json!("still there?")));
}

/// The data of the next frame of this type; how people are may be told before it.
async fn heard(client: &mut Client, kind: &str) -> Value {
    loop {
        let frame = client.next().await;
        if frame["type"] == kind {
            return frame["data"].clone();
        }
        assert!(["user_status", "message_sent"].contains(&frame["type"].as_str().unwrap()), "{frame}");
    }
}

#[rstest]
#[tokio::test]
async fn a_group_with_native_members_in_order_and_once(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let world = World::start(engine).await;
    let (ann, bob, cid) = (world.user("ann").await, world.user("bob").await, world.user("cid").await);
    let mut native = world.connect(&cid).await;
    let group = world.room(&mut native, "tea").await;
    let (mut a, mut b) = (world.messaging(&ann).await, world.messaging(&bob).await);
    for client in [&mut a, &mut b] {
        client.say("join_group", json!({ "groupID": group })).await;
        client.still().await;
        assert_eq!(native.next().await["type"], "USER_JOINED");
    }
    a.say("join_group", json!({ "groupID": group })).await;
    assert_frame!(a.frame().await, @r#"{"data":{"code":"ALREADY_A_MEMBER","error":"already a member of this room","success":false},"type":"error"}"#);
    for n in 0..20 {
        match n % 2 {
            0 => a.say("send_message", json!({ "groupID": group, "content": n.to_string() })).await,
            _ => native.tell("SEND_MESSAGE", json!({ "roomId": group, "content": n.to_string() })).await,
        }
        let heard = heard(&mut b, "group_message").await;
        assert_eq!((&heard["content"], &heard["groupID"]), (&json!(n.to_string()), &json!(group)));
        assert_eq!((heard["recipientID"].is_null(), &heard["delivered"]), (true, &json!(false)));
    }
    for n in 0..20 {
        assert_eq!(self::heard(&mut a, "group_message").await["content"], json!(n.to_string()));
    }
    b.still().await;

    b.say("leave_group", json!({ "groupID": group })).await;
    b.still().await;
    b.say("leave_group", json!({ "groupID": group })).await;
    assert_eq!(b.next().await["data"]["code"], "NOT_A_MEMBER");
    a.say("typing", json!({ "groupID": group, "isTyping": true })).await;
    let typing = native.until("TYPING_UPDATE").await.pop().unwrap();
    assert_eq!((&typing["payload"]["userId"], &typing["payload"]["isTyping"]), (&json!(ann.id), &json!(true)));
    a.still().await;
}

#[rstest]
#[tokio::test]
async fn reading_is_told_to_the_author(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let world = World::with(engine, |settings| settings.chat.receipt_ms = 20).await;
    let (ann, bob) = (world.account("ann").await, world.account("bob").await);
    let (mut a, mut b) = (world.messaging(&ann).await, world.messaging(&bob).await);
    world.name(&RoomId::direct(ann.id, bob.id).to_string(), "room");
    a.say("send_message", json!({ "recipientID": bob.id, "content": "read me" })).await;
    let message = heard(&mut b, "direct_message").await;
    // It has gone out to Bob: a native client of Ann's would be told, and history says so.
    let (viewer, other) = (world.viewer(&ann).await, bob.id.to_string());
    let flags = async || {
        let page = world.domain.messages.history_from(&viewer, &other, 0, None).await.unwrap();
        (page.items[0].delivered, page.items[0].read)
    };
    let delivered = async {
        while flags().await != (true, false) {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, delivered).await.expect("it is delivered");
    b.say("mark_read", json!({ "messageID": message["id"] })).await;
    let read = loop {
        let frame = a.next().await;
        if frame["type"] == "message_read" {
            break frame;
        }
    };
    assert_eq!(read["data"]["messageID"], message["id"]);
    assert_frame!(a.show(read), @r#"{"data":{"conversationID":"<room>","messageID":"<message>","userID":"<bob>"},"type":"message_read"}"#);
}

#[rstest]
#[tokio::test]
async fn contacts_and_partners_come_and_go(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let world = World::with(engine, |settings| settings.presence.grace_ms = 0).await;
    let (ann, bob, cid) = (world.account("ann").await, world.account("bob").await, world.account("cid").await);
    // Ann may watch Bob, who has her in his contacts, and has him in hers; Cid has written to her.
    let (as_ann, as_bob, as_cid) = (world.viewer(&ann).await, world.viewer(&bob).await, world.viewer(&cid).await);
    world.domain.people.add_contact(&as_ann, bob.id).await.unwrap();
    world.domain.people.add_contact(&as_bob, ann.id).await.unwrap();
    let written = serde_json::from_value(json!({ "recipientId": ann.id, "content": "x" })).unwrap();
    world.domain.messages.send(&as_cid, written).await.unwrap();

    let _there = world.connect(&bob).await;
    let mut a = world.messaging(&ann).await;
    assert_frame!(a.frame().await, @r#"{"data":{"status":"online","userID":"<bob>","username":"bob"},"type":"user_status"}"#);
    let c = world.messaging(&cid).await;
    let online = a.next().await;
    assert_eq!((&online["data"]["userID"], &online["data"]["status"]), (&json!(cid.id), &json!("online")));
    drop(c);
    let offline = a.next().await;
    assert_eq!((&offline["data"]["userID"], &offline["data"]["status"]), (&json!(cid.id), &json!("offline")));
    assert!(offline["data"]["lastSeen"].is_string());
    // Who blocks her is away.
    world.domain.people.block(&as_bob, ann.id).await.unwrap();
    let hidden = a.next().await;
    assert_eq!((&hidden["data"]["userID"], &hidden["data"]["status"]), (&json!(bob.id), &json!("offline")));
    // Others are not told of at all.
    let dan = world.account("dan").await;
    let _unknown = world.connect(&dan).await;
    a.still().await;
}

#[rstest]
#[tokio::test]
async fn what_is_wrong_is_told_and_the_socket_goes_on(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let world = World::start(engine).await;
    let (ann, bob) = (world.account("ann").await, world.account("bob").await);
    let mut a = world.messaging(&ann).await;
    let nobody = RoomId::new();
    for (text, code) in [
        ("nonsense".into(), "INVALID_MESSAGE"),
        (json!({ "type": "dance" }).to_string(), "INVALID_MESSAGE"),
        (json!({ "type": "send_message", "data": { "content": "x" } }).to_string(), "INVALID_MESSAGE"),
        (
            json!({ "type": "send_message", "data": { "recipientID": bob.id, "content": "" } }).to_string(),
            "INVALID_MESSAGE",
        ),
        (
            json!({ "type": "send_message", "data": { "senderID": bob.id, "recipientID": bob.id, "content": "x" } })
                .to_string(),
            "INVALID_MESSAGE",
        ),
        (
            json!({ "type": "send_message", "data": { "groupID": nobody, "content": "x" } }).to_string(),
            "ROOM_NOT_FOUND",
        ),
        (
            json!({ "type": "send_message", "data": { "recipientID": nobody, "content": "x" } }).to_string(),
            "USER_NOT_FOUND",
        ),
        (json!({ "type": "join_group", "data": { "groupID": nobody } }).to_string(), "ROOM_NOT_FOUND"),
        (json!({ "type": "mark_read", "data": {} }).to_string(), "INVALID_MESSAGE"),
        (json!({ "type": "typing", "data": { "groupID": nobody } }).to_string(), "ROOM_NOT_FOUND"),
    ] {
        a.send(&text).await;
        let frame = a.next().await;
        assert_eq!((&frame["type"], &frame["data"]["code"]), (&json!("error"), &json!(code)), "{text}: {frame}");
        assert_eq!((&frame["data"]["success"], frame["data"]["error"].is_string()), (&json!(false), true), "{frame}");
    }
    a.send(r#"{"type":"dance","requestId":"7"}"#).await;
    assert_eq!(a.next().await["requestId"], "7");
    a.still().await;

    let mut refused = world.open(&format!("{}?token=wrong", world.socket(0, "/ws")), &[]).await;
    assert_eq!(refused.next().await["data"]["code"], "UNAUTHORIZED");
    assert_eq!(refused.closed().await, 4401);
    let mut nobody = world.open(&world.socket(0, "/ws"), &[]).await;
    nobody.say("ping", json!({})).await;
    assert_eq!(nobody.next().await["type"], "error");
}

/// What others say while somebody joins is told to them, too: no answer shows them the room.
#[rstest]
#[tokio::test]
async fn nothing_said_since_one_joined_is_left_out(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let world = World::start(engine).await;
    let (ann, cid) = (world.user("ann").await, world.user("cid").await);
    let mut native = world.connect(&cid).await;
    let group = world.room(&mut native, "tea").await;
    let mut a = world.messaging(&ann).await;
    for n in 0..20 {
        a.say("join_group", json!({ "groupID": group })).await;
        native.until("USER_JOINED").await;
        let said = native.ask_among_events("SEND_MESSAGE", json!({ "roomId": group, "content": n.to_string() })).await;
        assert_eq!(said.0["type"], "MESSAGE_ACK");
        assert_eq!(heard(&mut a, "group_message").await["content"], json!(n.to_string()));
        a.say("leave_group", json!({ "groupID": group })).await;
        native.until("USER_LEFT").await;
    }
    a.still().await;
}
