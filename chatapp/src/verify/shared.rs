//! What all clients of a run share: the ledger, the meter, and counts for whoever watches.

use std::collections::{BTreeMap, VecDeque};

use client::{
    Error,
    shared::{MessageId, RoomId},
};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{
    Plan,
    ledger::{Ledger, Tally},
    meter::Meter,
};

/// Messages that others may react to; the oldest go.
const RECENT: usize = 64;

/// What happened so far.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    pub tally: Tally,
    /// Connections that this tool cut.
    pub cuts: u64,
    /// Connections that ended, however.
    pub disconnects: u64,
    /// Connections that went on where the one before ended.
    pub resumes: u64,
    /// By code, where the server gave one.
    pub errors: BTreeMap<String, u64>,
}

/// An acknowledged message.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub key: String,
    pub room: RoomId,
    pub id: MessageId,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub plan: Plan,
    pub ledger: Mutex<Ledger>,
    pub meter: Mutex<Meter>,
    counts: Mutex<Counts>,
    recent: Mutex<VecDeque<Said>>,
    /// Something was counted, or a device has come further.
    news: Notify,
    /// The load ends.
    pub stop: CancellationToken,
    /// What has no answer by now is given up.
    pub abandon: CancellationToken,
}

impl Shared {
    pub fn new(plan: Plan) -> anyhow::Result<Self> {
        Ok(Self {
            plan,
            ledger: Mutex::default(),
            meter: Mutex::new(Meter::new()?),
            counts: Mutex::default(),
            recent: Mutex::default(),
            news: Notify::new(),
            stop: CancellationToken::new(),
            abandon: CancellationToken::new(),
        })
    }

    pub fn counts(&self) -> Counts {
        Counts { tally: self.ledger.lock().tally(), ..self.counts.lock().clone() }
    }

    /// Counts something and tells those who wait.
    pub fn count(&self, what: impl FnOnce(&mut Counts)) {
        what(&mut self.counts.lock());
        self.tell();
    }

    pub fn count_error(&self, error: &Error) {
        let code = match error {
            Error::Api { code, .. } => code.to_string(),
            Error::Timeout(_) => "timeout".into(),
            Error::Interrupted => "interrupted".into(),
            Error::Closed(_) | Error::Connect(_) => "closed".into(),
            Error::Http(_) => "http".into(),
            Error::Token(_) => "token".into(),
            Error::Unexpected(_) | Error::Url(_) => "unexpected".into(),
        };
        self.count_named(code);
    }

    pub fn count_named(&self, code: String) {
        self.count(|counts| *counts.errors.entry(code).or_default() += 1);
    }

    /// Those who wait look again.
    pub fn tell(&self) {
        self.news.notify_waiters();
    }

    /// Waits until `look` finds something. It is asked again after each event.
    pub async fn until<T>(&self, mut look: impl FnMut() -> Option<T>) -> T {
        loop {
            let news = self.news.notified();
            tokio::pin!(news);
            news.as_mut().enable();
            if let Some(found) = look() {
                return found;
            }
            news.await;
        }
    }

    pub fn remember(&self, said: Said) {
        let mut recent = self.recent.lock();
        if recent.len() == RECENT {
            recent.pop_front();
        }
        recent.push_back(said);
    }

    /// It is being deleted: nobody should react to it any more.
    pub fn forget(&self, key: &str) {
        self.recent.lock().retain(|said| said.key != key);
    }

    /// One of the newest messages; `pick` is any number.
    pub fn recent(&self, pick: usize) -> Option<Said> {
        let recent = self.recent.lock();
        let at = pick.checked_rem(recent.len())?;
        recent.get(at).cloned()
    }
}
