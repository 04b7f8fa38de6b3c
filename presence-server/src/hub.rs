//! One worker's watchers: user → the connections that want to watch them. `Rc`, no locks; never awaits a socket.
//!
//! An event is encoded once and each watcher gets a refcount of the frame, unless they know it already.

mod delivering;
mod watches;

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use domain::{Domain, Login, Result, Viewer, presence::Seen};
use shared::UserId;
use socket::{CloseCode, Outbound, Pulse};
use store::{Subscriptions, Topic};
use tokio::sync::{Mutex, Notify};
use web::{Drain, sessions::Logins};

use self::{
    delivering::{Rechecks, deliver},
    watches::Watches,
};

/// Whom a connection wants to watch, known to its session and its hub. Bounded by `presence.max_watched`.
pub(crate) type Watching = Rc<RefCell<HashSet<UserId>>>;

/// A user's own socket.
struct Own {
    connection: u64,
    login: Login,
    outbound: Outbound,
    watching: Watching,
}

pub(crate) struct Hub {
    subscriptions: Arc<dyn Subscriptions>,
    watches: RefCell<Watches>,
    rechecks: Rc<Rechecks>,
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
            rechecks: Rc::default(),
            sockets: RefCell::default(),
            subscribing: Mutex::new(()),
            stale: RefCell::default(),
            became_stale: Notify::new(),
            lost: Notify::new(),
            pulse,
            drain,
        });
        actix_web::rt::spawn(deliver(Rc::downgrade(&hub), domain.clone(), subscriber.inbox, hub.rechecks.clone()));
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
    pub async fn enter(
        &self,
        viewer: &Viewer,
        connection: u64,
        (outbound, watching): (&Outbound, &Watching),
    ) -> Result<()> {
        let (outbound, watching) = (outbound.clone(), watching.clone());
        let own = Own { connection, login: viewer.login, outbound, watching };
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

    /// Follows these users for a connection, `watcher`, of the viewer; what happens to them is held until
    /// [`release`](Self::release), so that the snapshot read in between comes first.
    pub async fn hold(&self, watcher: u64, viewer: UserId, outbound: &Outbound, users: &[UserId]) -> Result<()> {
        let topics: Vec<Topic> = users.iter().map(|user| Topic::Presence(*user)).collect();
        self.subscribe(&topics).await?;
        self.watches.borrow_mut().hold((watcher, viewer), outbound, users);
        Ok(())
    }

    /// The snapshot is queued: lets what was held follow it.
    pub fn release(&self, watcher: u64, seen: Vec<Seen>) {
        self.let_go(|watches, touched| watches.release(watcher, seen, touched));
    }

    /// There is no snapshot. Gives those of the users of whom the connection knows nothing.
    pub fn abandon(&self, watcher: u64, users: &[UserId]) -> Vec<UserId> {
        self.let_go(|watches, touched| watches.abandon(watcher, users, touched))
    }

    fn let_go<T>(&self, work: impl FnOnce(&mut Watches, &mut Vec<Outbound>) -> T) -> T {
        let mut touched = Vec::new();
        let done = work(&mut self.watches.borrow_mut(), &mut touched);
        touched.iter().for_each(Outbound::wake);
        // What could not be looked at again while it was held.
        self.rechecks.ask();
        done
    }

    /// Ends watching these users.
    pub fn unwatch(&self, watcher: u64, users: impl IntoIterator<Item = UserId>) {
        for user in users {
            if self.watches.borrow_mut().unwatch(watcher, user) {
                self.may_be_stale(Topic::Presence(user));
            }
        }
    }

    /// Everyone whom the user wants to watch, by one of their connections on this worker.
    fn watched_by(&self, user: UserId) -> HashSet<UserId> {
        let sockets = self.sockets.borrow();
        let own = sockets.get(&user).into_iter().flatten();
        own.flat_map(|own| own.watching.borrow().iter().copied().collect::<Vec<_>>()).collect()
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
            Topic::Presence(user) => self.watches.borrow().contains(user),
            Topic::User(user) => self.sockets.borrow().contains_key(&user),
            Topic::Room(_) => false,
        }
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
