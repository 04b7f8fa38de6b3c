//! A user's own log on two devices and two servers: in order, once, without a hole; and where that cannot be, it is said.

use std::sync::atomic::{AtomicBool, Ordering};

use rstest::rstest;
use serde_json::{Value, json};
use shared::{NotificationId, RoomId, Timestamp, UserId, protocol::Position};
use store::{InboxItem, Topic, UserChangeBody, UserChanges};

use crate::{
    resume::{position, viewer},
    schedule::Random,
    support::{Client, Engine, User, World, assert_frame},
};

/// Times a device is cut.
const CUTS: usize = 8;

async fn head(world: &World, user: UserId) -> Position {
    world.domain.store.user_log.user_positions(&[user]).await.unwrap()[0]
}

fn item(title: &str) -> InboxItem {
    InboxItem {
        id: NotificationId::new(),
        title: title.into(),
        body: "text".into(),
        data: None,
        category: None,
        room: None,
        created_at: Timestamp::now(),
        read_at: None,
    }
}

/// Entries of all kinds until told to stop.
async fn write(world: &World, user: &User, friend: UserId, rooms: &[RoomId], seed: u64, stop: &AtomicBool) {
    let (me, mut random) = (viewer(world, user).await, Random(seed));
    while !stop.load(Ordering::Relaxed) {
        let room = rooms[random.below(rooms.len() as u64) as usize];
        match random.below(8) {
            0 => drop(world.domain.rooms.join(&me, room).await),
            1 => drop(world.domain.rooms.leave(&me, room).await),
            2 => drop(world.domain.store.user_log.note_read_mark(user.id, room, 1).await.unwrap()),
            3 => drop(world.domain.people.add_contact(&me, friend).await),
            4 => drop(world.domain.people.remove_contact(&me, friend).await),
            5 => drop(world.domain.notifications.mark_all_read(&me).await.unwrap()),
            6 => {
                let muted = json!({"rooms": {room.to_string(): {"muted": random.below(2) == 0}}});
                let wishes = serde_json::from_value(muted).unwrap();
                world.domain.notifications.set_preferences(&me, &wishes).await.unwrap();
            }
            _ => world.domain.store.inboxes.add_to_inbox(user.id, &item("news"), None).await.unwrap(),
        }
    }
}

/// Takes what the frame says of the own log.
fn take(frame: &Value, at: &mut Value, told: &mut Vec<u64>) {
    let user = &frame["payload"]["userPosition"];
    if let Some(rev) = user["rev"].as_u64() {
        *at = user.clone();
        told.push(rev);
    }
}

/// A device that is cut and resumes, anywhere; then reads until `last` is told. Gives the revs told.
async fn device(
    world: &World,
    user: &User,
    seed: u64,
    from: Position,
    running: &AtomicBool,
) -> (Client, Vec<u64>, Value) {
    let (mut random, mut told, mut at) = (Random(seed), Vec::new(), json!(from));
    let mut client = world.held(0, user).await;
    for cut in 0..=CUTS {
        client.tell("RESUME", json!({"user": at, "rooms": {}})).await;
        // Cut in the middle of the replay, now and then.
        if cut == CUTS || random.below(4) > 0 {
            for frame in client.until("RESUMED").await {
                take(&frame, &mut at, &mut told);
                if frame["type"] == "RESUMED" {
                    assert_eq!(frame["payload"]["user"]["status"], "caught_up");
                    at = position(&frame["payload"]["user"]);
                }
            }
        }
        if cut == CUTS {
            break;
        }
        for _ in 0..random.below(12) {
            take(&client.next().await, &mut at, &mut told);
        }
        client = world.held(random.below(2) as usize, user).await;
    }
    running.store(true, Ordering::Relaxed);
    (client, told, at)
}

#[rstest]
#[tokio::test]
async fn two_devices_that_are_cut_anywhere_are_told_the_users_own_log_in_order_and_once(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
    #[values(1, 2)] seed: u64,
) {
    println!("seed {seed}");
    let mut world = World::start(engine).await;
    world.add_node().await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let mut owner = world.connect(&bob).await;
    let mut rooms = Vec::new();
    for name in ["tea", "milk"] {
        rooms.push(world.room(&mut owner, name).await.parse().unwrap());
    }
    let from = head(&world, alice.id).await;
    let (stop, one, two) = (AtomicBool::new(false), AtomicBool::new(false), AtomicBool::new(false));
    let devices = async {
        let both = tokio::join!(
            device(&world, &alice, seed * 10, from, &one),
            device(&world, &alice, seed * 10 + 1, from, &two)
        );
        stop.store(true, Ordering::Relaxed);
        both
    };
    let (_, (first, second)) = tokio::join!(write(&world, &alice, bob.id, &rooms, seed, &stop), devices);
    // The last of all, which every device is told.
    world.domain.store.inboxes.add_to_inbox(alice.id, &item("end"), None).await.unwrap();
    let mut always = Vec::new();
    let mut at = from;
    loop {
        let UserChanges::Page { changes, has_more } =
            world.domain.store.user_log.user_changes(alice.id, at, 100).await.unwrap()
        else {
            panic!("the log keeps all of it")
        };
        for change in changes {
            at = change.position();
            if matches!(
                change.body,
                UserChangeBody::Contact { .. } | UserChangeBody::Notification(_) | UserChangeBody::NotificationRead(_)
            ) {
                always.push(at.rev);
            }
        }
        if !has_more {
            break;
        }
    }
    for (mut client, mut told, mut seen) in [first, second] {
        while told.last() != Some(&at.rev) {
            take(&client.next().await, &mut seen, &mut told);
        }
        assert!(told.is_sorted_by(|a, b| a < b), "in order and once: {told:?}");
        let lost: Vec<_> = always.iter().filter(|rev| !told.contains(rev)).collect();
        assert!(lost.is_empty(), "lost {lost:?} of {}", always.len());
    }
}

#[rstest]
#[tokio::test]
async fn a_notification_comes_as_it_is_in_the_inbox(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let world = World::start(engine).await;
    let alice = world.user("alice").await;
    let mut client = world.connect(&alice).await;
    let item = item("news");
    world.name(&item.id.to_string(), "item");
    world.domain.store.inboxes.add_to_inbox(alice.id, &item, None).await.unwrap();
    assert_frame!(client.frame().await, @r#"{"payload":{"body":"text","createdAt":"<time>","id":"<item>","title":"news","userPosition":{"eventId":"<event>","rev":1}},"type":"NOTIFICATION"}"#);
}

#[rstest]
#[tokio::test]
async fn what_is_read_and_set_on_one_device_is_told_on_the_others_and_to_who_comes_back(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let mut world = World::start(engine).await;
    world.add_node().await;
    let alice = world.user("alice").await;
    let me = viewer(&world, &alice).await;
    let [one, two, three] = ["one", "two", "three"].map(item);
    world.name(&one.id.to_string(), "one");
    let notifications = &world.domain.notifications;
    for item in [&one, &two, &three] {
        world.domain.store.inboxes.add_to_inbox(alice.id, item, None).await.unwrap();
    }
    let before = head(&world, alice.id).await;
    let (mut here, mut there) = (world.connect(&alice).await, world.held(1, &alice).await);
    there.ask("RESUME", json!({"user": before, "rooms": {}})).await;
    let wishes = serde_json::from_value(json!({"channels": {"webpush": false}})).unwrap();
    for _ in 0..2 {
        notifications.mark_read(&me, one.id).await.unwrap();
    }
    for _ in 0..2 {
        notifications.set_preferences(&me, &wishes).await.unwrap();
    }
    for _ in 0..2 {
        notifications.mark_all_read(&me).await.unwrap();
    }
    // Those of a moment are told with the count as it is then.
    let told = |frame: &Value| {
        let payload = &frame["payload"];
        json!([frame["type"], payload["id"], payload["userPosition"]["rev"]])
    };
    let expected = [
        json!(["NOTIFICATION_READ", one.id, before.rev + 1]),
        json!(["NOTIFICATION_SETTINGS_UPDATED", null, before.rev + 2]),
        json!(["NOTIFICATION_READ", null, before.rev + 3]),
    ];
    for device in [&mut here, &mut there] {
        for frame in &expected {
            assert_eq!(told(&device.next().await), *frame);
        }
    }
    let mut back = world.held(0, &alice).await;
    back.tell("RESUME", json!({"user": before, "rooms": {}})).await;
    let frames = back.until("RESUMED").await;
    let missed: Vec<Value> = frames.iter().filter(|frame| frame["type"] != "RESUMED").map(told).collect();
    assert_eq!(missed, expected);
    let page = notifications.inbox(&me, None, None).await.unwrap();
    assert_eq!(page.unread, 0);
    world.domain.store.inboxes.add_to_inbox(alice.id, &item("four"), None).await.unwrap();
    let four = here.next().await["payload"]["id"].as_str().unwrap().parse().unwrap();
    world.domain.store.inboxes.add_to_inbox(alice.id, &item("five"), None).await.unwrap();
    here.next().await;
    notifications.mark_read(&me, four).await.unwrap();
    world.name(&four.to_string(), "four");
    assert_frame!(here.frame().await, @r#"{"payload":{"id":"<four>","unread":1,"userPosition":{"eventId":"<event>","rev":9}},"type":"NOTIFICATION_READ"}"#);
}

#[rstest]
#[tokio::test]
async fn a_live_connection_whose_users_own_log_cannot_be_told_is_closed_and_resumes_with_a_reset(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::with(engine, |settings| settings.chat.heads_seconds = 600).await;
    let alice = world.user("alice").await;
    let mut client = world.connect(&alice).await;
    let log = &world.domain.store.user_log;
    world.domain.store.inboxes.add_to_inbox(alice.id, &item("news"), None).await.unwrap();
    let last = client.next().await["payload"]["userPosition"].clone();
    world.bus.mute(Topic::User(alice.id)).await;
    for seq in 0..store::user_log::USER_CHANGES_KEPT + 1 {
        log.note_read_mark(alice.id, RoomId::new(), seq).await.unwrap();
    }
    world.bus.unmute(Topic::User(alice.id)).await;
    log.note_read_mark(alice.id, RoomId::new(), 1).await.unwrap();
    assert_eq!(client.closed().await, 1012);
    let mut back = world.held(0, &alice).await;
    let resumed = back.ask("RESUME", json!({"user": last, "rooms": {}})).await;
    assert_eq!(resumed["payload"]["user"]["status"], "reset");
}
