//! A connection that is cut, a page that is left.

use std::net::SocketAddr;

use client::{OutgoingMessage, PageQuery, shared::RoomId};
use e2e::{Door, Person, System};

use super::browser::{Browser, Window};

/// Nobody listens there.
const NOWHERE: &str = "127.0.0.1:9";

/// A system whose chat-server is reached through a door, with two who talk in a room.
struct Talk {
    door: Door,
    chat: SocketAddr,
    alice: Person,
    bob: Person,
    room: RoomId,
    browser: Browser,
    system: System,
}

impl Talk {
    async fn start() -> Self {
        let door = Door::new(NOWHERE.parse().unwrap()).await.unwrap();
        let url = format!("ws://{}", door.address());
        let system = System::embedded_with(&[("CHAT__PUBLIC_URL", &*url)]).await.unwrap();
        let chat = system.first_address("chat").unwrap();
        door.lead_to(chat);
        let (alice, bob) = (system.sign_up("alice").await.unwrap(), system.sign_up("bob").await.unwrap());
        let room = alice.api.direct_room(bob.id).await.unwrap().id;
        Self { door, chat, alice, bob, room, browser: Browser::start().await, system }
    }

    async fn window(&self) -> Window {
        let window = self.browser.open_as(&self.system, &self.alice).await;
        window.enter(self.room).await;
        window
    }

    async fn bob_says(&self, text: &str) {
        self.bob.api.send(&OutgoingMessage::new(self.room, text)).await.unwrap();
    }

    fn cut(&self) {
        self.door.lead_to(NOWHERE.parse().unwrap());
    }

    fn mend(&self) {
        self.door.lead_to(self.chat);
    }

    /// What the room holds, oldest first.
    async fn stored(&self) -> Vec<String> {
        let page = self.bob.api.history(self.room, PageQuery::default()).await.unwrap();
        page.items.into_iter().rev().map(|message| message.content).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_connection_is_told_and_resumes_without_a_hole() {
    let talk = Talk::start().await;
    let window = talk.window().await;
    window.say("before").await;
    window.until_said("before", Some("sent")).await;
    talk.cut();
    window.until("it says that it is offline", "document.querySelector('connection-bar.bad')").await;
    window.say("one that waits").await;
    window.say("another").await;
    window.until_said("another", Some("sending")).await;
    let counted = "document.querySelector('connection-bar').textContent.includes('2 to be sent')";
    window.until("it counts what waits", counted).await;
    window.picture("offline").await;
    for n in 1..=5 {
        talk.bob_says(&format!("meanwhile {n}")).await;
    }
    talk.mend();
    window.until_said("another", Some("sent")).await;
    window.until_said("meanwhile 5", None).await;
    window.until("it is online again", "!document.querySelector('connection-bar.bad')").await;
    let expected: Vec<_> = ["before".to_owned()]
        .into_iter()
        .chain((1..=5).map(|n| format!("meanwhile {n}")))
        .chain(["one that waits".into(), "another".into()])
        .collect();
    assert_eq!(talk.stored().await, expected);
    assert_eq!(window.texts().await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_sent_survives_a_reload() {
    let talk = Talk::start().await;
    let window = talk.window().await;
    window.say("before").await;
    window.until_said("before", Some("sent")).await;
    talk.cut();
    window.until("it says that it is offline", "document.querySelector('connection-bar.bad')").await;
    window.say("kept over a reload").await;
    window.until_said("kept over a reload", Some("sending")).await;
    // It is kept once it is in the browser's database.
    let kept = "window.kept ??= (indexedDB.open('chatapp').onsuccess = ({ target }) => { \
                target.result.transaction('kept').objectStore('kept').getAllKeys().onsuccess = (event) => { \
                window.keys = event.target.result; window.kept = undefined; target.result.close(); } }) && false, \
                (window.keys ?? []).some((key) => String(key).startsWith('queue/'))";
    window.until("it is kept", &format!("({kept})")).await;
    window.reload().await.unwrap();
    talk.mend();
    window.until("the room is there again", "document.querySelector('room-view textarea')").await;
    window.until_said("kept over a reload", Some("sent")).await;
    assert_eq!(talk.stored().await, ["before", "kept over a reload"]);
    assert_eq!(window.texts().await, ["before", "kept over a reload"]);
}
