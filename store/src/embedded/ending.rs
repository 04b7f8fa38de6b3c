//! Deleting a room. It is gone with one command, which removes what makes it a room; what is left under its id goes in
//! bounded steps, its members first, who are told.

use std::time::Duration;

use shared::{
    RoomId, Timestamp,
    protocol::{Role, RoomType},
};

use super::{
    attachments, codec, keys,
    kv::{Order, Read},
    maintenance::STEP,
    membership::{Recording, head, record, record_change, tell_listed},
    notify_queue::{move_due, nothing_in},
    room_admin::with_role,
    rooms::index_name,
    tx::Tx,
};
use crate::{Actor, ChangeBody, Result, UserChangeBody, log::DEDUPE_KEPT};

/// Members that one command tells.
const MEMBERS_A_STEP: usize = 100;
/// How long the id of a deleted room is not free: longer than what was said in it is known by its dedupe keys.
const ID_KEPT: Duration = DEDUPE_KEPT.saturating_mul(2);

/// See [`RoomAdmin::delete_room`](crate::RoomAdmin::delete_room).
pub(super) fn delete(tx: &mut Tx, room: RoomId, by: &Actor, by_role: Option<Role>) -> Result<()> {
    let mut row = head(tx, room)?;
    let was = record(tx, room)?;
    if let Some(role) = by_role {
        with_role(tx, room, by.id, role)?;
    }
    let now = Timestamp::now();
    record_change(tx, &mut row.head, Recording { room, by, at: now, body: ChangeBody::Ended })?;
    move_due(tx, room, &mut row, None)?;
    if was.kind == RoomType::Public {
        tx.delete(keys::public_room(index_name(&was), room));
    }
    if let Some(handle) = &was.handle {
        tx.delete(keys::handle(handle));
    }
    tx.delete(keys::room_with_retention(room));
    tx.delete(keys::room(room));
    tx.delete(keys::head(room));
    tx.put(keys::tombstone(room), Vec::new())?;
    tx.put(keys::ending(now, room), Vec::new())?;
    tell_members(tx, room).map(drop)
}

/// Some of the members lose the room from their lists. Says how many.
fn tell_members(tx: &mut Tx, room: RoomId) -> Result<usize> {
    let span = keys::joined_after(room, 0);
    let members = tx.collect(&span, Order::Ascending, MEMBERS_A_STEP, |_, row| codec::decode_membership(row))?;
    for member in &members {
        tx.delete(keys::joined(room, member.joined_rev));
        tx.delete(keys::member(room, member.user));
        tx.delete(keys::room_of(member.user, room));
        tell_listed(tx, member.user, UserChangeBody::RoomRemoved(room))?;
    }
    Ok(members.len())
}

/// Some of what is left of the first deleted room that is to be looked at; [`STEP`] where there may be more.
pub(super) fn sweep(tx: &mut Tx, now: Timestamp) -> Result<usize> {
    let first = tx.collect(&keys::ending_until(now), Order::Ascending, 1, |key, _| Ok(key.to_vec()))?.pop();
    let Some(bytes) = first else { return Ok(0) };
    let room = RoomId::from_slice(keys::last_id(&bytes)).ok_or_else(|| codec::corrupt("deleted room"))?;
    if tell_members(tx, room)? > 0 || attachments::leave_some(tx, room)? > 0 {
        return Ok(STEP);
    }
    for span in keys::log_of(room) {
        let some = tx.collect(&span, Order::Ascending, STEP, |key, _| Ok(key.to_vec()))?;
        if !some.is_empty() {
            some.into_iter().for_each(|bytes| tx.delete(keys::Key { space: span.space, bytes }));
            return Ok(STEP);
        }
    }
    let mut left = 0;
    for span in keys::all_of(room) {
        if !nothing_in(tx, &span)? {
            tx.put(keys::leaving(&span), Vec::new())?;
            left += 1;
        }
    }
    // Looked at once more when its id becomes free: then nothing is left.
    tx.delete(keys::Key { space: keys::Space::State, bytes });
    if left == 0 && tx.get(&keys::tombstone(room))?.is_some_and(|state| !state.is_empty()) {
        tx.delete(keys::tombstone(room));
    } else {
        tx.put(keys::tombstone(room), vec![1])?;
        tx.put(keys::ending(now.after(ID_KEPT), room), Vec::new())?;
    }
    Ok(STEP)
}
