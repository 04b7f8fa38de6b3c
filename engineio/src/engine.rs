//! The Engine.IO sessions of a service: where a request finds the one it names, and on which worker a new one begins.

use std::{
    collections::HashMap,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::future::LocalBoxFuture;
use parking_lot::Mutex;
use socket::{Outbound, QueueLimits};
use tokio::sync::mpsc;

use crate::{
    Fault, Source, packet,
    packet::Sizes,
    polled::Answer,
    source::{Letter, Mailbox, Post},
};

/// Sessions that wait until a worker begins them; more are refused.
const WAITING: usize = 64;
/// Polls and sockets of one session that wait to be looked at.
const LETTERS: usize = 4;

/// What bounds and paces the sessions of a service.
#[derive(Debug, Clone)]
pub struct Config {
    pub ping_interval: Duration,
    /// How long the answer to a ping may take; then the session ends.
    pub ping_timeout: Duration,
    /// Bytes of a poll's answer, and of what a client puts into one request.
    pub max_payload: usize,
    /// Messages of a client the service [knows](Allowance); of others, no message is longer than a text may be.
    pub most: Sizes,
    /// Sessions at once that were begun over HTTP.
    pub sessions: usize,
    pub queue: QueueLimits,
    /// As [`socket::origin_allowed`] takes it.
    pub allowed_origins: Vec<String>,
}

/// Is the client of a session known to the service? Then it may send what is large. Starts as `false`.
#[derive(Debug, Clone, Default)]
pub struct Allowance(Arc<AtomicBool>);

impl Allowance {
    pub fn grant(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn sizes(&self, config: &Config) -> Sizes {
        match self.0.load(Ordering::Relaxed) {
            true => config.most,
            false => Sizes { binary: config.most.text, ..config.most },
        }
    }
}

/// A session that has begun: the parts of a [`socket::Connection`]. `context`: what the service wants to know of the
/// request that opened it.
pub struct Opened<C> {
    pub outbound: Outbound,
    pub source: Source,
    pub allowance: Allowance,
    pub context: C,
}

/// Serves the sessions of one worker, each to its end.
pub type Serve<C> = Rc<dyn Fn(Opened<C>) -> LocalBoxFuture<'static, ()>>;

/// One for each service, shared by its workers.
pub struct Engine<C> {
    pub(crate) config: Arc<Config>,
    pub(crate) table: Arc<Table>,
    /// One for each worker.
    doors: Mutex<Vec<mpsc::Sender<Opening<C>>>>,
    turn: AtomicUsize,
}

/// A session that was begun over HTTP, on its way to a worker.
struct Opening<C> {
    sid: String,
    mailbox: Mailbox,
    allowance: Allowance,
    context: C,
    /// The request that opened it is its first poll.
    answer: Answer,
}

/// Sessions that were begun over HTTP, by their random ids; at most [`Config::sessions`].
#[derive(Default)]
pub(crate) struct Table(Mutex<HashMap<String, Entry>>);

/// Where a session takes requests.
#[derive(Clone)]
pub(crate) struct Entry {
    pub letters: mpsc::Sender<Letter>,
    pub posts: mpsc::Sender<Post>,
    pub allowance: Allowance,
}

/// A session in the table; dropped, it is there no more.
pub(crate) struct Listed {
    table: Arc<Table>,
    sid: String,
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.table.0.lock().remove(&self.sid);
    }
}

impl Table {
    pub fn find(&self, sid: &str) -> Option<Entry> {
        self.0.lock().get(sid).cloned()
    }

    fn insert(self: &Arc<Self>, sid: &str, entry: Entry, most: usize) -> Result<Listed, Fault> {
        let mut sessions = self.0.lock();
        if sessions.len() >= most {
            return Err(Fault::Overload);
        }
        sessions.insert(sid.to_owned(), entry);
        Ok(Listed { table: self.clone(), sid: sid.to_owned() })
    }
}

/// 128 random bits: whoever names a session has been told of it.
pub fn new_sid() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<u128>().to_be_bytes())
}

impl<C: Send + 'static> Engine<C> {
    pub fn new(config: Config) -> Arc<Self> {
        let (table, doors) = (Arc::default(), Mutex::default());
        Arc::new(Self { config: Arc::new(config), table, doors, turn: AtomicUsize::new(0) })
    }

    /// From now on this worker takes its share of the sessions that begin over HTTP; call once, inside its runtime.
    pub fn serve_here(self: &Arc<Self>, serve: Serve<C>) {
        let (door, mut openings) = mpsc::channel::<Opening<C>>(WAITING);
        self.doors.lock().push(door);
        let config = self.config.clone();
        tokio::task::spawn_local(async move {
            while let Some(opening) = openings.recv().await {
                let Opening { sid, mailbox, allowance, context, answer } = opening;
                let outbound = Outbound::new(config.queue);
                outbound.push(packet::open(&sid, &["websocket"], &config));
                let source = Source::polled(mailbox, answer, &outbound, allowance.clone(), config.clone());
                tokio::task::spawn_local(serve(Opened { outbound, source, allowance, context }));
            }
        });
    }

    /// Begins a session on one of the workers; `answer` gets its first packet.
    pub(crate) fn open(&self, context: C, answer: Answer) -> Result<(), Fault> {
        let (letters, letter_box) = mpsc::channel(LETTERS);
        // One more while another is gone through: a client sends the next when the last was taken.
        let (posts, post_box) = mpsc::channel(1);
        let (sid, allowance) = (new_sid(), Allowance::default());
        let entry = Entry { letters, posts, allowance: allowance.clone() };
        let listed = self.table.insert(&sid, entry, self.config.sessions)?;
        let mailbox = Mailbox { letters: letter_box, posts: post_box, listed: Some(listed) };
        let mut opening = Opening { sid, mailbox, allowance, context, answer };
        let mut doors = self.doors.lock();
        for _ in 0..doors.len() {
            let door = self.turn.fetch_add(1, Ordering::Relaxed) % doors.len();
            match doors[door].try_send(opening) {
                Ok(()) => return Ok(()),
                Err(mpsc::error::TrySendError::Full(back)) => opening = back,
                Err(mpsc::error::TrySendError::Closed(back)) => {
                    // Its worker has died.
                    doors.swap_remove(door);
                    opening = back;
                }
            }
            if doors.is_empty() {
                break;
            }
        }
        Err(Fault::Overload)
    }
}
