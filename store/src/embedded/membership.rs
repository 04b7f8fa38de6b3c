//! The steps that room and log operations are made of: the head, members, and recording a change.

use std::sync::Arc;

use shared::{EventId, RoomId, Timestamp, UserId, protocol::Role};

use super::{
    codec::{self, ChangeRow, HeadRow, What},
    keys,
    kv::Read,
    tx::Tx,
};
use crate::{
    Actor, BusEvent, Change, ChangeBody, Head, Membership, Result, RoomEvent, RoomRecord, StoreError, StoredMessage,
    UserChange, UserChangeBody, UserEvent, log::CHANGES_KEPT,
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
    HeadRow { head, due: None, notified: 0 }
}

pub(super) fn find_record(read: &impl Read, room: RoomId) -> Result<Option<RoomRecord>> {
    read.get(&keys::room(room))?.map(|row| codec::from_json(&row)).transpose()
}

pub(super) fn find_member(read: &impl Read, room: RoomId, user: UserId) -> Result<Option<Membership>> {
    read.get(&keys::member(room, user))?.map(|row| codec::decode_membership(&row)).transpose()
}

pub(super) fn is_member(read: &impl Read, room: RoomId, user: UserId) -> Result<bool> {
    Ok(read.get(&keys::member(room, user))?.is_some())
}

pub(super) fn read_mark(read: &impl Read, room: RoomId, user: UserId) -> Result<u64> {
    read.get(&keys::read_mark(room, user))?.map_or(Ok(0), |row| codec::number(&row))
}

pub(super) fn put_read_mark(tx: &mut Tx, room: RoomId, user: UserId, seq: u64) -> Result<()> {
    tx.put(keys::read_mark(room, user), seq.to_be_bytes().to_vec())
}

/// A change about to be recorded.
pub(super) struct Recording<'a> {
    pub(super) room: RoomId,
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
        ChangeBody::Deleted { seq } => What::Deleted(*seq),
        ChangeBody::Edited(message) => What::Message(message.seq),
        ChangeBody::Reacted { seq, .. } => What::Deleted(*seq),
        ChangeBody::Joined => What::Joined,
        ChangeBody::Left => What::Left,
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

/// Adds somebody who is no member yet: the change, the rows, the user's index, `RoomAdded`. Their read mark is the
/// head: what was said before they came is not unread. The caller puts the head.
pub(super) fn add_member(tx: &mut Tx, head: &mut Head, room: RoomId, user: &Actor, role: Role) -> Result<Membership> {
    let at = Timestamp::now();
    record_change(tx, head, Recording { room, by: user, at, body: ChangeBody::Joined })?;
    head.members += 1;
    let joined = Membership { user: user.id, role, joined_seq: head.seq, joined_rev: head.rev, joined_at: at };
    let row = codec::encode_membership(&joined);
    tx.put(keys::joined(room, joined.joined_rev), row.clone())?;
    tx.put(keys::member(room, user.id), row)?;
    tx.put(keys::room_of(user.id, room), Vec::new())?;
    put_read_mark(tx, room, user.id, head.seq)?;
    tx.publish(BusEvent::User(
        user.id,
        Arc::new(UserEvent::Change(UserChange::unnumbered(UserChangeBody::RoomAdded(room)))),
    ));
    Ok(joined)
}

/// The reverse of [`add_member`]. The caller puts the head.
pub(super) fn remove_member(tx: &mut Tx, head: &mut Head, room: RoomId, user: &Actor) -> Result<()> {
    let membership = find_member(tx, room, user.id)?.ok_or(StoreError::NotAMember)?;
    let recording = Recording { room, by: user, at: Timestamp::now(), body: ChangeBody::Left };
    record_change(tx, head, recording)?;
    head.members = head.members.saturating_sub(1);
    tx.delete(keys::joined(room, membership.joined_rev));
    tx.delete(keys::member(room, user.id));
    tx.delete(keys::room_of(user.id, room));
    tx.delete(keys::read_mark(room, user.id));
    tx.publish(BusEvent::User(
        user.id,
        Arc::new(UserEvent::Change(UserChange::unnumbered(UserChangeBody::RoomRemoved(room)))),
    ));
    Ok(())
}

pub(super) fn find_message(read: &impl Read, room: RoomId, seq: u64) -> Result<Option<StoredMessage>> {
    let row = read.get(&keys::message(room, seq))?;
    row.map(|row| codec::decode_message(room, seq, &row)).transpose()
}
