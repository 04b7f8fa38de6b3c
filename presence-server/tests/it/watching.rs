//! Who may watch whom, and that it ends and begins by itself.

use rstest::rstest;
use serde_json::{Value, json};
use shared::{
    RoomId, Timestamp,
    protocol::{HistoryVisibility, LastSeenFor, Role, RoomType, command::SendMessage},
};
use store::{Actor, RoomRecord};

use crate::{
    presence::status,
    support::{Engine, Person, Socket, TestServer},
};

fn actor(person: &Person) -> Actor {
    Actor { id: person.viewer.user, username: person.viewer.username.clone() }
}

/// A room that the first of them makes.
async fn room(server: &TestServer, kind: RoomType, members: &[&Person]) -> RoomId {
    let id = match kind {
        RoomType::Direct => RoomId::direct(members[0].viewer.user, members[1].viewer.user),
        RoomType::Public | RoomType::Private => RoomId::new(),
    };
    let room = RoomRecord {
        id,
        handle: None,
        name: Some("tea".into()),
        description: None,
        kind,
        created_by: members[0].viewer.user,
        created_at: Timestamp::now(),
        history_visibility: HistoryVisibility::All,
        retention: None,
        asked: None,
    };
    let members: Vec<Actor> = members.iter().map(|member| actor(member)).collect();
    server.domain.store.rooms.create_room(&room, &members).await.unwrap();
    id
}

async fn say(server: &TestServer, by: &Person, room: RoomId) {
    let message = SendMessage {
        room_id: Some(room),
        recipient_id: None,
        content: "hello".into(),
        kind: shared::protocol::MessageType::Text,
        client_message_id: None,
        reply_to: None,
    };
    server.domain.messages.send(&by.viewer, message).await.unwrap();
}

/// Strangers, bob connected, and a socket of alice's that wants to watch him.
async fn strangers(server: &TestServer) -> (Person, Person, Socket, Socket) {
    let (alice, bob) = (server.person("alice").await, server.person("bob").await);
    let bobs = server.connect(&bob).await;
    let mut watcher = server.connect(&alice).await;
    let snapshot = watcher.ask("SUBSCRIBE", json!({"userIds": [bob.viewer.user]})).await;
    assert_eq!(snapshot["payload"]["users"][0]["status"], "offline");
    (alice, bob, bobs, watcher)
}

async fn is_told(watcher: &mut Socket, expected: &str) {
    let update = watcher.next().await;
    assert_eq!(status(&update), ("PRESENCE_UPDATE", expected));
    assert_eq!(update["payload"].get("lastSeen"), None, "{update}");
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn whom_one_has_in_contacts_may_watch_as_long_as_they_are_there(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let (alice, bob, mut bobs, mut watcher) = strangers(&server).await;
    let people = &server.domain.people;
    // That one has them in one's own says nothing.
    people.add_contact(&alice.viewer, bob.viewer.user).await.unwrap();
    watcher.is_quiet().await;
    people.add_contact(&bob.viewer, alice.viewer.user).await.unwrap();
    is_told(&mut watcher, "online").await;
    people.remove_contact(&bob.viewer, alice.viewer.user).await.unwrap();
    is_told(&mut watcher, "offline").await;
    bobs.ask("SET_STATUS", json!({"status": "busy"})).await;
    watcher.is_quiet().await;
    people.add_contact(&bob.viewer, alice.viewer.user).await.unwrap();
    is_told(&mut watcher, "busy").await;
    watcher.ask("UNSUBSCRIBE", json!({"userIds": [bob.viewer.user]})).await;
    people.remove_contact(&bob.viewer, alice.viewer.user).await.unwrap();
    people.add_contact(&bob.viewer, alice.viewer.user).await.unwrap();
    watcher.is_quiet().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn members_of_a_private_room_watch_each_other_while_both_are_in_it(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let (alice, bob, _bobs, mut watcher) = strangers(&server).await;
    let (rooms, store) = (&server.domain.rooms, &server.domain.store.rooms);
    let first = room(&server, RoomType::Private, &[&bob, &alice]).await;
    is_told(&mut watcher, "online").await;
    let second = room(&server, RoomType::Private, &[&bob, &alice]).await;
    rooms.leave(&alice.viewer, first).await.unwrap();
    watcher.is_quiet().await;
    // The last common one: she leaves, is in again, is taken out, he leaves, and it is deleted.
    rooms.leave(&alice.viewer, second).await.unwrap();
    is_told(&mut watcher, "offline").await;
    store.join(second, &actor(&alice), Role::Member, 9).await.unwrap();
    is_told(&mut watcher, "online").await;
    rooms.remove_member(&bob.viewer, second, alice.viewer.user).await.unwrap();
    is_told(&mut watcher, "offline").await;
    store.join(second, &actor(&alice), Role::Member, 9).await.unwrap();
    is_told(&mut watcher, "online").await;
    rooms.leave(&bob.viewer, second).await.unwrap();
    is_told(&mut watcher, "offline").await;
    store.join(second, &actor(&bob), Role::Member, 9).await.unwrap();
    is_told(&mut watcher, "online").await;
    rooms.delete(&alice.viewer, second).await.unwrap();
    is_told(&mut watcher, "offline").await;
    watcher.is_quiet().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn who_is_blocked_sees_offline_whatever_they_share(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let (alice, bob, mut bobs, mut watcher) = strangers(&server).await;
    room(&server, RoomType::Private, &[&bob, &alice]).await;
    is_told(&mut watcher, "online").await;
    server.domain.people.block(&bob.viewer, alice.viewer.user).await.unwrap();
    is_told(&mut watcher, "offline").await;
    server.domain.people.add_contact(&bob.viewer, alice.viewer.user).await.unwrap();
    bobs.ask("SET_STATUS", json!({"status": "busy"})).await;
    watcher.is_quiet().await;
    let snapshot = watcher.ask("SUBSCRIBE", json!({})).await;
    assert_eq!(snapshot["payload"]["users"], json!([]), "whom she has in her contacts is another matter");
    server.domain.people.unblock(&bob.viewer, alice.viewer.user).await.unwrap();
    is_told(&mut watcher, "busy").await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_public_room_lets_nobody_watch(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let (alice, bob, mut bobs, mut watcher) = strangers(&server).await;
    let public = room(&server, RoomType::Public, &[&bob]).await;
    server.domain.rooms.join(&alice.viewer, public).await.unwrap();
    say(&server, &bob, public).await;
    bobs.ask("SET_STATUS", json!({"status": "busy"})).await;
    watcher.is_quiet().await;
    let snapshot = watcher.ask("SUBSCRIBE", json!({"userIds": [bob.viewer.user]})).await;
    assert_eq!(snapshot["payload"]["users"][0]["status"], "offline");
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_direct_room_lets_watch_those_who_have_written_in_it(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let (alice, bob, _bobs, mut watcher) = strangers(&server).await;
    let direct = room(&server, RoomType::Direct, &[&alice, &bob]).await;
    say(&server, &alice, direct).await;
    watcher.is_quiet().await;
    let snapshot = watcher.ask("SUBSCRIBE", json!({"userIds": [bob.viewer.user]})).await;
    assert_eq!(snapshot["payload"]["users"][0]["status"], "offline", "he has not said a word");
    let seen = server.domain.presence.seen_by(&bob.viewer, &[alice.viewer.user]).await.unwrap();
    assert_eq!(seen[0].status, shared::protocol::Status::Online, "but she has");
    say(&server, &bob, direct).await;
    is_told(&mut watcher, "online").await;
    watcher.is_quiet().await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn when_somebody_was_last_seen_is_told_to_whom_they_choose(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let (alice, bob) = server.friends().await;
    let carol = server.person("carol").await;
    room(&server, RoomType::Private, &[&carol, &bob]).await;
    let user = bob.viewer.user;
    let (mut friend, mut member) = (server.connect(&alice).await, server.connect(&carol).await);
    for watcher in [&mut friend, &mut member] {
        watcher.ask("SUBSCRIBE", json!({"userIds": [user]})).await;
    }
    let bobs = server.connect(&bob).await;
    for watcher in [&mut friend, &mut member] {
        is_told(watcher, "online").await;
    }
    bobs.cut();
    let gone = friend.next().await;
    assert_eq!(status(&gone), ("PRESENCE_UPDATE", "offline"));
    let at = gone["payload"]["lastSeen"].clone();
    assert!(at.is_string(), "{gone}");
    assert_eq!(member.next().await, gone);

    let snapshot = async |watcher: &mut Socket| {
        let snapshot = watcher.ask("SUBSCRIBE", json!({"userIds": [user]})).await;
        snapshot["payload"]["users"][0]["lastSeen"].clone()
    };
    let updated = async |watcher: &mut Socket| {
        let update = watcher.next().await;
        assert_eq!(status(&update), ("PRESENCE_UPDATE", "offline"));
        update["payload"]["lastSeen"].clone()
    };
    server.domain.presence.tell_last_seen(user, LastSeenFor::Contacts).await.unwrap();
    assert_eq!(updated(&mut member).await, Value::Null);
    assert_eq!((snapshot(&mut friend).await, snapshot(&mut member).await), (at.clone(), Value::Null));
    server.domain.presence.tell_last_seen(user, LastSeenFor::Nobody).await.unwrap();
    assert_eq!(updated(&mut friend).await, Value::Null);
    assert_eq!((snapshot(&mut friend).await, snapshot(&mut member).await), (Value::Null, Value::Null));
    // Whoever comes and goes now is told without it.
    server.connect(&bob).await.cut();
    for watcher in [&mut friend, &mut member] {
        is_told(watcher, "online").await;
        is_told(watcher, "offline").await;
    }
    server.domain.presence.tell_last_seen(user, LastSeenFor::Everyone).await.unwrap();
    for watcher in [&mut friend, &mut member] {
        assert!(updated(watcher).await.is_string());
        watcher.is_quiet().await;
    }
}
