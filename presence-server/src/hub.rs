//! One worker's watchers: user → the connections that watch them. `Rc`, no locks; never awaits a socket.
//!
//! An event is encoded once and each watcher gets a refcount of the frame.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
    sync::Arc,
};

use bytes::Bytes;
use domain::{Domain, Result};
use shared::{
    UserId,
    protocol::{ServerFrame, UserPresence, encode_frame},
};
use socket::{Outbound, Pushed, text_frame};
use store::{BusEvent, Inbox, Signal, Subscriptions, Topic, presence::PresenceEvent};

/// Names a connection of this worker.
pub(crate) type WatcherId = u64;

struct Watch {
    watcher: WatcherId,
    outbound: Outbound,
    /// While the snapshot is read: the newest event, which must not come before it.
    held: Option<Option<Bytes>>,
}

pub(crate) struct Hub {
    subscriptions: Arc<dyn Subscriptions>,
    /// Bounded by `presence.max_watched` for each connection.
    watches: RefCell<HashMap<UserId, Vec<Watch>>>,
    next: Cell<WatcherId>,
}

impl Hub {
    /// Call inside the worker's runtime.
    pub fn start(domain: &Domain) -> Rc<Self> {
        let subscriber = domain.store.bus.subscriber();
        let hub =
            Rc::new(Self { subscriptions: subscriber.subscriptions, watches: RefCell::default(), next: Cell::new(0) });
        actix_web::rt::spawn(deliver(Rc::downgrade(&hub), domain.clone(), subscriber.inbox));
        hub
    }

    pub fn next_id(&self) -> WatcherId {
        self.next.set(self.next.get() + 1);
        self.next.get()
    }

    /// Follows these users; what happens to them is held until [`release`](Self::release), so that the snapshot read in
    /// between comes first.
    pub async fn hold(&self, watcher: WatcherId, outbound: &Outbound, users: &[UserId]) -> Result<()> {
        let topics: Vec<Topic> = users.iter().map(|user| Topic::Presence(*user)).collect();
        self.subscriptions.subscribe(&topics).await?;
        let mut watches = self.watches.borrow_mut();
        for user in users {
            let of_user = watches.entry(*user).or_default();
            match of_user.iter_mut().find(|watch| watch.watcher == watcher) {
                Some(watch) => watch.held = Some(None),
                None => of_user.push(Watch { watcher, outbound: outbound.clone(), held: Some(None) }),
            }
        }
        Ok(())
    }

    /// The snapshot is queued: lets what was held follow it.
    pub fn release(&self, watcher: WatcherId, users: &[UserId]) {
        let mut watches = self.watches.borrow_mut();
        for user in users {
            let of_user = watches.get_mut(user).into_iter().flatten();
            for watch in of_user.filter(|watch| watch.watcher == watcher) {
                if let Some(Some(frame)) = watch.held.take() {
                    watch.outbound.push(frame);
                }
            }
        }
    }

    /// Ends watching these users.
    pub async fn unwatch(&self, watcher: WatcherId, users: &[UserId]) {
        let mut ended = Vec::new();
        {
            let mut watches = self.watches.borrow_mut();
            for user in users {
                let Some(of_user) = watches.get_mut(user) else { continue };
                of_user.retain(|watch| watch.watcher != watcher);
                if of_user.is_empty() {
                    watches.remove(user);
                    ended.push(Topic::Presence(*user));
                }
            }
        }
        if ended.is_empty() {
            return;
        }
        self.subscriptions.unsubscribe(&ended).await;
        // Somebody may have begun to watch one of them meanwhile.
        let again: Vec<Topic> = {
            let watches = self.watches.borrow();
            ended.into_iter().filter(|t| matches!(t, Topic::Presence(u) if watches.contains_key(u))).collect()
        };
        if !again.is_empty()
            && let Err(e) = self.subscriptions.subscribe(&again).await
        {
            tracing::warn!("cannot follow presence again: {e}");
        }
    }

    /// To everyone who watches the user. O(watchers on this worker); the sockets to wake are added to `touched`.
    fn publish(&self, event: &PresenceEvent, touched: &mut Vec<Outbound>) {
        let mut watches = self.watches.borrow_mut();
        let Some(of_user) = watches.get_mut(&event.user) else { return };
        let frame = text_frame(encode_frame(&update(event), None));
        metrics::counter!("chatapp_presence_deliveries_total").increment(of_user.len() as u64);
        for watch in of_user {
            match &mut watch.held {
                Some(held) => *held = Some(frame.clone()),
                None => {
                    if watch.outbound.push(frame.clone()) == Pushed::First {
                        touched.push(watch.outbound.clone());
                    }
                }
            }
        }
    }

    /// Everyone this worker's connections watch.
    fn watched(&self) -> Vec<UserId> {
        self.watches.borrow().keys().copied().collect()
    }
}

/// The worker's loop: takes in all that one wake-up brought, then wakes each touched socket once.
async fn deliver(hub: std::rc::Weak<Hub>, domain: Domain, mut inbox: Inbox) {
    while let Some(first) = inbox.recv().await {
        let Some(hub) = hub.upgrade() else { return };
        let mut touched = Vec::new();
        let mut lost = false;
        let mut next = Some(first);
        while let Some(signal) = next {
            match signal {
                Signal::Event(BusEvent::Presence(event)) => hub.publish(&event, &mut touched),
                Signal::Event(BusEvent::Room(_) | BusEvent::User(..)) => {}
                Signal::Lost => lost = true,
            }
            next = inbox.try_recv();
        }
        if lost {
            recover(&hub, &domain, &mut touched).await;
        }
        touched.iter().for_each(Outbound::wake);
    }
}

/// Events were missed: tells every watcher how those they watch stand now. Telling one twice does no harm.
async fn recover(hub: &Hub, domain: &Domain, touched: &mut Vec<Outbound>) {
    for users in hub.watched().chunks(200) {
        match domain.store.presence.presence(users).await {
            Ok(states) => {
                let cards = domain.names.cards_of(users.iter().copied()).await.unwrap_or_default();
                for (user, state) in users.iter().zip(states) {
                    let username = cards.get(user).map_or_else(String::new, |card| card.username.clone());
                    let event = PresenceEvent {
                        user: *user,
                        username,
                        last_seen: state.last_seen.filter(|_| state.devices.is_empty()),
                        published: state.published,
                    };
                    hub.publish(&event, touched);
                }
            }
            Err(e) => tracing::warn!("cannot read presence after events were missed: {e}"),
        }
    }
}

fn update(event: &PresenceEvent) -> ServerFrame {
    ServerFrame::PresenceUpdate(UserPresence {
        user_id: event.user,
        username: event.username.clone(),
        status: event.published.status,
        status_text: event.published.text.clone(),
        last_seen: event.last_seen,
        devices: None,
    })
}
