//! What an author is told about the notifications of a message, while other messages follow it.

use std::time::Duration;

use domain::messages::Push;
use rstest::rstest;
use shared::{InstanceId, MessageId, RoomId, Timestamp, protocol::command::Mark};
use store::{JobState, SocketKind};

use crate::support::{Engine, Person, World, attempt};

const LEASE: Duration = Duration::from_secs(30);

impl World {
    /// Decides about what was sent; gives how many notifications were queued.
    async fn consider(&self) -> usize {
        let due = self.domain.store.notify_queue.take_due(Timestamp::now(), LEASE, 10).await.unwrap();
        assert_eq!(due.len(), 1);
        self.domain.notifications.consider(&due[0]).await.unwrap()
    }

    /// Settles what is queued as delivered.
    async fn deliver(&self) {
        let outbox = &self.domain.store.outbox;
        for claimed in outbox.claim(InstanceId::new(), Timestamp::now(), LEASE, 100).await.unwrap() {
            let at = Timestamp::now();
            let attempts = vec![attempt("inbox", "delivered", at)];
            let state = JobState { user: claimed.job.user, done: true, attempts, claim: 1, request_hash: None };
            outbox.settle(&claimed, &state, None).await.unwrap();
        }
    }

    /// What the author is told about the first recipient: state and reason.
    async fn told(&self, author: &Person, message: MessageId) -> String {
        let page = self.domain.messages.delivery(&author.viewer, message, None, None).await.unwrap();
        let told = |push: &Push| format!("{} {}", push.state, push.reason.as_deref().unwrap_or_default());
        page.items[0].push.as_ref().map(told).unwrap_or_default().trim().to_owned()
    }

    async fn mark_read(&self, who: &Person, room: RoomId, seq: u64) {
        self.domain.messages.mark_read(&who.viewer, &Mark { room_id: room, seq }).await.unwrap();
    }
}

#[rstest]
#[actix_web::test]
async fn what_was_told_of_a_message_is_not_changed_by_what_is_decided_about_later_ones(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::new(engine).await;
    let (alice, bob) = (world.person("alice").await, world.person("bob").await);
    let room = world.room(&[&alice, &bob]).await;
    let pushed = world.send(&alice, room, "pushed").await;
    assert_eq!(world.told(&alice, pushed).await, "", "nothing is decided yet");
    assert_eq!(world.consider().await, 1);
    assert_eq!(world.told(&alice, pushed).await, "queued");
    world.deliver().await;
    assert_eq!(world.told(&alice, pushed).await, "delivered");

    world.domain.presence.connected(&bob.viewer, 1, SocketKind::Chat).await.unwrap();
    let suppressed = world.send(&alice, room, "seen").await;
    assert_eq!(world.consider().await, 0);
    assert_eq!(world.told(&alice, suppressed).await, "suppressed");
    assert_eq!(world.told(&alice, pushed).await, "delivered", "as before");

    // Two at once are one notification, which stands for both, and for nothing before them.
    world.domain.presence.focus(&bob.viewer, 1, false).await.unwrap();
    let (one, two) = (world.send(&alice, room, "one").await, world.send(&alice, room, "two").await);
    assert_eq!(world.consider().await, 1);
    assert_eq!([world.told(&alice, one).await, world.told(&alice, two).await], ["queued", "queued"]);
    world.deliver().await;
    assert_eq!([world.told(&alice, one).await, world.told(&alice, two).await], ["delivered", "delivered"]);
    assert_eq!(world.told(&alice, suppressed).await, "", "not known any more, and nothing false");
    assert_eq!(world.told(&alice, pushed).await, "delivered");

    let (read, unread) = (world.send(&alice, room, "read").await, world.send(&alice, room, "unread").await);
    world.mark_read(&bob, room, read.seq).await;
    assert_eq!(world.consider().await, 1);
    assert_eq!([world.told(&alice, read).await, world.told(&alice, unread).await], ["", "queued"]);
}

#[rstest]
#[actix_web::test]
async fn a_message_is_kept_for_those_alone_of_whom_there_is_something_to_tell(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::new(engine).await;
    let mut people = Vec::new();
    for n in 0..33 {
        people.push(world.person(&format!("p{n}")).await);
    }
    let everybody: Vec<&Person> = people.iter().collect();
    // The author, one who is online, and others who are not; one more than is told of, and as many as that.
    for (members, kept) in [(&everybody[..], ""), (&everybody[..32], "suppressed")] {
        let room = world.room(members).await;
        let online = members[1];
        world.domain.presence.connected(&online.viewer, 1, SocketKind::Chat).await.unwrap();
        let message = world.send(members[0], room, "to all").await;
        assert_eq!(world.consider().await, members.len() - 2);
        let page = world.domain.messages.delivery(&members[0].viewer, message, None, None).await.unwrap();
        let states = page.items.iter().filter_map(|item| item.push.as_ref()).map(|push| push.state.as_str());
        assert_eq!(states.filter(|state| *state == "queued").count(), members.len() - 2);
        assert_eq!(world.told(members[0], message).await, kept);
        let users: Vec<_> = members.iter().map(|member| member.id).collect();
        let rows = world.domain.store.notify_queue.outcomes(room, &users).await.unwrap();
        assert_eq!(rows.iter().flatten().count(), usize::from(!kept.is_empty()));
    }
}

#[rstest]
#[actix_web::test]
async fn what_one_who_is_blocked_writes_notifies_nobody_who_blocks_them(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::new(engine).await;
    let (alice, bob, carol) = (world.person("alice").await, world.person("bob").await, world.person("carol").await);
    let room = world.room(&[&alice, &bob, &carol]).await;
    world.domain.people.block(&bob.viewer, alice.id).await.unwrap();
    let silent = world.send(&alice, room, "@all hello").await;
    assert_eq!(world.consider().await, 1, "carol");
    assert_eq!(world.told(&alice, silent).await, "suppressed");
    let page = world.domain.messages.delivery(&alice.viewer, silent, None, None).await.unwrap();
    assert_eq!(page.items[1].push.as_ref().unwrap().state, "queued");

    // The newest of one who is not blocked is told, whatever came after it.
    let (heard, _) = (world.send(&carol, room, "hello").await, world.send(&alice, room, "hello").await);
    assert_eq!(world.consider().await, 2, "bob of carol's, carol of alice's");
    let page = world.domain.messages.delivery(&carol.viewer, heard, None, None).await.unwrap();
    let of_bob = page.items.iter().find(|item| item.user_id == bob.id).unwrap();
    assert_eq!(of_bob.push.as_ref().unwrap().state, "queued");
}

#[rstest]
#[actix_web::test]
async fn a_notification_that_waits_is_not_delivered_once_its_author_is_blocked(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let world = World::new(engine).await;
    let (alice, bob) = (world.person("alice").await, world.person("bob").await);
    let room = world.room(&[&alice, &bob]).await;
    let message = world.send(&alice, room, "hello").await;
    assert_eq!(world.consider().await, 1);
    world.domain.people.block(&bob.viewer, alice.id).await.unwrap();
    let server = world.serve().await;
    server.done(shared::NotificationId::for_message(message)).await;
    assert_eq!(server.world.told(&alice, message).await, "suppressed");
    assert!(server.world.inbox(&bob).await.is_empty());
    server.stop().await;
}
