//! Rooms with something new for a notifier. A room's place in the queue is in its head row, the queue is the index.

use std::time::Duration;

use async_trait::async_trait;
use shared::{RoomId, Timestamp, UserId};

use super::{
    Embedded,
    codec::{self, HeadRow},
    history, keys,
    kv::{Order, Read, Snapshot},
    marks::find_marks,
    membership::{find_head, put_head},
    tx::Tx,
};
use crate::{Briefing, DueRoom, NotifyQueue, Outcome, PageRequest, Result};

/// The room enters the queue. The caller puts the head.
pub(super) fn put_due(tx: &mut Tx, room: RoomId, row: &mut HeadRow, due: Timestamp) -> Result<()> {
    row.due = Some(due);
    let key = keys::due(due, room);
    if let Some(recent) = tx.recent() {
        recent.due_enters(&key);
    }
    tx.put(key, Vec::new())
}

/// Moves a room's place in the queue; `None` takes it out. The caller puts the head.
pub(super) fn move_due(tx: &mut Tx, room: RoomId, row: &mut HeadRow, due: Option<Timestamp>) -> Result<()> {
    if let Some(old) = row.due.take() {
        tx.delete(keys::due(old, room));
    }
    due.map_or(Ok(()), |due| put_due(tx, room, row, due))
}

fn take(tx: &mut Tx, now: Timestamp, lease: Duration, limit: usize) -> Result<Vec<DueRoom>> {
    let mut span = keys::due_until(now);
    if let Some(recent) = tx.recent() {
        recent.begin_at_first_due(&mut span);
    }
    let mut last = Vec::new();
    let due = tx.collect(&span, Order::Ascending, limit, |key, _| {
        last = key.to_vec();
        RoomId::from_slice(keys::last_id(key)).ok_or_else(|| codec::corrupt("due room"))
    })?;
    let (begins, again) = (if due.len() < limit { span.hi } else { last }, now.after(lease));
    let mut rooms = Vec::with_capacity(due.len());
    for room in due {
        let mut row = find_head(tx, room)?.ok_or_else(|| codec::corrupt("due room"))?;
        move_due(tx, room, &mut row, Some(again))?;
        put_head(tx, room, &row)?;
        rooms.push(DueRoom { room, notified_seq: row.notified, head_seq: row.head.seq });
    }
    if let Some(recent) = tx.recent() {
        // With no lease they stand where they were taken from.
        let moved = rooms.iter().map(|due| keys::due(again, due.room).bytes);
        recent.due_begins(&moved.fold(begins, Vec::min));
    }
    Ok(rooms)
}

fn finish(tx: &mut Tx, room: RoomId, mut row: HeadRow, seq: u64) -> Result<()> {
    row.notified = row.notified.max(seq.min(row.head.seq));
    let due = (row.notified < row.head.seq).then(Timestamp::now);
    move_due(tx, room, &mut row, due)?;
    put_head(tx, room, &row)
}

fn put_outcomes(tx: &mut Tx, room: RoomId, outcomes: &[(UserId, Outcome)]) -> Result<()> {
    outcomes.iter().try_for_each(|(user, outcome)| tx.put(keys::outcome(room, *user), codec::to_json(outcome)?))
}

#[async_trait]
impl NotifyQueue for Embedded {
    async fn put_outcomes(&self, room: RoomId, outcomes: &[(UserId, Outcome)]) -> Result<()> {
        let outcomes = outcomes.to_vec();
        self.write(move |tx| match find_head(tx, room)? {
            Some(_) => put_outcomes(tx, room, &outcomes),
            None => Ok(()),
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

    async fn brief(
        &self,
        room: RoomId,
        messages: Option<PageRequest>,
        after: u64,
        limit: usize,
    ) -> Result<Option<Briefing>> {
        self.read(move |read| {
            let Some(row) = find_head(read, room)? else { return Ok(None) };
            let messages = match messages {
                Some(page) => history::page(read, room, page)?.items,
                None => Vec::new(),
            };
            let members = read.collect(&keys::joined_after(room, after), Order::Ascending, limit, |_, row| {
                let member = codec::decode_membership(row)?;
                let marks = find_marks(read, room, member.user)?;
                Ok((member, marks))
            })?;
            Ok(Some(Briefing { member_count: row.head.members, messages, members }))
        })
        .await
    }

    async fn take_due(&self, now: Timestamp, lease: Duration, limit: usize) -> Result<Vec<DueRoom>> {
        self.write(move |tx| take(tx, now, lease, limit)).await
    }

    async fn conclude(&self, room: RoomId, seq: u64, outcomes: &[(UserId, Outcome)]) -> Result<()> {
        let outcomes = outcomes.to_vec();
        self.write(move |tx| {
            // A room that is not there has nothing to finish.
            let Some(row) = find_head(tx, room)? else { return Ok(()) };
            put_outcomes(tx, room, &outcomes)?;
            finish(tx, room, row, seq)
        })
        .await
    }
}

/// Is the span empty? One seek; but in a queue it passes what was taken from the front since the tables were last
/// compacted, which may be 100,000 keys and a tenth of a second.
pub(super) fn nothing_in(read: &impl Read, span: &keys::Span) -> Result<bool> {
    Ok(read.collect(span, Order::Ascending, 1, |_, _| Ok(()))?.is_empty())
}
