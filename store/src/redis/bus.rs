//! The bus: one connection of pushes for the process, which feeds the [`Dispatcher`].
//!
//! A task keeps it alive: it pings, connects again for ever, subscribes anew channel by channel (in a cluster one
//! `SSUBSCRIBE` of several slots is refused), and only then tells every worker that events may have been missed.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use redis::{Cmd, PushInfo, PushKind, Value};
use tokio::sync::{Mutex, Notify};
use tokio_util::sync::CancellationToken;

use super::{
    Engine, codec,
    connection::{Address, Line, MAX_PAUSE},
    keys::Keys,
    scripts::{self, Call},
};
use crate::{
    Bus, Result, StoreError, Subscriber, Subscriptions, Topic, TypingEvent,
    bus::{Dispatcher, Registration},
};

/// How often a silent connection is tried, and subscriptions that nobody needs any more are ended.
const PING: Duration = Duration::from_secs(2);
/// In a cluster, every so many pings all channels are subscribed anew: slots may have moved without a word.
const RENEW_AFTER: u32 = 3;
/// Subscriptions asked for at once.
const BATCH: usize = 1024;

/// The process's end of Redis' pub/sub.
pub(super) struct Wire {
    address: Address,
    keys: Keys,
    dispatcher: Arc<Dispatcher>,
    link: Mutex<Link>,
    pushes: Arc<Pushes>,
    stop: CancellationToken,
}

#[derive(Default)]
struct Link {
    line: Option<Line>,
    /// Subscribed, and confirmed by Redis.
    confirmed: HashSet<Topic>,
}

/// What the connection's own task touches.
#[derive(Default)]
struct Pushes {
    /// Counts connections: an old one's end is no news.
    generation: AtomicU64,
    broken: Notify,
    /// Topics whose subscription we are ending ourselves; at most those that were confirmed.
    leaving: parking_lot::Mutex<HashSet<Topic>>,
}

impl Wire {
    /// Connects, and keeps connected until [`Self::close`].
    pub(super) async fn open(address: Address, keys: Keys) -> Result<Arc<Self>> {
        let wire = Arc::new(Self {
            address,
            keys,
            dispatcher: Arc::default(),
            link: Mutex::default(),
            pushes: Arc::default(),
            stop: CancellationToken::new(),
        });
        wire.restore(&mut *wire.link.lock().await).await?;
        tokio::spawn(keep(wire.clone()));
        Ok(wire)
    }

    /// Ends the task and, once drained, every inbox.
    pub(super) fn close(&self) {
        self.stop.cancel();
        self.dispatcher.close();
    }

    async fn connect(&self) -> Result<Line> {
        let generation = self.pushes.generation.fetch_add(1, Ordering::AcqRel) + 1;
        let (pushes, dispatcher, keys) = (self.pushes.clone(), self.dispatcher.clone(), self.keys.clone());
        let on_push = move |push: PushInfo| -> std::result::Result<(), redis::aio::SendError> {
            match push.kind {
                PushKind::SMessage => deliver(&dispatcher, &keys, push.data),
                // A slot that moves away ends its subscriptions by a push of its own.
                PushKind::Disconnection if pushes.generation.load(Ordering::Acquire) == generation => {
                    pushes.broken.notify_one();
                }
                PushKind::SUnsubscribe => {
                    let topic = text(push.data.first()).and_then(|channel| keys.topic(channel));
                    if topic.is_some_and(|topic| !pushes.leaving.lock().remove(&topic)) {
                        pushes.broken.notify_one();
                    }
                }
                _ => {}
            }
            Ok(())
        };
        self.address.line(on_push).await
    }

    /// Connects if there is no connection, and subscribes every topic that somebody follows.
    async fn restore(&self, link: &mut Link) -> Result<()> {
        link.confirmed.clear();
        self.pushes.leaving.lock().clear();
        let line = match link.line.take() {
            Some(line) => line,
            None => self.connect().await?,
        };
        let topics = self.dispatcher.topics();
        self.send(&line, "SSUBSCRIBE", &topics).await?;
        link.line = Some(line);
        link.confirmed.extend(topics);
        Ok(())
    }

    async fn send(&self, line: &Line, verb: &str, topics: &[Topic]) -> Result<()> {
        for batch in topics.chunks(BATCH) {
            let commands: Vec<Cmd> = batch
                .iter()
                .map(|topic| {
                    let mut command = redis::cmd(verb);
                    command.arg(self.keys.channel(*topic));
                    command
                })
                .collect();
            line.send_all("change subscriptions", &commands).await?;
        }
        Ok(())
    }

    async fn subscribe(&self, topics: &[Topic]) -> Result<()> {
        let mut link = self.link.lock().await;
        let missing: Vec<Topic> = topics.iter().filter(|t| !link.confirmed.contains(t)).copied().collect();
        if missing.is_empty() {
            return Ok(());
        }
        let Some(line) = link.line.clone() else {
            return Err(StoreError::Unavailable(anyhow::anyhow!("the bus is not connected")));
        };
        self.send(&line, "SSUBSCRIBE", &missing).await?;
        link.confirmed.extend(missing);
        Ok(())
    }

    /// Ends those of the subscriptions that nobody needs any more.
    async fn end(&self, link: &mut Link, topics: impl Iterator<Item = Topic>) -> Result<()> {
        let Some(line) = link.line.clone() else { return Ok(()) };
        let idle: Vec<Topic> =
            topics.filter(|t| link.confirmed.contains(t) && !self.dispatcher.is_followed(t)).collect();
        for topic in &idle {
            link.confirmed.remove(topic);
            self.pushes.leaving.lock().insert(*topic);
        }
        self.send(&line, "SUNSUBSCRIBE", &idle).await
    }

    /// Is the connection alive? Also the time to end what nobody needs.
    async fn tend(&self, beats: u32) -> Result<()> {
        let mut link = self.link.lock().await;
        // Those of subscribers that were dropped.
        let confirmed: Vec<Topic> = link.confirmed.iter().copied().collect();
        self.end(&mut link, confirmed.into_iter()).await?;
        match link.line.clone() {
            None => Err(StoreError::Unavailable(anyhow::anyhow!("the bus is not connected"))),
            Some(line @ Line::Single(_)) => line.send_all("ping on the bus", &[redis::cmd("PING")]).await,
            Some(line @ Line::Cluster(_)) if beats.is_multiple_of(RENEW_AFTER) => {
                let topics: Vec<Topic> = link.confirmed.iter().copied().collect();
                self.send(&line, "SSUBSCRIBE", &topics).await
            }
            Some(Line::Cluster(_)) => Ok(()),
        }
    }
}

/// Keeps the connection until the store is closed. Its retries never end; its pauses do not exceed [`MAX_PAUSE`].
async fn keep(wire: Arc<Wire>) {
    let mut beats = 0u32;
    loop {
        let alive = tokio::select! {
            () = wire.stop.cancelled() => return,
            () = wire.pushes.broken.notified() => false,
            () = tokio::time::sleep(PING) => {
                beats = beats.wrapping_add(1);
                wire.tend(beats).await.is_ok()
            }
        };
        if !alive && repair(&wire).await {
            return;
        }
    }
}

/// Restores the connection and tells everyone. `true`: the store was closed meanwhile.
async fn repair(wire: &Wire) -> bool {
    tracing::warn!("the bus lost its connection to Redis");
    loop {
        let restored = tokio::select! {
            () = wire.stop.cancelled() => return true,
            restored = async {
                let mut link = wire.link.lock().await;
                if let Some(Line::Single(_)) = link.line {
                    link.line = None;
                }
                wire.restore(&mut link).await
            } => restored,
        };
        match restored {
            Ok(()) => {
                wire.dispatcher.lose_all();
                tracing::info!("the bus is connected to Redis again");
                return false;
            }
            Err(error) => tracing::debug!(%error, "the bus is not connected yet"),
        }
        tokio::time::sleep(MAX_PAUSE).await;
    }
}

fn text(value: Option<&Value>) -> Option<&str> {
    match value? {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

fn deliver(dispatcher: &Dispatcher, keys: &Keys, data: Vec<Value>) {
    let (Some(channel), Some(payload)) = (text(data.first()), text(data.get(1))) else { return };
    let Some(topic) = keys.topic(channel) else { return };
    match codec::bus_event(topic, payload) {
        Ok(event) => dispatcher.deliver(&event),
        // Whoever follows finds it in the log.
        Err(error) => {
            tracing::error!(%error, channel, "an event cannot be read");
            dispatcher.lose_all();
        }
    }
}

struct Follower {
    wire: Arc<Wire>,
    registration: Registration,
}

#[async_trait]
impl Subscriptions for Follower {
    async fn subscribe(&self, topics: &[Topic]) -> Result<()> {
        let fresh = self.registration.follow(topics);
        let subscribed = self.wire.subscribe(topics).await;
        if subscribed.is_err() {
            self.registration.unfollow(&fresh);
        }
        subscribed
    }

    async fn unsubscribe(&self, topics: &[Topic]) {
        let ended = self.registration.unfollow(topics);
        if ended.is_empty() {
            return;
        }
        let mut link = self.wire.link.lock().await;
        if let Err(error) = self.wire.end(&mut link, ended.into_iter()).await {
            tracing::debug!(%error, "the subscriptions are ended with the connection");
        }
    }
}

#[async_trait]
impl Bus for Engine {
    fn subscriber(&self) -> Subscriber {
        let (registration, inbox) = self.wire.dispatcher.register();
        Subscriber { inbox, subscriptions: Arc::new(Follower { wire: self.wire.clone(), registration }) }
    }

    async fn publish_typing(&self, event: &TypingEvent) -> Result<()> {
        let publish = Call::new(&scripts::TYPING)
            .keys([self.keys.room(event.room), self.keys.room_channel(event.room)])
            .arg(codec::room::typing(event)?);
        self.connections.run::<i64>("publish typing", publish).await.map(drop)
    }
}
