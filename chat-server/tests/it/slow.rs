//! Far behind is not slow: who takes what it is sent resumes, however much that is; who takes nothing is closed.

use std::time::Duration;

use rstest::rstest;
use serde_json::{Value, json};

use crate::{
    resume::{position, say, viewer},
    support::{Client, Engine, User, World},
};

/// Bytes of one message's content, and how many were missed: together ten times what a queue may hold.
pub const LARGE: usize = 32_000;
pub const MISSED: usize = 320;

/// A user who has missed all that, and their position.
async fn far_behind(world: &World) -> (User, domain::Viewer, String, Value) {
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let mut client = world.connect(&alice).await;
    let room = world.room(&mut client, "tea").await;
    let author = viewer(world, &bob).await;
    world.domain.rooms.join(&author, room.parse().unwrap()).await.unwrap();
    let at = position(&client.next().await["payload"]);
    drop(client);
    let text = "🦀".repeat(LARGE / 4);
    for _ in 0..MISSED {
        say(world, &author, &room, &text).await;
    }
    (alice, author, room, at)
}

pub async fn begin_to_resume(world: &World, user: &User, room: &str, at: &Value) -> Client {
    let mut client = world.held(0, user).await;
    client.tell("RESUME", json!({"rooms": {room: at}})).await;
    client
}

#[rstest]
#[tokio::test]
async fn who_is_far_behind_with_large_messages_resumes_at_their_own_pace(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    // Less than the replay takes: a queue that is never empty for so long is cut, and so is a peer that says nothing.
    let short = |s: &mut shared::Settings| (s.limits.queue_seconds, s.limits.heartbeat_seconds) = (1, 1);
    let world = World::with(engine, short).await;
    let (alice, author, room, at) = far_behind(&world).await;
    let mut client = begin_to_resume(&world, &alice, &room, &at).await;
    let mut rev = at["rev"].as_u64().unwrap();
    for n in 0..MISSED {
        // The peer is slow; nothing waits for this.
        tokio::time::sleep(Duration::from_millis(15)).await;
        if n == MISSED / 2 {
            say(&world, &author, &room, "meanwhile").await;
        }
        let event = client.next().await;
        rev += 1;
        assert_eq!((&event["type"], &event["payload"]["rev"]), (&json!("NEW_MESSAGE"), &json!(rev)));
    }
    let last = client.until("RESUMED").await.pop().unwrap();
    assert_eq!(last["payload"]["rooms"][&room]["status"], "caught_up");
    let of_room = &last["payload"]["rooms"][&room];
    if of_room["rev"] == rev {
        rev += 1;
        assert_eq!(client.next().await["payload"]["content"], "meanwhile");
    } else {
        rev += 1;
        assert_eq!(of_room["rev"], rev);
    }
    say(&world, &author, &room, "live").await;
    let live = client.next().await;
    assert_eq!((&live["payload"]["content"], &live["payload"]["rev"]), (&json!("live"), &json!(rev + 1)));
    client.quiet().await;
}

#[rstest]
#[tokio::test]
async fn who_takes_nothing_of_what_it_asked_for_is_closed(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let world = World::with(engine, |s| s.limits.queue_seconds = 1).await;
    let (alice, _, room, at) = far_behind(&world).await;
    let _client = begin_to_resume(&world, &alice, &room, &at).await;
    let devices = || async { world.domain.presence.own(alice.id).await.unwrap().devices };
    while devices().await != Some(0) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_stop_does_not_wait_for_who_resumes_slowly() {
    let mut world = World::start(Engine::Embedded).await;
    let (alice, _, room, at) = far_behind(&world).await;
    let mut client = begin_to_resume(&world, &alice, &room, &at).await;
    assert_eq!(client.next().await["type"], "NEW_MESSAGE");
    world.stop(0).await;
}
