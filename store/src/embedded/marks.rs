//! How far members have come: both marks are one row, so that an append writes one key for its author.

use std::sync::Arc;

use shared::{RoomId, UserId};

use super::{codec, keys, kv::Read, membership::member_head, tx::Tx};
use crate::{BusEvent, MarkEvent, Marked, Marks, Result};

/// Marks of a member; of anybody else both are 0.
pub(super) fn find_marks(read: &impl Read, room: RoomId, user: UserId) -> Result<Marks> {
    read.get(&keys::marks(room, user))?.map_or(Ok(Marks::default()), |row| codec::decode_marks(&row))
}

/// Puts both marks to `seq`: for whoever sends or joins, whose marks cannot be beyond it.
pub(super) fn put_marks(tx: &mut Tx, room: RoomId, user: UserId, seq: u64) -> Result<()> {
    tx.put(keys::marks(room, user), codec::encode_marks(Marks { delivered: seq, read: seq }))
}

/// Which mark a command moves.
#[derive(Clone, Copy)]
pub(super) enum Mark {
    /// And with it the delivered one.
    Read,
    Delivered,
}

/// See [`RoomLog::mark_read`](crate::RoomLog::mark_read). Three reads, and one write if a mark moved.
pub(super) fn mark(tx: &mut Tx, room: RoomId, user: UserId, (which, seq): (Mark, u64)) -> Result<Marked> {
    let head = member_head(tx, room, user)?.head;
    let before = find_marks(tx, room, user)?;
    let wanted = seq.min(head.seq);
    let read = match which {
        Mark::Read => before.read.max(wanted),
        Mark::Delivered => before.read,
    };
    let now = Marks { delivered: before.delivered.max(wanted), read };
    if now != before {
        tx.put(keys::marks(room, user), codec::encode_marks(now))?;
        tx.publish(BusEvent::Marked(Arc::new(MarkEvent { room, user, before, now, members: head.members })));
    }
    Ok(Marked { before, now })
}
