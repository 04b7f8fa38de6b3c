//! Uploads that no message has yet, and files that nothing has any more. The files themselves are elsewhere, under the
//! attachment's id.
//!
//! An upload is recorded before its file is stored. A message claims it and is then appended; whether it was is asked of
//! the room when the claim has been there for longer than an append can take and a repeat is known. So a process that
//! dies at any point leaves neither a message without its file nor a file without an end.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use shared::{AttachmentId, RoomId, Timestamp, UserId};

use crate::{Result, log::DEDUPE_KEPT};

/// How long a claimed upload is known: a repeat of its message claims it again.
pub const CLAIM_KEPT: Duration = DEDUPE_KEPT.saturating_add(Duration::from_secs(3600));
/// An upload whose time has come is removed so much later: by then no claim made in time is under way, and no process's
/// clock is so far behind.
pub const SWEPT_AFTER: Duration = Duration::from_secs(600);

/// What is known of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachmentRecord {
    // First: scripts look for it at the front of the JSON.
    pub id: AttachmentId,
    pub name: String,
    pub mime: String,
    /// Bytes.
    pub size: u64,
    /// Width and height in pixels: it is an image, and has a thumbnail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pixels: Option<(u32, u32)>,
}

/// What a user may have uploaded that no message has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UploadQuota {
    pub uploads: usize,
    pub bytes: u64,
}

/// For which message uploads are claimed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadClaim {
    pub room: RoomId,
    /// The same for a repeat of the message, and for no other of its author; without white space.
    pub attempt: String,
}

/// A file that nothing has any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Orphan {
    pub id: AttachmentId,
    /// Where the store keeps its name: the store's own business.
    pub shard: u16,
}

#[async_trait]
pub trait Attachments: Send + Sync {
    /// Records an upload of `user`, which may be claimed until `until`. Once more is once.
    /// [`TooManyUploads`](crate::StoreError::TooManyUploads): with it there would be more than `quota`.
    async fn put_upload(
        &self,
        user: UserId,
        upload: &AttachmentRecord,
        until: Timestamp,
        quota: UploadQuota,
    ) -> Result<()>;
    /// An upload of `user` that is not claimed and may be claimed at `now`.
    async fn upload(&self, user: UserId, id: AttachmentId, now: Timestamp) -> Result<Option<AttachmentRecord>>;
    /// Claims all of these uploads of `user`, or none; gives them in order. Those the same claim has are claimed anew.
    /// From `now` on they are known for [`CLAIM_KEPT`].
    /// [`UploadNotFound`](crate::StoreError::UploadNotFound): one is claimed for something else, its time has come, or
    /// there is none.
    async fn claim_uploads(
        &self,
        user: UserId,
        ids: &[AttachmentId],
        claim: &UploadClaim,
        now: Timestamp,
    ) -> Result<Vec<AttachmentRecord>>;
    /// Takes a claim back whose message was not stored and never will be.
    async fn release_uploads(&self, user: UserId, ids: &[AttachmentId], claim: &UploadClaim) -> Result<()>;
    /// The time of uploads of `user` that are not claimed has come: of this one, or of all. The next
    /// [sweep](Self::sweep_uploads) makes them orphans.
    async fn drop_uploads(&self, user: UserId, only: Option<AttachmentId>) -> Result<()>;
    /// Looks after uploads whose time came [`SWEPT_AFTER`] before `now`, about `limit` of them: those that a message of
    /// their claim's room has are forgotten here, the others become orphans. Every process may call it; doing it twice at
    /// once is harmless. Gives how many it looked after.
    async fn sweep_uploads(&self, now: Timestamp, limit: usize) -> Result<usize>;
    /// Some files that nothing has any more, at most about `limit`.
    async fn orphans(&self, limit: usize) -> Result<Vec<Orphan>>;
    /// Their files are gone.
    async fn forget_orphans(&self, orphans: &[Orphan]) -> Result<()>;
}
