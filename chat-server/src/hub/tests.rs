//! What only some order of things shows: a hub without sockets, its steps taken one by one.

use std::{future::Future, rc::Rc, sync::Arc, time::Duration};

use domain::{Domain, Viewer, accounts::Guest};
use serde_json::json;
use shared::{
    RoomId, Settings,
    protocol::{Position, Room},
    settings::StoreUrl,
};
use socket::{Outbound, QueueLimits};
use store::{BusEvent, Signal, Topic};
use tempfile::TempDir;
use tokio::time::timeout;

use super::{Hub, Peer, repair};
use crate::dialect::Dialect;

struct World {
    hub: Rc<Hub>,
    _dir: TempDir,
}

impl World {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut settings = Settings::default();
        settings.store.url = StoreUrl::Embedded(dir.path().join("data"));
        settings.limits.enabled = false;
        let store = store::open(&settings.store).await.unwrap();
        let domain = Domain::new(store, Arc::new(settings));
        Self { hub: Hub::start(domain, Arc::default()), _dir: dir }
    }

    fn domain(&self) -> &Domain {
        &self.hub.domain
    }

    async fn user(&self, name: &str) -> Viewer {
        let guest = Guest { username: Some(name.into()) };
        let signed_in = self.domain().accounts.guest(guest, &"127.0.0.1".into()).await.unwrap();
        self.domain().identity.authenticate(&signed_in.token).await.unwrap()
    }

    async fn room(&self, owner: &Viewer, member: &Viewer) -> RoomId {
        let input = serde_json::from_value(json!({"name": "tea", "type": "public"})).unwrap();
        let Room { id, .. } = self.domain().rooms.create(owner, input).await.unwrap();
        self.domain().rooms.join(member, id).await.unwrap();
        id
    }

    async fn head(&self, room: RoomId) -> Position {
        self.domain().rooms.positions(&[room]).await.unwrap().remove(0).unwrap()
    }

    fn last(&self, room: RoomId) -> Option<Position> {
        self.hub.state.borrow().rooms.get(&room).and_then(|entry| entry.track.last())
    }

    /// A connection that is being set up.
    async fn peer(&self, viewer: &Viewer) -> Rc<Peer> {
        let outbound = Outbound::new(QueueLimits { frames: 100, bytes: 1 << 20, time: Duration::from_secs(60) });
        let peer = Peer::new(viewer.clone(), Dialect::Native, outbound);
        self.hub.follow_user(&peer).await.unwrap();
        let arrival = self.domain().identity.arrive(viewer).await.unwrap();
        self.hub.begin_own(viewer.user, arrival.own);
        peer
    }

    /// A connection in the room.
    async fn attached(&self, viewer: &Viewer, room: RoomId) -> Rc<Peer> {
        let peer = self.peer(viewer).await;
        let pins = self.hub.follow(&[room]).await.unwrap();
        self.hub.attach_all(&peer, &pins, None);
        self.hub.end_busy(&peer);
        peer
    }
}

async fn soon(what: &str, mut there: impl FnMut() -> bool) {
    let wait = async {
        while !there() {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(10), wait).await.expect(what);
}

#[actix_web::test]
async fn who_is_taken_out_while_a_connection_is_set_up_is_out_when_it_is_done() {
    let world = World::start().await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let room = world.room(&alice, &bob).await;
    let peer = world.peer(&bob).await;
    let pins = world.hub.follow(&[room]).await.unwrap();
    // The hub hears of it after the last list was read, and before the connection is in the room.
    world.domain().rooms.remove_member(&alice, room, bob.user).await.unwrap();
    let head = world.head(room).await;
    soon("it is delivered", || world.last(room) == Some(head)).await;
    soon("it is to be looked at", || peer.later.borrow().contains(room)).await;
    world.hub.attach_all(&peer, &pins, None);
    assert!(world.hub.is_in(&peer, room));
    world.hub.end_busy(&peer);
    soon("it is out", || !world.hub.is_in(&peer, room)).await;
    assert!(!peer.outbound.is_ending());
}

/// The room's events from now on, as the bus brings them.
async fn events(world: &World, room: RoomId) -> impl FnMut() -> std::pin::Pin<Box<dyn Future<Output = Signal>>> {
    let subscriber = world.domain().store.bus.subscriber();
    subscriber.subscriptions.subscribe(&[Topic::Room(room)]).await.unwrap();
    let inbox = Rc::new(tokio::sync::Mutex::new((subscriber.inbox, subscriber.subscriptions)));
    move || {
        let inbox = inbox.clone();
        Box::pin(async move { inbox.lock().await.0.recv().await.unwrap() })
    }
}

#[actix_web::test]
async fn an_edit_that_was_held_waits_until_it_is_known_again_who_may_see_it() {
    let world = World::start().await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let room = world.room(&alice, &bob).await;
    let message = json!({"roomId": room, "content": "early"});
    let sent = world.domain().messages.send(&alice, serde_json::from_value(message).unwrap()).await.unwrap();
    let peer = world.attached(&bob, room).await;
    world.hub.update(|state| {
        state.rooms.get_mut(&room).unwrap().members.get_mut(peer.id).unwrap().visible_after = Some(0);
        assert!(state.suspect(room));
    });
    let mut next = events(&world, room).await;
    let patch = serde_json::from_value(json!({"name": "coffee"})).unwrap();
    world.domain().rooms.patch(&alice, room, patch).await.unwrap();
    let renamed = world.head(room).await;
    let edit = serde_json::from_value(json!({"messageId": sent.id, "content": "late"})).unwrap();
    world.domain().messages.edit(&alice, edit).await.unwrap();
    let edited = world.head(room).await;
    for _ in 0..2 {
        let signal = next().await;
        assert!(matches!(&signal, Signal::Event(BusEvent::Room(_))));
        world.hub.take_in(signal, || None);
    }
    assert!(!world.hub.update(|state| repair::settle(state, room)));
    assert_eq!(world.last(room), Some(renamed), "the edit waits");
    repair::repair(world.hub.clone(), room).await;
    assert_eq!(world.last(room), Some(edited));
    let known = world.hub.update(|state| state.rooms.get_mut(&room)?.members.get_mut(peer.id)?.visible_after);
    assert_eq!(known, Some(0));
}

#[actix_web::test]
async fn a_room_that_is_deleted_while_its_log_is_read_closes_nobody() {
    let world = World::start().await;
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let room = world.room(&alice, &bob).await;
    let peer = world.attached(&bob, room).await;
    world.hub.update(|state| assert!(state.suspect(room)));
    world.domain().rooms.delete(&alice, room).await.unwrap();
    repair::repair(world.hub.clone(), room).await;
    assert!(!world.hub.is_in(&peer, room) && !peer.outbound.is_ending());

    let room = world.room(&alice, &bob).await;
    soon("it is added", || world.hub.is_in(&peer, room)).await;
    let epoch = world.hub.update(|state| {
        assert!(state.suspect(room));
        state.rooms.get(&room).unwrap().epoch
    });
    world.domain().rooms.delete(&alice, room).await.unwrap();
    assert!(!repair::skip(&world.hub, room, epoch).await);
    assert!(!world.hub.is_in(&peer, room) && !peer.outbound.is_ending());
}
