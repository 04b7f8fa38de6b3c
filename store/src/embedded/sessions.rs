//! Login sessions, with an index by expiry for the sweep.

use std::{cmp::Reverse, sync::Arc};

use async_trait::async_trait;
use shared::{SessionId, Timestamp, UserId};

use super::{
    Embedded, codec,
    deletions::is_gone,
    keys,
    kv::{Order, Read},
    rooms,
    tx::Tx,
    user_log, users,
};
use crate::{
    Arrival, BusEvent, Exchange, Login, Replaced, Result, Rotation, SessionRecord, Sessions, StoreError, UserEvent,
};

/// Rooms of a user that are read on the caller's thread: their keys are neighbours, 2 KiB, so a block or two.
const ROOMS_HERE: usize = 64;

fn stored(read: &impl Read, user: UserId, id: SessionId) -> Result<Option<SessionRecord>> {
    read.get(&keys::session(user, id))?.map(|row| codec::from_json(&row)).transpose()
}

pub(super) fn all(read: &impl Read, user: UserId) -> Result<Vec<SessionRecord>> {
    read.collect(&keys::sessions(user), Order::Ascending, usize::MAX, |_, row| codec::from_json(row))
}

fn is_live(session: &SessionRecord) -> bool {
    session.expires_at > Timestamp::now()
}

/// One that has not expired.
fn live(read: &impl Read, user: UserId, id: SessionId) -> Result<Option<SessionRecord>> {
    Ok(stored(read, user, id)?.filter(is_live))
}

/// Of a session's row, what says whether it lives.
#[derive(serde::Deserialize)]
struct Ends {
    expires_at: Timestamp,
}

fn lives(read: &impl Read, user: UserId, login: Login) -> Result<bool> {
    let id = match login {
        Login::Session(id) => id,
        Login::Host { .. } => return users::may_be_here(read, user),
    };
    let ends: Option<Ends> = read.get(&keys::session(user, id))?.map(|row| codec::from_json(&row)).transpose()?;
    Ok(ends.is_some_and(|ends| ends.expires_at > Timestamp::now()))
}

fn put(tx: &mut Tx, session: &SessionRecord) -> Result<()> {
    tx.put(keys::session_expiry(session.expires_at, session.user, session.id), Vec::new())?;
    tx.put(keys::session(session.user, session.id), codec::to_json(session)?)
}

fn remove(tx: &mut Tx, session: &SessionRecord) {
    tx.delete(keys::session(session.user, session.id));
    tx.delete(keys::session_expiry(session.expires_at, session.user, session.id));
}

fn end(tx: &mut Tx, session: &SessionRecord) {
    remove(tx, session);
    tx.publish(BusEvent::User(session.user, Arc::new(UserEvent::SessionEnded(session.id))));
}

fn create(tx: &mut Tx, session: &SessionRecord, keep: usize, password: Option<&str>) -> Result<bool> {
    if is_gone(tx, session.user)? {
        return Err(StoreError::UserNotFound);
    }
    if users::read_user(tx, session.user)?.is_some_and(|user| user.banned_at.is_some()) {
        return Err(StoreError::AccountBanned);
    }
    if password.is_some() && users::password_hash(tx, session.user)?.as_deref() != password {
        return Ok(false);
    }
    let (mut others, expired): (Vec<_>, Vec<_>) = all(tx, session.user)?.into_iter().partition(is_live);
    expired.iter().for_each(|expired| remove(tx, expired));
    others.retain(|other| other.id != session.id);
    others.sort_by_key(|other| Reverse((other.used_at, *other.id.as_bytes())));
    others.iter().skip(keep.max(1) - 1).for_each(|surplus| end(tx, surplus));
    if let Some(same) = stored(tx, session.user, session.id)? {
        remove(tx, &same);
    }
    put(tx, session)?;
    Ok(true)
}

fn rotate(tx: &mut Tx, session: SessionRecord, exchange: Exchange) -> Result<Rotation> {
    let Exchange { presented, next: refresh_hash, at: used_at, expires_at, .. } = exchange;
    let in_grace = |old: &Replaced| old.hash == presented && used_at <= old.at.after(exchange.grace);
    let replaced = match session.replaced.filter(in_grace) {
        _ if session.refresh_hash == presented => Replaced { hash: presented, at: used_at },
        Some(again) => again,
        None if session.family_hash == exchange.family => {
            end(tx, &session);
            return Ok(Rotation::Reused);
        }
        None => return Ok(Rotation::Unknown),
    };
    remove(tx, &session);
    let session = SessionRecord { refresh_hash, replaced: Some(replaced), used_at, expires_at, ..session };
    put(tx, &session)?;
    Ok(Rotation::Rotated(Box::new(session)))
}

/// Ends these; gives those that lived.
fn end_all(tx: &mut Tx, sessions: Vec<SessionRecord>) -> Vec<SessionId> {
    sessions.iter().for_each(|session| end(tx, session));
    sessions.iter().filter(|session| is_live(session)).map(|session| session.id).collect()
}

/// Ends all of the user's but `except`; gives which lived.
pub(super) fn end_others(tx: &mut Tx, user: UserId, except: Option<SessionId>) -> Result<Vec<SessionId>> {
    let mut sessions = all(tx, user)?;
    sessions.retain(|session| Some(session.id) != except);
    Ok(end_all(tx, sessions))
}

/// Removes all of the user's, for what says more than that they ended; gives which.
pub(super) fn forget_all(tx: &mut Tx, user: UserId) -> Result<Vec<SessionId>> {
    let sessions = all(tx, user)?;
    sessions.iter().for_each(|session| remove(tx, session));
    Ok(sessions.into_iter().map(|session| session.id).collect())
}

#[async_trait]
impl Sessions for Embedded {
    async fn create_session(&self, session: &SessionRecord, keep: usize, password: Option<&str>) -> Result<bool> {
        let (session, password) = (session.clone(), password.map(str::to_owned));
        self.write(move |tx| create(tx, &session, keep, password.as_deref())).await
    }

    async fn sessions(&self, user: UserId) -> Result<Vec<SessionRecord>> {
        let mut sessions = self.read(move |read| all(read, user)).await?;
        sessions.retain(is_live);
        sessions.sort_by_key(|session| (session.created_at, *session.id.as_bytes()));
        Ok(sessions)
    }

    async fn session(&self, user: UserId, id: SessionId) -> Result<Option<SessionRecord>> {
        self.read_point(|read| live(read, user, id)).await
    }

    async fn live(&self, logins: &[(UserId, Login)]) -> Result<Vec<bool>> {
        if let [(user, login)] = logins {
            return self.read_point(|read| Ok(vec![lives(read, *user, *login)?])).await;
        }
        let logins = logins.to_vec();
        self.read(move |read| logins.into_iter().map(|(user, login)| lives(read, user, login)).collect()).await
    }

    async fn arrival(&self, user: UserId, login: Login) -> Result<Option<Arrival>> {
        let here = self.read_point(|read| {
            if !lives(read, user, login)? {
                return Ok(None);
            }
            let own = user_log::position(read, user)?;
            Ok(Some(Arrival { own, rooms: rooms::rooms_of(read, user, ROOMS_HERE + 1)? }))
        });
        let Some(mut arrival) = here.await? else { return Ok(None) };
        if arrival.rooms.len() > ROOMS_HERE {
            // Later than the position, which is right: what came between is told again.
            arrival.rooms = self.read(move |read| rooms::rooms_of(read, user, usize::MAX)).await?;
        }
        Ok(Some(arrival))
    }

    async fn rotate_refresh(&self, user: UserId, id: SessionId, exchange: &Exchange) -> Result<Rotation> {
        let exchange = *exchange;
        self.write(move |tx| match live(tx, user, id)? {
            Some(session) => rotate(tx, session, exchange),
            None => Ok(Rotation::Unknown),
        })
        .await
    }

    async fn end_session(&self, user: UserId, id: SessionId) -> Result<bool> {
        let ended = self.write(move |tx| {
            let session = stored(tx, user, id)?;
            Ok(end_all(tx, session.into_iter().collect()))
        });
        Ok(!ended.await?.is_empty())
    }

    async fn end_sessions(&self, user: UserId, except: Option<SessionId>) -> Result<Vec<SessionId>> {
        self.write(move |tx| end_others(tx, user, except)).await
    }
}
