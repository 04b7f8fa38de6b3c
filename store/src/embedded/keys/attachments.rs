//! Keys of uploads and of files.

use shared::{AttachmentId, RoomId, Timestamp, UserId};

use super::{ID, Key, Span, TAG, state, time, until};

/// The families' second byte.
const FREE: &[u8] = b"u";
const CLAIMED: &[u8] = b"c";
const OF_ROOM: &[u8] = b"r";
const ORPHAN: &[u8] = b"o";

pub(in crate::embedded) fn upload(user: UserId, id: AttachmentId) -> Key {
    state(b'1', &[FREE, user.as_bytes(), id.as_bytes()])
}

pub(in crate::embedded) fn uploads(user: UserId) -> Span {
    state(b'1', &[FREE, user.as_bytes()]).prefix()
}

pub(in crate::embedded) fn claimed_upload(user: UserId, id: AttachmentId) -> Key {
    state(b'1', &[CLAIMED, user.as_bytes(), id.as_bytes()])
}

pub(in crate::embedded) fn upload_due(at: Timestamp, user: UserId, id: AttachmentId) -> Key {
    state(b'2', &[&time(at), user.as_bytes(), id.as_bytes()])
}

/// Uploads to be looked after at `at` or before.
pub(in crate::embedded) fn uploads_due(at: Timestamp) -> Span {
    until(b'2', at)
}

/// Whose upload a key of [`uploads_due`] names, and which.
pub(in crate::embedded) fn upload_of_due(key: &[u8]) -> Option<(UserId, AttachmentId)> {
    let (user, id) = key.get(TAG + 8..)?.split_at_checked(ID)?;
    Some((UserId::from_slice(user)?, AttachmentId::from_slice(id)?))
}

pub(in crate::embedded) fn room_file(room: RoomId, id: AttachmentId) -> Key {
    state(b'1', &[OF_ROOM, room.as_bytes(), id.as_bytes()])
}

pub(in crate::embedded) fn room_files(room: RoomId) -> Span {
    state(b'1', &[OF_ROOM, room.as_bytes()]).prefix()
}

pub(in crate::embedded) fn orphan(id: AttachmentId) -> Key {
    state(b'1', &[ORPHAN, id.as_bytes()])
}

pub(in crate::embedded) fn orphans() -> Span {
    state(b'1', &[ORPHAN]).prefix()
}
