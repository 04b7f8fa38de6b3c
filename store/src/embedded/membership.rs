//! The steps that room and log operations are made of: the head, members, and recording a change.

use std::sync::Arc;

use shared::{EventId, MessageId, RoomId, Timestamp, UserId, protocol::Role};

use super::{
    codec::{self, ChangeRow, HeadRow, What},
    keys,
    kv::Read,
    marks::put_marks,
    tx::Tx,
    user_log::record_user_change,
};
use crate::{
    Actor, BusEvent, Change, ChangeBody, Head, Membership, Result, RoomEvent, RoomRecord, StoreError, StoredMessage,
    UserChangeBody, log::CHANGES_KEPT,
};

pub(super) fn find_head(read: &impl Read, room: RoomId) -> Result<Option<HeadRow>> {
    read.get(&keys::head(room))?.map(|row| HeadRow::decode(&row)).transpose()
}

/// Or [`StoreError::RoomNotFound`].
pub(super) fn head(read: &impl Read, room: RoomId) -> Result<HeadRow> {
    find_head(read, room)?.ok_or(StoreError::RoomNotFound)
}

pub(super) fn put_head(tx: &mut Tx, room: RoomId, head: &HeadRow) -> Result<()> {
    tx.put(keys::head(room), head.encode())
}

/// The head of a room before its first change.
pub(super) fn blank_head() -> HeadRow {
    let head = Head { seq: 0, rev: 0, event_id: EventId::from_bits(0), floor: 0, members: 0 };
    HeadRow { head, due: None, notified: 0, blocked: false }
}

pub(super) fn find_record(read: &impl Read, room: RoomId) -> Result<Option<RoomRecord>> {
    read.get(&keys::room(room))?.map(|row| codec::from_json(&row)).transpose()
}

/// Or [`StoreError::RoomNotFound`].
pub(super) fn record(read: &impl Read, room: RoomId) -> Result<RoomRecord> {
    find_record(read, room)?.ok_or(StoreError::RoomNotFound)
}

pub(super) fn find_member(read: &impl Read, room: RoomId, user: UserId) -> Result<Option<Membership>> {
    read.get(&keys::member(room, user))?.map(|row| codec::decode_membership(&row)).transpose()
}

pub(super) fn is_member(read: &impl Read, room: RoomId, user: UserId) -> Result<bool> {
    Ok(read.get(&keys::member(room, user))?.is_some())
}

/// The head of a room, for one of its members; or [`StoreError::RoomNotFound`], [`StoreError::NotAMember`].
pub(super) fn member_head(read: &impl Read, room: RoomId, user: UserId) -> Result<HeadRow> {
    let row = head(read, room)?;
    if is_member(read, room, user)? { Ok(row) } else { Err(StoreError::NotAMember) }
}

/// The same for one who may say something there; or [`StoreError::Blocked`].
pub(super) fn speaker_head(read: &impl Read, room: RoomId, user: UserId) -> Result<HeadRow> {
    let row = member_head(read, room, user)?;
    if row.blocked { Err(StoreError::Blocked) } else { Ok(row) }
}

/// A change about to be recorded.
pub(super) struct Recording<'a> {
    pub(super) room: RoomId,
    /// The change's user.
    pub(super) by: &'a Actor,
    pub(super) at: Timestamp,
    pub(super) body: ChangeBody,
}

/// Gives the change its number and name in `head`, writes its row, drops the one that is beyond
/// [`CHANGES_KEPT`], publishes it. The caller puts the head.
pub(super) fn record_change(tx: &mut Tx, head: &mut Head, recording: Recording) -> Result<()> {
    let Recording { room, by, at, body } = recording;
    head.rev += 1;
    head.event_id = EventId::random();
    let what = match &body {
        ChangeBody::Message(message) => What::Message(message.seq),
        ChangeBody::Edited(message) => What::Edited(message.seq),
        ChangeBody::Reacted { seq, emoji, added, .. } => {
            What::Reacted { seq: *seq, emoji: emoji.clone(), added: *added }
        }
        ChangeBody::Deleted { seq } => What::Deleted(*seq),
        ChangeBody::Joined => What::Joined,
        ChangeBody::Left => What::Left,
        ChangeBody::Ended => What::Ended,
        ChangeBody::Role { role } => What::Role(*role),
        ChangeBody::Removed { by } => What::Removed { by: *by },
        ChangeBody::Updated(_) => What::Updated,
    };
    let row = ChangeRow { event_id: head.event_id, at, user: by.id, what };
    tx.put(keys::change(room, head.rev), row.encode())?;
    if head.rev > CHANGES_KEPT {
        tx.delete(keys::change(room, head.rev - CHANGES_KEPT));
    }
    let change = Change { rev: head.rev, event_id: head.event_id, at, user: by.id, body };
    tx.publish(BusEvent::Room(Arc::new(RoomEvent { room, change, username: by.username.clone() })));
    Ok(())
}

/// Adds somebody who is no member yet: the change, the rows, the user's index, `RoomAdded`. Their marks are the head:
/// what was said before they came is not unread. The caller puts the head.
pub(super) fn add_member(tx: &mut Tx, head: &mut Head, room: RoomId, user: &Actor, role: Role) -> Result<Membership> {
    let at = Timestamp::now();
    record_change(tx, head, Recording { room, by: user, at, body: ChangeBody::Joined })?;
    head.members += 1;
    let joined = Membership { user: user.id, role, joined_seq: head.seq, joined_rev: head.rev, joined_at: at };
    put_member(tx, room, &joined)?;
    tx.put(keys::room_of(user.id, room), Vec::new())?;
    put_marks(tx, room, user.id, head.seq)?;
    tell_listed(tx, user.id, UserChangeBody::RoomAdded(room))?;
    Ok(joined)
}

/// A member's rows.
pub(super) fn put_member(tx: &mut Tx, room: RoomId, member: &Membership) -> Result<()> {
    let row = codec::encode_membership(member);
    tx.put(keys::joined(room, member.joined_rev), row.clone())?;
    tx.put(keys::member(room, member.user), row)?;
    if member.role == Role::Admin {
        tx.put(keys::admin(room, member.joined_rev), member.user.as_bytes().to_vec())?;
    }
    Ok(())
}

/// The reverse of [`add_member`], told by `body`. The caller puts the head.
pub(super) fn remove_member(
    tx: &mut Tx,
    head: &mut Head,
    (room, membership): (RoomId, &Membership),
    user: &Actor,
    body: ChangeBody,
) -> Result<()> {
    record_change(tx, head, Recording { room, by: user, at: Timestamp::now(), body })?;
    head.members = head.members.saturating_sub(1);
    if membership.role == Role::Admin {
        tx.delete(keys::admin(room, membership.joined_rev));
    }
    tx.delete(keys::joined(room, membership.joined_rev));
    tx.delete(keys::member(room, user.id));
    tx.delete(keys::room_of(user.id, room));
    tx.delete(keys::marks(room, user.id));
    tx.delete(keys::outcome(room, user.id));
    tell_listed(tx, user.id, UserChangeBody::RoomRemoved(room))
}

/// A room came to the user's list, or went: told to them, and to who watches them, as who has rooms in common may.
pub(super) fn tell_listed(tx: &mut Tx, user: UserId, body: UserChangeBody) -> Result<()> {
    record_user_change(tx, user, body)?;
    tx.publish(BusEvent::AccessChanged { user, watcher: None });
    Ok(())
}

/// A message as it is now; none up to the floor.
pub(super) fn find_message(read: &impl Read, floor: u64, id: MessageId) -> Result<Option<StoredMessage>> {
    if id.seq <= floor {
        return Ok(None);
    }
    let row = read.get(&keys::message(id.room, id.seq))?;
    row.map(|row| codec::decode_message(id.room, id.seq, &row)).transpose()
}

/// A message that has its content, or [`StoreError::MessageNotFound`].
pub(super) fn open_message(read: &impl Read, floor: u64, id: MessageId) -> Result<StoredMessage> {
    let message = find_message(read, floor, id)?.filter(|message| message.deleted_at.is_none());
    message.ok_or(StoreError::MessageNotFound)
}

pub(super) fn put_message(tx: &mut Tx, message: &StoredMessage) -> Result<()> {
    tx.put(keys::message(message.room, message.seq), codec::encode_message(message)?)
}
