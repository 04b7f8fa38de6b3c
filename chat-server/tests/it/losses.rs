//! What was lost without a sign, and a store that hangs, restarts or has lost writes, while clients stay connected.

use std::time::Duration;

use domain::accounts::DeleteAccount;
use redis_fixture::{Append, Kind, Redis};
use rstest::rstest;
use serde_json::json;
use shared::{Settings, Timestamp, protocol::command::Mark, settings::StoreUrl};
use store::{SessionRecord, Topic};

use crate::{
    resume::{say, viewer},
    support::{Client, Engine, User, World},
};

/// All keys as they are now, put aside on the server; and put back, as a replica that missed the last writes has them.
const PUT_ASIDE: &str = "for _, key in ipairs(redis.call('KEYS', '*')) do
    redis.call('HSET', 'aside', key, redis.call('DUMP', key)) end return 1";
const PUT_BACK: &str = "local aside = redis.call('HGETALL', 'aside')
    for _, key in ipairs(redis.call('KEYS', '*')) do redis.call('DEL', key) end
    for at = 1, #aside, 2 do redis.call('RESTORE', aside[at], 0, aside[at + 1]) end return 1";

fn short_heartbeat(settings: &mut Settings) {
    settings.chat.heads_seconds = 1;
}

/// Alice connected to a room, and its other member.
async fn reader_and_author(world: &World, alice: &User) -> (Client, domain::Viewer, String) {
    let mut client = world.connect(alice).await;
    let room = world.room(&mut client, "tea").await;
    let author = viewer(world, &world.user("bob").await).await;
    world.domain.rooms.join(&author, room.parse().unwrap()).await.unwrap();
    assert_eq!(client.next().await["type"], "USER_JOINED");
    (client, author, room)
}

#[rstest]
#[tokio::test]
async fn what_was_lost_in_silence_is_found_by_the_heartbeat_of_heads(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::with(engine, short_heartbeat).await;
    let alice = world.user("alice").await;
    let (mut client, author, room) = reader_and_author(&world, &alice).await;
    let topic = Topic::Room(room.parse().unwrap());
    world.bus.mute(topic).await;
    say(&world, &author, &room, "lost").await;
    world.bus.unmute(topic).await;
    assert_eq!(client.next().await["payload"]["content"], "lost");

    let topic = Topic::User(alice.id);
    world.bus.mute(topic).await;
    let mark = Mark { room_id: room.parse().unwrap(), seq: 1 };
    world.domain.messages.mark_read(&viewer(&world, &alice).await, &mark).await.unwrap();
    world.bus.unmute(topic).await;
    let mark = client.next().await;
    assert_eq!((&mark["type"], &mark["payload"]["unread"]), (&json!("READ_MARK"), &json!(0)));
    client.quiet().await;
}

#[rstest]
#[tokio::test]
async fn a_room_that_is_found_late_is_told_without_a_hole_however_large_its_messages(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::with(engine, short_heartbeat).await;
    let alice = world.user("alice").await;
    let mut client = world.connect(&alice).await;
    let bob = viewer(&world, &world.user("bob").await).await;
    let room = json!({"name": "tea", "type": "public"});
    let room = world.domain.rooms.create(&bob, serde_json::from_value(room).unwrap()).await.unwrap().id;
    world.bus.mute(Topic::User(alice.id)).await;
    world.domain.rooms.join(&viewer(&world, &alice).await, room).await.unwrap();
    let room = room.to_string();
    for _ in 0..10 {
        say(&world, &bob, &room, &"🙂".repeat(7_500)).await;
    }
    world.bus.unmute(Topic::User(alice.id)).await;
    let added = client.next().await;
    assert_eq!(added["type"], "ROOM_ADDED");
    say(&world, &bob, &room, "last").await;
    let mut rev = added["payload"]["position"]["rev"].as_u64().unwrap();
    loop {
        let event = client.next().await;
        rev += 1;
        assert_eq!(event["payload"]["rev"], rev, "dense");
        if event["payload"]["content"] == "last" {
            return;
        }
    }
}

#[rstest]
#[tokio::test]
async fn a_login_whose_end_was_lost_in_silence_is_found_and_its_sockets_are_closed(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::with(engine, |settings| settings.auth.sessions_seconds = 1).await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let (mut client, mut other) = (world.connect(&alice).await, world.connect(&bob).await);
    world.bus.mute(Topic::User(alice.id)).await;
    world.domain.accounts.log_out(&viewer(&world, &alice).await).await.unwrap();
    assert_eq!(client.closed().await, 4401);
    other.quiet().await;
}

#[rstest]
#[tokio::test]
async fn a_deletion_that_was_lost_in_silence_is_found_and_closes_its_sockets_for_good(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::with(engine, |settings| settings.auth.sessions_seconds = 1).await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let (mut client, mut other) = (world.connect(&alice).await, world.connect(&bob).await);
    world.bus.mute(Topic::User(alice.id)).await;
    world.domain.accounts.delete(&viewer(&world, &alice).await, DeleteAccount::default()).await.unwrap();
    assert_eq!(client.closed().await, 4503);
    other.quiet().await;
}

#[rstest]
#[tokio::test]
async fn a_login_that_expires_takes_its_sockets_along(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let world = World::with(engine, |settings| settings.auth.sessions_seconds = 1).await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let (mut client, mut other) = (world.connect(&alice).await, world.connect(&bob).await);
    let (viewer, sessions) = (viewer(&world, &alice).await, &world.domain.store.sessions);
    let login = sessions.session(viewer.user, viewer.session().unwrap()).await.unwrap().unwrap();
    let expires_at = Timestamp::now().after(Duration::from_millis(100));
    sessions.create_session(&SessionRecord { expires_at, ..login }, 50, None).await.unwrap();
    assert_eq!(client.closed().await, 4401);
    other.quiet().await;
}

#[tokio::test]
async fn after_a_loss_of_the_bus_the_sockets_of_logins_that_ended_meanwhile_are_closed() {
    let (world, redis) = own_redis().await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let (mut client, mut other) = (world.connect(&alice).await, world.connect(&bob).await);
    world.bus.mute(Topic::User(alice.id)).await;
    world.domain.accounts.log_out(&viewer(&world, &alice).await).await.unwrap();
    client.quiet().await;
    assert!(redis.cut_subscribers() > 0);
    assert_eq!(client.closed().await, 4401);
    other.quiet().await;
}

/// A world over a server of its own.
async fn own_redis() -> (World, Redis) {
    let redis = Redis::start(Kind::Node, Append::Always);
    let url = redis.url();
    let world = World::with(Engine::Redis, |settings| {
        short_heartbeat(settings);
        settings.store.url = StoreUrl::Redis(url.into());
    })
    .await;
    (world, redis)
}

#[tokio::test]
async fn a_log_that_lost_writes_is_a_reset_and_goes_on_from_its_head() {
    let (world, redis) = own_redis().await;
    let (mut client, author, room) = reader_and_author(&world, &world.user("alice").await).await;
    redis.command(&["EVAL", PUT_ASIDE, "0"]).unwrap();
    for n in 0..3 {
        say(&world, &author, &room, &n.to_string()).await;
        assert_eq!(client.next().await["payload"]["content"], n.to_string());
    }
    redis.command(&["EVAL", PUT_BACK, "0"]).unwrap();
    let reset = client.until("RESET").await.pop().unwrap();
    assert_eq!((&reset["payload"]["roomId"], &reset["payload"]["position"]["rev"]), (&json!(room), &json!(2)));
    say(&world, &author, &room, "again").await;
    let event = client.next().await;
    assert_eq!((&event["payload"]["content"], &event["payload"]["rev"]), (&json!("again"), &json!(3)));
}

#[tokio::test]
async fn a_log_that_lost_writes_and_went_on_to_the_same_number_is_a_reset() {
    let (world, redis) = own_redis().await;
    let (mut client, author, room) = reader_and_author(&world, &world.user("alice").await).await;
    redis.command(&["EVAL", PUT_ASIDE, "0"]).unwrap();
    say(&world, &author, &room, "lost").await;
    assert_eq!(client.next().await["payload"]["content"], "lost");
    let topic = Topic::Room(room.parse().unwrap());
    world.bus.mute(topic).await;
    redis.command(&["EVAL", PUT_BACK, "0"]).unwrap();
    say(&world, &author, &room, "other").await;
    world.bus.unmute(topic).await;
    let reset = client.until("RESET").await.pop().unwrap();
    assert!(reset["payload"]["position"]["rev"].as_u64().unwrap() <= 3);
}

#[tokio::test]
async fn a_hung_redis_makes_sends_unavailable_and_leaves_the_sockets_open() {
    let (world, redis) = own_redis().await;
    let (mut client, author, room) = reader_and_author(&world, &world.user("alice").await).await;
    redis.signal("STOP");
    let refused = client.ask("SEND_MESSAGE", json!({"roomId": room, "content": "x", "clientMessageId": "1"})).await;
    assert_eq!(refused["payload"]["code"], "UNAVAILABLE");
    redis.signal("CONT");
    // What was refused may have been done; the same key says so. Until the connection is back it may be refused again.
    let mut seen = Vec::new();
    loop {
        let again = json!({"roomId": room, "content": "x", "clientMessageId": "1"});
        let (reply, events) = client.ask_among_events("SEND_MESSAGE", again).await;
        seen.extend(events);
        match reply["type"].as_str().unwrap() {
            "MESSAGE_ACK" => break,
            _ => assert_eq!(reply["payload"]["code"], "UNAVAILABLE", "{reply}"),
        }
    }
    say(&world, &author, &room, "after").await;
    while seen.last().is_none_or(|event| event["payload"]["content"] != "after") {
        seen.push(client.next().await);
    }
    let told: Vec<_> = seen.iter().map(|event| event["payload"]["content"].as_str().unwrap()).collect();
    assert_eq!(told, ["x", "after"]);
}

/// Makes the last change of the room unreadable.
fn spoil(redis: &Redis, room: &str, rev: u64) {
    let script = "local keys = redis.call('KEYS', '*room:' .. ARGV[1] .. ':changes')
        return redis.call('HSET', keys[1], ARGV[2], 'spoilt')";
    redis.command(&["EVAL", script, "0", room, &rev.to_string()]).unwrap();
}

#[tokio::test]
async fn a_log_that_cannot_be_read_is_a_reset_for_who_is_there_and_who_comes_back_and_lets_others_join() {
    let (world, redis) = own_redis().await;
    let alice = world.user("alice").await;
    let (mut client, author, room) = reader_and_author(&world, &alice).await;
    say(&world, &author, &room, "0").await;
    let at = crate::resume::position(&client.next().await["payload"]);
    let topic = Topic::Room(room.parse().unwrap());
    world.bus.mute(topic).await;
    say(&world, &author, &room, "spoilt").await;
    say(&world, &author, &room, "2").await;
    spoil(&redis, &room, 4);
    world.bus.unmute(topic).await;
    let reset = client.until("RESET").await.pop().unwrap();
    assert_eq!((&reset["payload"]["roomId"], &reset["payload"]["position"]["rev"]), (&json!(room), &json!(5)));
    let mut back = world.held(0, &alice).await;
    let (resumed, events) = back.ask_among_events("RESUME", json!({"rooms": {&room: at}})).await;
    assert!(events.is_empty(), "{events:?}");
    assert_eq!(resumed["payload"]["rooms"][&room]["status"], "reset", "{resumed}");
    let mut carol = world.connect(&world.user("carol").await).await;
    assert_eq!(carol.ask("JOIN_ROOM", json!({"roomId": room})).await["type"], "ROOM_JOINED");
    for client in [&mut client, &mut back] {
        assert_eq!(client.next().await["type"], "USER_JOINED");
    }
}

#[tokio::test]
async fn while_the_store_is_away_reads_and_a_resume_say_so_and_the_resume_is_asked_again_on_the_same_socket() {
    let (world, redis) = own_redis().await;
    let alice = world.user("alice").await;
    let (mut client, author, room) = reader_and_author(&world, &alice).await;
    say(&world, &author, &room, "0").await;
    let at = crate::resume::position(&client.next().await["payload"]);
    say(&world, &author, &room, "1").await;
    assert_eq!(client.next().await["payload"]["content"], "1");
    let mut back = world.held(0, &alice).await;
    redis.signal("STOP");
    for (kind, payload) in [("GET_HISTORY", json!({"roomId": room})), ("SYNC", json!({}))] {
        assert_eq!(client.ask(kind, payload).await["payload"]["code"], "UNAVAILABLE", "{kind}");
    }
    assert_eq!(back.ask("RESUME", json!({"rooms": {&room: at}})).await["payload"]["code"], "UNAVAILABLE");
    redis.signal("CONT");
    let (mut at, mut seen) = (at, Vec::new());
    loop {
        let (reply, events) = back.ask_among_events("RESUME", json!({"rooms": {&room: at}})).await;
        if let Some(last) = events.last() {
            at = crate::resume::position(&last["payload"]);
        }
        seen.extend(events);
        if reply["type"] == "RESUMED" {
            assert_eq!(reply["payload"]["rooms"][&room]["status"], "caught_up");
            break;
        }
        assert_eq!(reply["payload"]["code"], "UNAVAILABLE");
    }
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0]["payload"]["content"], "1");
    say(&world, &author, &room, "2").await;
    assert_eq!(back.next().await["payload"]["content"], "2");
}

#[tokio::test]
async fn what_is_said_across_a_restart_of_redis_comes_once_and_in_order() {
    let (world, mut redis) = own_redis().await;
    let (mut client, author, room) = reader_and_author(&world, &world.user("alice").await).await;
    for round in 0..3 {
        say(&world, &author, &room, &format!("{round} before")).await;
        redis.kill();
        redis.restart();
        let input = json!({"roomId": room, "content": format!("{round} after"), "clientMessageId": round.to_string()});
        while let Err(e) = world.domain.messages.send(&author, serde_json::from_value(input.clone()).unwrap()).await {
            assert_eq!(e.code(), shared::ErrorCode::Unavailable, "{e}");
        }
        for when in ["before", "after"] {
            assert_eq!(client.next().await["payload"]["content"], format!("{round} {when}"));
        }
    }
    client.quiet().await;
}

#[tokio::test]
async fn an_evicted_subscriber_misses_nothing() {
    let (world, redis) = own_redis().await;
    let (mut client, author, room) = reader_and_author(&world, &world.user("alice").await).await;
    for n in 0..10 {
        redis.command(&["CLIENT", "KILL", "TYPE", "pubsub"]).unwrap();
        say(&world, &author, &room, &n.to_string()).await;
        assert_eq!(client.next().await["payload"]["content"], n.to_string());
    }
    client.quiet().await;
}
