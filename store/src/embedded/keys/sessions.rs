//! Keys of logins, and of what a login is regained with.

use shared::{SessionId, Timestamp, UserId, token::Kid};

use super::{ID, Key, Span, after_prefix, state, time, until};

pub(in crate::embedded) fn session(user: UserId, id: SessionId) -> Key {
    state(b'S', &[user.as_bytes(), id.as_bytes()])
}

pub(in crate::embedded) fn sessions(user: UserId) -> Span {
    state(b'S', &[user.as_bytes()]).prefix()
}

pub(in crate::embedded) fn session_expiry(at: Timestamp, user: UserId, id: SessionId) -> Key {
    state(b'T', &[&time(at), user.as_bytes(), id.as_bytes()])
}

/// The session that a key of [`session_expiry`] names.
pub(in crate::embedded) fn session_of_expiry(expiry: &[u8]) -> Key {
    state(b'S', &[&expiry[expiry.len().saturating_sub(2 * ID)..]])
}

/// Sessions that expired at `now` or before.
pub(in crate::embedded) fn expired_sessions(now: Timestamp) -> Span {
    until(b'T', now)
}

pub(in crate::embedded) fn secrets(user: UserId) -> Key {
    state(b'l', &[&[0], user.as_bytes()])
}

pub(in crate::embedded) fn secret_expiry(at: Timestamp, user: UserId) -> Key {
    state(b'l', &[&[1], &time(at), user.as_bytes()])
}

/// Secrets that ended at `now` or before.
pub(in crate::embedded) fn ended_secrets(now: Timestamp) -> Span {
    let hi = after_prefix(&state(b'l', &[&[1], &time(now)]).bytes);
    Span { hi, ..state(b'l', &[&[1]]).prefix() }
}

pub(in crate::embedded) fn signing_key(kid: &Kid) -> Key {
    state(b'k', &[kid.as_str().as_bytes()])
}

pub(in crate::embedded) fn signing_keys() -> Span {
    state(b'k', &[]).prefix()
}
