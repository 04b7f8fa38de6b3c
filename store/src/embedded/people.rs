//! A user's lists of people.

use async_trait::async_trait;
use shared::{RoomId, UserId};

use super::{
    Embedded,
    codec::HeadRow,
    keys::{self, Key, Span},
    kv::{Order, Read, Snapshot},
    membership::{find_head, put_head},
    tx::Tx,
    user_log::record_user_change,
    users::user_id,
};
use crate::{Asked, BusEvent, Most, People, Relation, Requests, Result, StoreError, UserChangeBody};

/// A list of the owner's: its keys, and the one of somebody in it.
type List = (Span, Key);

/// `false`: they are in it already.
fn add(tx: &mut Tx, (all, key): List, most: usize) -> Result<bool> {
    if tx.get(&key)?.is_some() {
        return Ok(false);
    }
    if tx.count(&all)? >= most as u64 {
        return Err(StoreError::TooManyPeople);
    }
    tx.put(key, Vec::new())?;
    Ok(true)
}

/// `false`: they are not in it.
fn remove(tx: &mut Tx, key: Key) -> Result<bool> {
    let there = tx.get(&key)?.is_some();
    if there {
        tx.delete(key);
    }
    Ok(there)
}

fn add_contact(tx: &mut Tx, owner: UserId, user: UserId, most: usize) -> Result<()> {
    if !add(tx, (keys::contacts(owner), keys::contact(owner, user)), most)? {
        return Ok(());
    }
    tell(tx, owner, user, UserChangeBody::Contact { user, added: true })
}

fn remove_contact(tx: &mut Tx, owner: UserId, user: UserId) -> Result<()> {
    if !remove(tx, keys::contact(owner, user))? {
        return Ok(());
    }
    tell(tx, owner, user, UserChangeBody::Contact { user, added: false })
}

fn block(tx: &mut Tx, owner: UserId, user: UserId, most: usize) -> Result<()> {
    if !add(tx, (keys::blocks(owner), keys::block(owner, user)), most)? {
        return Ok(());
    }
    mark_direct(tx, owner, user)?;
    tell(tx, owner, user, UserChangeBody::Block { user, added: true })?;
    drop_requests(tx, owner, user)
}

fn unblock(tx: &mut Tx, owner: UserId, user: UserId) -> Result<()> {
    if !remove(tx, keys::block(owner, user))? {
        return Ok(());
    }
    mark_direct(tx, owner, user)?;
    tell(tx, owner, user, UserChangeBody::Block { user, added: false })
}

pub(super) fn either_blocks(read: &impl Read, a: UserId, b: UserId) -> Result<bool> {
    Ok(read.get(&keys::block(a, b))?.is_some() || read.get(&keys::block(b, a))?.is_some())
}

/// The direct room of the two, where there is one, says whether one blocks the other.
fn mark_direct(tx: &mut Tx, a: UserId, b: UserId) -> Result<()> {
    let room = RoomId::direct(a, b);
    let Some(row) = find_head(tx, room)? else { return Ok(()) };
    let blocked = either_blocks(tx, a, b)?;
    put_head(tx, room, &HeadRow { blocked, ..row })
}

fn ask_contact(tx: &mut Tx, owner: UserId, other: UserId, most: Most) -> Result<Asked> {
    if tx.get(&keys::contact(owner, other))?.is_some() {
        return Ok(Asked::Contact);
    }
    if tx.get(&keys::block(owner, other))?.is_some() {
        return Err(StoreError::Blocked);
    }
    let has_asked = tx.get(&keys::request(owner, false, other))?.is_some();
    let asked = tx.count(&keys::requests(owner, false))?;
    if !has_asked && tx.count(&keys::contacts(owner))? + asked >= most.contacts as u64 {
        return Err(StoreError::TooManyPeople);
    }
    let is_asked = tx.get(&keys::request(other, false, owner))?.is_some();
    let knows_me = tx.get(&keys::contact(other, owner))?.is_some();
    if is_asked || knows_me {
        befriend(tx, owner, other)?;
        if is_asked {
            befriend(tx, other, owner)?;
        }
        return Ok(Asked::Contact);
    }
    if has_asked {
        return Ok(Asked::Pending);
    }
    if asked.max(tx.count(&keys::requests(other, true))?) >= most.requests as u64 {
        return Err(StoreError::TooManyPeople);
    }
    set_request(tx, owner, (other, false), true)?;
    if tx.get(&keys::block(other, owner))?.is_none() {
        set_request(tx, other, (owner, true), true)?;
    }
    Ok(Asked::Pending)
}

/// The request between them has come to something: `user` is a contact of the owner.
fn befriend(tx: &mut Tx, owner: UserId, user: UserId) -> Result<()> {
    for incoming in [false, true] {
        tx.delete(keys::request(owner, incoming, user));
    }
    let key = keys::contact(owner, user);
    if tx.get(&key)?.is_some() {
        return Ok(());
    }
    tx.put(key, Vec::new())?;
    tell(tx, owner, user, UserChangeBody::Contact { user, added: true })
}

fn drop_requests(tx: &mut Tx, owner: UserId, other: UserId) -> Result<()> {
    set_request(tx, owner, (other, false), false)?;
    set_request(tx, other, (owner, true), false)?;
    set_request(tx, owner, (other, true), false)?;
    // Who is blocked does not learn of it.
    if tx.get(&keys::block(owner, other))?.is_some() {
        return Ok(());
    }
    set_request(tx, other, (owner, false), false)
}

/// A request waits in the owner's list, or does not; told where that is new.
fn set_request(tx: &mut Tx, owner: UserId, (user, incoming): (UserId, bool), pending: bool) -> Result<()> {
    let key = keys::request(owner, incoming, user);
    if tx.get(&key)?.is_some() == pending {
        return Ok(());
    }
    if pending {
        tx.put(key, Vec::new())?;
    } else {
        tx.delete(key);
    }
    record_user_change(tx, owner, UserChangeBody::Request { user, incoming, pending }).map(drop)
}

/// Tells the owner's devices, and who watches the owner.
fn tell(tx: &mut Tx, owner: UserId, other: UserId, body: UserChangeBody) -> Result<()> {
    record_user_change(tx, owner, body)?;
    tx.publish(BusEvent::AccessChanged { user: owner, watcher: Some(other) });
    Ok(())
}

fn relation(read: &impl Read, viewer: UserId, other: UserId) -> Result<Relation> {
    let has_me = read.get(&keys::contact(other, viewer))?.is_some();
    let blocks_me = read.get(&keys::block(other, viewer))?.is_some();
    Ok(Relation { has_me, blocks_me, wrote_me: read.get(&keys::wrote(other, viewer))?.is_some() })
}

fn note_written(tx: &mut Tx, owner: UserId, to: UserId) -> Result<()> {
    let key = keys::wrote(owner, to);
    if tx.get(&key)?.is_none() {
        tx.put(key, Vec::new())?;
        tx.publish(BusEvent::AccessChanged { user: owner, watcher: Some(to) });
    }
    Ok(())
}

impl Embedded {
    async fn list(&self, list: Span) -> Result<Vec<UserId>> {
        self.read(move |read| read.collect(&list, Order::Ascending, usize::MAX, |key, _| user_id(keys::last_id(key))))
            .await
    }
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
        self.list(keys::contacts(owner)).await
    }

    async fn ask_contact(&self, owner: UserId, other: UserId, most: Most) -> Result<Asked> {
        self.write(move |tx| ask_contact(tx, owner, other, most)).await
    }

    async fn drop_requests(&self, owner: UserId, other: UserId) -> Result<()> {
        self.write(move |tx| drop_requests(tx, owner, other)).await
    }

    async fn requests(&self, owner: UserId) -> Result<Requests> {
        let list = move |read: &Snapshot, incoming| {
            let span = keys::requests(owner, incoming);
            read.collect(&span, Order::Ascending, usize::MAX, |key, _| user_id(keys::last_id(key)))
        };
        self.read(move |read| Ok(Requests { outgoing: list(read, false)?, incoming: list(read, true)? })).await
    }

    async fn block(&self, owner: UserId, other: UserId, most: usize) -> Result<()> {
        self.write(move |tx| block(tx, owner, other, most)).await
    }

    async fn unblock(&self, owner: UserId, other: UserId) -> Result<()> {
        self.write(move |tx| unblock(tx, owner, other)).await
    }

    async fn blocks(&self, owner: UserId) -> Result<Vec<UserId>> {
        self.list(keys::blocks(owner)).await
    }

    async fn blocks_among(&self, owners: &[UserId], others: &[UserId]) -> Result<Vec<(UserId, UserId)>> {
        if owners.is_empty() || others.is_empty() {
            return Ok(Vec::new());
        }
        let both = owners.iter().flat_map(|owner| others.iter().map(|other| (*owner, *other)));
        let both: Vec<(UserId, UserId)> = both.collect();
        let blocks = |read: &Snapshot, (owner, other): (UserId, UserId)| {
            Ok(read.get(&keys::block(owner, other))?.map(|_| (owner, other)))
        };
        self.read(move |read| both.into_iter().filter_map(|both| blocks(read, both).transpose()).collect()).await
    }

    async fn note_written(&self, owner: UserId, to: UserId) -> Result<()> {
        self.write(move |tx| note_written(tx, owner, to)).await
    }

    async fn relations(&self, viewer: UserId, others: &[UserId]) -> Result<Vec<Relation>> {
        if let [other] = others {
            return self.read_point(|read| Ok(vec![relation(read, viewer, *other)?])).await;
        }
        let others = others.to_vec();
        self.read(move |read| others.into_iter().map(|other| relation(read, viewer, other)).collect()).await
    }
}
