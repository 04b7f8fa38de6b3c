//! A thin layer over fjall: two key spaces, snapshots to read from, one atomic durable batch to write. Nothing else of
//! fjall is known outside this file, so that another ordered key-value store can take its place.

use std::{fs::File, ops::ControlFlow, path::Path};

use anyhow::Context;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable};

use super::keys::{Key, Space, Span};
use crate::{Result, StoreError};

/// Bytes of `state` kept in memory before they are written to a table. `state` is mostly the same keys again: the more
/// is kept, the less is written; but a journal can go only when both spaces have let go of it.
const STATE_MEMTABLE: u64 = 16 << 20;
const LOG_MEMTABLE: u64 = 16 << 20;
/// Journals on disk before the space that holds the oldest back is written out; the least fjall allows is 64 MiB.
const JOURNALS: u64 = 128 << 20;
const BLOCK_CACHE: u64 = 64 << 20;
/// fjall takes keys of up to 64 KiB and panics beyond; no key of ours comes near.
const LONGEST_KEY: usize = 16 * 1024;

/// Which end a scan begins at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Ascending,
    Descending,
}

/// Told of each pair of a scan; says whether to go on.
pub(super) type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>> + 'a;

/// Reading, the same from a snapshot and inside a command.
pub(super) trait Read {
    fn get(&self, key: &Key) -> Result<Option<Vec<u8>>>;
    /// Visits the pairs of `span` in `order` until told to stop.
    fn scan(&self, span: &Span, order: Order, visit: &mut Visit) -> Result<()>;

    /// The first `limit` pairs of a span, each made into something.
    fn collect<T>(
        &self,
        span: &Span,
        order: Order,
        limit: usize,
        mut make: impl FnMut(&[u8], &[u8]) -> Result<T>,
    ) -> Result<Vec<T>>
    where
        Self: Sized,
    {
        let mut items = Vec::new();
        if limit == 0 {
            return Ok(items);
        }
        self.scan(span, order, &mut |key, value| {
            items.push(make(key, value)?);
            Ok(if items.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        Ok(items)
    }

    /// How many pairs a span has; O(that many).
    fn count(&self, span: &Span) -> Result<u64>
    where
        Self: Sized,
    {
        let mut count = 0;
        self.scan(span, Order::Ascending, &mut |_, _| {
            count += 1;
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(count)
    }
}

/// One write; `None` deletes.
pub(super) type Write = (Key, Option<Vec<u8>>);

pub(super) struct Kv {
    database: Database,
    state: Keyspace,
    log: Keyspace,
    /// Let go after the database.
    lock: Option<File>,
    #[cfg(test)]
    pub(super) fail_commits: std::sync::atomic::AtomicBool,
}

impl Kv {
    /// Opens the database in `dir`, making it if the directory is empty. Blocks: replays the journal.
    pub(super) fn open(dir: &Path) -> anyhow::Result<Self> {
        let database = Database::builder(dir)
            .cache_size(BLOCK_CACHE)
            .max_journaling_size(JOURNALS)
            .worker_threads(2)
            .open()
            .context("open the database")?;
        let options = |memtable| move || KeyspaceCreateOptions::default().max_memtable_size(memtable);
        let state = database.keyspace("state", options(STATE_MEMTABLE)).context("open the key space `state`")?;
        let log = database.keyspace("log", options(LOG_MEMTABLE)).context("open the key space `log`")?;
        Ok(Self {
            database,
            state,
            log,
            lock: None,
            #[cfg(test)]
            fail_commits: std::sync::atomic::AtomicBool::new(false),
        })
    }

    /// Holds the directory's lock as long as the database is open.
    pub(super) fn keep_locked(mut self, lock: File) -> Self {
        self.lock = Some(lock);
        self
    }

    /// All that is committed now; later commits do not show in it.
    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot { inner: self.database.snapshot(), state: self.state.clone(), log: self.log.clone() }
    }

    /// Writes all or nothing and returns when it is on disk (`fdatasync`; the journal's length is preallocated). Only
    /// then do snapshots show it. Each key at most once. After an error it is unknown whether the batch will be there
    /// after a restart.
    pub(super) fn commit(&self, writes: impl ExactSizeIterator<Item = Write>) -> Result<()> {
        #[cfg(test)]
        if self.fail_commits.load(std::sync::atomic::Ordering::Acquire) {
            return Err(StoreError::Unavailable(anyhow::anyhow!("commit failed on request")));
        }
        self.write(writes, Some(PersistMode::SyncData))
    }

    /// [`commit`](Self::commit) that does not wait for the disk: it is durable once [`sync`](Self::sync) returns.
    pub(super) fn load(&self, writes: impl ExactSizeIterator<Item = Write>) -> Result<()> {
        self.write(writes, None)
    }

    fn write(&self, writes: impl ExactSizeIterator<Item = Write>, durability: Option<PersistMode>) -> Result<()> {
        let mut batch = self.database.batch().durability(durability);
        for (key, value) in writes {
            let space = match key.space {
                Space::State => &self.state,
                Space::Log => &self.log,
            };
            match value {
                Some(value) => batch.insert(space, key.bytes, value),
                None => batch.remove(space, key.bytes),
            }
        }
        batch.commit().map_err(|e| failed(e, "commit"))
    }

    /// Makes the file system agree about what was committed.
    pub(super) fn sync(&self) -> Result<()> {
        self.database.persist(PersistMode::SyncAll).map_err(|e| failed(e, "sync"))
    }
}

/// A picture of the database at one moment.
pub(super) struct Snapshot {
    inner: fjall::Snapshot,
    state: Keyspace,
    log: Keyspace,
}

impl Snapshot {
    fn space(&self, space: Space) -> &Keyspace {
        match space {
            Space::State => &self.state,
            Space::Log => &self.log,
        }
    }

    /// The pairs of a span, one by one.
    pub(super) fn pairs(
        &self,
        span: &Span,
        order: Order,
    ) -> impl Iterator<Item = Result<(fjall::Slice, fjall::Slice)>> {
        // lsm-tree panics on an inverted range; an empty one is cheap and right.
        let hi = if span.hi < span.lo { &span.lo } else { &span.hi };
        let mut range = self.inner.range(self.space(span.space), span.lo.as_slice()..hi.as_slice());
        std::iter::from_fn(move || match order {
            Order::Ascending => range.next(),
            Order::Descending => range.next_back(),
        })
        .map(|pair| {
            count_read();
            pair.into_inner().map_err(|e| failed(e, "read a range"))
        })
    }
}

impl Read for Snapshot {
    fn get(&self, key: &Key) -> Result<Option<Vec<u8>>> {
        count_read();
        let value = self.inner.get(self.space(key.space), &key.bytes).map_err(|e| failed(e, "read a key"))?;
        Ok(value.map(|v| v.to_vec()))
    }

    fn scan(&self, span: &Span, order: Order, visit: &mut Visit) -> Result<()> {
        for pair in self.pairs(span, order) {
            let (key, value) = pair?;
            if visit(&key, &value)?.is_break() {
                break;
            }
        }
        Ok(())
    }
}

/// Tests ask what an operation reads.
fn count_read() {
    #[cfg(test)]
    KEYS_READ.with(|read| read.set(read.get() + 1));
}

#[cfg(test)]
thread_local! {
    /// Keys that this thread has looked up, and pairs it has visited.
    pub(super) static KEYS_READ: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// Refuses what the database would panic on.
pub(super) fn check_key(key: &Key) -> Result<()> {
    if key.bytes.len() > LONGEST_KEY {
        return Err(anyhow::anyhow!("a key of {} bytes", key.bytes.len()).into());
    }
    Ok(())
}

fn failed(error: fjall::Error, what: &'static str) -> StoreError {
    StoreError::Unavailable(anyhow::Error::new(error).context(what))
}
