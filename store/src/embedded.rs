//! The embedded engine: one process, one directory, one writer thread with group commit, readers on snapshots.
//!
//! Reading order: [`keys`] → [`codec`] → [`kv`] → [`tx`] → [`writer`] → [`mod@open`], then a file for each trait. What
//! is durable is in the database; connections, leases, instances, rates and tickets are in memory, as they end with the process.

mod api_keys;
mod attachments;
mod backup;
mod bus;
mod codec;
mod counted;
mod deletions;
mod edits;
mod ending;
mod history;
mod inbox;
mod invites;
mod keys;
mod kv;
mod limits;
mod log;
mod mails;
mod maintenance;
mod marks;
mod membership;
mod mentions;
mod notify_queue;
mod notify_settings;
mod open;
mod outbox;
mod people;
mod presence;
mod presence_table;
mod push;
mod reactions;
mod recent;
mod registry;
mod replies;
mod retention;
mod room_admin;
mod rooms;
mod secrets;
mod sessions;
mod signing_keys;
mod tickets;
mod tx;
mod user_log;
mod users;
mod writer;

use std::{path::Path, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use self::{kv::Kv, kv::Snapshot, tx::Tx, writer::Writer};
use crate::{Result, Store, StoreError, bus::Dispatcher};

pub use self::{
    backup::restore,
    open::{is_in_use, is_made},
    writer::GroupCommits,
};

/// Reads at once; more wait. Each may hold a thread of tokio's blocking pool.
const READERS: u32 = 32;

/// Opens the store in `dir`, making it if need be. [`StoreError::Unavailable`] when another process has it open;
/// [`StoreError::Unexpected`] when the directory is not ours, damaged, or of another format.
pub async fn open(dir: &Path) -> Result<Store> {
    Ok(Embedded::open(dir).await?.store())
}

/// The engine. Use [`open()`] unless its own figures are wanted.
pub struct Embedded {
    /// Taken out by `close`.
    kv: Mutex<Option<Arc<Kv>>>,
    writer: Writer,
    readers: Arc<Semaphore>,
    dispatcher: Arc<Dispatcher>,
    presence: Arc<Mutex<presence_table::PresenceTable>>,
    instances: Mutex<registry::Instances>,
    buckets: Mutex<limits::Buckets>,
    tickets: Mutex<tickets::Kept>,
}

impl Embedded {
    /// As [`open()`].
    pub async fn open(dir: &Path) -> Result<Arc<Self>> {
        let kv = Arc::new(open::open(dir).await?);
        let dispatcher = Arc::new(Dispatcher::default());
        Ok(Arc::new(Self {
            writer: Writer::start(kv.clone(), dispatcher.clone())?,
            kv: Mutex::new(Some(kv)),
            readers: Arc::new(Semaphore::new(READERS as usize)),
            dispatcher,
            presence: Arc::default(),
            instances: Mutex::default(),
            buckets: Mutex::default(),
            tickets: Mutex::default(),
        }))
    }

    /// The store that this engine is.
    pub fn store(self: &Arc<Self>) -> Store {
        Store::from_engine(self.clone())
    }

    /// How much was written so far, and in how many commits.
    pub fn group_commits(&self) -> GroupCommits {
        self.writer.group_commits()
    }

    /// Runs a command on the writer thread; see [`Writer::run`].
    async fn write<T, F>(&self, work: F) -> Result<T>
    where
        F: FnOnce(&mut Tx) -> Result<T> + Send + 'static,
        T: Send + 'static,
    {
        self.writer.run(work).await
    }

    /// Reads several keys or a range, on a blocking thread, from one snapshot.
    async fn read<T, F>(&self, work: F) -> Result<T>
    where
        F: FnOnce(&Snapshot) -> Result<T> + Send + 'static,
        T: Send + 'static,
    {
        let (permit, kv) = self.reader().await?;
        let read = tokio::task::spawn_blocking(move || {
            let result = work(&kv.snapshot());
            // The database first: who gets all permits may count on no reader holding it.
            drop(kv);
            drop(permit);
            result
        });
        read.await.map_err(|e| StoreError::Unexpected(anyhow::Error::new(e).context("a reader")))?
    }

    /// Reads a key or two right here: from a memtable or a cached block that is 1-3 µs, from disk one or two reads of
    /// 4 KiB, which is less than the trip to a blocking thread and back.
    async fn read_point<T>(&self, work: impl FnOnce(&Snapshot) -> Result<T>) -> Result<T> {
        let (_permit, kv) = self.reader().await?;
        let result = work(&kv.snapshot());
        drop(kv);
        result
    }

    async fn reader(&self) -> Result<(OwnedSemaphorePermit, Arc<Kv>)> {
        let permit = self.readers.clone().acquire_owned().await.map_err(|_| writer::closed())?;
        let kv = self.kv.lock().clone().ok_or_else(writer::closed)?;
        Ok((permit, kv))
    }
}

#[cfg(test)]
mod tests;
