//! Every command, its reply, and the event it makes for others.

use rstest::rstest;
use serde_json::json;

use crate::support::{Engine, World, assert_frame};

#[rstest]
#[tokio::test]
async fn two_users_meet_in_a_room_and_talk(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let world = World::start(engine).await;
    let (mut alice, mut bob) =
        (world.connect(&world.user("alice").await).await, world.connect(&world.user("bob").await).await);

    let created = alice.ask("CREATE_ROOM", json!({"name": "Tea", "handle": "tea", "type": "public"})).await;
    let room = created["payload"]["room"]["id"].as_str().unwrap().to_owned();
    world.name(&room, "tea");
    assert_frame!(alice.show(created), @r#"{"payload":{"room":{"createdAt":"<time>","createdBy":"<alice>","handle":"tea","historyVisibility":"all","id":"<tea>","lastReadSeq":0,"memberCount":1,"mentions":0,"name":"Tea","position":{"eventId":"<event>","rev":1},"role":"owner","type":"public","unread":0}},"requestId":"q1","type":"ROOM_CREATED"}"#);
    let sent = alice.ask_among_events("SEND_MESSAGE", json!({"roomId": room, "content": "first"})).await;
    alice.until_settled(sent, 1).await;

    assert_frame!(bob.reply("JOIN_ROOM", json!({"handle": "TEA"})).await, @r#"{"payload":{"memberCount":2,"messages":[{"content":"first","id":"<message>","roomId":"<tea>","seq":1,"timestamp":"<time>","type":"text","userId":"<alice>","username":"alice"}],"position":{"eventId":"<event>","rev":3},"room":{"createdAt":"<time>","createdBy":"<alice>","handle":"tea","historyVisibility":"all","id":"<tea>","lastMessage":{"content":"first","id":"<message>","roomId":"<tea>","seq":1,"timestamp":"<time>","type":"text","userId":"<alice>","username":"alice"},"lastReadSeq":1,"memberCount":2,"mentions":0,"name":"Tea","position":{"eventId":"<event>","rev":3},"role":"member","type":"public","unread":0},"users":[{"displayName":"alice","joinedAt":"<time>","role":"owner","userId":"<alice>","username":"alice"},{"displayName":"bob","joinedAt":"<time>","role":"member","userId":"<bob>","username":"bob"}]},"requestId":"q1","type":"ROOM_JOINED"}"#);
    assert_frame!(alice.frame().await, @r#"{"payload":{"eventId":"<event>","rev":3,"roomId":"<tea>","userId":"<bob>","username":"bob"},"type":"USER_JOINED"}"#);
    bob.quiet().await;

    let (ack, events) =
        bob.ask_among_events("SEND_MESSAGE", json!({"roomId": room, "content": "hi", "clientMessageId": "k1"})).await;
    assert_frame!(bob.show(ack.clone()), @r#"{"payload":{"clientMessageId":"k1","id":"<message>","rev":4,"roomId":"<tea>","seq":2,"timestamp":"<time>"},"requestId":"q3","type":"MESSAGE_ACK"}"#);
    assert_frame!(alice.frame().await, @r#"{"payload":{"clientMessageId":"k1","content":"hi","eventId":"<event>","id":"<message>","rev":4,"roomId":"<tea>","seq":2,"timestamp":"<time>","type":"text","userId":"<bob>","username":"bob"},"type":"NEW_MESSAGE"}"#);
    let own = bob.until_settled((ack, events), 1).await;
    assert_frame!(bob.show(own[0].clone()), @r#"{"payload":{"clientMessageId":"k1","content":"hi","eventId":"<event>","id":"<message>","rev":4,"roomId":"<tea>","seq":2,"timestamp":"<time>","type":"text","userId":"<bob>","username":"bob"},"type":"NEW_MESSAGE"}"#);

    let again = bob.ask("SEND_MESSAGE", json!({"roomId": room, "content": "hi", "clientMessageId": "k1"})).await;
    assert_frame!(bob.show(again), @r#"{"payload":{"clientMessageId":"k1","duplicate":true,"id":"<message>","rev":4,"roomId":"<tea>","seq":2,"timestamp":"<time>"},"requestId":"q4","type":"MESSAGE_ACK"}"#);
    let conflict = json!({"roomId": room, "content": "other", "clientMessageId": "k1"});
    assert_frame!(bob.reply("SEND_MESSAGE", conflict).await, @r#"{"payload":{"code":"IDEMPOTENCY_CONFLICT","message":"this key was used before with another content"},"requestId":"q5","type":"ERROR"}"#);
    alice.quiet().await;
}

#[rstest]
#[tokio::test]
async fn a_message_is_deleted_read_and_found_in_history(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let world = World::start(engine).await;
    let (mut alice, mut bob) =
        (world.connect(&world.user("alice").await).await, world.connect(&world.user("bob").await).await);
    let room = world.room(&mut alice, "tea").await;
    bob.ask("JOIN_ROOM", json!({"roomId": room})).await;
    alice.until("USER_JOINED").await;
    let mut ids = Vec::new();
    for text in ["one", "two", "three"] {
        let sent = alice.ask_among_events("SEND_MESSAGE", json!({"roomId": room, "content": text})).await;
        ids.push(sent.0["payload"]["id"].clone());
        alice.until_settled(sent, 1).await;
        bob.until("NEW_MESSAGE").await;
    }

    assert_frame!(bob.reply("DELETE_MESSAGE", json!({"messageId": ids[0]})).await, @r#"{"payload":{"code":"FORBIDDEN","message":"only its author or an admin of the room may delete a message"},"requestId":"q2","type":"ERROR"}"#);
    let (ack, events) = alice.ask_among_events("DELETE_MESSAGE", json!({"messageId": ids[0]})).await;
    assert_eq!(ack["type"], "DELETE_MESSAGE_ACK");
    assert_frame!(bob.frame().await, @r#"{"payload":{"eventId":"<event>","messageId":"<message>","rev":6,"roomId":"<tea>","seq":1,"userId":"<alice>"},"type":"MESSAGE_DELETED"}"#);
    alice.until_settled((ack, events), 1).await;

    assert_frame!(bob.reply("GET_HISTORY", json!({"roomId": room, "limit": 2})).await, @r#"{"payload":{"hasMore":true,"items":[{"content":"three","id":"<message>","roomId":"<tea>","seq":3,"timestamp":"<time>","type":"text","userId":"<alice>","username":"alice"},{"content":"two","id":"<message>","roomId":"<tea>","seq":2,"timestamp":"<time>","type":"text","userId":"<alice>","username":"alice"}],"position":{"eventId":"<event>","rev":6},"roomId":"<tea>"},"requestId":"q3","type":"HISTORY"}"#);
    assert_frame!(bob.reply("GET_HISTORY", json!({"roomId": room, "after": 0, "limit": 1})).await, @r#"{"payload":{"hasMore":true,"items":[{"content":"","deletedAt":"<time>","id":"<message>","roomId":"<tea>","seq":1,"timestamp":"<time>","type":"text","userId":"<alice>","username":"alice"}],"position":{"eventId":"<event>","rev":6},"roomId":"<tea>"},"requestId":"q4","type":"HISTORY"}"#);

    bob.tell("MARK_READ", json!({"roomId": room, "seq": 2})).await;
    assert_eq!(bob.next().await["type"], "READ_MARK");
    bob.quiet().await;
    let viewer = world.domain.identity.authenticate(&world.user("carol").await.token).await.unwrap();
    assert_eq!(world.domain.rooms.unread(&viewer).await.unwrap().total, 0);
    let member = world.domain.store.log.marks(room.parse().unwrap(), &[bob_id(&world, &room).await]).await.unwrap();
    assert_eq!(member.iter().map(|marks| marks.read).collect::<Vec<_>>(), [2]);
}

#[rstest]
#[tokio::test]
async fn a_message_is_edited_by_its_author_alone_and_all_are_shown_it_anew(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::start(engine).await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let room = world.room_of("tea", &[&alice, &bob]).await;
    let (mut alice, mut bob) = (world.connect(&alice).await, world.connect(&bob).await);
    let (ack, events) = alice
        .ask_among_events("SEND_MESSAGE", json!({"roomId": room, "content": "frist", "clientMessageId": "k"}))
        .await;
    let id = ack["payload"]["id"].clone();
    alice.until_settled((ack, events), 1).await;
    bob.until("NEW_MESSAGE").await;

    let (ack, events) = alice.ask_among_events("EDIT_MESSAGE", json!({"messageId": id, "content": "first"})).await;
    assert_frame!(alice.show(ack.clone()), @r#"{"payload":{"editedAt":"<time>","messageId":"<message>"},"requestId":"q2","type":"EDIT_MESSAGE_ACK"}"#);
    assert_frame!(bob.frame().await, @r#"{"payload":{"clientMessageId":"k","content":"first","editedAt":"<time>","eventId":"<event>","id":"<message>","rev":4,"roomId":"<tea>","seq":1,"timestamp":"<time>","type":"text","userId":"<alice>","username":"alice"},"type":"MESSAGE_EDITED"}"#);
    let own = alice.until_settled((ack, events), 1).await;
    assert_eq!(own[0]["type"], "MESSAGE_EDITED");

    assert_frame!(bob.reply("EDIT_MESSAGE", json!({"messageId": id, "content": "mine"})).await, @r#"{"payload":{"code":"FORBIDDEN","message":"only its author may edit a message"},"requestId":"q1","type":"ERROR"}"#);
    assert_frame!(alice.reply("EDIT_MESSAGE", json!({"messageId": id, "content": " "})).await, @r#"{"payload":{"code":"INVALID_MESSAGE","details":[{"field":"content","problem":"must not be blank"}],"message":"content: must not be blank"},"requestId":"q3","type":"ERROR"}"#);
    assert_frame!(bob.reply("GET_HISTORY", json!({"roomId": room})).await, @r#"{"payload":{"hasMore":false,"items":[{"clientMessageId":"k","content":"first","editedAt":"<time>","id":"<message>","roomId":"<tea>","seq":1,"timestamp":"<time>","type":"text","userId":"<alice>","username":"alice"}],"position":{"eventId":"<event>","rev":4},"roomId":"<tea>"},"requestId":"q2","type":"HISTORY"}"#);

    let (ack, events) = alice.ask_among_events("DELETE_MESSAGE", json!({"messageId": id})).await;
    alice.until_settled((ack, events), 1).await;
    bob.until("MESSAGE_DELETED").await;
    assert_frame!(alice.reply("EDIT_MESSAGE", json!({"messageId": id, "content": "back"})).await, @r#"{"payload":{"code":"MESSAGE_NOT_FOUND","message":"there is no such message"},"requestId":"q5","type":"ERROR"}"#);
    bob.quiet().await;
}

#[rstest]
#[tokio::test]
async fn a_reaction_is_given_once_and_taken_back_and_all_are_told_how_many_there_are(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::start(engine).await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let room = world.room_of("tea", &[&alice, &bob]).await;
    let (mut alice, mut bob) = (world.connect(&alice).await, world.connect(&bob).await);
    let (ack, events) = alice.ask_among_events("SEND_MESSAGE", json!({"roomId": room, "content": "cake?"})).await;
    let id = ack["payload"]["id"].clone();
    alice.until_settled((ack, events), 1).await;
    bob.until("NEW_MESSAGE").await;

    let react = |add: bool| json!({"messageId": id, "emoji": "🍰", "add": add});
    let (ack, events) = bob.ask_among_events("REACT", react(true)).await;
    assert_frame!(bob.show(ack.clone()), @r#"{"payload":{"count":1,"emoji":"🍰","messageId":"<message>"},"requestId":"q1","type":"REACT_ACK"}"#);
    assert_frame!(alice.frame().await, @r#"{"payload":{"added":true,"count":1,"emoji":"🍰","eventId":"<event>","messageId":"<message>","rev":4,"roomId":"<tea>","seq":1,"userId":"<bob>","username":"bob"},"type":"REACTION_UPDATED"}"#);
    bob.until_settled((ack, events), 1).await;
    // Twice is once: the same reply, and nothing to tell.
    assert_frame!(bob.reply("REACT", react(true)).await, @r#"{"payload":{"count":1,"emoji":"🍰","messageId":"<message>"},"requestId":"q2","type":"REACT_ACK"}"#);
    let (ack, events) = alice.ask_among_events("REACT", react(true)).await;
    assert_eq!(ack["payload"]["count"], 2);
    alice.until_settled((ack, events), 1).await;
    assert_frame!(bob.frame().await, @r#"{"payload":{"added":true,"count":2,"emoji":"🍰","eventId":"<event>","messageId":"<message>","rev":5,"roomId":"<tea>","seq":1,"userId":"<alice>","username":"alice"},"type":"REACTION_UPDATED"}"#);
    let (ack, events) = bob.ask_among_events("REACT", react(false)).await;
    assert_eq!(ack["payload"]["count"], 1);
    bob.until_settled((ack, events), 1).await;
    assert_frame!(alice.frame().await, @r#"{"payload":{"added":false,"count":1,"emoji":"🍰","eventId":"<event>","messageId":"<message>","rev":6,"roomId":"<tea>","seq":1,"userId":"<bob>","username":"bob"},"type":"REACTION_UPDATED"}"#);

    assert_frame!(bob.reply("GET_HISTORY", json!({"roomId": room})).await, @r#"{"payload":{"hasMore":false,"items":[{"content":"cake?","id":"<message>","reactions":[{"count":1,"emoji":"🍰","userIds":["<alice>"]}],"roomId":"<tea>","seq":1,"timestamp":"<time>","type":"text","userId":"<alice>","username":"alice"}],"position":{"eventId":"<event>","rev":6},"roomId":"<tea>"},"requestId":"q4","type":"HISTORY"}"#);
    let unknown = json!({"messageId": "A".repeat(32), "emoji": "🍰", "add": true});
    assert_eq!(bob.ask("REACT", unknown).await["payload"]["code"], "INVALID_MESSAGE");
    bob.quiet().await;
}

async fn bob_id(world: &World, room: &str) -> shared::UserId {
    world.domain.store.rooms.members(room.parse().unwrap(), 0, 10).await.unwrap()[1].user
}

#[rstest]
#[tokio::test]
async fn a_direct_message_reaches_both_on_all_devices_the_first_one_too(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::start(engine).await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    world.domain.store.people.add_contact(bob.id, alice.id, 9).await.unwrap();
    let (mut a1, mut a2, mut b1, mut b2) = (
        world.connect(&alice).await,
        world.connect(&alice).await,
        world.connect(&bob).await,
        world.connect(&bob).await,
    );
    world.name(&shared::RoomId::direct(alice.id, bob.id).to_string(), "direct");

    let (ack, mut events) =
        a1.ask_among_events("SEND_MESSAGE", json!({"recipientId": bob.id, "content": "psst"})).await;
    assert_eq!(ack["type"], "MESSAGE_ACK");
    while events.len() < 2 {
        events.push(a1.next().await);
    }
    assert_eq!([&events[0]["type"], &events[1]["type"]], ["ROOM_ADDED", "NEW_MESSAGE"]);
    for client in [&mut a2, &mut b1, &mut b2] {
        let frames = client.until("NEW_MESSAGE").await;
        let types: Vec<_> = frames.iter().map(|f| f["type"].as_str().unwrap()).collect();
        assert_eq!(types, ["ROOM_ADDED", "NEW_MESSAGE"]);
        assert_eq!(frames[1]["payload"]["content"], "psst");
        client.quiet().await;
    }
    b1.tell("SEND_MESSAGE", json!({"recipientId": alice.id, "content": "yes?"})).await;
    for client in [&mut a1, &mut a2, &mut b2] {
        assert_eq!(client.next().await["payload"]["content"], "yes?");
        client.quiet().await;
    }
}

#[rstest]
#[tokio::test]
async fn a_private_room_does_not_exist_for_who_is_not_in_it(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let world = World::start(engine).await;
    let (mut alice, mut bob) =
        (world.connect(&world.user("alice").await).await, world.connect(&world.user("bob").await).await);
    let created = alice.ask("CREATE_ROOM", json!({"name": "Secret", "type": "private"})).await;
    let room = created["payload"]["room"]["id"].clone();
    for (kind, payload) in [
        ("JOIN_ROOM", json!({"roomId": room})),
        ("LEAVE_ROOM", json!({"roomId": room})),
        ("SEND_MESSAGE", json!({"roomId": room, "content": "x"})),
        ("GET_HISTORY", json!({"roomId": room})),
        ("MARK_READ", json!({"roomId": room, "seq": 1})),
    ] {
        let reply = bob.ask(kind, payload).await;
        assert_eq!(reply["payload"]["code"], "ROOM_NOT_FOUND", "{kind}");
    }
    alice.quiet().await;
}

#[rstest]
#[tokio::test]
async fn too_many_messages_are_refused_with_the_time_to_wait(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::with(engine, |s| {
        s.limits.enabled = true;
        (s.limits.messages_per_second, s.limits.messages_burst) = (1, 2);
    })
    .await;
    let mut alice = world.connect(&world.user("alice").await).await;
    let room = world.room(&mut alice, "tea").await;
    loop {
        let (reply, _) = alice.ask_among_events("SEND_MESSAGE", json!({"roomId": room, "content": "x"})).await;
        if reply["type"] == "ERROR" {
            assert_eq!(reply["payload"]["code"], "RATE_LIMIT_EXCEEDED");
            assert!(reply["payload"]["retryAfterMs"].as_u64().unwrap() > 0);
            break;
        }
    }
}
