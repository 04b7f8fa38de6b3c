//! A client whose connection ends goes on where it was, on this instance or another.

use client::{
    Chat, Event, Events,
    protocol::{RoomType, ServerFrame},
    shared::RoomId,
};
use e2e::{Signal, System, within};

use crate::support::SOON;

/// Messages of one test.
const MESSAGES: u64 = 300;

#[tokio::test]
async fn a_client_that_is_cut_again_and_again_sees_every_change_once_and_in_order() {
    let settings = [("LIMITS__ENABLED", "false")];
    let system = System::embedded_with(&settings).await.unwrap();
    let (alice, bob) = (system.sign_up("alice").await.unwrap(), system.sign_up("bob").await.unwrap());
    let (alice, _events) = alice.chat(&system.chat_url().unwrap()).await.unwrap();
    let (bob, mut bob_sees) = bob.chat(&system.chat_url().unwrap()).await.unwrap();
    let room = meet(&alice, &bob).await;
    let writing = write(&alice, room);
    let reading = read(&mut bob_sees, room, async |rev| {
        if rev % 20 == 0 {
            bob.cut().await;
        }
    });
    let (resumes, ()) = tokio::join!(within("bob has read all", 4 * SOON, reading), writing);
    assert!(resumes.unwrap() > 2, "it has been cut in the middle");
}

#[tokio::test]
async fn a_client_that_asks_the_registry_outlives_its_instance_without_a_hole() {
    let settings = [("LIMITS__ENABLED", "false")];
    let mut system = System::over_redis_with(2, &settings).await.unwrap();
    let (alice, bob) = (system.sign_up("alice").await.unwrap(), system.sign_up("bob").await.unwrap());
    let (alice, _events) = alice.chat(&system.chat_url_of("chat-1").unwrap()).await.unwrap();
    // As if the registry had named it at first.
    let token = bob.session.token.clone();
    let (bob, mut bob_sees) = Chat::connect(bob.api.clone(), token).await.unwrap();
    let room = meet(&alice, &bob).await;
    let writing = write(&alice, room);
    let mut stopped = false;
    let reading = read(&mut bob_sees, room, async |rev| {
        if rev > MESSAGES / 3 && !std::mem::replace(&mut stopped, true) {
            system.stop("chat-0", Signal::Term).await.unwrap();
        }
    });
    let (resumes, ()) = tokio::join!(within("bob has read all", 4 * SOON, reading), writing);
    resumes.unwrap();
}

/// A room of the two.
async fn meet(alice: &Chat, bob: &Chat) -> RoomId {
    let handle = format!("r-{}", std::process::id());
    let room = alice.create_room("r", RoomType::Public, Some(&handle)).await.unwrap().id;
    bob.join_room(room).await.unwrap();
    room
}

async fn write(chat: &Chat, room: RoomId) {
    for n in 0..MESSAGES {
        chat.send_message(room, &n.to_string()).await.unwrap();
    }
}

/// Reads until all messages have come, each change right after the one before it; gives how often it was resumed.
async fn read(events: &mut Events, room: RoomId, mut and_then: impl AsyncFnMut(u64)) -> u64 {
    let (mut last, mut messages, mut resumes) = (None, 0, 0);
    while messages < MESSAGES {
        let event = events.next().await.expect("the connection goes on");
        assert!(!event.stale_rooms().contains(&room), "nothing was missed: {event:?}");
        match event {
            Event::Frame(ServerFrame::NewMessage { message, rev, .. }) if message.room_id == room => {
                assert_eq!(message.content, messages.to_string());
                assert!(last.is_none_or(|last| rev == last + 1), "{last:?}, then {rev}");
                (last, messages) = (Some(rev), messages + 1);
                and_then(rev).await;
            }
            Event::Resumed { .. } => resumes += 1,
            _ => {}
        }
    }
    resumes
}
