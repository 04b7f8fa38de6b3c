//! Accounts that go. The account itself is one command; what is kept of its user goes in bounded ones.

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use shared::{SessionId, Timestamp, UserId, protocol::LastSeenFor};

use super::{
    Embedded,
    codec::{self, Row, RowOut},
    keys,
    kv::{Order, Read},
    maintenance::STEP,
    notify_queue::nothing_in,
    presence::find_remembered,
    presence_table::PresenceTable,
    sessions,
    tx::Tx,
    users,
};
use crate::{BusEvent, DELETED_USER, Deletions, Published, Result, UserEvent, UserRecord, presence::PresenceEvent};

/// In the place of a record whose account is gone; when its deletion began follows while something is left to do. No
/// record begins with it.
const GONE: u8 = 0;

fn is_tombstone(row: &[u8]) -> bool {
    row.first() == Some(&GONE)
}

/// Was there an account, which is gone?
pub(super) fn is_gone(read: &impl Read, user: UserId) -> Result<bool> {
    Ok(read.get(&keys::user(user))?.is_some_and(|row| is_tombstone(&row)))
}

/// The record of a row, unless it is of an account that is gone.
pub(super) fn record(row: &[u8]) -> Result<Option<UserRecord>> {
    if is_tombstone(row) { Ok(None) } else { codec::from_json(row).map(Some) }
}

/// The guest was seen then, and is not to be looked at before they may have been idle for long; `None`: never again.
pub(super) fn note_guest(tx: &mut Tx, user: UserId, seen: Option<Timestamp>) -> Result<()> {
    let pointer = keys::guest(user);
    if let Some(row) = tx.get(&pointer)? {
        tx.delete(keys::guest_seen(Row::new(&row, "guest").time()?, user));
    }
    let Some(seen) = seen else {
        tx.delete(pointer);
        return Ok(());
    };
    tx.put(pointer, RowOut::default().time(seen).done())?;
    tx.put(keys::guest_seen(seen, user), Vec::new())
}

/// The user was there until then, and if they are a guest that counts.
pub(super) fn note_guest_left(tx: &mut Tx, user: UserId, at: Timestamp) -> Result<()> {
    match tx.get(&keys::guest(user))? {
        Some(row) if Row::new(&row, "guest").time()? < at => note_guest(tx, user, Some(at)),
        _ => Ok(()),
    }
}

/// When somebody was seen last; `None`: they are connected.
fn last_seen(read: &impl Read, table: &Mutex<PresenceTable>, account: &UserRecord) -> Result<Option<Timestamp>> {
    let here = table.lock().state(account.id);
    let presence = match here {
        Some(state) if !state.devices.is_empty() => return Ok(None),
        Some(state) => state.last_seen.max(state.left),
        None => find_remembered(read, account.id)?.into_state().last_seen,
    };
    let used = sessions::all(read, account.id)?.into_iter().map(|session| session.used_at);
    Ok(used.chain(presence).chain([account.created_at]).max())
}

fn begin(
    tx: &mut Tx,
    table: &Mutex<PresenceTable>,
    user: UserId,
    unseen_since: Option<Timestamp>,
) -> Result<Option<Vec<SessionId>>> {
    let Some(account) = users::read_user(tx, user)? else { return Ok(None) };
    if let Some(since) = unseen_since
        && (!account.guest || last_seen(tx, table, &account)?.is_none_or(|seen| seen > since))
    {
        return Ok(None);
    }
    let now = Timestamp::now();
    users::remove(tx, &account)?;
    note_guest(tx, user, None)?;
    tx.put(keys::user(user), RowOut::default().byte(GONE).time(now).done())?;
    tx.put(keys::deletion(now, user), Vec::new())?;
    tx.publish(BusEvent::User(user, Arc::new(UserEvent::AccountClosed)));
    sessions::forget_all(tx, user).map(Some)
}

/// Removes up to [`STEP`] of what is left under the id of a user; says how much.
fn clear(tx: &mut Tx, user: UserId) -> Result<usize> {
    let mut cleared = 0;
    for span in keys::all_of_user(user) {
        let some = tx.collect(&span, Order::Ascending, STEP - cleared, |key, _| Ok(key.to_vec()))?;
        cleared += some.len();
        some.into_iter().for_each(|bytes| tx.delete(keys::Key { space: span.space, bytes }));
    }
    Ok(cleared)
}

fn end(tx: &mut Tx, user: UserId) -> Result<()> {
    let Some(row) = tx.get(&keys::user(user))?.filter(|row| is_tombstone(row)) else { return Ok(()) };
    if row.len() > 1 {
        let mut row = Row::new(&row, "deleted account");
        row.byte()?;
        tx.delete(keys::deletion(row.time()?, user));
        tx.put(keys::user(user), vec![GONE])?;
    }
    Ok(())
}

fn idle(
    tx: &mut Tx,
    table: &Mutex<PresenceTable>,
    (unseen_since, now): (Timestamp, Timestamp),
    limit: usize,
) -> Result<Vec<UserId>> {
    let span = keys::guests_seen_until(unseen_since);
    let guests = tx.collect(&span, Order::Ascending, limit, |key, _| users::user_id(keys::last_id(key)))?;
    let mut idle = Vec::new();
    for user in guests {
        match users::read_user(tx, user)? {
            Some(account) => match last_seen(tx, table, &account)? {
                Some(seen) if seen <= unseen_since => idle.push(user),
                seen => note_guest(tx, user, seen.or(Some(now)))?,
            },
            None => note_guest(tx, user, None)?,
        }
    }
    Ok(idle)
}

#[async_trait]
impl Deletions for Embedded {
    async fn begin_deletion(&self, user: UserId, unseen_since: Option<Timestamp>) -> Result<Option<Vec<SessionId>>> {
        let table = self.presence.clone();
        self.write(move |tx| begin(tx, &table, user, unseen_since)).await
    }

    async fn deletions(&self, begun_before: Timestamp, limit: usize) -> Result<Vec<UserId>> {
        let span = keys::deletions_until(begun_before);
        self.read(move |read| read.collect(&span, Order::Ascending, limit, |key, _| users::user_id(keys::last_id(key))))
            .await
    }

    async fn clear_deleted(&self, user: UserId) -> Result<()> {
        if !self.read_point(|read| is_gone(read, user)).await? {
            return Ok(());
        }
        let published = Published::default();
        let offline = PresenceEvent {
            user,
            username: DELETED_USER.into(),
            published,
            last_seen: None,
            last_seen_for: LastSeenFor::default(),
        };
        {
            let mut table = self.presence.lock();
            let published = table.forget(user);
            if published.is_some_and(|published| published != offline.published) {
                self.deliver(&offline);
            }
        }
        while self.write(move |tx| clear(tx, user)).await? == STEP {}
        Ok(())
    }

    async fn end_deletion(&self, user: UserId) -> Result<()> {
        self.write(move |tx| end(tx, user)).await
    }

    async fn idle_guests(&self, unseen_since: Timestamp, now: Timestamp, limit: usize) -> Result<Vec<UserId>> {
        let span = keys::guests_seen_until(unseen_since);
        // The usual answer is "none", which needs no command.
        if self.read(move |read| nothing_in(read, &span)).await? {
            return Ok(Vec::new());
        }
        let table = self.presence.clone();
        self.write(move |tx| idle(tx, &table, (unseen_since, now), limit)).await
    }
}
