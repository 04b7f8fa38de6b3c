//! This process's claim that its connections live: one lease for all of them, and what is done when it was lost.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use futures_util::{StreamExt, stream};
use parking_lot::Mutex;
use shared::{InstanceId, Timestamp, UserId};
use store::{Device, SocketKind};

use super::Presence;
use crate::Result;

/// Connections announced at once after a lost lease.
const ANNOUNCED_AT_ONCE: usize = 32;

/// A connection of this process.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Local {
    pub(super) user: UserId,
    pub(super) kind: SocketKind,
    pub(super) focused: Option<bool>,
    pub(super) since: Timestamp,
}

/// The connections of this process, as many as it has sockets, and the lease that stands for them.
pub(super) struct Here(Mutex<State>);

struct State {
    /// Another one after each lost lease: what was put under the old one goes with it, whoever removes it and whenever.
    instance: InstanceId,
    connections: HashMap<u64, Local>,
    renewed: Option<Timestamp>,
    /// Connections to be put again.
    unannounced: HashSet<u64>,
    /// Connections that ended while the store could not be told; as many as ended in one outage.
    ended: HashMap<u64, UserId>,
}

impl Here {
    pub(super) fn new(instance: InstanceId) -> Self {
        Self(Mutex::new(State {
            instance,
            connections: HashMap::new(),
            renewed: None,
            unannounced: HashSet::new(),
            ended: HashMap::new(),
        }))
    }

    pub(super) fn put(&self, connection: u64, local: Local) {
        self.0.lock().connections.insert(connection, local);
    }

    pub(super) fn get(&self, connection: u64) -> Option<Local> {
        self.0.lock().connections.get(&connection).copied()
    }

    /// It ended. Gives the instance that stands for it; `None`: it was not here.
    pub(super) fn remove(&self, connection: u64) -> Option<InstanceId> {
        let mut state = self.0.lock();
        state.unannounced.remove(&connection);
        state.connections.remove(&connection).map(|_| state.instance)
    }

    /// It ended, and the store could not be told.
    pub(super) fn owe(&self, connection: u64, user: UserId) {
        self.0.lock().ended.insert(connection, user);
    }

    /// The connection as the store is to have it; `None`: it has ended.
    pub(super) fn device(&self, connection: u64) -> Option<Device> {
        let state = self.0.lock();
        let Local { kind, focused, since, .. } = *state.connections.get(&connection)?;
        Some(Device { instance: state.instance, connection, kind, focused, since })
    }

    fn instance(&self) -> InstanceId {
        self.0.lock().instance
    }
}

impl State {
    /// What came of a beat at `now`. Gives the instance that is lost, with its lease.
    fn beaten(&mut self, now: Timestamp, lease: Duration, had_lease: bool) -> Option<InstanceId> {
        // After a beat that failed nobody knows what the store made of it, so the time counts too.
        let lost = self.renewed.is_some_and(|renewed| !had_lease || renewed.after(lease) <= now);
        self.renewed = Some(now);
        if !lost {
            return None;
        }
        self.unannounced = self.connections.keys().copied().collect();
        Some(std::mem::replace(&mut self.instance, InstanceId::new()))
    }
}

impl Presence {
    /// Renews this process's lease. Where it was lost, because the process or the store stood still for longer, others
    /// have taken its connections for dead: it begins another lease, and puts all that live again.
    pub async fn beat(&self, lease: Duration) -> Result<()> {
        let (presence, now) = (&self.store.presence, Timestamp::now());
        let had_lease = presence.beat(self.here.instance(), now, lease).await?;
        let lost = self.here.0.lock().beaten(now, lease, had_lease);
        if let Some(lost) = lost {
            tracing::warn!("the lease was lost; its connections are announced again");
            presence.beat(self.here.instance(), now, lease).await?;
            // Whatever is left under the old one may go at once.
            presence.beat(lost, now.before(self.times.grace), Duration::ZERO).await?;
        }
        self.pay_debts().await
    }

    /// Puts what is still to be put again, and removes what could not be removed when it ended.
    async fn pay_debts(&self) -> Result<()> {
        let (unannounced, ended, instance) = {
            let mut state = self.here.0.lock();
            (std::mem::take(&mut state.unannounced), std::mem::take(&mut state.ended), state.instance)
        };
        let announce = unannounced.into_iter().map(|connection| async move {
            let done = self.announce(connection, None).await.map(drop);
            if done.is_err() {
                self.here.0.lock().unannounced.insert(connection);
            }
            done
        });
        let done: Vec<Result<()>> = stream::iter(announce).buffer_unordered(ANNOUNCED_AT_ONCE).collect().await;
        let remove = ended.into_iter().map(|(connection, user)| async move {
            let done = self.remove(user, instance, connection).await;
            if done.is_err() {
                self.here.owe(connection, user);
            }
            done
        });
        let removed: Vec<Result<()>> = stream::iter(remove).buffer_unordered(ANNOUNCED_AT_ONCE).collect().await;
        done.into_iter().chain(removed).collect()
    }

    /// The last thing a process does with an open store: gives its lease back, so that users whose sockets it could not
    /// take leave of are gone at once and not when the lease would have ended. `limit` users in one step.
    pub(crate) async fn leave(&self, limit: usize) -> Result<()> {
        let lost_at = self.lost_at();
        self.store.presence.beat(self.here.instance(), lost_at, Duration::ZERO).await?;
        while self.store.presence.reap(lost_at, limit).await? > 0 {}
        Ok(())
    }

    /// Takes over connections of processes whose lease ended; gives of how many users.
    pub(crate) async fn reap(&self, limit: usize) -> Result<usize> {
        Ok(self.store.presence.reap(self.lost_at(), limit).await?)
    }

    /// Reaped users have left, and are due, at this time: had their grace not passed by then, they would be found as they
    /// were.
    fn lost_at(&self) -> Timestamp {
        Timestamp::now().before(self.times.grace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(30);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn a_lease_is_lost_when_the_store_says_so_and_when_it_could_not_be_asked_for_too_long() {
        let here = Here::new(InstanceId::new());
        let local = Local { user: UserId::new(), kind: SocketKind::Chat, focused: None, since: at(0) };
        here.put(7, local);
        let beaten = |seconds, had_lease| here.0.lock().beaten(at(seconds), LEASE, had_lease);
        assert_eq!(beaten(0, false), None, "the first");
        assert_eq!(beaten(29, true), None);
        let first = here.instance();
        assert_eq!(beaten(34, false), Some(first), "others have taken it");
        let device = here.device(7).unwrap();
        assert_ne!(device.instance, first, "under another from now on");
        assert!(here.0.lock().unannounced.contains(&7));
        assert_eq!(beaten(63, true), None);
        assert_eq!(beaten(93, true), Some(device.instance), "too long ago, whatever the store says");
        here.remove(7);
        assert!(here.0.lock().unannounced.is_empty() && here.device(7).is_none());
    }
}
