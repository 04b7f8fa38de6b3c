//! Roles as sockets are told of them, and what becomes of the sockets of who is taken out.

use rstest::rstest;
use serde_json::json;
use shared::protocol::Role;

use crate::support::{Engine, User, World, assert_frame};

#[rstest]
#[tokio::test]
async fn a_role_is_told_to_every_member(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let world = World::start(engine).await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let room = world.room_of("tea", &[&alice, &bob]).await;
    let (mut a, mut b) = (world.connect(&alice).await, world.connect(&bob).await);
    let viewer = world.domain.identity.authenticate(&alice.token).await.unwrap();
    world.domain.rooms.set_role(&viewer, room, bob.id, Role::Admin).await.unwrap();
    for client in [&mut a, &mut b] {
        assert_frame!(client.frame().await, @r#"{"payload":{"eventId":"<event>","rev":3,"role":"admin","roomId":"<tea>","userId":"<bob>"},"type":"MEMBER_UPDATED"}"#);
        client.quiet().await;
    }
    // She leaves, and the room is his.
    a.ask("LEAVE_ROOM", json!({"roomId": room})).await;
    assert_frame!(b.frame().await, @r#"{"payload":{"eventId":"<event>","rev":4,"roomId":"<tea>","userId":"<alice>","username":"alice"},"type":"USER_LEFT"}"#);
    assert_frame!(b.frame().await, @r#"{"payload":{"eventId":"<event>","rev":5,"role":"owner","roomId":"<tea>","userId":"<bob>"},"type":"MEMBER_UPDATED"}"#);
    b.quiet().await;
}

#[rstest]
#[tokio::test]
async fn who_is_taken_out_gets_no_more_of_the_room_on_any_device(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::start(engine).await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let room = world.room_of("tea", &[&alice, &bob]).await;
    let mut a = world.connect(&alice).await;
    let (mut b1, mut b2) = (world.connect(&bob).await, world.connect(&bob).await);
    let viewer = world.domain.identity.authenticate(&alice.token).await.unwrap();
    world.domain.rooms.ban(&viewer, room, bob.id).await.unwrap();
    assert_frame!(a.frame().await, @r#"{"payload":{"eventId":"<event>","removedBy":"<alice>","rev":3,"roomId":"<tea>","userId":"<bob>","username":"bob"},"type":"USER_LEFT"}"#);
    for client in [&mut b1, &mut b2] {
        assert_frame!(client.frame().await, @r#"{"payload":{"roomId":"<tea>"},"type":"ROOM_REMOVED"}"#);
    }
    a.tell("SEND_MESSAGE", json!({"roomId": room, "content": "alone"})).await;
    a.until("NEW_MESSAGE").await;
    for client in [&mut b1, &mut b2] {
        client.quiet().await;
    }
    let refused = b1.ask("SEND_MESSAGE", json!({"roomId": room, "content": "x"})).await;
    assert_eq!(refused["payload"]["code"], "ROOM_NOT_FOUND");
}

#[rstest]
#[tokio::test]
async fn who_was_away_resumes_with_what_became_of_the_roles(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let world = World::start(engine).await;
    let (alice, bob, carol) = (world.user("alice").await, world.user("bob").await, world.user("carol").await);
    let room = world.room_of("tea", &[&alice, &bob, &carol]).await;
    let position = world.domain.rooms.positions(&[room]).await.unwrap().remove(0).unwrap();
    let viewer = world.domain.identity.authenticate(&alice.token).await.unwrap();
    world.domain.rooms.set_role(&viewer, room, bob.id, Role::Admin).await.unwrap();
    world.domain.rooms.remove_member(&viewer, room, carol.id).await.unwrap();
    let named = json!({"rooms": {room.to_string(): position}});

    let mut b = world.held(0, &bob).await;
    let (_, told) = b.ask_among_events("RESUME", named.clone()).await;
    let kinds: Vec<_> = told.iter().map(|frame| (&frame["type"], &frame["payload"]["userId"])).collect();
    let (updated, left) = (json!("MEMBER_UPDATED"), json!("USER_LEFT"));
    assert_eq!(kinds, [(&updated, &json!(bob.id)), (&left, &json!(carol.id))]);
    assert_eq!(told[1]["payload"]["removedBy"], json!(alice.id));

    let mut c = world.held(0, &carol).await;
    let (resumed, told) = c.ask_among_events("RESUME", named).await;
    assert_eq!(resumed["payload"]["rooms"][room.to_string()]["status"], "gone");
    assert!(told.is_empty(), "{told:?}");
}

#[rstest]
#[tokio::test]
async fn what_a_room_is_now_is_told_and_who_may_see_an_edit_is_asked_anew(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::start(engine).await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let mut a = world.connect(&alice).await;
    let room = world.room(&mut a, "tea").await;
    let sent = a.ask_among_events("SEND_MESSAGE", json!({"roomId": room, "content": "early"})).await.0;
    let message = sent["payload"]["id"].clone();
    let mut b = world.connect(&bob).await;
    b.ask("JOIN_ROOM", json!({"roomId": room})).await;
    let edit = async |client: &mut crate::support::Client, content: &str| {
        client.tell("EDIT_MESSAGE", json!({"messageId": message, "content": content})).await;
    };
    edit(&mut a, "for all").await;
    assert_eq!(b.until("MESSAGE_EDITED").await.pop().unwrap()["payload"]["content"], "for all");

    let viewer = world.domain.identity.authenticate(&alice.token).await.unwrap();
    let patch = serde_json::from_value(json!({"historyVisibility": "joined", "description": "d"})).unwrap();
    world.domain.rooms.patch(&viewer, room.parse().unwrap(), patch).await.unwrap();
    assert_frame!(b.frame().await, @r#"{"payload":{"description":"d","eventId":"<event>","historyVisibility":"joined","name":"tea","rev":5,"roomId":"<tea>","userId":"<alice>"},"type":"ROOM_UPDATED"}"#);
    edit(&mut a, "for who was there").await;
    let edited = b.until("MESSAGE_EDITED").await.pop().unwrap();
    assert_eq!((&edited["payload"]["rev"], &edited["payload"]["content"]), (&json!(6), &json!("")));
}

#[rstest]
#[tokio::test]
async fn a_deleted_room_ends_on_every_socket(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let world = World::start(engine).await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let room = world.room_of("tea", &[&alice, &bob]).await;
    let position = world.domain.rooms.positions(&[room]).await.unwrap().remove(0).unwrap();
    let (mut a, mut b1, mut b2) = (world.connect(&alice).await, world.connect(&bob).await, world.connect(&bob).await);
    let viewer = world.domain.identity.authenticate(&alice.token).await.unwrap();
    world.domain.rooms.delete(&viewer, room).await.unwrap();
    for client in [&mut a, &mut b1, &mut b2] {
        assert_frame!(client.frame().await, @r#"{"payload":{"eventId":"<event>","rev":3,"roomId":"<tea>","userId":"<alice>"},"type":"ROOM_DELETED"}"#);
        assert_frame!(client.frame().await, @r#"{"payload":{"roomId":"<tea>"},"type":"ROOM_REMOVED"}"#);
        client.quiet().await;
        let refused = client.ask("SEND_MESSAGE", json!({"roomId": room, "content": "x"})).await;
        assert_eq!(refused["payload"]["code"], "ROOM_NOT_FOUND");
    }
    let mut held = world.held(0, &bob).await;
    let (resumed, told) = held.ask_among_events("RESUME", json!({"rooms": {room.to_string(): position}})).await;
    assert_eq!((&resumed["payload"]["rooms"][room.to_string()]["status"], told.len()), (&json!("gone"), 0));
}

#[rstest]
#[tokio::test]
async fn a_deletion_whose_event_was_lost_is_found_all_the_same(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::with(engine, |settings| settings.chat.heads_seconds = 1).await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let room = world.room_of("tea", &[&alice, &bob]).await;
    let mut b = world.connect(&bob).await;
    world.bus.mute(store::Topic::Room(room)).await;
    world.bus.mute(store::Topic::User(bob.id)).await;
    let viewer = world.domain.identity.authenticate(&alice.token).await.unwrap();
    world.domain.rooms.delete(&viewer, room).await.unwrap();
    assert_eq!(b.until("ROOM_REMOVED").await.len(), 1);
    b.quiet().await;
}

#[rstest]
#[tokio::test]
async fn a_former_member_connects_though_their_list_still_names_the_deleted_room(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::start(engine).await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let others: Vec<User> =
        (0..300).map(|n| User { id: shared::UserId::new(), name: format!("u{n}"), token: String::new() }).collect();
    // Who joined first is told first.
    let members: Vec<&User> = [&alice].into_iter().chain(&others).chain([&bob]).collect();
    let room = world.room_of("tea", &members).await;
    let other = world.room_of("coffee", &[&alice, &bob]).await;
    let viewer = world.domain.identity.authenticate(&alice.token).await.unwrap();
    world.domain.rooms.delete(&viewer, room).await.unwrap();
    assert!(world.domain.store.rooms.rooms_of(bob.id).await.unwrap().contains(&room), "they are told later");

    let mut b = world.connect(&bob).await;
    let sent = b.ask_among_events("SEND_MESSAGE", json!({"roomId": other, "content": "here"})).await.0;
    assert_eq!(sent["type"], "MESSAGE_ACK", "{sent}");
    let refused = b.ask_among_events("JOIN_ROOM", json!({"roomId": room})).await.0;
    assert_eq!(refused["payload"]["code"], "ROOM_NOT_FOUND");
    let mut held = world.held(0, &bob).await;
    let synced = held.ask("SYNC", json!({})).await;
    let ids: Vec<&str> =
        synced["payload"]["rooms"].as_array().unwrap().iter().map(|room| room["id"].as_str().unwrap()).collect();
    assert_eq!(ids, [other.to_string()]);
}
