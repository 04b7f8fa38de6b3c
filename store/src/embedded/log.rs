//! A room's log: appending, and the trait, whose other operations have files of their own.
//!
//! An append writes the head, the message, the change and the author's marks, and, when they apply, the dedupe key, the
//! due index and the trimming of the oldest change: 4 to 7 keys, after 2 to 4 point reads, whatever the room's size.
//! Only a message that names somebody pays for it (four reads and three writes for each user, three of each for
//! everybody), only a reply for its place (a read, two writes), and only attachments for theirs (a write each).

use async_trait::async_trait;
use sha2::{Digest, Sha256};
use shared::{
    MessageId, RoomId, Timestamp, UserId,
    protocol::{Position, Role},
};

use super::{
    Embedded, attachments,
    codec::{self, Row, RowOut},
    edits,
    history::{self, Room},
    keys,
    kv::Read,
    marks::{Mark, find_marks, mark, put_marks},
    membership::{Recording, find_head, find_message, put_head, put_message, record_change, speaker_head},
    mentions,
    notify_queue::put_due,
    reactions, replies,
    tx::Tx,
};
use crate::{
    Actor, Appended, ChangeBody, Changes, Edit, HistoryPage, Marked, Marks, NewMessage, PageRequest, Reacting, Result,
    RoomLog, StoreError, StoredMessage, log::DEDUPE_KEPT,
};

const DAY_MS: i64 = 24 * 3600 * 1000;

/// Days since the epoch.
pub(super) fn day(at: Timestamp) -> u32 {
    u32::try_from(at.as_millis().div_euclid(DAY_MS)).unwrap_or(0)
}

/// What a dedupe key stands for: the same kind, content, `reply_to` and attachments give the same fingerprint.
fn fingerprint(message: &NewMessage) -> [u8; 16] {
    let mut hasher = Sha256::new();
    // Which of the two there are.
    let has = u8::from(message.reply_to.is_some()) | u8::from(!message.attachments.is_empty()) << 1;
    hasher.update([codec::kind_code(message.kind), has]);
    if let Some(reply) = message.reply_to {
        hasher.update(reply.room.as_bytes());
        hasher.update(reply.seq.to_be_bytes());
    }
    if !message.attachments.is_empty() {
        hasher.update((message.attachments.len() as u64).to_be_bytes());
        message.attachments.iter().for_each(|file| hasher.update(file.id.as_bytes()));
    }
    // Last, so that no length is needed.
    hasher.update(message.content.as_bytes());
    let mut short = [0; 16];
    short.copy_from_slice(&hasher.finalize()[..16]);
    short
}

fn encode_dedupe(fingerprint: [u8; 16], appended: &Appended) -> Vec<u8> {
    let row = RowOut::default().bytes(&fingerprint).number(appended.seq).number(appended.rev);
    row.number(appended.event_id.to_bits()).time(appended.at).done()
}

fn decode_dedupe(row: &[u8]) -> Result<([u8; 16], Appended)> {
    let mut row = Row::new(row, "dedupe key");
    let fingerprint = row.take()?;
    let (seq, rev, event_id, at) = (row.number()?, row.number()?, row.event()?, row.time()?);
    Ok((fingerprint, Appended { seq, rev, event_id, at, duplicate: true }))
}

/// The first result of this key, if it is known still. Keys are filed by day, so one of the last
/// [`DEDUPE_KEPT`] is under today or yesterday.
fn find_duplicate(read: &impl Read, message: &NewMessage, now: Timestamp) -> Result<Option<Appended>> {
    let Some(key) = &message.client_message_id else { return Ok(None) };
    for day in [day(now), day(now.before(DEDUPE_KEPT))] {
        let Some(row) = read.get(&keys::dedupe(day, message.room, message.author.id, key))? else { continue };
        let (fingerprint_then, first) = decode_dedupe(&row)?;
        if now.since(first.at) >= DEDUPE_KEPT {
            continue;
        }
        if fingerprint_then != fingerprint(message) {
            return Err(StoreError::IdempotencyConflict);
        }
        return Ok(Some(first));
    }
    Ok(None)
}

/// See [`RoomLog::append`]; what it costs is said above.
pub(super) fn append(tx: &mut Tx, message: NewMessage) -> Result<Appended> {
    let now = Timestamp::now();
    if let Some(first) = find_duplicate(tx, &message, now)? {
        return Ok(first);
    }
    let (room, author) = (message.room, message.author.id);
    let mut row = speaker_head(tx, room, author)?;
    let dedupe = message.client_message_id.as_ref();
    let dedupe = dedupe.map(|key| (keys::dedupe(day(now), room, author, key), fingerprint(&message)));
    row.head.seq += 1;
    let seq = row.head.seq;
    let stored = StoredMessage {
        room,
        seq,
        author,
        kind: message.kind,
        content: message.content,
        at: now,
        client_message_id: message.client_message_id,
        reply_to: message.reply_to,
        replies: 0,
        mentions: mentions::of_members(tx, room, message.mentions)?,
        attachments: message.attachments,
        reactions: Vec::new(),
        edited_at: None,
        deleted_at: None,
    };
    put_message(tx, &stored)?;
    mentions::enter(tx, &stored)?;
    replies::enter(tx, row.head.floor, &stored)?;
    attachments::enter(tx, room, &stored.attachments)?;
    let body = ChangeBody::Message(stored);
    record_change(tx, &mut row.head, Recording { room, by: &message.author, at: now, body })?;
    put_marks(tx, room, author, seq)?;
    if row.due.is_none() {
        let due = now.after(message.notify_after);
        put_due(tx, room, &mut row, due)?;
    }
    put_head(tx, room, &row)?;
    let appended = Appended { seq, rev: row.head.rev, event_id: row.head.event_id, at: now, duplicate: false };
    if let Some((key, fingerprint)) = dedupe {
        tx.put(key, encode_dedupe(fingerprint, &appended))?;
    }
    Ok(appended)
}

#[async_trait]
impl RoomLog for Embedded {
    async fn append(&self, message: &NewMessage) -> Result<Appended> {
        let message = message.clone();
        self.write(move |tx| append(tx, message)).await
    }

    /// They pass the writer's queue.
    fn keeps_order(&self) -> bool {
        true
    }

    async fn find_append(&self, message: &NewMessage) -> Result<Option<Appended>> {
        self.read_point(|read| find_duplicate(read, message, Timestamp::now())).await
    }

    async fn edit_message(&self, edit: &Edit) -> Result<StoredMessage> {
        let edit = edit.clone();
        self.write(move |tx| edits::edit(tx, edit)).await
    }

    async fn react(&self, reacting: &Reacting) -> Result<u64> {
        let reacting = reacting.clone();
        self.write(move |tx| reactions::react(tx, reacting)).await
    }

    async fn reacted(&self, room: RoomId, user: UserId, seqs: &[u64]) -> Result<Vec<(u64, String)>> {
        let seqs = seqs.to_vec();
        self.read(move |read| reactions::reacted(read, room, user, seqs)).await
    }

    async fn replies(
        &self,
        id: MessageId,
        after: u64,
        limit: usize,
        max_bytes: usize,
    ) -> Result<(Vec<StoredMessage>, bool)> {
        self.read(move |read| replies::page(read, id, after, (limit, max_bytes))).await
    }

    async fn delete_message(&self, id: MessageId, by: &Actor, by_role: Option<Role>) -> Result<Option<Position>> {
        let by = by.clone();
        self.write(move |tx| edits::delete(tx, id, &by, by_role)).await
    }

    async fn message(&self, id: MessageId) -> Result<Option<StoredMessage>> {
        self.read_point(|read| match find_head(read, id.room)? {
            Some(row) => find_message(read, row.head.floor, id),
            None => Ok(None),
        })
        .await
    }

    async fn history(&self, room: RoomId, page: PageRequest) -> Result<HistoryPage> {
        self.read(move |read| history::page(read, room, page)).await
    }

    async fn mark_read(&self, room: RoomId, user: UserId, seq: u64) -> Result<Marked> {
        self.write(move |tx| mark(tx, room, user, (Mark::Read, seq))).await
    }

    async fn mark_delivered(&self, room: RoomId, user: UserId, seq: u64) -> Result<Marked> {
        self.write(move |tx| mark(tx, room, user, (Mark::Delivered, seq))).await
    }

    async fn marks(&self, room: RoomId, users: &[UserId]) -> Result<Vec<Marks>> {
        let users = users.to_vec();
        self.read(move |read| users.into_iter().map(|user| find_marks(read, room, user)).collect()).await
    }

    async fn changes(&self, room: RoomId, after: Position, limit: usize, max_bytes: usize) -> Result<Changes> {
        self.read(move |read| history::changes(read, room, after, Room::new(limit, max_bytes))).await
    }
}
