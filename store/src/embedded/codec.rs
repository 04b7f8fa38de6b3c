//! How rows are written: small ones that change often in a fixed binary form, records as JSON. The format version in
//! the database names all of it.

use anyhow::Context;
use serde::{Serialize, de::DeserializeOwned};
use shared::{
    EventId, MessageId, RoomId, Timestamp, UserId,
    protocol::{MessageType, Role},
};

use crate::{Head, Membership, Result, StoreError, StoredMessage};

pub(super) fn to_json<T: Serialize>(record: &T) -> Result<Vec<u8>> {
    Ok(serde_json::to_vec(record).context("encode a record")?)
}

pub(super) fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    Ok(serde_json::from_slice(bytes).context("decode a record")?)
}

/// What a row that does not decode is.
pub(super) fn corrupt(what: &'static str) -> StoreError {
    anyhow::anyhow!("corrupt {what}").into()
}

/// A number alone in its row.
pub(super) fn number(bytes: &[u8]) -> Result<u64> {
    Ok(u64::from_be_bytes(bytes.try_into().map_err(|_| corrupt("number"))?))
}

/// Reads a row from its front.
pub(super) struct Row<'a> {
    bytes: &'a [u8],
    what: &'static str,
}

impl<'a> Row<'a> {
    pub(super) fn new(bytes: &'a [u8], what: &'static str) -> Self {
        Self { bytes, what }
    }

    pub(super) fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (front, rest) = self.bytes.split_first_chunk::<N>().ok_or_else(|| corrupt(self.what))?;
        self.bytes = rest;
        Ok(*front)
    }

    pub(super) fn byte(&mut self) -> Result<u8> {
        Ok(self.take::<1>()?[0])
    }

    pub(super) fn number(&mut self) -> Result<u64> {
        self.take().map(u64::from_be_bytes)
    }

    pub(super) fn time(&mut self) -> Result<Timestamp> {
        Ok(Timestamp::from_millis(i64::from_be_bytes(self.take()?)))
    }

    pub(super) fn event(&mut self) -> Result<EventId> {
        self.number().map(EventId::from_bits)
    }

    pub(super) fn user(&mut self) -> Result<UserId> {
        UserId::from_slice(&self.take::<16>()?).ok_or_else(|| corrupt(self.what))
    }

    pub(super) fn room(&mut self) -> Result<RoomId> {
        RoomId::from_slice(&self.take::<16>()?).ok_or_else(|| corrupt(self.what))
    }

    fn text(&mut self, len: usize) -> Result<String> {
        let (front, rest) = self.bytes.split_at_checked(len).ok_or_else(|| corrupt(self.what))?;
        self.bytes = rest;
        String::from_utf8(front.to_vec()).map_err(|_| corrupt(self.what))
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes
    }
}

/// Writes a row from its front.
#[derive(Default)]
pub(super) struct RowOut(Vec<u8>);

impl RowOut {
    pub(super) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(super) fn byte(self, byte: u8) -> Self {
        self.bytes(&[byte])
    }

    pub(super) fn number(self, n: u64) -> Self {
        self.bytes(&n.to_be_bytes())
    }

    pub(super) fn time(self, at: Timestamp) -> Self {
        self.bytes(&at.as_millis().to_be_bytes())
    }

    pub(super) fn done(self) -> Vec<u8> {
        self.0
    }
}

/// Where a room stands, with what its notifier needs: one key, since every message writes all of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct HeadRow {
    pub(super) head: Head,
    /// When the room is due for notification (or its lease ends); none: it is not in the queue.
    pub(super) due: Option<Timestamp>,
    pub(super) notified: u64,
}

impl HeadRow {
    pub(super) fn encode(&self) -> Vec<u8> {
        let head = &self.head;
        let row = RowOut::default().number(head.seq).number(head.rev).number(head.event_id.to_bits());
        let row = row.number(head.floor).number(head.members).number(self.notified);
        match self.due {
            Some(due) => row.time(due).done(),
            None => row.done(),
        }
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self> {
        let mut row = Row::new(bytes, "head");
        let (seq, rev, event_id) = (row.number()?, row.number()?, row.event()?);
        let (floor, members, notified) = (row.number()?, row.number()?, row.number()?);
        let due = if row.rest().is_empty() { None } else { Some(row.time()?) };
        Ok(Self { head: Head { seq, rev, event_id, floor, members }, due, notified })
    }
}

pub(super) fn encode_membership(m: &Membership) -> Vec<u8> {
    let role = match m.role {
        Role::Member => 0,
        Role::Admin => 1,
        Role::Owner => 2,
    };
    let row = RowOut::default().bytes(m.user.as_bytes()).byte(role);
    row.number(m.joined_seq).number(m.joined_rev).time(m.joined_at).done()
}

pub(super) fn decode_membership(bytes: &[u8]) -> Result<Membership> {
    let mut row = Row::new(bytes, "membership");
    let user = row.user()?;
    let role = match row.byte()? {
        0 => Role::Member,
        1 => Role::Admin,
        2 => Role::Owner,
        _ => return Err(corrupt("role")),
    };
    let (joined_seq, joined_rev, joined_at) = (row.number()?, row.number()?, row.time()?);
    Ok(Membership { user, role, joined_seq, joined_rev, joined_at })
}

pub(super) const fn kind_code(kind: MessageType) -> u8 {
    match kind {
        MessageType::Text => 0,
        MessageType::Image => 1,
        MessageType::File => 2,
        MessageType::Encrypted => 3,
    }
}

const HAS_CLIENT_ID: u8 = 1;
const HAS_REPLY: u8 = 2;
const HAS_DELETED: u8 = 4;

/// A message without what its key says (room and seq).
pub(super) fn encode_message(m: &StoredMessage) -> Result<Vec<u8>> {
    let mut flags = 0;
    let mut rest = RowOut::default();
    if let Some(id) = &m.client_message_id {
        flags |= HAS_CLIENT_ID;
        let len = u32::try_from(id.len()).context("client message id")?;
        rest = rest.bytes(&len.to_be_bytes()).bytes(id.as_bytes());
    }
    if let Some(reply) = m.reply_to {
        flags |= HAS_REPLY;
        rest = rest.bytes(reply.room.as_bytes()).number(reply.seq);
    }
    if let Some(at) = m.deleted_at {
        flags |= HAS_DELETED;
        rest = rest.time(at);
    }
    let row = RowOut::default().byte(flags).byte(kind_code(m.kind)).bytes(m.author.as_bytes()).time(m.at);
    Ok(row.bytes(&rest.done()).bytes(m.content.as_bytes()).done())
}

pub(super) fn decode_message(room: RoomId, seq: u64, bytes: &[u8]) -> Result<StoredMessage> {
    let mut row = Row::new(bytes, "message");
    let flags = row.byte()?;
    let kind = match row.byte()? {
        0 => MessageType::Text,
        1 => MessageType::Image,
        2 => MessageType::File,
        3 => MessageType::Encrypted,
        _ => return Err(corrupt("message type")),
    };
    let (author, at) = (row.user()?, row.time()?);
    let mut client_message_id = None;
    if flags & HAS_CLIENT_ID != 0 {
        let len = usize::try_from(u32::from_be_bytes(row.take()?)).map_err(|_| corrupt("message"))?;
        client_message_id = Some(row.text(len)?);
    }
    let mut reply_to = None;
    if flags & HAS_REPLY != 0 {
        reply_to = Some(MessageId { room: row.room()?, seq: row.number()? });
    }
    let deleted_at = if flags & HAS_DELETED != 0 { Some(row.time()?) } else { None };
    let content = row.text(row.rest().len())?;
    Ok(StoredMessage {
        room,
        seq,
        author,
        kind,
        content,
        at,
        client_message_id,
        reply_to,
        replies: 0,
        mentions: Default::default(),
        reactions: Vec::new(),
        edited_at: None,
        deleted_at,
    })
}

/// What a change was, pointing at its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Message(u64),
    Deleted(u64),
    Joined,
    Left,
}

/// A change without its number (in its key) and without any content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ChangeRow {
    pub(super) event_id: EventId,
    pub(super) at: Timestamp,
    pub(super) user: UserId,
    pub(super) what: What,
}

impl ChangeRow {
    pub(super) fn encode(&self) -> Vec<u8> {
        let row = RowOut::default().number(self.event_id.to_bits()).time(self.at).bytes(self.user.as_bytes());
        match self.what {
            What::Message(seq) => row.byte(0).number(seq),
            What::Deleted(seq) => row.byte(1).number(seq),
            What::Joined => row.byte(2),
            What::Left => row.byte(3),
        }
        .done()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self> {
        let mut row = Row::new(bytes, "change");
        let (event_id, at, user) = (row.event()?, row.time()?, row.user()?);
        let what = match row.byte()? {
            0 => What::Message(row.number()?),
            1 => What::Deleted(row.number()?),
            2 => What::Joined,
            3 => What::Left,
            _ => return Err(corrupt("change")),
        };
        Ok(Self { event_id, at, user, what })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_message_survives_its_row(
            content in ".*", id in proptest::option::of(".*"), reply in proptest::option::of(1u64..),
            deleted in proptest::option::of(any::<i64>()), at in any::<i64>(), kind in 0usize..4,
        ) {
            let kinds = [MessageType::Text, MessageType::Image, MessageType::File, MessageType::Encrypted];
            let room = RoomId::new();
            let message = StoredMessage {
                room, seq: 7, author: UserId::new(), kind: kinds[kind], content, at: Timestamp::from_millis(at),
                client_message_id: id, reply_to: reply.map(|seq| MessageId { room: RoomId::new(), seq }),
                replies: 0, mentions: Default::default(), reactions: Vec::new(), edited_at: None,
                deleted_at: deleted.map(Timestamp::from_millis),
            };
            let row = encode_message(&message).unwrap();
            prop_assert_eq!(decode_message(room, 7, &row).unwrap(), message);
        }

        #[test]
        fn bytes_that_are_no_row_are_an_error_not_a_panic(bytes in any::<Vec<u8>>()) {
            let _ = decode_message(RoomId::new(), 1, &bytes);
            let _ = HeadRow::decode(&bytes);
            let _ = decode_membership(&bytes);
            let _ = ChangeRow::decode(&bytes);
        }
    }

    #[test]
    fn a_head_row_survives_with_and_without_a_due_time() {
        let head = Head { seq: 3, rev: 9, event_id: EventId::random(), floor: 1, members: 2 };
        for due in [None, Some(Timestamp::from_millis(-5))] {
            let row = HeadRow { head, due, notified: 2 };
            assert_eq!(HeadRow::decode(&row.encode()).unwrap(), row);
        }
    }
}
