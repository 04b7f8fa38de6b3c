//! Replies to a message: an index in order of `seq`, and their count in the message's own row.

use shared::MessageId;

use super::{
    codec,
    history::Room,
    keys,
    kv::{Order, Read},
    membership::{find_message, head, put_message},
    tx::Tx,
};
use crate::{Result, StoredMessage};

/// The earlier message of its room that a message replies to, if it is there.
fn parent(read: &impl Read, floor: u64, message: &StoredMessage) -> Result<Option<StoredMessage>> {
    match message.reply_to {
        Some(to) if to.room == message.room && to.seq < message.seq => find_message(read, floor, to),
        _ => Ok(None),
    }
}

/// Enters a new message with what it replies to: nothing, where it is no reply; else one read and two writes.
pub(super) fn enter(tx: &mut Tx, floor: u64, message: &StoredMessage) -> Result<()> {
    let Some(mut parent) = parent(tx, floor, message)? else { return Ok(()) };
    parent.replies += 1;
    put_message(tx, &parent)?;
    tx.put(keys::reply(message.room, parent.seq, message.seq), Vec::new())
}

/// A message is being deleted: it is no longer counted, but still listed.
pub(super) fn uncount(tx: &mut Tx, floor: u64, message: &StoredMessage) -> Result<()> {
    let Some(mut parent) = parent(tx, floor, message)? else { return Ok(()) };
    parent.replies = parent.replies.saturating_sub(1);
    put_message(tx, &parent)
}

/// See [`RoomLog::replies`](crate::RoomLog::replies). A scan, and a read for each reply.
pub(super) fn page(
    read: &impl Read,
    id: MessageId,
    after: u64,
    (limit, max_bytes): (usize, usize),
) -> Result<(Vec<StoredMessage>, bool)> {
    let floor = head(read, id.room)?.head.floor;
    if limit == 0 || id.seq <= floor {
        return Ok((Vec::new(), false));
    }
    // One more than asked for tells whether there are more.
    let span = keys::replies_after(id.room, id.seq, after);
    let seqs = read.collect(&span, Order::Ascending, limit.saturating_add(1), |key, _| {
        keys::last_number(key).ok_or_else(|| codec::corrupt("reply key"))
    })?;
    let mut left = Room::new(limit, max_bytes);
    let mut items = Vec::new();
    for seq in &seqs {
        let message = find_message(read, floor, MessageId { room: id.room, seq: *seq })?;
        let message = message.ok_or_else(|| codec::corrupt("reply"))?;
        if !left.take(message.weight()) {
            break;
        }
        items.push(message);
    }
    let has_more = items.len() < seqs.len();
    Ok((items, has_more))
}
