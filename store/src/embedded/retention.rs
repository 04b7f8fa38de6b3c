//! What rooms keep no longer: messages go with all that hangs on them, in bounded commands, and the floor rises with
//! them. What may be as much as a room has members is named for removal here and removed bit by bit.

use std::{ops::ControlFlow, time::Duration};

use shared::{MessageId, RoomId, Timestamp};

use super::{
    attachments, codec, counted,
    keys::{self, Counted},
    kv::{Order, Read},
    membership::{find_head, find_message, find_record, put_head},
    mentions,
    notify_queue::nothing_in,
    tx::Tx,
};
use crate::{Head, Result};

/// Messages that one command removes: it must not hold the writer for long.
pub(super) const MESSAGES_A_STEP: usize = 200;

/// Rooms that keep more than their retention allows, at most `limit`. Begins at a random room, so that none waits for
/// ever behind busy ones. Three or four reads for each room with retention.
pub(super) fn overfull_rooms(read: &impl Read, now: Timestamp, limit: usize) -> Result<Vec<RoomId>> {
    let mut rooms = read.collect(&keys::rooms_with_retention(), Order::Ascending, usize::MAX, |key, _| {
        RoomId::from_slice(keys::last_id(key)).ok_or_else(|| codec::corrupt("room id"))
    })?;
    if !rooms.is_empty() {
        let start = rand::random_range(0..rooms.len());
        rooms.rotate_left(start);
    }
    let mut overfull = Vec::new();
    for room in rooms {
        if overfull.len() >= limit {
            break;
        }
        if let Some(row) = find_head(read, room)?
            && end_of_removal(read, (room, &row.head), now, 1)? > row.head.floor
        {
            overfull.push(room);
        }
    }
    Ok(overfull)
}

/// Removes up to `limit` messages of one room; says how many.
pub(super) fn trim(tx: &mut Tx, room: RoomId, now: Timestamp, limit: usize) -> Result<usize> {
    let Some(mut row) = find_head(tx, room)? else { return Ok(0) };
    let end = end_of_removal(tx, (room, &row.head), now, limit)?;
    let mut removed = 0;
    for seq in row.head.floor + 1..=end {
        remove(tx, row.head.floor, MessageId { room, seq })?;
        removed += 1;
    }
    if removed > 0 {
        row.head.floor = end;
        put_head(tx, room, &row)?;
    }
    Ok(removed)
}

/// The last message to remove now; the floor where there is none.
fn end_of_removal(read: &impl Read, (room, head): (RoomId, &Head), now: Timestamp, limit: usize) -> Result<u64> {
    let Some(retention) = find_record(read, room)?.and_then(|record| record.retention) else { return Ok(head.floor) };
    let furthest = head.floor.saturating_add(limit as u64).min(head.seq);
    let by_number = retention.max_messages.map_or(0, |kept| head.seq.saturating_sub(kept));
    let mut end = by_number.min(furthest).max(head.floor);
    if let Some(max_age) = retention.max_age_seconds {
        let max_age = Duration::from_secs(max_age);
        let span = keys::messages_between(room, end, furthest.saturating_add(1));
        read.scan(&span, Order::Ascending, &mut |key, row| {
            let seq = keys::last_number(key).ok_or_else(|| codec::corrupt("message key"))?;
            let at = codec::decode_message(room, seq, row)?.at;
            if now.since(at) <= max_age {
                return Ok(ControlFlow::Break(()));
            }
            end = seq;
            Ok(ControlFlow::Continue(()))
        })?;
    }
    Ok(end)
}

/// Removes a message and what hangs on it; the caller raises the floor.
fn remove(tx: &mut Tx, floor: u64, id: MessageId) -> Result<()> {
    let MessageId { room, seq } = id;
    let Some(message) = find_message(tx, floor, id)? else { return Ok(()) };
    mentions::remove(tx, &message)?;
    attachments::leave(tx, room, &message.attachments)?;
    for hanging in [keys::reactions_to(room, seq), keys::replies_to(room, seq)] {
        if !nothing_in(tx, &hanging)? {
            tx.put(keys::leaving(&hanging), Vec::new())?;
        }
    }
    if message.deleted_at.is_some() {
        counted::remove(tx, Counted::Deleted, room, seq)?;
    }
    tx.delete(keys::message(room, seq));
    Ok(())
}
