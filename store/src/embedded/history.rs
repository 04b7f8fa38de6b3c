//! Reading a room's log: pages of messages and of changes, each from one snapshot.

use std::ops::ControlFlow;

use shared::{MessageId, RoomId, protocol::Position};

use super::{
    codec::{self, ChangeRow, What},
    keys,
    kv::{Order, Read},
    membership::{find_message, head, record},
};
use crate::{Change, ChangeBody, Changes, HistoryPage, PageFrom, PageRequest, Result, StoredMessage};

/// Messages a page may still take.
pub(super) struct Room {
    items: usize,
    bytes: usize,
    taken: usize,
}

impl Room {
    pub(super) fn new(items: usize, bytes: usize) -> Self {
        Self { items, bytes, taken: 0 }
    }

    /// Nothing more fits, of whatever size.
    fn is_full(&self) -> bool {
        self.taken >= self.items
    }

    /// Takes one of this size, or says that the page is full. The first always fits.
    pub(super) fn take(&mut self, size: usize) -> bool {
        if self.is_full() || (self.taken > 0 && size > self.bytes) {
            return false;
        }
        self.taken += 1;
        if size > self.bytes {
            // Over the limit by itself: not even an empty one may follow.
            self.items = self.taken;
        }
        self.bytes = self.bytes.saturating_sub(size);
        true
    }
}

/// See [`RoomLog::history`](crate::RoomLog::history).
pub(super) fn page(read: &impl Read, room: RoomId, request: PageRequest) -> Result<HistoryPage> {
    let head = head(read, room)?.head;
    let hidden = request.visible_after.max(head.floor);
    let end = head.seq.saturating_add(1);
    let mut left = Room::new(request.limit, request.max_bytes);
    let (items, has_more) = match request.from {
        PageFrom::Newest => newest_first(read, (room, hidden, end), &mut left)?,
        PageFrom::Before(seq) => newest_first(read, (room, hidden, seq.min(end)), &mut left)?,
        PageFrom::After(seq) => {
            let span = keys::messages_between(room, seq.max(hidden), end);
            let items = take_while_room(read, room, (&span, Order::Ascending), &mut left)?;
            let has_more = items.last().is_some_and(|m| m.seq < head.seq);
            (items, has_more)
        }
        PageFrom::Around(seq) => around(read, (room, hidden, end), seq, request)?,
    };
    Ok(HistoryPage { items, has_more, position: head.position() })
}

/// A room and the numbers its messages are strictly between.
type Between = (RoomId, u64, u64);

fn newest_first(
    read: &impl Read,
    (room, after, before): Between,
    left: &mut Room,
) -> Result<(Vec<StoredMessage>, bool)> {
    let span = keys::messages_between(room, after, before);
    let items = take_while_room(read, room, (&span, Order::Descending), left)?;
    // Messages are dense above the floor, so a smaller number that is visible is a message.
    let has_more = items.last().is_some_and(|m| m.seq > after.saturating_add(1));
    Ok((items, has_more))
}

fn take_while_room(
    read: &impl Read,
    room: RoomId,
    (span, order): (&keys::Span, Order),
    left: &mut Room,
) -> Result<Vec<StoredMessage>> {
    let mut items = Vec::new();
    if left.items == 0 {
        return Ok(items);
    }
    read.scan(span, order, &mut |key, row| {
        let seq = keys::last_number(key).ok_or_else(|| codec::corrupt("message key"))?;
        let message = codec::decode_message(room, seq, row)?;
        if !left.take(message.weight()) {
            return Ok(ControlFlow::Break(()));
        }
        items.push(message);
        Ok(if left.is_full() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    Ok(items)
}

/// The message of `seq`, then older ones up to half of the limit, then newer ones for the rest. Bytes are given to the
/// message first and to older and newer ones in halves, so that neither side starves the other.
fn around(
    read: &impl Read,
    (room, hidden, end): Between,
    seq: u64,
    request: PageRequest,
) -> Result<(Vec<StoredMessage>, bool)> {
    let (limit, seq) = (request.limit, seq.min(end));
    let middle = if seq < end { find_message(read, hidden, MessageId { room, seq })? } else { None };
    let overfull = middle.as_ref().is_some_and(|m| m.weight() > request.max_bytes);
    let beside = if overfull { 0 } else { limit.saturating_sub(usize::from(middle.is_some())) };
    let bytes = request.max_bytes.saturating_sub(middle.as_ref().map_or(0, |m| m.weight()));
    // `taken: 1` where the page has its one message already, so that a side may stay empty.
    let taken = usize::from(middle.is_some());
    let mut newer_left = Room { items: beside / 2 + taken, bytes: bytes / 2, taken };
    let span = keys::messages_between(room, seq.max(hidden), end);
    let mut items = take_while_room(read, room, (&span, Order::Ascending), &mut newer_left)?;
    items.reverse();
    let taken_bytes: usize = items.iter().map(|m| m.weight()).sum();
    let taken = usize::from(middle.is_some() || !items.is_empty());
    items.extend(middle);
    let older = beside - beside / 2;
    let mut older_left = Room { items: older + taken, bytes: bytes.saturating_sub(taken_bytes), taken };
    let (older, has_more) = newest_first(read, (room, hidden, seq), &mut older_left)?;
    let has_more = if older.is_empty() { seq > hidden.saturating_add(1) && limit > 0 } else { has_more };
    items.extend(older);
    Ok((items, has_more))
}

/// See [`RoomLog::changes`](crate::RoomLog::changes).
pub(super) fn changes(read: &impl Read, room: RoomId, after: Position, mut left: Room) -> Result<Changes> {
    let head = head(read, room)?.head;
    // The beginning is known while the first change is.
    let known = read.get(&keys::change(room, after.rev.max(1)))?.map(|row| ChangeRow::decode(&row)).transpose()?;
    if known.is_none_or(|row| after.rev > 0 && row.event_id != after.event_id) {
        return Ok(Changes::Reset { head: head.position() });
    }
    let span = keys::changes_after(room, after.rev);
    let mut changes = Vec::new();
    read.scan(&span, Order::Ascending, &mut |key, row| {
        let rev = keys::last_number(key).ok_or_else(|| codec::corrupt("change key"))?;
        let change = fill_in(read, (room, head.floor), rev, ChangeRow::decode(row)?)?;
        let weight = match &change.body {
            ChangeBody::Message(message) | ChangeBody::Edited(message) => message.weight(),
            _ => 0,
        };
        if !left.take(weight) {
            return Ok(ControlFlow::Break(()));
        }
        changes.push(change);
        Ok(if left.is_full() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    let last = changes.last().map_or(after.rev, |c| c.rev);
    Ok(Changes::Page { has_more: last < head.rev, changes })
}

/// A change with its message or room as it is now.
fn fill_in(read: &impl Read, (room, floor): (RoomId, u64), rev: u64, row: ChangeRow) -> Result<Change> {
    let find = |seq| find_message(read, floor, MessageId { room, seq });
    let body = match row.what {
        // Gone by retention: for whoever catches up it has no content any more.
        What::Message(seq) => find(seq)?.map_or(ChangeBody::Deleted { seq }, ChangeBody::Message),
        What::Edited(seq) => find(seq)?.map_or(ChangeBody::Deleted { seq }, ChangeBody::Edited),
        What::Reacted { seq, emoji, added } => {
            let tallies = find(seq)?.map(|message| message.reactions).unwrap_or_default();
            let count = tallies.iter().find(|tally| tally.emoji == emoji).map_or(0, |tally| tally.count);
            ChangeBody::Reacted { seq, emoji, added, count }
        }
        What::Deleted(seq) => ChangeBody::Deleted { seq },
        What::Joined => ChangeBody::Joined,
        What::Left => ChangeBody::Left,
        What::Ended => ChangeBody::Ended,
        What::Role(role) => ChangeBody::Role { role },
        What::Removed { by } => ChangeBody::Removed { by },
        What::Updated => ChangeBody::Updated(Box::new(record(read, room)?)),
    };
    Ok(Change { rev, event_id: row.event_id, at: row.at, user: row.user, body })
}
