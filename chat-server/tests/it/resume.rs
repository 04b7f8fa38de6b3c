//! Who comes back goes on from where they left off, on whichever server: no hole, no double.

use futures_util::{StreamExt, stream};
use rstest::rstest;
use serde_json::{Value, json};
use shared::{RoomId, protocol::command::Mark};

use crate::support::{Client, Engine, User, World, assert_frame};

/// The position an event or a room names.
pub fn position(of: &Value) -> Value {
    json!({"rev": of["rev"], "eventId": of["eventId"]})
}

pub async fn say(world: &World, author: &domain::Viewer, room: &str, text: &str) {
    let input = json!({"roomId": room, "content": text});
    world.domain.messages.send(author, serde_json::from_value(input).unwrap()).await.unwrap();
}

pub async fn viewer(world: &World, user: &User) -> domain::Viewer {
    world.domain.identity.authenticate(&user.token).await.unwrap()
}

/// Alice's room that Bob has joined; Alice's position in it after that.
async fn two_in_a_room(world: &World, alice: &User, bob: &User) -> (Client, domain::Viewer, String, Value) {
    let mut client = world.connect(alice).await;
    let room = world.room(&mut client, "tea").await;
    let author = viewer(world, bob).await;
    world.domain.rooms.join(&author, room.parse().unwrap()).await.unwrap();
    let joined = client.next().await;
    assert_eq!(joined["type"], "USER_JOINED");
    (client, author, room, position(&joined["payload"]))
}

/// The events before the reply, and the reply's rooms.
async fn resume(client: &mut Client, payload: Value) -> (Vec<Value>, Value) {
    let (reply, events) = client.ask_among_events("RESUME", payload).await;
    assert_eq!(reply["type"], "RESUMED", "{reply}");
    (events, reply["payload"].clone())
}

fn contents(events: &[Value]) -> Vec<&str> {
    events.iter().map(|e| e["payload"]["content"].as_str().unwrap_or_else(|| panic!("{e}"))).collect()
}

#[rstest]
#[tokio::test]
async fn who_resumes_on_another_server_gets_what_was_missed_then_what_comes(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let mut world = World::start(engine).await;
    world.add_node().await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let (client, author, room, at) = two_in_a_room(&world, &alice, &bob).await;
    drop(client);
    for n in 0..250 {
        say(&world, &author, &room, &n.to_string()).await;
    }
    let mut back = world.held(1, &alice).await;
    say(&world, &author, &room, "250").await;
    back.quiet().await;
    let (events, resumed) = resume(&mut back, json!({"rooms": {&room: at}})).await;
    let expected: Vec<String> = (0..=250).map(|n| n.to_string()).collect();
    assert_eq!(contents(&events), expected);
    let of_room = &resumed["rooms"][&room];
    assert_eq!((&of_room["status"], &of_room["rev"]), (&json!("caught_up"), &json!(253)));
    assert_eq!((&of_room["unread"], &of_room["lastReadSeq"]), (&json!(251), &json!(0)));
    say(&world, &author, &room, "live").await;
    let live = back.next().await;
    assert_eq!((&live["payload"]["content"], &live["payload"]["rev"]), (&json!("live"), &json!(254)));
    back.quiet().await;
}

#[rstest]
#[tokio::test]
async fn the_answer_to_resume_says_how_each_room_goes_on(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let world = World::start(engine).await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let (mut client, author, tea, at) = two_in_a_room(&world, &alice, &bob).await;
    let mut positions = serde_json::Map::new();
    positions.insert(tea, at);
    for name in ["left", "back", "far", "forked"] {
        let created = client.ask("CREATE_ROOM", json!({"name": name, "type": "public"})).await;
        let room = &created["payload"]["room"];
        let id = room["id"].as_str().unwrap().to_owned();
        world.name(&id, name);
        world.domain.rooms.join(&author, id.parse().unwrap()).await.unwrap();
        let joined = client.next().await;
        positions.insert(id, position(&joined["payload"]));
    }
    let new = world.room(&mut client, "new").await;
    drop(client);
    let ids: Vec<String> = positions.keys().cloned().collect();
    let id = |name: &str| ids.iter().find(|id| world.shown(id) == format!("<{name}>")).unwrap().clone();
    let me = viewer(&world, &alice).await;
    let rooms = &world.domain.rooms;
    for name in ["left", "back"] {
        rooms.leave(&me, id(name).parse().unwrap()).await.unwrap();
    }
    rooms.join(&me, id("back").parse().unwrap()).await.unwrap();
    for n in 0..1001 {
        say(&world, &author, &id("far"), &n.to_string()).await;
    }
    let forked = id("forked");
    positions[forked.as_str()] = json!({"rev": 2, "eventId": shared::EventId::random()});
    let mut back = world.held(0, &alice).await;
    let (events, resumed) = resume(&mut back, json!({"rooms": positions})).await;
    assert!(events.is_empty(), "{events:?}");
    let status = |id: &str| resumed["rooms"][id]["status"].as_str().unwrap_or("none").to_owned();
    let statuses: Vec<_> =
        ["tea", "left", "back", "far", "forked"].iter().map(|name| (*name, status(&id(name)))).collect();
    let expected = [("tea", "caught_up"), ("left", "gone"), ("back", "reset"), ("far", "reset"), ("forked", "reset")];
    assert_eq!(statuses, expected.map(|(name, status)| (name, status.to_owned())));
    assert_eq!(status(&new), "new");
    assert!(resumed["rooms"][id("left")]["rev"].is_null());
    // All of them are live but the one that was left.
    for name in ["tea", "left", "back", "far", "forked"] {
        say(&world, &author, &id(name), name).await;
    }
    for name in ["tea", "back", "far", "forked"] {
        assert_eq!(back.next().await["payload"]["content"], name);
    }
    back.quiet().await;
}

#[tokio::test]
async fn a_position_that_was_trimmed_is_a_reset() {
    let world = World::start(Engine::Embedded).await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let (client, author, room, at) = two_in_a_room(&world, &alice, &bob).await;
    drop(client);
    let id: RoomId = room.parse().unwrap();
    let before = shared::MessageId { room: id, seq: 1 };
    say(&world, &author, &room, "0").await;
    // As many changes of one message as the log keeps, and one more.
    let react = |n: u64| {
        let input = json!({"messageId": before, "emoji": "👍", "add": n.is_multiple_of(2)});
        world.domain.messages.react(&author, serde_json::from_value(input).unwrap())
    };
    for n in 0..store::log::CHANGES_KEPT {
        react(n).await.unwrap();
    }
    let mut back = world.held(0, &alice).await;
    let (events, resumed) = resume(&mut back, json!({"rooms": {&room: at}})).await;
    assert!(events.is_empty());
    assert_eq!(resumed["rooms"][&room]["status"], "reset");
}

#[rstest]
#[tokio::test]
async fn the_users_own_log_is_told_first_and_rooms_added_by_it_have_no_hole(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::start(engine).await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let (client, author, tea, at) = two_in_a_room(&world, &alice, &bob).await;
    let me = viewer(&world, &alice).await;
    // Guests write to those who know them.
    world.domain.people.add_contact(&me, bob.id).await.unwrap();
    let user = world.domain.store.user_log.user_positions(&[alice.id]).await.unwrap()[0];
    drop(client);
    // Written to for the first time while away, read on another device, and a room that came and went.
    let input = json!({"recipientId": alice.id, "content": "hello"});
    let sent = world.domain.messages.send(&author, serde_json::from_value(input).unwrap()).await.unwrap();
    world.name(&sent.id.room.to_string(), "direct");
    say(&world, &author, &tea, "one").await;
    say(&world, &author, &tea, "two").await;
    let mark = Mark { room_id: tea.parse().unwrap(), seq: 1 };
    world.domain.messages.mark_read(&me, &mark).await.unwrap();
    world.domain.people.remove_contact(&me, bob.id).await.unwrap();
    let mut back = world.held(0, &alice).await;
    let (events, resumed) = resume(&mut back, json!({"user": user, "rooms": {&tea: at}})).await;
    let kinds: Vec<_> = events.iter().map(|e| e["type"].as_str().unwrap()).collect();
    assert_eq!(kinds[..3], ["ROOM_ADDED", "READ_MARK", "CONTACT_UPDATED"]);
    assert_frame!(back.show(events[1].clone()), @r#"{"payload":{"mentions":0,"roomId":"<tea>","seq":1,"unread":1,"userPosition":{"eventId":"<event>","rev":4}},"type":"READ_MARK"}"#);
    let mut messages = contents(&events[3..]);
    messages.sort_unstable();
    assert_eq!(messages, ["hello", "one", "two"]);
    assert_eq!(resumed["rooms"][sent.id.room.to_string()]["status"], "new");
    assert_eq!(resumed["user"]["status"], "caught_up");
    assert_eq!(resumed["user"]["rev"], user.rev + 3);
    say(&world, &author, &tea, "three").await;
    assert_eq!(back.next().await["payload"]["content"], "three");
    back.quiet().await;
}

#[rstest]
#[tokio::test]
async fn a_private_room_that_came_and_went_meanwhile_hinders_no_resuming(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::start(engine).await;
    let alice = world.user("alice").await;
    let me = viewer(&world, &alice).await;
    let user = world.domain.store.user_log.user_positions(&[alice.id]).await.unwrap()[0];
    let input = serde_json::from_value(json!({"name": "Secret", "type": "private"})).unwrap();
    let room = world.domain.rooms.create_once(&me, input, None).await.unwrap().id;
    world.domain.rooms.delete(&me, room).await.unwrap();
    let mut back = world.held(0, &alice).await;
    let (events, resumed) = resume(&mut back, json!({"user": user, "rooms": {}})).await;
    let kinds: Vec<_> = events.iter().map(|e| e["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["ROOM_REMOVED"]);
    assert_eq!((&resumed["user"]["status"], &resumed["rooms"]), (&json!("caught_up"), &json!({})));
}

#[rstest]
#[tokio::test]
async fn a_held_connection_gets_replies_and_no_events_and_its_own_joins_open_at_once(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::start(engine).await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let (client, author, room, at) = two_in_a_room(&world, &alice, &bob).await;
    drop(client);
    let mut back = world.held(0, &alice).await;
    say(&world, &author, &room, "held").await;
    back.quiet().await;
    let other = world.room(&mut back, "other").await;
    world.domain.rooms.join(&author, other.parse().unwrap()).await.unwrap();
    assert_eq!(back.next().await["type"], "USER_JOINED");
    let (events, resumed) = resume(&mut back, json!({"rooms": {&room: at}})).await;
    assert_eq!(contents(&events), ["held"]);
    assert_eq!(resumed["rooms"][&room]["status"], "caught_up");
    say(&world, &author, &other, "once").await;
    assert_eq!(back.next().await["payload"]["content"], "once");
    back.quiet().await;
}

#[rstest]
#[tokio::test]
async fn resume_is_for_held_connections_and_once(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let world = World::start(engine).await;
    let alice = world.user("alice").await;
    let mut plain = world.connect(&alice).await;
    let refused = plain.reply("RESUME", json!({"rooms": {}})).await;
    assert_frame!(refused, @r#"{"payload":{"code":"INVALID_MESSAGE","details":[{"field":"type","problem":"only a connection with `?hold=1` or `resume`, and only once, before SYNC"}],"message":"type: only a connection with `?hold=1` or `resume`, and only once, before SYNC"},"requestId":"q1","type":"ERROR"}"#);
    let mut held = world.held(0, &alice).await;
    let (_, first) = resume(&mut held, json!({})).await;
    assert_eq!(first["user"]["status"], "new");
    assert_eq!(held.ask("RESUME", json!({})).await["payload"]["code"], "INVALID_MESSAGE");
}

#[rstest]
#[tokio::test]
async fn a_resume_in_several_frames_is_one_and_is_bounded(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let world = World::with(engine, |s| s.limits.rooms_per_user = 3).await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let (client, author, room, at) = two_in_a_room(&world, &alice, &bob).await;
    drop(client);
    say(&world, &author, &room, "one").await;
    let mut back = world.held(0, &alice).await;
    let strangers =
        |count| -> serde_json::Map<_, _> { (0..count).map(|_| (RoomId::new().to_string(), at.clone())).collect() };
    // What is too much is refused once, as one: its last frame is not taken for all of a `RESUME`.
    for _ in 0..25 {
        back.tell("RESUME", json!({"rooms": strangers(401), "more": true})).await;
    }
    assert_eq!(back.ask("RESUME", json!({"rooms": {&room: at}})).await["payload"]["code"], "INVALID_MESSAGE");
    // More than one may join is no error: others open direct rooms.
    back.tell("RESUME", json!({"rooms": strangers(200), "more": true})).await;
    back.tell("RESUME", json!({"rooms": {&room: at}, "more": true})).await;
    let unknown = RoomId::new().to_string();
    let (events, resumed) = resume(&mut back, json!({"rooms": {&unknown: at}})).await;
    assert_eq!(contents(&events), ["one"]);
    assert_eq!(resumed["rooms"][&room]["status"], "caught_up");
    assert_eq!(resumed["rooms"][&unknown]["status"], "gone");
}

#[rstest]
#[tokio::test]
async fn the_answer_about_many_rooms_comes_in_frames_that_a_client_takes(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::start(engine).await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let names: Vec<String> = (0..1700).map(|n| format!("r{n}")).collect();
    let members = [&bob, &alice];
    let made = names.iter().map(|name| world.room_of(name, &members));
    let rooms: Vec<RoomId> = stream::iter(made).buffer_unordered(32).collect().await;
    let mut back = world.held(0, &alice).await;
    back.tell("RESUME", json!({"rooms": {}})).await;
    let (mut told, mut more) = (0, true);
    while more {
        let frame = back.next().await;
        assert_eq!(frame["type"], "RESUMED");
        assert!(frame.to_string().len() < 200 * 1024);
        told += frame["payload"]["rooms"].as_object().unwrap().len();
        more = frame["payload"]["more"].as_bool().unwrap_or_default();
    }
    assert_eq!(told, rooms.len());
    let author = viewer(&world, &bob).await;
    say(&world, &author, &rooms[7].to_string(), "live").await;
    assert_eq!(back.next().await["payload"]["content"], "live");
}

#[rstest]
#[tokio::test]
async fn a_room_joined_on_the_held_connection_is_not_told_again(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::start(engine).await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let mut back = world.held(0, &alice).await;
    let created = back.ask("CREATE_ROOM", json!({"name": "own", "type": "public"})).await;
    let shown = &created["payload"]["room"];
    let (room, at) = (shown["id"].as_str().unwrap(), &shown["position"]);
    let author = viewer(&world, &bob).await;
    world.domain.rooms.join(&author, room.parse().unwrap()).await.unwrap();
    let joined = back.next().await;
    assert_eq!(joined["type"], "USER_JOINED");
    let (events, resumed) = resume(&mut back, json!({"rooms": {room: at}})).await;
    assert!(events.is_empty(), "{events:?}");
    let of_room = &resumed["rooms"][room];
    assert_eq!((&of_room["status"], position(of_room)), (&json!("caught_up"), position(&joined["payload"])));
    say(&world, &author, room, "live").await;
    assert_eq!(back.next().await["payload"]["content"], "live");
    back.quiet().await;
}

#[rstest]
#[tokio::test]
async fn sync_opens_each_page_of_rooms_where_it_shows_them(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let world = World::start(engine).await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let (mut client, author, first, _) = two_in_a_room(&world, &alice, &bob).await;
    world.domain.people.add_contact(&viewer(&world, &alice).await, bob.id).await.unwrap();
    assert_eq!(client.next().await["type"], "CONTACT_UPDATED");
    let second = world.room(&mut client, "second").await;
    drop(client);
    world.domain.rooms.join(&author, second.parse().unwrap()).await.unwrap();
    let mut back = world.held(0, &alice).await;
    say(&world, &author, &first, "before").await;
    let page = back.ask("SYNC", json!({"limit": 1})).await;
    assert_eq!(page["payload"]["rooms"][0]["lastMessage"]["content"], "before");
    assert_eq!(page["payload"]["rooms"][0]["unread"], 1);
    say(&world, &author, &first, "open").await;
    say(&world, &author, &second, "not yet").await;
    assert_eq!(back.next().await["payload"]["content"], "open");
    back.quiet().await;
    // A room that is added between the pages is told when all have been asked for.
    let input = json!({"recipientId": alice.id, "content": "hello"});
    let sent = world.domain.messages.send(&author, serde_json::from_value(input).unwrap()).await.unwrap();
    let mut page = page;
    let mut shown = vec![page["payload"]["rooms"][0]["id"].as_str().unwrap().to_owned()];
    while let Some(cursor) = page["payload"]["nextCursor"].as_str() {
        page = back.ask("SYNC", json!({"limit": 1, "cursor": cursor})).await;
        shown.push(page["payload"]["rooms"][0]["id"].as_str().unwrap().to_owned());
    }
    assert!(shown.contains(&second));
    if !shown.contains(&sent.id.room.to_string()) {
        let told = back.until("NEW_MESSAGE").await;
        assert!(told.iter().any(|frame| frame["type"] == "ROOM_ADDED"));
    }
    say(&world, &author, &second, "live").await;
    assert_eq!(back.next().await["payload"]["content"], "live");
    assert_eq!(back.ask("RESUME", json!({})).await["payload"]["code"], "INVALID_MESSAGE");
    // On a live connection it is only an answer.
    let again = back.ask("SYNC", json!({})).await;
    assert_eq!(again["payload"]["rooms"].as_array().unwrap().len(), 3);
    back.quiet().await;
}

#[rstest]
#[tokio::test]
async fn a_held_connection_that_never_resumes_is_closed_4409(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::with(engine, |s| s.chat.hold_seconds = 1).await;
    let alice = world.user("alice").await;
    let mut held = world.held(0, &alice).await;
    let mut resumed = world.held(0, &alice).await;
    resume(&mut resumed, json!({})).await;
    assert_eq!(held.closed().await, 4409);
    resumed.quiet().await;
}
