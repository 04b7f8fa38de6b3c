//! The bus: events to whoever subscribed in this process. A wake-up only; the log is the truth.
//!
//! Each worker has one [`Subscriber`] with a bounded inbox. When it overflows, or the connection to the store was
//! cut, the inbox says [`Signal::Lost`] and the worker reads what it missed from the log.

use std::{
    collections::HashMap,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use parking_lot::Mutex;
use shared::{RoomId, SessionId, UserId};
use tokio::sync::{Notify, mpsc};

use crate::{MarkEvent, Result, RoomEvent, TypingEvent, UserChange, presence::PresenceEvent};

/// Events one worker may be behind before it must read the log instead.
pub const INBOX_EVENTS: usize = 16 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Topic {
    /// Changes of a room.
    Room(RoomId),
    /// What concerns one user alone.
    User(UserId),
    /// A user's presence, and who may see it, for watchers.
    Presence(UserId),
}

/// What concerns one user alone, on all their devices.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum UserEvent {
    /// An entry of the user's own log.
    Change(UserChange),
    SessionEnded(SessionId),
    /// The account is gone or banned, and with it all its sessions.
    AccountClosed,
}

#[derive(Debug, Clone)]
pub enum BusEvent {
    Room(Arc<RoomEvent>),
    /// On the room's topic.
    Marked(Arc<MarkEvent>),
    /// On the room's topic.
    Typing(Arc<TypingEvent>),
    User(UserId, Arc<UserEvent>),
    Presence(Arc<PresenceEvent>),
    /// Whether `watcher`, or anybody, may watch `user`, or what they may see, may have changed. On the presence topic of
    /// `user`.
    AccessChanged {
        user: UserId,
        /// `None`: anybody.
        watcher: Option<UserId>,
    },
}

impl BusEvent {
    pub fn topic(&self) -> Topic {
        match self {
            Self::Room(e) => Topic::Room(e.room),
            Self::Marked(e) => Topic::Room(e.room),
            Self::Typing(e) => Topic::Room(e.room),
            Self::User(user, _) => Topic::User(*user),
            Self::Presence(e) => Topic::Presence(e.user),
            Self::AccessChanged { user, .. } => Topic::Presence(*user),
        }
    }
}

#[derive(Debug, Clone)]
pub enum Signal {
    Event(BusEvent),
    /// Events of any subscribed topic may have been missed before this.
    Lost,
}

#[async_trait]
pub trait Bus: Send + Sync {
    /// A new subscriber with no topics.
    fn subscriber(&self) -> Subscriber;
    /// Tells who follows the room, and keeps nothing. Tells nobody of a direct room where one blocks the other.
    async fn publish_typing(&self, event: &TypingEvent) -> Result<()>;
}

/// One worker's end of the bus.
pub struct Subscriber {
    pub inbox: Inbox,
    pub subscriptions: Arc<dyn Subscriptions>,
}

/// What a subscriber follows. Dropping the last handle ends its subscriptions.
#[async_trait]
pub trait Subscriptions: Send + Sync {
    /// When it returns, every event published from now on arrives. Following twice is following once.
    async fn subscribe(&self, topics: &[Topic]) -> Result<()>;
    async fn unsubscribe(&self, topics: &[Topic]);
}

/// The receiving half; bounded by [`INBOX_EVENTS`].
pub struct Inbox {
    events: mpsc::Receiver<BusEvent>,
    lost: Arc<LostFlag>,
}

#[derive(Default)]
struct LostFlag {
    set: AtomicBool,
    wake: Notify,
}

impl Inbox {
    /// The next signal; `None` when the store closed. Cancel-safe.
    pub async fn recv(&mut self) -> Option<Signal> {
        loop {
            if let Some(signal) = self.try_recv() {
                return Some(signal);
            }
            tokio::select! {
                event = self.events.recv() => return event.map(Signal::Event),
                () = self.lost.wake.notified() => {}
            }
        }
    }

    /// What is there already, without waiting. `Lost` comes after all that was received before it.
    pub fn try_recv(&mut self) -> Option<Signal> {
        if let Ok(event) = self.events.try_recv() {
            return Some(Signal::Event(event));
        }
        self.lost.set.swap(false, Ordering::AcqRel).then_some(Signal::Lost)
    }
}

/// Topic → subscribers of this process; both engines deliver through it. A delivery costs one lock and one bounded
/// `try_send` for each worker that follows the topic.
#[derive(Default)]
pub(crate) struct Dispatcher {
    routes: Mutex<Routes>,
}

#[derive(Default)]
struct Routes {
    next: u64,
    /// Each subscriber once; they are the workers, so few.
    topics: HashMap<Topic, Vec<u64>>,
    senders: HashMap<u64, (mpsc::Sender<BusEvent>, Arc<LostFlag>)>,
}

/// A subscriber's registration in a [`Dispatcher`]; leaves it when dropped.
pub(crate) struct Registration {
    id: u64,
    dispatcher: Weak<Dispatcher>,
}

impl Dispatcher {
    pub(crate) fn register(self: &Arc<Self>) -> (Registration, Inbox) {
        let (sender, events) = mpsc::channel(INBOX_EVENTS);
        let lost = Arc::new(LostFlag::default());
        let mut routes = self.routes.lock();
        routes.next += 1;
        let id = routes.next;
        routes.senders.insert(id, (sender, lost.clone()));
        (Registration { id, dispatcher: Arc::downgrade(self) }, Inbox { events, lost })
    }

    /// To every subscriber of its topic; one whose inbox is full gets `Lost` instead.
    pub(crate) fn deliver(&self, event: &BusEvent) {
        let routes = self.routes.lock();
        let Some(followers) = routes.topics.get(&event.topic()) else { return };
        for id in followers {
            if let Some((sender, lost)) = routes.senders.get(id)
                && sender.try_send(event.clone()).is_err()
            {
                lost.raise();
            }
        }
    }

    /// Tells every subscriber that events may have been missed.
    pub(crate) fn lose_all(&self) {
        for (_, lost) in self.routes.lock().senders.values() {
            lost.raise();
        }
    }

    /// Ends every inbox once it is drained.
    pub(crate) fn close(&self) {
        let mut routes = self.routes.lock();
        routes.topics.clear();
        routes.senders.clear();
    }

    /// Does anybody follow it?
    pub(crate) fn is_followed(&self, topic: &Topic) -> bool {
        self.routes.lock().topics.contains_key(topic)
    }

    /// Every topic somebody follows.
    pub(crate) fn topics(&self) -> Vec<Topic> {
        self.routes.lock().topics.keys().copied().collect()
    }
}

impl LostFlag {
    fn raise(&self) {
        self.set.store(true, Ordering::Release);
        self.wake.notify_one();
    }
}

impl Registration {
    /// Follows the topics; gives those that nobody in this process followed before.
    pub(crate) fn follow(&self, topics: &[Topic]) -> Vec<Topic> {
        let Some(dispatcher) = self.dispatcher.upgrade() else { return Vec::new() };
        let mut routes = dispatcher.routes.lock();
        let mut fresh = Vec::new();
        for topic in topics {
            let followers = routes.topics.entry(*topic).or_default();
            if followers.is_empty() {
                fresh.push(*topic);
            }
            if !followers.contains(&self.id) {
                followers.reserve_exact(1);
                followers.push(self.id);
            }
        }
        fresh
    }

    /// Ends following; gives the topics that nobody in this process follows any more.
    pub(crate) fn unfollow(&self, topics: &[Topic]) -> Vec<Topic> {
        let Some(dispatcher) = self.dispatcher.upgrade() else { return Vec::new() };
        let mut routes = dispatcher.routes.lock();
        routes.unfollow(self.id, topics)
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let Some(dispatcher) = self.dispatcher.upgrade() else { return };
        let mut routes = dispatcher.routes.lock();
        let topics: Vec<Topic> = routes.topics.keys().copied().collect();
        routes.unfollow(self.id, &topics);
        routes.senders.remove(&self.id);
    }
}

impl Routes {
    fn unfollow(&mut self, id: u64, topics: &[Topic]) -> Vec<Topic> {
        let mut ended = Vec::new();
        for topic in topics {
            let Some(followers) = self.topics.get_mut(topic) else { continue };
            followers.retain(|follower| *follower != id);
            if followers.is_empty() {
                self.topics.remove(topic);
                ended.push(*topic);
            }
        }
        ended
    }
}
