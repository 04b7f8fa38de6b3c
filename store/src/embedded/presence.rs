//! Presence over the table in memory. What a user chose and when they were last seen is written down; a restart finds
//! everyone offline, which they are.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use parking_lot::Mutex;
use shared::{InstanceId, Timestamp, UserId, protocol::LastSeenFor};

use super::{
    Embedded, codec,
    deletions::note_guest_left,
    keys,
    kv::Read,
    presence_table::{Gone, PresenceTable, Remembered},
    tx::Tx,
};
use crate::{BusEvent, ChosenStatus, Device, Presence, PresenceState, Publishing, Result, presence::PresenceEvent};

pub(super) fn find_remembered(read: &impl Read, user: UserId) -> Result<Remembered> {
    read.get(&keys::presence(user))?.map_or_else(|| Ok(Remembered::default()), |row| codec::from_json(&row))
}

/// Writes what the table says *now*: of two changes at once the later command writes the last of both.
fn remember(tx: &mut Tx, table: &Mutex<PresenceTable>, user: UserId) -> Result<()> {
    let Some(remembered) = table.lock().remembered(user) else { return Ok(()) };
    if remembered == Remembered::default() {
        tx.delete(keys::presence(user));
        return Ok(());
    }
    tx.put(keys::presence(user), codec::to_json(&remembered)?)
}

impl Embedded {
    /// Runs `work` on the table with the user in it as they are remembered.
    async fn with_user<T>(&self, user: UserId, work: impl FnOnce(&mut PresenceTable) -> T) -> Result<T> {
        let mut remembered = None;
        loop {
            {
                let mut table = self.presence.lock();
                if let Some(remembered) = remembered.take() {
                    table.admit(user, remembered);
                }
                if table.contains(user) {
                    return Ok(work(&mut table));
                }
            }
            remembered = Some(self.read_point(|read| find_remembered(read, user)).await?);
        }
    }

    /// To who watches; under the table's lock, so that they see the changes in their order.
    pub(super) fn deliver(&self, event: &PresenceEvent) {
        self.dispatcher.deliver(&BusEvent::Presence(Arc::new(event.clone())));
    }

    /// Writes down what is to outlive the process.
    async fn remember(&self, users: Vec<UserId>) -> Result<()> {
        let table = self.presence.clone();
        self.write(move |tx| users.into_iter().try_for_each(|user| remember(tx, &table, user))).await
    }
}

#[async_trait]
impl Presence for Embedded {
    async fn beat(&self, instance: InstanceId, now: Timestamp, ttl: Duration) -> Result<bool> {
        Ok(self.presence.lock().beat(instance, now.after(ttl)))
    }

    async fn put_device(&self, user: UserId, device: &Device, alone: &PresenceEvent) -> Result<PresenceState> {
        self.with_user(user, |table| {
            let (state, news) = table.put_device(user, device, alone);
            if news {
                self.deliver(alone);
            }
            state
        })
        .await
    }

    async fn remove_device(
        &self,
        user: UserId,
        instance: InstanceId,
        connection: u64,
        at: Timestamp,
        grace: Duration,
    ) -> Result<()> {
        let gone = self.presence.lock().remove_device(user, (instance, connection), at, grace);
        match gone {
            None => Ok(()),
            Some(Gone::Seen) => self.remember(vec![user]).await,
            // Nobody saw it, but a guest is not idle from before.
            Some(Gone::Hidden) => self.write(move |tx| note_guest_left(tx, user, at)).await,
        }
    }

    async fn set_chosen(&self, user: UserId, chosen: ChosenStatus, text: Option<&str>) -> Result<()> {
        let text = text.map(str::to_owned);
        self.with_user(user, |table| table.set_chosen(user, chosen, text)).await?;
        self.remember(vec![user]).await
    }

    async fn set_last_seen_for(&self, user: UserId, whom: LastSeenFor) -> Result<()> {
        self.with_user(user, |table| {
            table.set_last_seen_for(user, whom);
            self.dispatcher.deliver(&BusEvent::AccessChanged { user, watcher: None });
        })
        .await?;
        self.remember(vec![user]).await
    }

    async fn presence(&self, users: &[UserId]) -> Result<Vec<PresenceState>> {
        let here: Vec<Option<PresenceState>> = {
            let table = self.presence.lock();
            users.iter().map(|user| table.state(*user)).collect()
        };
        if here.iter().all(Option::is_some) {
            return Ok(here.into_iter().flatten().collect());
        }
        let users = users.to_vec();
        self.read(move |read| {
            let both = here.into_iter().zip(users);
            both.map(|(here, user)| match here {
                Some(state) => Ok(state),
                None => find_remembered(read, user).map(Remembered::into_state),
            })
            .collect()
        })
        .await
    }

    async fn publish(&self, event: &PresenceEvent, version: u64) -> Result<Publishing> {
        let (publishing, seen) = self
            .with_user(event.user, |table| {
                let before = table.last_seen(event.user);
                let publishing = table.publish(event, version);
                if publishing == Publishing::Sent {
                    self.deliver(event);
                }
                (publishing, table.last_seen(event.user) != before)
            })
            .await?;
        if seen {
            self.remember(vec![event.user]).await?;
        }
        Ok(publishing)
    }

    async fn due_at(&self, user: UserId, at: Timestamp) -> Result<()> {
        self.with_user(user, |table| table.note_due(user, at)).await
    }

    async fn due_users(&self, now: Timestamp, lease: Duration, limit: usize) -> Result<Vec<UserId>> {
        Ok(self.presence.lock().take_due(now, lease, limit))
    }

    async fn finish_due_user(&self, user: UserId) -> Result<()> {
        self.presence.lock().finish_due(user);
        Ok(())
    }

    async fn reap(&self, now: Timestamp, limit: usize) -> Result<usize> {
        let touched = self.presence.lock().reap(now, limit);
        let count = touched.len();
        if count > 0 {
            self.remember(touched).await?;
        }
        Ok(count)
    }
}
