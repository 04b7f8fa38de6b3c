//! Keys of who goes: guests by when they were seen, deletions by when they began, and what goes with an account.

use shared::{Timestamp, UserId};

use super::{Key, Space, Span, after_prefix, key, state, time};

/// The guest was not known to be seen later.
pub(in crate::embedded) fn guest_seen(at: Timestamp, user: UserId) -> Key {
    state(b'Y', &[&[0], &time(at), user.as_bytes()])
}

pub(in crate::embedded) fn guests_seen_until(at: Timestamp) -> Span {
    class_until(0, at)
}

/// Under which time [`guest_seen`] has the guest.
pub(in crate::embedded) fn guest(user: UserId) -> Key {
    state(b'Y', &[&[1], user.as_bytes()])
}

pub(in crate::embedded) fn deletion(begun: Timestamp, user: UserId) -> Key {
    state(b'Y', &[&[2], &time(begun), user.as_bytes()])
}

pub(in crate::embedded) fn deletions_until(at: Timestamp) -> Span {
    class_until(2, at)
}

fn class_until(class: u8, at: Timestamp) -> Span {
    let hi = after_prefix(&state(b'Y', &[&[class], &time(at)]).bytes);
    Span { hi, ..state(b'Y', &[&[class]]).prefix() }
}

/// What is kept of a user under their id and goes with their account. Not here: that there was one, their sessions, which
/// end in the same step, and the rooms, which they leave.
pub(in crate::embedded) fn all_of_user(user: UserId) -> Vec<Span> {
    let own = [b'c', b'O', b'D', b'U', b'L', b'I', b'K', b'N', b'P', b'4', b'7', b'8', b'9'];
    let own = own.map(|family| state(family, &[user.as_bytes()]).prefix());
    let secrets = state(b'l', &[&[0], user.as_bytes()]).prefix();
    let log = key(Space::Log, b'V', &[user.as_bytes()]).prefix();
    own.into_iter().chain([secrets, log]).collect()
}
