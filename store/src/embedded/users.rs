//! Accounts. A command does all of a change, so nothing is ever half claimed.

use std::sync::Arc;

use async_trait::async_trait;
use shared::{SessionId, Timestamp, UserId};

use super::{
    Embedded, codec, deletions, keys,
    kv::{Order, Read},
    sessions,
    tx::Tx,
};
use crate::{BusEvent, ExternalId, ProfilePatch, Result, StoreError, UserEvent, UserRecord, Users};

/// The id a row or key holds.
pub(super) fn user_id(bytes: &[u8]) -> Result<UserId> {
    UserId::from_slice(bytes).ok_or_else(|| codec::corrupt("user id"))
}

pub(super) fn read_user(read: &impl Read, id: UserId) -> Result<Option<UserRecord>> {
    read.get(&keys::user(id))?.map_or(Ok(None), |row| deletions::record(&row))
}

/// `None`: the account has none, or is not there.
pub(super) fn password_hash(read: &impl Read, id: UserId) -> Result<Option<String>> {
    Ok(read_user(read, id)?.and_then(|user| user.password_hash))
}

pub(super) fn put_user(tx: &mut Tx, user: &UserRecord) -> Result<()> {
    tx.put(keys::user(user.id), codec::to_json(user)?)
}

fn create(tx: &mut Tx, user: &UserRecord) -> Result<()> {
    if tx.get(&keys::username(&user.username))?.is_some() {
        return Err(StoreError::UsernameTaken);
    }
    let id = user.id.as_bytes().to_vec();
    if let Some(email) = &user.email {
        if tx.get(&keys::email(email))?.is_some() {
            return Err(StoreError::EmailTaken);
        }
        tx.put(keys::email(email), id.clone())?;
    }
    if user.guest {
        deletions::note_guest(tx, user.id, Some(user.created_at))?;
    } else {
        tx.put(keys::searchable(&user.username), id.clone())?;
    }
    tx.put(keys::username(&user.username), id)?;
    put_user(tx, user)?;
    let count = count(tx)? + 1;
    tx.put(keys::user_count(), count.to_be_bytes().to_vec())
}

/// Its name and address are free, and nobody finds it. The record is for the caller to replace.
pub(super) fn remove(tx: &mut Tx, user: &UserRecord) -> Result<()> {
    tx.delete(keys::username(&user.username));
    tx.delete(keys::searchable(&user.username));
    if let Some(email) = &user.email {
        tx.delete(keys::email(email));
    }
    let count = count(tx)?.saturating_sub(1);
    tx.put(keys::user_count(), count.to_be_bytes().to_vec())
}

/// Is there such a user, who is not banned?
pub(super) fn may_be_here(read: &impl Read, id: UserId) -> Result<bool> {
    Ok(read_user(read, id)?.is_some_and(|user| user.banned_at.is_none()))
}

fn of_external(read: &impl Read, external: &ExternalId) -> Result<Option<UserId>> {
    read.get(&keys::external(external))?.map(|row| user_id(&row)).transpose()
}

fn provision(tx: &mut Tx, user: &UserRecord, external: &ExternalId) -> Result<UserId> {
    if let Some(there) = of_external(tx, external)? {
        return Ok(there);
    }
    create(tx, user)?;
    tx.put(keys::external(external), user.id.as_bytes().to_vec())?;
    Ok(user.id)
}

fn count(read: &impl Read) -> Result<u64> {
    read.get(&keys::user_count())?.map_or(Ok(0), |row| codec::number(&row))
}

fn patch(tx: &mut Tx, id: UserId, patch: ProfilePatch) -> Result<UserRecord> {
    let mut user = read_user(tx, id)?.ok_or(StoreError::UserNotFound)?;
    if let Some(name) = patch.display_name {
        user.display_name = name;
    }
    if let Some(bio) = patch.bio {
        user.bio = bio;
    }
    put_user(tx, &user)?;
    Ok(user)
}

fn set_avatar(tx: &mut Tx, id: UserId, url: Option<String>) -> Result<Option<String>> {
    let mut user = read_user(tx, id)?.ok_or(StoreError::UserNotFound)?;
    let before = std::mem::replace(&mut user.avatar_url, url);
    tx.put(keys::user(id), codec::to_json(&user)?)?;
    Ok(before)
}

fn change_password(
    tx: &mut Tx,
    id: UserId,
    [old, next]: [String; 2],
    keep: SessionId,
) -> Result<Option<Vec<SessionId>>> {
    let mut user = read_user(tx, id)?.ok_or(StoreError::UserNotFound)?;
    if user.password_hash.as_ref() != Some(&old) {
        return Ok(None);
    }
    user.password_hash = Some(next);
    put_user(tx, &user)?;
    sessions::end_others(tx, id, Some(keep)).map(Some)
}

fn set_administrator(tx: &mut Tx, id: UserId, administrator: bool) -> Result<()> {
    let user = read_user(tx, id)?.ok_or(StoreError::UserNotFound)?;
    put_user(tx, &UserRecord { administrator, ..user })
}

fn ban(tx: &mut Tx, id: UserId, at: Timestamp) -> Result<Vec<SessionId>> {
    let user = read_user(tx, id)?.ok_or(StoreError::UserNotFound)?;
    let banned_at = Some(user.banned_at.unwrap_or(at));
    put_user(tx, &UserRecord { banned_at, ..user })?;
    tx.publish(BusEvent::User(id, Arc::new(UserEvent::AccountClosed)));
    sessions::forget_all(tx, id)
}

fn unban(tx: &mut Tx, id: UserId) -> Result<bool> {
    let user = read_user(tx, id)?.ok_or(StoreError::UserNotFound)?;
    let was = user.banned_at.is_some();
    if was {
        put_user(tx, &UserRecord { banned_at: None, ..user })?;
    }
    Ok(was)
}

#[async_trait]
impl Users for Embedded {
    async fn create_user(&self, user: &UserRecord) -> Result<()> {
        let user = user.clone();
        self.write(move |tx| create(tx, &user)).await
    }

    async fn provision_user(&self, user: &UserRecord, external: &ExternalId) -> Result<UserId> {
        let (user, external) = (user.clone(), *external);
        self.write(move |tx| provision(tx, &user, &external)).await
    }

    async fn user_id_by_external(&self, external: &ExternalId) -> Result<Option<UserId>> {
        self.read_point(|read| of_external(read, external)).await
    }

    async fn user(&self, id: UserId) -> Result<Option<UserRecord>> {
        self.read_point(|read| read_user(read, id)).await
    }

    async fn users(&self, ids: &[UserId]) -> Result<Vec<Option<UserRecord>>> {
        if let [id] = ids {
            return self.read_point(|read| Ok(vec![read_user(read, *id)?])).await;
        }
        let ids = ids.to_vec();
        self.read(move |read| ids.into_iter().map(|id| read_user(read, id)).collect()).await
    }

    async fn user_id_by_name(&self, username: &str) -> Result<Option<UserId>> {
        let key = keys::username(username);
        self.read_point(|read| read.get(&key)?.map(|row| user_id(&row)).transpose()).await
    }

    async fn user_id_by_email(&self, email: &str) -> Result<Option<UserId>> {
        let key = keys::email(email);
        self.read_point(|read| read.get(&key)?.map(|row| user_id(&row)).transpose()).await
    }

    async fn update_profile(&self, id: UserId, changes: &ProfilePatch) -> Result<UserRecord> {
        let changes = changes.clone();
        self.write(move |tx| patch(tx, id, changes)).await
    }

    async fn set_avatar(&self, id: UserId, url: Option<&str>) -> Result<Option<String>> {
        let url = url.map(str::to_owned);
        self.write(move |tx| set_avatar(tx, id, url)).await
    }

    async fn change_password(
        &self,
        id: UserId,
        old: &str,
        next: &str,
        keep: SessionId,
    ) -> Result<Option<Vec<SessionId>>> {
        let hashes = [old, next].map(str::to_owned);
        self.write(move |tx| change_password(tx, id, hashes, keep)).await
    }

    async fn set_administrator(&self, id: UserId, administrator: bool) -> Result<()> {
        self.write(move |tx| set_administrator(tx, id, administrator)).await
    }

    async fn ban_user(&self, id: UserId, at: Timestamp) -> Result<Vec<SessionId>> {
        self.write(move |tx| ban(tx, id, at)).await
    }

    async fn unban_user(&self, id: UserId) -> Result<bool> {
        self.write(move |tx| unban(tx, id)).await
    }

    async fn search_users(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<UserId>> {
        let span = keys::searchable_span(prefix, after);
        self.read(move |read| read.collect(&span, Order::Ascending, limit, |_, id| user_id(id))).await
    }

    async fn count_users(&self) -> Result<u64> {
        self.read_point(count).await
    }
}
