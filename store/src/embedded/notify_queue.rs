//! Rooms with something new for a notifier. A room's place in the queue is in its head row, the queue is the index.

use std::time::Duration;

use async_trait::async_trait;
use shared::{RoomId, Timestamp, UserId};

use super::{
    Embedded,
    codec::{self, HeadRow},
    keys,
    kv::{Order, Read, Snapshot},
    membership::{find_head, put_head},
    tx::Tx,
};
use crate::{DueRoom, NotifyQueue, Outcome, Result};

/// Moves a room's place in the queue; `None` takes it out. The caller puts the head.
fn move_due(tx: &mut Tx, room: RoomId, row: &mut HeadRow, due: Option<Timestamp>) -> Result<()> {
    if let Some(old) = row.due {
        tx.delete(keys::due(old, room));
    }
    row.due = due;
    match due {
        Some(due) => tx.put(keys::due(due, room), Vec::new()),
        None => Ok(()),
    }
}

fn take(tx: &mut Tx, now: Timestamp, lease: Duration, limit: usize) -> Result<Vec<DueRoom>> {
    let due = tx.collect(&keys::due_until(now), Order::Ascending, limit, |key, _| {
        RoomId::from_slice(keys::last_id(key)).ok_or_else(|| codec::corrupt("due room"))
    })?;
    let mut rooms = Vec::with_capacity(due.len());
    for room in due {
        let mut row = find_head(tx, room)?.ok_or_else(|| codec::corrupt("due room"))?;
        move_due(tx, room, &mut row, Some(now.after(lease)))?;
        put_head(tx, room, &row)?;
        rooms.push(DueRoom { room, notified_seq: row.notified, head_seq: row.head.seq });
    }
    Ok(rooms)
}

fn finish(tx: &mut Tx, room: RoomId, seq: u64) -> Result<()> {
    // A room that is not there has nothing to finish.
    let Some(mut row) = find_head(tx, room)? else { return Ok(()) };
    row.notified = row.notified.max(seq.min(row.head.seq));
    let due = (row.notified < row.head.seq).then(Timestamp::now);
    move_due(tx, room, &mut row, due)?;
    put_head(tx, room, &row)
}

#[async_trait]
impl NotifyQueue for Embedded {
    async fn put_outcomes(&self, room: RoomId, outcomes: &[(UserId, Outcome)]) -> Result<()> {
        let outcomes = outcomes.to_vec();
        self.write(move |tx| {
            outcomes.iter().try_for_each(|(user, outcome)| tx.put(keys::outcome(room, *user), codec::to_json(outcome)?))
        })
        .await
    }

    async fn outcomes(&self, room: RoomId, users: &[UserId]) -> Result<Vec<Option<Outcome>>> {
        let users = users.to_vec();
        let find = move |read: &Snapshot, user| {
            read.get(&keys::outcome(room, user))?.map(|row| codec::from_json(&row)).transpose()
        };
        self.read(move |read| users.into_iter().map(|user| find(read, user)).collect()).await
    }

    async fn take_due(&self, now: Timestamp, lease: Duration, limit: usize) -> Result<Vec<DueRoom>> {
        // The usual answer is "none", which needs no command. Off the event loop: see `nothing_in`.
        if self.read(move |read| nothing_in(read, &keys::due_until(now))).await? {
            return Ok(Vec::new());
        }
        self.write(move |tx| take(tx, now, lease, limit)).await
    }

    async fn finish_due(&self, room: RoomId, seq: u64) -> Result<()> {
        self.write(move |tx| finish(tx, room, seq)).await
    }
}

/// Is the span empty? One seek; but in a queue it passes what was taken from the front since the tables were last
/// compacted, which may be 100,000 keys and a tenth of a second.
pub(super) fn nothing_in(read: &impl Read, span: &keys::Span) -> Result<bool> {
    Ok(read.collect(span, Order::Ascending, 1, |_, _| Ok(()))?.is_empty())
}
