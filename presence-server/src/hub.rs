//! One worker's watchers: user → the connections that watch them. `Rc`, no locks; never awaits a socket.
//!
//! An event is encoded once and each watcher gets a refcount of the frame.

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use domain::{Domain, Login, Result, Viewer};
use shared::{
    UserId,
    protocol::{ServerFrame, UserPresence, encode_frame},
};
use socket::{CloseCode, Outbound, Pulse, Pushed, text_frame};
use store::{BusEvent, Inbox, PresenceState, Signal, Subscriptions, Topic, UserEvent, presence::PresenceEvent};
use tokio::{
    sync::{Mutex, Notify},
    time::{Instant, timeout_at},
};
use web::{Drain, sessions::Logins};

/// How long to wait when the store is away, first and at most.
const FIRST_RETRY: Duration = Duration::from_millis(250);
const LAST_RETRY: Duration = Duration::from_secs(4);

struct Watch {
    watcher: u64,
    outbound: Outbound,
    /// While the snapshot is read: the newest event, which must not come before it.
    held: Option<Option<Bytes>>,
}

/// A user's own socket.
struct Own {
    connection: u64,
    login: Login,
    outbound: Outbound,
}

pub(crate) struct Hub {
    subscriptions: Arc<dyn Subscriptions>,
    /// Bounded by `presence.max_watched` for each connection.
    watches: RefCell<HashMap<UserId, Vec<Watch>>>,
    /// The sockets of each user, by connection number: their session may end elsewhere.
    sockets: RefCell<HashMap<UserId, Vec<Own>>>,
    /// Orders subscribing and unsubscribing, so that the end of one interest cannot undo the begin of the next.
    subscribing: Mutex<()>,
    /// Topics nobody needed when they were put here; bounded by those followed.
    stale: RefCell<HashSet<Topic>>,
    became_stale: Notify,
    /// Events may have been lost, and so the end of a session.
    lost: Notify,
    pulse: Rc<Pulse>,
    drain: Arc<Drain>,
}

impl Hub {
    /// Call inside the worker's runtime.
    pub fn start(domain: &Domain, drain: Arc<Drain>) -> Rc<Self> {
        let heartbeat = Duration::from_secs(domain.settings.limits.heartbeat_seconds);
        let pulse = Pulse::start(heartbeat, drain.begun().clone());
        let subscriber = domain.store.bus.subscriber();
        let hub = Rc::new(Self {
            subscriptions: subscriber.subscriptions,
            watches: RefCell::default(),
            sockets: RefCell::default(),
            subscribing: Mutex::new(()),
            stale: RefCell::default(),
            became_stale: Notify::new(),
            lost: Notify::new(),
            pulse,
            drain,
        });
        actix_web::rt::spawn(deliver(Rc::downgrade(&hub), domain.clone(), subscriber.inbox));
        actix_web::rt::spawn(unsubscribe_stale(hub.clone()));
        actix_web::rt::spawn(web::sessions::watch(domain.clone(), hub.clone()));
        hub
    }

    /// The stop of the service.
    pub fn drain(&self) -> &Drain {
        &self.drain
    }

    /// Pings and drains this worker's sockets.
    pub fn pulse(&self) -> &Rc<Pulse> {
        &self.pulse
    }

    /// A socket of this user opened: it is closed when its session ends.
    pub async fn enter(&self, viewer: &Viewer, connection: u64, outbound: &Outbound) -> Result<()> {
        let own = Own { connection, login: viewer.login, outbound: outbound.clone() };
        self.sockets.borrow_mut().entry(viewer.user).or_default().push(own);
        self.subscribe(&[Topic::User(viewer.user)]).await
    }

    /// It ended.
    pub fn leave(&self, user: UserId, connection: u64) {
        let mut sockets = self.sockets.borrow_mut();
        let Some(own) = sockets.get_mut(&user) else { return };
        own.retain(|socket| socket.connection != connection);
        if own.is_empty() {
            sockets.remove(&user);
            self.may_be_stale(Topic::User(user));
        }
    }

    /// Follows these users; what happens to them is held until [`release`](Self::release), so that the snapshot read in
    /// between comes first.
    pub async fn hold(&self, watcher: u64, outbound: &Outbound, users: &[UserId]) -> Result<()> {
        let topics: Vec<Topic> = users.iter().map(|user| Topic::Presence(*user)).collect();
        self.subscribe(&topics).await?;
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
    pub fn release(&self, watcher: u64, users: &[UserId]) {
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
    pub fn unwatch(&self, watcher: u64, users: impl IntoIterator<Item = UserId>) {
        let mut watches = self.watches.borrow_mut();
        for user in users {
            let Some(of_user) = watches.get_mut(&user) else { continue };
            of_user.retain(|watch| watch.watcher != watcher);
            if of_user.is_empty() {
                watches.remove(&user);
                self.may_be_stale(Topic::Presence(user));
            }
        }
    }

    async fn subscribe(&self, topics: &[Topic]) -> Result<()> {
        let _order = self.subscribing.lock().await;
        Ok(self.subscriptions.subscribe(topics).await?)
    }

    /// Nobody needs the topic now.
    fn may_be_stale(&self, topic: Topic) {
        self.stale.borrow_mut().insert(topic);
        self.became_stale.notify_one();
    }

    fn wants(&self, topic: Topic) -> bool {
        match topic {
            Topic::Presence(user) => self.watches.borrow().contains_key(&user),
            Topic::User(user) => self.sockets.borrow().contains_key(&user),
            Topic::Room(_) => false,
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

impl Logins for Hub {
    fn logins(&self) -> HashSet<(UserId, Login)> {
        let sockets = self.sockets.borrow();
        sockets.iter().flat_map(|(user, own)| own.iter().map(|socket| (*user, socket.login))).collect()
    }

    fn close(&self, user: UserId, login: Login) {
        let sockets = self.sockets.borrow();
        let ended = sockets.get(&user).into_iter().flatten().filter(|own| own.login == login);
        ended.for_each(|own| own.outbound.close(CloseCode::Unauthorized));
    }

    fn lost(&self) -> &Notify {
        &self.lost
    }
}

/// The worker's loop: takes in all that one wake-up brought, then wakes each touched socket once.
async fn deliver(hub: std::rc::Weak<Hub>, domain: Domain, mut inbox: Inbox) {
    // When those who watch are told again how things stand: the store was away when events had been missed.
    let mut again: Option<Instant> = None;
    let mut wait = FIRST_RETRY;
    loop {
        let mut next = match again {
            None => inbox.recv().await,
            Some(at) => timeout_at(at, inbox.recv()).await.unwrap_or(Some(Signal::Lost)),
        };
        let (Some(hub), true) = (hub.upgrade(), next.is_some()) else { return };
        let mut touched = Vec::new();
        let mut lost = again.is_some_and(|at| at <= Instant::now());
        while let Some(signal) = next {
            match signal {
                Signal::Event(BusEvent::Presence(event)) => hub.publish(&event, &mut touched),
                Signal::Event(BusEvent::User(user, event)) => {
                    if let UserEvent::SessionEnded(session) = *event {
                        hub.close(user, Login::Session(session));
                    }
                }
                // Whoever watches already goes on until they subscribe anew.
                Signal::Event(BusEvent::AccessChanged { .. }) => {}
                Signal::Event(BusEvent::Room(_) | BusEvent::Marked(_) | BusEvent::Typing(_)) => {}
                Signal::Lost => lost = true,
            }
            next = inbox.try_recv();
        }
        if lost {
            hub.lost.notify_one();
            let recovered = recover(&hub, &domain, &mut touched).await;
            again = recovered.is_err().then(|| Instant::now() + wait);
            wait = if again.is_some() { (wait * 2).min(LAST_RETRY) } else { FIRST_RETRY };
        }
        touched.iter().for_each(Outbound::wake);
    }
}

/// Unsubscribes what nobody needs any more; one round at a time. Ends with the worker.
async fn unsubscribe_stale(hub: Rc<Hub>) {
    loop {
        hub.became_stale.notified().await;
        let _order = hub.subscribing.lock().await;
        let stale = hub.stale.take();
        let topics: Vec<Topic> = stale.into_iter().filter(|topic| !hub.wants(*topic)).collect();
        if !topics.is_empty() {
            hub.subscriptions.unsubscribe(&topics).await;
        }
    }
}

/// Events were missed: tells every watcher how those they watch stand now. Telling one twice does no harm. Awaited by the
/// loop that delivers, so that nothing older comes after something newer. An error: some were not told.
async fn recover(hub: &Hub, domain: &Domain, touched: &mut Vec<Outbound>) -> Result<()> {
    let mut all = Ok(());
    for users in hub.watched().chunks(200) {
        match states(domain, users).await {
            Ok(events) => events.iter().for_each(|event| hub.publish(event, touched)),
            Err(e) => {
                tracing::warn!("cannot read presence after events were missed: {e}");
                all = Err(e);
            }
        }
    }
    all
}

/// How these users stand now.
async fn states(domain: &Domain, users: &[UserId]) -> Result<Vec<PresenceEvent>> {
    let states = domain.store.presence.presence(users).await?;
    let cards = domain.names.cards_of(users.iter().copied()).await?;
    let event = |(user, state): (&UserId, PresenceState)| PresenceEvent {
        user: *user,
        username: cards.get(user).map_or_else(String::new, |card| card.username.clone()),
        last_seen: state.last_seen.filter(|_| state.devices.is_empty()),
        published: state.published,
    };
    Ok(users.iter().zip(states).map(event).collect())
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
