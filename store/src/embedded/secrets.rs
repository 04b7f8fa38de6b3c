//! Secrets of a user: all in one row, for there are a handful, with an index by expiry for the sweep.

use std::cmp::Reverse;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use shared::{SessionId, Timestamp, UserId};

use super::{Embedded, codec, keys, kv::Read, sessions, tx::Tx, users};
use crate::{Result, Secret, SecretKind, Secrets, UserRecord};

/// A secret as it is kept.
#[derive(Clone, Serialize, Deserialize)]
struct Kept {
    secret: Secret,
    taken: bool,
}

impl Kept {
    fn is_good(&self, now: Timestamp) -> bool {
        !self.taken && self.secret.expires_at > now
    }

    /// Those of one class are counted together: 0 to 2.
    const fn class(&self) -> usize {
        match (self.taken, self.secret.kind) {
            (true, _) => 0,
            (false, SecretKind::Reset) => 1,
            (false, SecretKind::Verify) => 2,
        }
    }
}

fn all(read: &impl Read, user: UserId) -> Result<Vec<Kept>> {
    read.get(&keys::secrets(user))?.map_or_else(|| Ok(Vec::new()), |row| codec::from_json(&row))
}

fn put_all(tx: &mut Tx, user: UserId, all: &[Kept]) -> Result<()> {
    match all {
        [] => {
            tx.delete(keys::secrets(user));
            Ok(())
        }
        all => tx.put(keys::secrets(user), codec::to_json(&all)?),
    }
}

fn find(all: &[Kept], hash: &[u8; 32], now: Timestamp) -> Option<Secret> {
    let found = all.iter().find(|kept| kept.secret.hash == *hash && kept.is_good(now));
    found.map(|kept| kept.secret.clone())
}

fn put(tx: &mut Tx, user: UserId, secret: Secret, now: Timestamp, keep: usize) -> Result<()> {
    let mut kept = all(tx, user)?;
    if kept.iter().any(|known| known.secret.hash == secret.hash) {
        return Ok(());
    }
    tx.put(keys::secret_expiry(secret.expires_at, user), Vec::new())?;
    kept.push(Kept { secret, taken: false });
    kept.retain(|kept| kept.secret.expires_at > now);
    kept.sort_by_key(|kept| Reverse(kept.secret.expires_at));
    let mut counts = [0; 3];
    kept.retain(|kept| {
        counts[kept.class()] += 1;
        counts[kept.class()] <= keep
    });
    put_all(tx, user, &kept)
}

/// The account, and its secrets without the one that is taken; `None`: it is not to be taken.
fn take(
    tx: &mut Tx,
    user: UserId,
    hash: &[u8; 32],
    kind: SecretKind,
    now: Timestamp,
) -> Result<Option<(UserRecord, Vec<Kept>)>> {
    let mut kept = all(tx, user)?;
    let Some(secret) = find(&kept, hash, now).filter(|secret| secret.kind == kind) else { return Ok(None) };
    let Some(record) = users::read_user(tx, user)?.filter(|record| record.email.as_ref() == Some(&secret.address))
    else {
        return Ok(None);
    };
    kept.iter_mut().filter(|kept| kept.secret.hash == *hash).for_each(|kept| kept.taken = true);
    Ok(Some((record, kept)))
}

fn verify(tx: &mut Tx, user: UserId, hash: &[u8; 32], now: Timestamp) -> Result<bool> {
    let Some((record, kept)) = take(tx, user, hash, SecretKind::Verify, now)? else { return Ok(false) };
    put_all(tx, user, &kept)?;
    users::put_user(tx, &UserRecord { email_verified: true, ..record })?;
    Ok(true)
}

fn reset(tx: &mut Tx, user: UserId, hash: &[u8; 32], next: String, now: Timestamp) -> Result<Option<Vec<SessionId>>> {
    let Some((record, mut kept)) = take(tx, user, hash, SecretKind::Reset, now)? else { return Ok(None) };
    kept.iter_mut().filter(|kept| kept.secret.kind == SecretKind::Reset).for_each(|kept| kept.taken = true);
    put_all(tx, user, &kept)?;
    users::put_user(tx, &UserRecord { email_verified: true, password_hash: Some(next), ..record })?;
    sessions::end_others(tx, user, None).map(Some)
}

/// Removes what ended of the user that a key of [`keys::secret_expiry`] names.
pub(super) fn sweep_user(tx: &mut Tx, expiry: &[u8], now: Timestamp) -> Result<()> {
    let user = users::user_id(keys::last_id(expiry))?;
    let mut kept = all(tx, user)?;
    kept.retain(|kept| kept.secret.expires_at > now);
    put_all(tx, user, &kept)
}

#[async_trait]
impl Secrets for Embedded {
    async fn put_secret(&self, user: UserId, secret: &Secret, now: Timestamp, keep: usize) -> Result<()> {
        let secret = secret.clone();
        self.write(move |tx| put(tx, user, secret, now, keep)).await
    }

    async fn secret(&self, user: UserId, hash: &[u8; 32], now: Timestamp) -> Result<Option<Secret>> {
        self.read_point(|read| Ok(find(&all(read, user)?, hash, now))).await
    }

    async fn verify_address(&self, user: UserId, hash: &[u8; 32], now: Timestamp) -> Result<bool> {
        let hash = *hash;
        self.write(move |tx| verify(tx, user, &hash, now)).await
    }

    async fn reset_password(
        &self,
        user: UserId,
        hash: &[u8; 32],
        next: &str,
        now: Timestamp,
    ) -> Result<Option<Vec<SessionId>>> {
        let (hash, next) = (*hash, next.to_owned());
        self.write(move |tx| reset(tx, user, &hash, next, now)).await
    }
}
