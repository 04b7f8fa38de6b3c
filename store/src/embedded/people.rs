//! A user's lists of people.

use async_trait::async_trait;
use shared::UserId;

use super::{
    Embedded, keys,
    kv::{Order, Read},
    tx::Tx,
    user_log::record_user_change,
    users::user_id,
};
use crate::{BusEvent, People, Relation, Result, StoreError, UserChangeBody};

fn add_contact(tx: &mut Tx, owner: UserId, contact: UserId, most: usize) -> Result<()> {
    let key = keys::contact(owner, contact);
    if tx.get(&key)?.is_some() {
        return Ok(());
    }
    if tx.count(&keys::contacts(owner))? >= most as u64 {
        return Err(StoreError::TooManyPeople);
    }
    tx.put(key, Vec::new())?;
    tell(tx, owner, contact, UserChangeBody::Contact { user: contact, added: true })
}

fn remove_contact(tx: &mut Tx, owner: UserId, contact: UserId) -> Result<()> {
    let key = keys::contact(owner, contact);
    if tx.get(&key)?.is_none() {
        return Ok(());
    }
    tx.delete(key);
    tell(tx, owner, contact, UserChangeBody::Contact { user: contact, added: false })
}

/// Tells the owner's devices, and who watches the owner.
fn tell(tx: &mut Tx, owner: UserId, other: UserId, body: UserChangeBody) -> Result<()> {
    record_user_change(tx, owner, body)?;
    tx.publish(BusEvent::AccessChanged { user: owner, watcher: other });
    Ok(())
}

fn relation(read: &impl Read, viewer: UserId, other: UserId) -> Result<Relation> {
    let has_me = read.get(&keys::contact(other, viewer))?.is_some();
    Ok(Relation { has_me, blocks_me: read.get(&keys::block(other, viewer))?.is_some() })
}

#[async_trait]
impl People for Embedded {
    async fn add_contact(&self, owner: UserId, contact: UserId, most: usize) -> Result<()> {
        self.write(move |tx| add_contact(tx, owner, contact, most)).await
    }

    async fn remove_contact(&self, owner: UserId, contact: UserId) -> Result<()> {
        self.write(move |tx| remove_contact(tx, owner, contact)).await
    }

    async fn contacts(&self, owner: UserId) -> Result<Vec<UserId>> {
        let span = keys::contacts(owner);
        self.read(move |read| read.collect(&span, Order::Ascending, usize::MAX, |key, _| user_id(keys::last_id(key))))
            .await
    }

    async fn relations(&self, viewer: UserId, others: &[UserId]) -> Result<Vec<Relation>> {
        if let [other] = others {
            return self.read_point(|read| Ok(vec![relation(read, viewer, *other)?])).await;
        }
        let others = others.to_vec();
        self.read(move |read| others.into_iter().map(|other| relation(read, viewer, other)).collect()).await
    }
}
