//! The one writer thread and its group commit: takes all that is queued, runs each command on a [`Tx`], commits the
//! group as one batch with one sync, publishes its events in order, then answers the callers.
//!
//! While one group is being synced the next one gathers, and syncs begin at least [`PACE`] apart: a lone caller waits for
//! its own sync alone, a crowd shares one, and what syncing costs has a bound whatever the rate. (Measured at 2,000
//! messages a second: without the pace 1,900 syncs a second, 40 % of the process' work.)

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use anyhow::anyhow;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use super::{
    kv::Kv,
    recent::Recent,
    tx::{Overlay, Tx},
};
use crate::{BusEvent, Result, StoreError, bus::Dispatcher};

/// Commands that may wait; beyond, callers wait to enter.
const QUEUE: usize = 4096;
/// Commands in one group, so that the first of it does not wait for ever.
const GROUP: usize = 1024;
/// Bytes of one group's writes, after which it takes no more commands.
const GROUP_BYTES: usize = 8 << 20;

/// From the begin of one sync to the begin of the next, at least.
const PACE: Duration = Duration::from_millis(2);

/// How much the group commit groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GroupCommits {
    /// Commands that were run.
    pub commands: u64,
    /// Commits with a sync.
    pub commits: u64,
}

/// The sending end of the writer thread. Dropping it ends the thread once the queue is drained.
pub(super) struct Writer {
    queue: mpsc::Sender<Box<dyn Command>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    commands: AtomicU64,
    commits: AtomicU64,
    /// A commit failed: what is on disk is not known any more, so nothing may be promised on top of it.
    poisoned: AtomicBool,
    /// Refuses what comes after [`Writer::close`].
    closed: AtomicBool,
}

/// A closure, its result while its group is not durable, and who waits for it.
trait Command: Send {
    /// Runs it; its writes and events when it succeeded.
    fn run(&mut self, tx: Tx) -> Option<(Overlay, Vec<BusEvent>)>;
    /// Tells the caller: the result, or that the group failed.
    fn answer(self: Box<Self>, failure: Option<&str>);
}

struct Call<F, T> {
    work: Option<F>,
    result: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
}

impl<F, T> Command for Call<F, T>
where
    F: FnOnce(&mut Tx) -> Result<T> + Send,
    T: Send,
{
    fn run(&mut self, mut tx: Tx) -> Option<(Overlay, Vec<BusEvent>)> {
        let work = self.work.take()?;
        // A defect in one command must not end the writer for all. The writes are dropped with the transaction.
        let result = catch_unwind(AssertUnwindSafe(|| work(&mut tx)));
        let result = result.unwrap_or_else(|_| Err(anyhow!("a store command panicked").into()));
        let done = result.is_ok().then(|| tx.finish());
        self.result = Some(result);
        done
    }

    fn answer(self: Box<Self>, failure: Option<&str>) {
        let result = match failure {
            Some(reason) => Err(StoreError::Unavailable(anyhow!("{reason}"))),
            None => self.result.unwrap_or_else(|| Err(anyhow!("a command was answered before it ran").into())),
        };
        // A caller that went away has lost interest; the write stands.
        let _ = self.reply.send(result);
    }
}

impl Writer {
    pub(super) fn start(kv: Arc<Kv>, dispatcher: Arc<Dispatcher>) -> anyhow::Result<Self> {
        let (queue, commands) = mpsc::channel(QUEUE);
        let shared = Arc::new(Shared::default());
        let state = Loop { kv, dispatcher, commands, shared: shared.clone(), recent: Recent::default(), synced: None };
        let thread = std::thread::Builder::new().name("store-writer".into()).spawn(move || state.run())?;
        Ok(Self { queue, thread: Mutex::new(Some(thread)), shared })
    }

    /// Runs `work` on the writer thread; returns when what it wrote is durable. Waits while the queue is full. Dropped
    /// meanwhile, the command may run or not.
    pub(super) async fn run<T, F>(&self, work: F) -> Result<T>
    where
        F: FnOnce(&mut Tx) -> Result<T> + Send + 'static,
        T: Send + 'static,
    {
        if self.shared.closed.load(Ordering::Acquire) {
            return Err(closed());
        }
        let (reply, answer) = oneshot::channel();
        let call = Call { work: Some(work), result: None, reply };
        self.queue.send(Box::new(call)).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }

    /// Waits until what was queued before is durable, ends the thread and gives up the database.
    pub(super) async fn close(&self) -> Result<()> {
        let drained = self.run(|_| Ok(())).await;
        self.shared.closed.store(true, Ordering::Release);
        // The loop sees `closed` at the next command, which is this one; its answer does not matter.
        let (reply, _) = oneshot::channel();
        let last = Call { work: Some(|_: &mut Tx| Ok(())), result: None, reply };
        let _ = self.queue.send(Box::new(last)).await;
        let thread = self.thread.lock().take();
        if let Some(thread) = thread {
            let joined = tokio::task::spawn_blocking(move || thread.join()).await;
            if !matches!(joined, Ok(Ok(()))) {
                return Err(anyhow!("the store's writer thread panicked").into());
            }
        }
        drained
    }

    pub(super) fn group_commits(&self) -> GroupCommits {
        GroupCommits {
            commands: self.shared.commands.load(Ordering::Relaxed),
            commits: self.shared.commits.load(Ordering::Relaxed),
        }
    }
}

pub(super) fn closed() -> StoreError {
    StoreError::Unavailable(anyhow!("the store is closed"))
}

struct Loop {
    kv: Arc<Kv>,
    dispatcher: Arc<Dispatcher>,
    commands: mpsc::Receiver<Box<dyn Command>>,
    shared: Arc<Shared>,
    recent: Recent,
    /// When the last sync began.
    synced: Option<Instant>,
}

/// Commands that share a commit.
#[derive(Default)]
struct Group {
    ran: Vec<Box<dyn Command>>,
    writes: Overlay,
    bytes: usize,
    events: Vec<BusEvent>,
}

impl Loop {
    fn run(mut self) {
        while let Some(first) = self.commands.blocking_recv() {
            self.keep_pace();
            self.serve(first);
            if self.shared.closed.load(Ordering::Acquire) {
                self.commands.close();
            }
        }
        if let Err(error) = self.kv.sync() {
            tracing::error!(%error, "the store could not be synced at its close");
        }
    }

    /// Lets a group gather until the next sync may begin.
    #[expect(clippy::disallowed_methods, reason = "the writer's own thread; nobody else runs on it")]
    fn keep_pace(&self) {
        let early = self.synced.and_then(|at| PACE.checked_sub(at.elapsed()));
        early.into_iter().for_each(std::thread::sleep);
    }

    /// One group: from its first command to its answers.
    fn serve(&mut self, first: Box<dyn Command>) {
        if self.shared.poisoned.load(Ordering::Acquire) {
            first.answer(Some("an earlier commit failed; the process must be restarted"));
            return;
        }
        let snapshot = self.kv.snapshot();
        let mut group = Group::default();
        let mut next = Some(first);
        while let Some(mut command) = next {
            if let Some((writes, events)) = command.run(Tx::new(&snapshot, &group.writes).with_recent(&self.recent)) {
                group.bytes += writes.values().flatten().map(Vec::len).sum::<usize>();
                group.writes.extend(writes);
                group.events.extend(events);
            }
            group.ran.push(command);
            let full = group.ran.len() >= GROUP || group.bytes >= GROUP_BYTES;
            next = if full { None } else { self.commands.try_recv().ok() };
        }
        drop(snapshot);
        self.commit(group);
    }

    fn commit(&mut self, group: Group) {
        self.shared.commands.fetch_add(group.ran.len() as u64, Ordering::Relaxed);
        let mut failure = None;
        if !group.writes.is_empty() {
            self.shared.commits.fetch_add(1, Ordering::Relaxed);
            self.synced = Some(Instant::now());
            group.writes.iter().for_each(|(key, row)| self.recent.keep(key, row.as_deref()));
            if let Err(error) = self.kv.commit(group.writes.into_iter()) {
                self.shared.poisoned.store(true, Ordering::Release);
                tracing::error!(%error, "a commit failed; the store takes no more writes until it is reopened");
                failure = Some(match error {
                    StoreError::Unavailable(reason) => format!("{reason:#}"),
                    other => format!("{other:#}"),
                });
            }
        }
        if failure.is_none() {
            for event in &group.events {
                self.dispatcher.deliver(event);
            }
        }
        for command in group.ran {
            command.answer(failure.as_deref());
        }
    }
}

#[cfg(test)]
mod tests;
