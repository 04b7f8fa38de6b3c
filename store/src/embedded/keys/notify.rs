//! Keys of what a notifier needs: due rooms, jobs, mails, inboxes, outcomes.

use shared::{NotificationId, RoomId, Timestamp, UserId};

use super::{ID, Key, Span, after_prefix, state, time, until};

pub(in crate::embedded) fn due(at: Timestamp, room: RoomId) -> Key {
    state(b'q', &[&time(at), room.as_bytes()])
}

pub(in crate::embedded) fn due_until(now: Timestamp) -> Span {
    until(b'q', now)
}

/// A job's (id, user), as other keys end with it.
pub(in crate::embedded) type JobName = (NotificationId, UserId);

pub(in crate::embedded) fn job((id, user): JobName) -> Key {
    state(b'J', &[id.as_bytes(), user.as_bytes()])
}

pub(in crate::embedded) fn job_due(at: Timestamp, (id, user): JobName) -> Key {
    state(b'Q', &[&[0], &time(at), id.as_bytes(), user.as_bytes()])
}

pub(in crate::embedded) fn job_claimed(at: Timestamp, (id, user): JobName) -> Key {
    state(b'Q', &[&[1], &time(at), id.as_bytes(), user.as_bytes()])
}

pub(in crate::embedded) fn jobs_due_until(now: Timestamp) -> Span {
    let hi = after_prefix(&state(b'Q', &[&[0], &time(now)]).bytes);
    Span { hi, ..state(b'Q', &[&[0]]).prefix() }
}

/// The place of each job in the queue.
pub(in crate::embedded) fn jobs() -> Span {
    state(b'Q', &[]).prefix()
}

pub(in crate::embedded) fn jobs_claimed_until(at: Timestamp) -> Span {
    let hi = after_prefix(&state(b'Q', &[&[1], &time(at)]).bytes);
    Span { hi, ..state(b'Q', &[&[1]]).prefix() }
}

pub(in crate::embedded) fn job_state((id, user): JobName) -> Key {
    state(b'R', &[id.as_bytes(), user.as_bytes()])
}

pub(in crate::embedded) fn job_states(id: NotificationId) -> Span {
    state(b'R', &[id.as_bytes()]).prefix()
}

pub(in crate::embedded) fn job_over(at: Timestamp, (id, user): JobName) -> Key {
    state(b'X', &[&time(at), id.as_bytes(), user.as_bytes()])
}

pub(in crate::embedded) fn jobs_over_until(at: Timestamp) -> Span {
    until(b'X', at)
}

/// The job a key ends with.
pub(in crate::embedded) fn job_name(key: &[u8]) -> Option<JobName> {
    let name = &key[key.len().checked_sub(2 * ID)?..];
    Some((NotificationId::from_slice(&name[..ID])?, UserId::from_slice(&name[ID..])?))
}

/// The mail about a room that waits for a user.
pub(in crate::embedded) fn mail_waiting(user: UserId, room: RoomId) -> Key {
    state(b'M', &[&[0], user.as_bytes(), room.as_bytes()])
}

/// What is in a mail about a room that is under way.
pub(in crate::embedded) fn mail_sealed((id, user): JobName) -> Key {
    state(b'M', &[&[1], id.as_bytes(), user.as_bytes()])
}

pub(in crate::embedded) fn inbox_item(user: UserId, created: Timestamp, id: NotificationId) -> Key {
    state(b'L', &[user.as_bytes(), &time(created), id.as_bytes()])
}

pub(in crate::embedded) fn inbox(user: UserId) -> Span {
    state(b'L', &[user.as_bytes()]).prefix()
}

/// Items strictly older than this one.
pub(in crate::embedded) fn inbox_before(user: UserId, created: Timestamp, id: NotificationId) -> Span {
    inbox(user).below(inbox_item(user, created, id))
}

pub(in crate::embedded) fn inbox_id(user: UserId, id: NotificationId) -> Key {
    state(b'I', &[user.as_bytes(), id.as_bytes()])
}

pub(in crate::embedded) fn collapse(user: UserId, hash: [u8; ID]) -> Key {
    state(b'K', &[user.as_bytes(), &hash])
}

pub(in crate::embedded) fn inbox_count(user: UserId) -> Key {
    state(b'N', &[user.as_bytes()])
}

pub(in crate::embedded) fn outcome(room: RoomId, user: UserId) -> Key {
    state(b'o', &[room.as_bytes(), user.as_bytes()])
}
