//! Each user's inbox: items in order of (created_at, id), with an index by id and one by collapse key.

use async_trait::async_trait;
use shared::{NotificationId, Timestamp, UserId};

use super::{
    Embedded,
    codec::{self, Row, RowOut},
    keys,
    kv::{Order, Read},
    tx::Tx,
    user_log::record_user_change,
};
use crate::{InboxItem, Inboxes, Result, UserChangeBody, notify::INBOX_KEPT};

/// Where an item is and what collapses it.
struct Pointer {
    created: Timestamp,
    collapse: Option<[u8; 16]>,
}

impl Pointer {
    fn find(read: &impl Read, user: UserId, id: NotificationId) -> Result<Option<Self>> {
        let Some(row) = read.get(&keys::inbox_id(user, id))? else { return Ok(None) };
        let mut row = Row::new(&row, "inbox pointer");
        let created = row.time()?;
        let collapse = if row.rest().is_empty() { None } else { Some(row.take()?) };
        Ok(Some(Self { created, collapse }))
    }

    fn encode(&self) -> Vec<u8> {
        let row = RowOut::default().time(self.created);
        match &self.collapse {
            Some(hash) => row.bytes(hash).done(),
            None => row.done(),
        }
    }
}

fn notification_id(bytes: &[u8]) -> Result<NotificationId> {
    NotificationId::from_slice(bytes).ok_or_else(|| codec::corrupt("notification id"))
}

fn count(read: &impl Read, user: UserId) -> Result<u64> {
    read.get(&keys::inbox_count(user))?.map_or(Ok(0), |row| codec::number(&row))
}

pub(super) fn find(read: &impl Read, user: UserId, id: NotificationId) -> Result<Option<InboxItem>> {
    let Some(pointer) = Pointer::find(read, user, id)? else { return Ok(None) };
    let row = read.get(&keys::inbox_item(user, pointer.created, id))?;
    row.map(|row| codec::from_json(&row)).transpose()
}

/// Removes an item with what points at it.
fn remove(tx: &mut Tx, user: UserId, id: NotificationId) -> Result<()> {
    let Some(pointer) = Pointer::find(tx, user, id)? else { return Ok(()) };
    tx.delete(keys::inbox_item(user, pointer.created, id));
    tx.delete(keys::inbox_id(user, id));
    if let Some(hash) = pointer.collapse {
        let key = keys::collapse(user, hash);
        if tx.get(&key)?.is_some_and(|newest| newest == id.as_bytes()) {
            tx.delete(key);
        }
    }
    Ok(())
}

fn add(tx: &mut Tx, user: UserId, item: InboxItem, collapse_key: Option<&str>) -> Result<()> {
    if Pointer::find(tx, user, item.id)?.is_some() {
        return Ok(());
    }
    let mut count = count(tx, user)?;
    let collapse = collapse_key.map(|key| keys::hash(key.as_bytes()));
    if let Some(hash) = collapse {
        if let Some(earlier) = tx.get(&keys::collapse(user, hash))? {
            let earlier = notification_id(&earlier)?;
            if find(tx, user, earlier)?.is_some_and(|item| item.read_at.is_none()) {
                remove(tx, user, earlier)?;
                count = count.saturating_sub(1);
            }
        }
        tx.put(keys::collapse(user, hash), item.id.as_bytes().to_vec())?;
    }
    tx.put(keys::inbox_id(user, item.id), Pointer { created: item.created_at, collapse }.encode())?;
    tx.put(keys::inbox_item(user, item.created_at, item.id), codec::to_json(&item)?)?;
    count += 1;
    if count > INBOX_KEPT as u64 {
        let oldest =
            tx.collect(&keys::inbox(user), Order::Ascending, 1, |key, _| notification_id(keys::last_id(key)))?;
        for id in oldest {
            remove(tx, user, id)?;
            count -= 1;
        }
    }
    tx.put(keys::inbox_count(user), count.to_be_bytes().to_vec())?;
    record_user_change(tx, user, UserChangeBody::Notification(item))?;
    Ok(())
}

fn mark_read(tx: &mut Tx, user: UserId, mut item: InboxItem, at: Timestamp) -> Result<()> {
    item.read_at = Some(at);
    tx.put(keys::inbox_item(user, item.created_at, item.id), codec::to_json(&item)?)
}

fn unread(read: &impl Read, user: UserId) -> Result<Vec<InboxItem>> {
    let items = read.collect(&keys::inbox(user), Order::Ascending, INBOX_KEPT, |_, row| codec::from_json(row))?;
    Ok(items.into_iter().filter(|item: &InboxItem| item.read_at.is_none()).collect())
}

fn mark_one_read(tx: &mut Tx, user: UserId, id: NotificationId, at: Timestamp) -> Result<bool> {
    let Some(item) = find(tx, user, id)? else { return Ok(false) };
    if item.read_at.is_none() {
        mark_read(tx, user, item, at)?;
        record_user_change(tx, user, UserChangeBody::NotificationRead(Some(id)))?;
    }
    Ok(true)
}

fn mark_all_read(tx: &mut Tx, user: UserId, at: Timestamp) -> Result<u64> {
    let items = unread(tx, user)?;
    let count = items.len() as u64;
    for item in items {
        mark_read(tx, user, item, at)?;
    }
    if count > 0 {
        record_user_change(tx, user, UserChangeBody::NotificationRead(None))?;
    }
    Ok(count)
}

#[async_trait]
impl Inboxes for Embedded {
    async fn add_to_inbox(&self, user: UserId, item: &InboxItem, collapse_key: Option<&str>) -> Result<()> {
        let (item, collapse_key) = (item.clone(), collapse_key.map(str::to_owned));
        self.write(move |tx| add(tx, user, item, collapse_key.as_deref())).await
    }

    /// After an item that is gone comes nothing: where it stood is not known any more.
    async fn inbox(&self, user: UserId, before: Option<NotificationId>, limit: usize) -> Result<Vec<InboxItem>> {
        self.read(move |read| {
            let span = match before {
                None => keys::inbox(user),
                Some(id) => match Pointer::find(read, user, id)? {
                    Some(pointer) => keys::inbox_before(user, pointer.created, id),
                    None => return Ok(Vec::new()),
                },
            };
            read.collect(&span, Order::Descending, limit, |_, row| codec::from_json(row))
        })
        .await
    }

    async fn inbox_unread(&self, user: UserId) -> Result<u64> {
        self.read(move |read| Ok(unread(read, user)?.len() as u64)).await
    }

    async fn mark_inbox_read(&self, user: UserId, id: NotificationId, at: Timestamp) -> Result<bool> {
        self.write(move |tx| mark_one_read(tx, user, id, at)).await
    }

    async fn mark_inbox_all_read(&self, user: UserId, at: Timestamp) -> Result<u64> {
        self.write(move |tx| mark_all_read(tx, user, at)).await
    }
}
