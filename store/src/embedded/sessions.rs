//! Login sessions, with an index by expiry for the sweep.

use std::sync::Arc;

use async_trait::async_trait;
use shared::{SessionId, Timestamp, UserId};

use super::{Embedded, codec, keys, kv::Read, rooms, tx::Tx, user_log};
use crate::{Arrival, BusEvent, Result, Rotation, SessionRecord, Sessions, UserEvent};

/// Rooms of a user that are read on the caller's thread: their keys are neighbours, 2 KiB, so a block or two.
const ROOMS_HERE: usize = 64;

pub(super) fn session_id(bytes: &[u8]) -> Result<SessionId> {
    SessionId::from_slice(bytes).ok_or_else(|| codec::corrupt("session id"))
}

fn stored(read: &impl Read, id: SessionId) -> Result<Option<SessionRecord>> {
    read.get(&keys::session(id))?.map(|row| codec::from_json(&row)).transpose()
}

/// One that has not expired.
fn live(read: &impl Read, id: SessionId) -> Result<Option<SessionRecord>> {
    Ok(stored(read, id)?.filter(|s| s.expires_at > Timestamp::now()))
}

/// Of a session's row, what says whether it lives.
#[derive(serde::Deserialize)]
struct Ends {
    expires_at: Timestamp,
}

fn put(tx: &mut Tx, session: &SessionRecord) -> Result<()> {
    if let Some(old) = stored(tx, session.id)? {
        tx.delete(keys::session_expiry(old.expires_at, old.id));
    }
    tx.put(keys::session_expiry(session.expires_at, session.id), Vec::new())?;
    tx.put(keys::session(session.id), codec::to_json(session)?)
}

fn end(tx: &mut Tx, session: &SessionRecord) {
    tx.delete(keys::session(session.id));
    tx.delete(keys::session_expiry(session.expires_at, session.id));
    tx.publish(BusEvent::User(session.user, Arc::new(UserEvent::SessionEnded(session.id))));
}

fn rotate(tx: &mut Tx, mut session: SessionRecord, presented: [u8; 32], next: Next) -> Result<Rotation> {
    if session.refresh_hash != presented {
        end(tx, &session);
        return Ok(Rotation::Reused);
    }
    tx.delete(keys::session_expiry(session.expires_at, session.id));
    (session.refresh_hash, session.expires_at) = next;
    tx.put(keys::session_expiry(session.expires_at, session.id), Vec::new())?;
    tx.put(keys::session(session.id), codec::to_json(&session)?)?;
    Ok(Rotation::Rotated(session))
}

/// The hash that follows and when the session then expires.
type Next = ([u8; 32], Timestamp);

#[async_trait]
impl Sessions for Embedded {
    async fn create_session(&self, session: &SessionRecord) -> Result<()> {
        let session = session.clone();
        self.write(move |tx| put(tx, &session)).await
    }

    async fn session(&self, id: SessionId) -> Result<Option<SessionRecord>> {
        self.read_point(|read| live(read, id)).await
    }

    async fn arrival(&self, user: UserId, id: SessionId) -> Result<Option<Arrival>> {
        let here = self.read_point(|read| {
            let ends: Option<Ends> = read.get(&keys::session(id))?.map(|row| codec::from_json(&row)).transpose()?;
            if ends.is_none_or(|ends| ends.expires_at <= Timestamp::now()) {
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

    async fn rotate_refresh(
        &self,
        id: SessionId,
        presented: [u8; 32],
        next: [u8; 32],
        expires_at: Timestamp,
    ) -> Result<Rotation> {
        self.write(move |tx| match live(tx, id)? {
            Some(session) => rotate(tx, session, presented, (next, expires_at)),
            None => Ok(Rotation::Unknown),
        })
        .await
    }

    async fn end_session(&self, id: SessionId) -> Result<()> {
        self.write(move |tx| {
            if let Some(session) = stored(tx, id)? {
                end(tx, &session);
            }
            Ok(())
        })
        .await
    }
}
