//! Uploads that no message has yet, and files that nothing has any more. All of a user's uploads are rows under their
//! id, claimed ones apart, so that what is not claimed is counted by reading a few rows.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use shared::{AttachmentId, RoomId, Timestamp, UserId};

use super::{
    Embedded, codec, keys,
    kv::{Order, Read},
    maintenance::STEP,
    tx::Tx,
};
use crate::{
    AttachmentRecord, Attachments, Orphan, Result, StoreError, UploadClaim, UploadQuota,
    attachments::{CLAIM_KEPT, SWEPT_AFTER},
};

/// An upload, under its user.
#[derive(Serialize, Deserialize)]
struct Row {
    /// When it is to be looked after; an entry of the index is there for it.
    until: Timestamp,
    file: AttachmentRecord,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    claimed: Option<Claimed>,
}

#[derive(Serialize, Deserialize)]
struct Claimed {
    by: UploadClaim,
    /// When its time would have come without the claim.
    before: Timestamp,
}

fn find(read: &impl Read, key: &keys::Key) -> Result<Option<Row>> {
    read.get(key)?.map(|row| codec::from_json(&row)).transpose()
}

fn put(tx: &mut Tx, key: keys::Key, user: UserId, row: &Row) -> Result<()> {
    tx.put(keys::upload_due(row.until, user, row.file.id), Vec::new())?;
    tx.put(key, codec::to_json(row)?)
}

fn remove(tx: &mut Tx, key: keys::Key, user: UserId, row: &Row) {
    tx.delete(keys::upload_due(row.until, user, row.file.id));
    tx.delete(key);
}

/// Its file goes with the next cleaning.
pub(super) fn orphan(tx: &mut Tx, id: AttachmentId) -> Result<()> {
    tx.put(keys::orphan(id), Vec::new())
}

/// The room has these files.
pub(super) fn enter(tx: &mut Tx, room: RoomId, files: &[AttachmentRecord]) -> Result<()> {
    files.iter().try_for_each(|file| tx.put(keys::room_file(room, file.id), Vec::new()))
}

/// A message lost these files.
pub(super) fn leave(tx: &mut Tx, room: RoomId, files: &[AttachmentRecord]) -> Result<()> {
    for file in files {
        tx.delete(keys::room_file(room, file.id));
        orphan(tx, file.id)?;
    }
    Ok(())
}

/// Some files of a room that is gone; says how many.
pub(super) fn leave_some(tx: &mut Tx, room: RoomId) -> Result<usize> {
    let files = tx.collect(&keys::room_files(room), Order::Ascending, STEP, |key, _| attachment_id(key))?;
    for id in &files {
        tx.delete(keys::room_file(room, *id));
        orphan(tx, *id)?;
    }
    Ok(files.len())
}

fn attachment_id(key: &[u8]) -> Result<AttachmentId> {
    AttachmentId::from_slice(keys::last_id(key)).ok_or_else(|| codec::corrupt("attachment id"))
}

fn put_upload(tx: &mut Tx, user: UserId, row: &Row, quota: UploadQuota) -> Result<()> {
    let key = keys::upload(user, row.file.id);
    if tx.get(&key)?.is_some() {
        return Ok(());
    }
    let sizes = tx.collect(&keys::uploads(user), Order::Ascending, quota.uploads, |_, row| {
        codec::from_json::<Row>(row).map(|row| row.file.size)
    })?;
    if sizes.len() >= quota.uploads || sizes.iter().sum::<u64>() + row.file.size > quota.bytes {
        return Err(StoreError::TooManyUploads);
    }
    put(tx, key, user, row)
}

fn claim(
    tx: &mut Tx,
    user: UserId,
    ids: &[AttachmentId],
    by: &UploadClaim,
    now: Timestamp,
) -> Result<Vec<AttachmentRecord>> {
    let mut claimed = Vec::new();
    for id in ids {
        let (free, held) = (keys::upload(user, *id), keys::claimed_upload(user, *id));
        let (key, row) = match find(tx, &free)? {
            Some(row) => (free, row),
            None => match find(tx, &held)? {
                Some(row) if row.claimed.as_ref().is_some_and(|claimed| claimed.by == *by) => (held.clone(), row),
                _ => return Err(StoreError::UploadNotFound),
            },
        };
        if row.until <= now {
            return Err(StoreError::UploadNotFound);
        }
        remove(tx, key, user, &row);
        let before = row.claimed.map_or(row.until, |claimed| claimed.before);
        let row =
            Row { until: now.after(CLAIM_KEPT), file: row.file, claimed: Some(Claimed { by: by.clone(), before }) };
        put(tx, held, user, &row)?;
        claimed.push(row.file);
    }
    Ok(claimed)
}

fn release(tx: &mut Tx, user: UserId, ids: &[AttachmentId], by: &UploadClaim) -> Result<()> {
    for id in ids {
        let key = keys::claimed_upload(user, *id);
        let Some(row) = find(tx, &key)? else { continue };
        let Some(claimed) = row.claimed.as_ref().filter(|claimed| claimed.by == *by) else { continue };
        remove(tx, key, user, &row);
        let freed = Row { until: claimed.before, file: row.file, claimed: None };
        put(tx, keys::upload(user, *id), user, &freed)?;
    }
    Ok(())
}

fn drop_uploads(tx: &mut Tx, user: UserId, only: Option<AttachmentId>) -> Result<()> {
    let rows = match only {
        Some(id) => find(tx, &keys::upload(user, id))?.into_iter().collect(),
        // Bounded by the quota they were put under.
        None => {
            tx.collect(&keys::uploads(user), Order::Ascending, usize::MAX, |_, row| codec::from_json::<Row>(row))?
        }
    };
    for row in rows {
        let key = keys::upload(user, row.file.id);
        remove(tx, key.clone(), user, &row);
        put(tx, key, user, &Row { until: Timestamp::from_millis(0), ..row })?;
    }
    Ok(())
}

fn sweep(tx: &mut Tx, now: Timestamp, limit: usize) -> Result<usize> {
    let span = keys::uploads_due(now.before(SWEPT_AFTER));
    let due = tx.collect(&span, Order::Ascending, limit, |key, _| Ok(key.to_vec()))?;
    for bytes in &due {
        let (user, id) = keys::upload_of_due(bytes).ok_or_else(|| codec::corrupt("upload"))?;
        for key in [keys::upload(user, id), keys::claimed_upload(user, id)] {
            let Some(row) = find(tx, &key)? else { continue };
            let sent = match &row.claimed {
                Some(claimed) => tx.get(&keys::room_file(claimed.by.room, id))?.is_some(),
                None => false,
            };
            if !sent {
                orphan(tx, id)?;
            }
            remove(tx, key, user, &row);
        }
        tx.delete(keys::Key { space: keys::Space::State, bytes: bytes.clone() });
    }
    Ok(due.len())
}

#[async_trait]
impl Attachments for Embedded {
    async fn put_upload(
        &self,
        user: UserId,
        upload: &AttachmentRecord,
        until: Timestamp,
        quota: UploadQuota,
    ) -> Result<()> {
        let row = Row { until, file: upload.clone(), claimed: None };
        self.write(move |tx| put_upload(tx, user, &row, quota)).await
    }

    async fn upload(&self, user: UserId, id: AttachmentId, now: Timestamp) -> Result<Option<AttachmentRecord>> {
        let row = self.read_point(|read| find(read, &keys::upload(user, id))).await?;
        Ok(row.filter(|row| row.until > now).map(|row| row.file))
    }

    async fn claim_uploads(
        &self,
        user: UserId,
        ids: &[AttachmentId],
        by: &UploadClaim,
        now: Timestamp,
    ) -> Result<Vec<AttachmentRecord>> {
        let (ids, by) = (ids.to_vec(), by.clone());
        self.write(move |tx| claim(tx, user, &ids, &by, now)).await
    }

    async fn release_uploads(&self, user: UserId, ids: &[AttachmentId], by: &UploadClaim) -> Result<()> {
        let (ids, by) = (ids.to_vec(), by.clone());
        self.write(move |tx| release(tx, user, &ids, &by)).await
    }

    async fn drop_uploads(&self, user: UserId, only: Option<AttachmentId>) -> Result<()> {
        self.write(move |tx| drop_uploads(tx, user, only)).await
    }

    async fn sweep_uploads(&self, now: Timestamp, limit: usize) -> Result<usize> {
        self.write(move |tx| sweep(tx, now, limit.min(STEP))).await
    }

    async fn orphans(&self, limit: usize) -> Result<Vec<Orphan>> {
        let orphan = |key: &[u8], _: &[u8]| Ok(Orphan { id: attachment_id(key)?, shard: 0 });
        self.read(move |read| read.collect(&keys::orphans(), Order::Ascending, limit, orphan)).await
    }

    async fn forget_orphans(&self, orphans: &[Orphan]) -> Result<()> {
        let keys: Vec<_> = orphans.iter().map(|orphan| keys::orphan(orphan.id)).collect();
        self.write(move |tx| {
            keys.into_iter().for_each(|key| tx.delete(key));
            Ok(())
        })
        .await
    }
}
