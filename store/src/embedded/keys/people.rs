//! Keys of whom users know, and of how they are reached who are not there.

use shared::{RoomId, UserId};

use super::{Key, Span, state};

pub(in crate::embedded) fn contact(owner: UserId, contact: UserId) -> Key {
    state(b'c', &[owner.as_bytes(), contact.as_bytes()])
}

pub(in crate::embedded) fn contacts(owner: UserId) -> Span {
    state(b'c', &[owner.as_bytes()]).prefix()
}

pub(in crate::embedded) fn block(owner: UserId, blocked: UserId) -> Key {
    state(b'D', &[owner.as_bytes(), blocked.as_bytes()])
}

pub(in crate::embedded) fn request(owner: UserId, incoming: bool, user: UserId) -> Key {
    state(b'O', &[owner.as_bytes(), &[u8::from(incoming)], user.as_bytes()])
}

pub(in crate::embedded) fn requests(owner: UserId, incoming: bool) -> Span {
    state(b'O', &[owner.as_bytes(), &[u8::from(incoming)]]).prefix()
}

pub(in crate::embedded) fn wrote(owner: UserId, to: UserId) -> Key {
    state(b'7', &[owner.as_bytes(), to.as_bytes()])
}

pub(in crate::embedded) fn blocks(owner: UserId) -> Span {
    state(b'D', &[owner.as_bytes()]).prefix()
}

pub(in crate::embedded) fn push(user: UserId, id: &str) -> Key {
    state(b'4', &[user.as_bytes(), id.as_bytes()])
}

pub(in crate::embedded) fn pushes(user: UserId) -> Span {
    state(b'4', &[user.as_bytes()]).prefix()
}

pub(in crate::embedded) fn push_owner(id: &str) -> Key {
    state(b'5', &[id.as_bytes()])
}

pub(in crate::embedded) fn push_key() -> Key {
    state(b'6', &[])
}

pub(in crate::embedded) fn reach(user: UserId) -> Key {
    state(b'9', &[user.as_bytes()])
}

pub(in crate::embedded) fn room_level(user: UserId, room: RoomId) -> Key {
    state(b'8', &[user.as_bytes(), room.as_bytes()])
}

pub(in crate::embedded) fn room_levels(user: UserId) -> Span {
    state(b'8', &[user.as_bytes()]).prefix()
}
