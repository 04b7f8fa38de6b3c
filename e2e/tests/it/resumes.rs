//! A client whose connection ends goes on where it was, on this instance or another.

use std::time::Duration;

use client::{
    Chat, Event, Events, Options,
    protocol::{RoomType, ServerFrame},
    shared::RoomId,
};
use e2e::{Signal, System, within};

use crate::support::SOON;

/// Messages written around each loss.
const MESSAGES: usize = 50;

#[tokio::test]
async fn a_client_that_is_cut_again_and_again_sees_every_change_once_and_in_order() {
    let settings = [("LIMITS__ENABLED", "false")];
    let system = System::embedded_with(&settings).await.unwrap();
    let (alice, bob) = (system.sign_up("alice").await.unwrap(), system.sign_up("bob").await.unwrap());
    let (alice, _events) = alice.chat(&system.chat_url().unwrap()).await.unwrap();
    // However short a connection was, the next one is made soon.
    let options = Options { stable_after: Duration::ZERO, ..Options::default() };
    let (url, token) = (system.chat_url().unwrap(), bob.session.token.clone());
    let (bob, events) = Chat::connect_with(url, token, options).await.unwrap();
    let mut reader = Reader::meet(&alice, &bob, events).await;
    for _ in 0..10 {
        let (writing, cut) = (write(&alice, reader.room), bob.cut());
        tokio::join!(reader.read_across_a_loss(), writing, cut);
    }
}

#[tokio::test]
async fn a_client_that_asks_the_registry_outlives_its_instance_without_a_hole() {
    let settings = [("LIMITS__ENABLED", "false")];
    let mut system = System::over_redis_with(2, &settings).await.unwrap();
    let (alice, bob) = (system.sign_up("alice").await.unwrap(), system.sign_up("bob").await.unwrap());
    // While there is no other, the registry names this one.
    system.stop("chat-1", Signal::Term).await.unwrap();
    let token = bob.session.token.clone();
    let (bob, events) = Chat::connect(bob.api.clone(), token).await.unwrap();
    system.restart("chat-1").await.unwrap();
    let (alice, _events) = alice.chat(&system.chat_url_of("chat-1").unwrap()).await.unwrap();
    let mut reader = Reader::meet(&alice, &bob, events).await;
    let stop = async { system.stop("chat-0", Signal::Term).await.unwrap() };
    let writing = write(&alice, reader.room);
    tokio::join!(reader.read_across_a_loss(), writing, stop);
}

async fn write(chat: &Chat, room: RoomId) {
    for n in 0..MESSAGES {
        chat.send_message(room, &n.to_string()).await.unwrap();
    }
}

/// Who reads a room.
struct Reader {
    events: Events,
    room: RoomId,
    /// Of the last event of the room.
    rev: u64,
}

impl Reader {
    /// Puts the two into a new room; the second reads it.
    async fn meet(alice: &Chat, bob: &Chat, events: Events) -> Self {
        let room = alice.create_room("r", RoomType::Public, None).await.unwrap().id;
        let rev = bob.join_room(room).await.unwrap().position.rev;
        Self { events, room, rev }
    }

    /// Reads until all messages have come and the connection has been resumed: each change right after the one before.
    async fn read_across_a_loss(&mut self) {
        let read = async {
            let (mut messages, mut resumes) = (0, 0);
            while messages < MESSAGES || resumes == 0 {
                let event = self.events.next().await.expect("the connection goes on");
                assert!(!event.stale_rooms().contains(&self.room), "nothing was missed: {event:?}");
                match event {
                    Event::Frame(ServerFrame::NewMessage { message, rev, .. }) => {
                        assert_eq!((message.content, rev), (messages.to_string(), self.rev + 1));
                        (self.rev, messages) = (rev, messages + 1);
                    }
                    Event::Resumed { .. } => resumes += 1,
                    _ => {}
                }
            }
        };
        within("all is read", 4 * SOON, read).await.unwrap();
    }
}
