//! How rows are written: small ones that change often in a fixed binary form, records as JSON. The format version in
//! the database names all of it.

mod message;

use anyhow::Context;
use serde::{Serialize, de::DeserializeOwned};
use shared::{
    EventId, NotificationId, RoomId, Timestamp, UserId,
    protocol::{Position, Role},
};

pub(super) use self::message::{decode_message, encode_message, kind_code};
use crate::{Ban, Head, Invite, Marks, Membership, Result, StoreError};

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

    pub(super) fn role(&mut self) -> Result<Role> {
        match self.byte()? {
            0 => Ok(Role::Member),
            1 => Ok(Role::Admin),
            2 => Ok(Role::Owner),
            _ => Err(corrupt("role")),
        }
    }

    /// A length or count.
    pub(super) fn length(&mut self) -> Result<usize> {
        usize::try_from(u32::from_be_bytes(self.take()?)).map_err(|_| corrupt(self.what))
    }

    pub(super) fn text(&mut self, len: usize) -> Result<String> {
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

    /// A length or count.
    pub(super) fn length(self, n: usize) -> Result<Self> {
        let n = u32::try_from(n).context("a length in a row")?;
        Ok(self.bytes(&n.to_be_bytes()))
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
    /// Of a direct room: one of the two blocks the other.
    pub(super) blocked: bool,
}

impl HeadRow {
    pub(super) fn encode(&self) -> Vec<u8> {
        let head = &self.head;
        let row = RowOut::default().number(head.seq).number(head.rev).number(head.event_id.to_bits());
        let row = row.number(head.floor).number(head.members).number(self.notified);
        let row = match self.due {
            Some(due) => row.time(due),
            None => row,
        };
        if self.blocked { row.byte(1).done() } else { row.done() }
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self> {
        let mut row = Row::new(bytes, "head");
        let (seq, rev, event_id) = (row.number()?, row.number()?, row.event()?);
        let (floor, members, notified) = (row.number()?, row.number()?, row.number()?);
        let due = if row.rest().len() < size_of::<i64>() { None } else { Some(row.time()?) };
        let blocked = !row.rest().is_empty();
        Ok(Self { head: Head { seq, rev, event_id, floor, members }, due, notified, blocked })
    }
}

const fn role_code(role: Role) -> u8 {
    match role {
        Role::Member => 0,
        Role::Admin => 1,
        Role::Owner => 2,
    }
}

pub(super) fn encode_membership(m: &Membership) -> Vec<u8> {
    let row = RowOut::default().bytes(m.user.as_bytes()).byte(role_code(m.role));
    row.number(m.joined_seq).number(m.joined_rev).time(m.joined_at).done()
}

pub(super) fn decode_membership(bytes: &[u8]) -> Result<Membership> {
    let mut row = Row::new(bytes, "membership");
    let user = row.user()?;
    let role = row.role()?;
    let (joined_seq, joined_rev, joined_at) = (row.number()?, row.number()?, row.time()?);
    Ok(Membership { user, role, joined_seq, joined_rev, joined_at })
}

pub(super) fn encode_ban(ban: &Ban) -> Vec<u8> {
    RowOut::default().bytes(ban.user.as_bytes()).bytes(ban.by.as_bytes()).time(ban.at).done()
}

pub(super) fn decode_ban(bytes: &[u8]) -> Result<Ban> {
    let mut row = Row::new(bytes, "ban");
    Ok(Ban { user: row.user()?, by: row.user()?, at: row.time()? })
}

pub(super) fn encode_invite(invite: &Invite) -> Vec<u8> {
    let row = RowOut::default().bytes(&invite.hash).bytes(invite.by.as_bytes()).time(invite.made_at);
    row.time(invite.expires_at).number(invite.max_uses.unwrap_or(0)).number(invite.uses).done()
}

pub(super) fn decode_invite(bytes: &[u8]) -> Result<Invite> {
    let mut row = Row::new(bytes, "invite");
    let (hash, by, made_at, expires_at) = (row.take()?, row.user()?, row.time()?, row.time()?);
    let (max_uses, uses) = (Some(row.number()?).filter(|most| *most > 0), row.number()?);
    Ok(Invite { hash, by, made_at, expires_at, max_uses, uses })
}

/// Where a user's own log stands.
pub(super) fn encode_position(position: Position) -> Vec<u8> {
    RowOut::default().number(position.rev).number(position.event_id.to_bits()).done()
}

pub(super) fn decode_position(bytes: &[u8]) -> Result<Position> {
    let mut row = Row::new(bytes, "position");
    Ok(Position { rev: row.number()?, event_id: row.event()? })
}

pub(super) fn encode_marks(marks: Marks) -> Vec<u8> {
    RowOut::default().number(marks.read).number(marks.delivered).done()
}

pub(super) fn decode_marks(bytes: &[u8]) -> Result<Marks> {
    let mut row = Row::new(bytes, "marks");
    Ok(Marks { read: row.number()?, delivered: row.number()? })
}

/// What a change was, pointing at its message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    Message(u64),
    Edited(u64),
    Reacted { seq: u64, emoji: String, added: bool },
    Deleted(u64),
    Joined,
    Left,
    Role(Role),
    Removed { by: UserId },
    Updated,
    Ended,
}

/// A change without its number (in its key) and without any content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ChangeRow {
    pub(super) event_id: EventId,
    pub(super) at: Timestamp,
    pub(super) user: UserId,
    pub(super) what: What,
}

impl ChangeRow {
    pub(super) fn encode(&self) -> Vec<u8> {
        let row = RowOut::default().number(self.event_id.to_bits()).time(self.at).bytes(self.user.as_bytes());
        match &self.what {
            What::Message(seq) => row.byte(0).number(*seq),
            What::Deleted(seq) => row.byte(1).number(*seq),
            What::Joined => row.byte(2),
            What::Left => row.byte(3),
            What::Edited(seq) => row.byte(4).number(*seq),
            What::Reacted { seq, emoji, added } => {
                row.byte(if *added { 5 } else { 6 }).number(*seq).bytes(emoji.as_bytes())
            }
            What::Role(role) => row.byte(7).byte(role_code(*role)),
            What::Removed { by } => row.byte(8).bytes(by.as_bytes()),
            What::Updated => row.byte(9),
            What::Ended => row.byte(10),
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
            4 => What::Edited(row.number()?),
            tag @ (5 | 6) => {
                let seq = row.number()?;
                What::Reacted { seq, emoji: row.text(row.rest().len())?, added: tag == 5 }
            }
            7 => What::Role(row.role()?),
            8 => What::Removed { by: row.user()? },
            9 => What::Updated,
            10 => What::Ended,
            _ => return Err(corrupt("change")),
        };
        Ok(Self { event_id, at, user, what })
    }
}

/// What a change in a user's own log was, pointing at its notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UserWhat {
    RoomAdded(RoomId),
    RoomRemoved(RoomId),
    ReadMark {
        room: RoomId,
        seq: u64,
    },
    Contact {
        user: UserId,
        added: bool,
    },
    Block {
        user: UserId,
        added: bool,
    },
    Request {
        user: UserId,
        incoming: bool,
        pending: bool,
    },
    Notification(NotificationId),
    /// None: all that were there.
    NotificationRead(Option<NotificationId>),
    NotifySettings,
}

/// A change of a user's own log without its number (in its key) and without any content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct UserChangeRow {
    pub(super) event_id: EventId,
    pub(super) what: UserWhat,
}

impl UserChangeRow {
    pub(super) fn encode(&self) -> Vec<u8> {
        let row = RowOut::default().number(self.event_id.to_bits());
        match self.what {
            UserWhat::RoomAdded(room) => row.byte(0).bytes(room.as_bytes()),
            UserWhat::RoomRemoved(room) => row.byte(1).bytes(room.as_bytes()),
            UserWhat::ReadMark { room, seq } => row.byte(2).bytes(room.as_bytes()).number(seq),
            UserWhat::Contact { user, added } => row.byte(if added { 3 } else { 4 }).bytes(user.as_bytes()),
            UserWhat::Notification(id) => row.byte(5).bytes(id.as_bytes()),
            UserWhat::Block { user, added } => row.byte(if added { 6 } else { 7 }).bytes(user.as_bytes()),
            UserWhat::Request { user, incoming, pending } => {
                row.byte(8).byte(u8::from(incoming)).byte(u8::from(pending)).bytes(user.as_bytes())
            }
            UserWhat::NotificationRead(Some(id)) => row.byte(9).bytes(id.as_bytes()),
            UserWhat::NotificationRead(None) => row.byte(10),
            UserWhat::NotifySettings => row.byte(11),
        }
        .done()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self> {
        let mut row = Row::new(bytes, "user change");
        let event_id = row.event()?;
        let what = match row.byte()? {
            0 => UserWhat::RoomAdded(row.room()?),
            1 => UserWhat::RoomRemoved(row.room()?),
            2 => UserWhat::ReadMark { room: row.room()?, seq: row.number()? },
            tag @ (3 | 4) => UserWhat::Contact { user: row.user()?, added: tag == 3 },
            5 => UserWhat::Notification(notification(&mut row)?),
            tag @ (6 | 7) => UserWhat::Block { user: row.user()?, added: tag == 6 },
            8 => {
                let (incoming, pending) = (row.byte()? == 1, row.byte()? == 1);
                UserWhat::Request { user: row.user()?, incoming, pending }
            }
            9 => UserWhat::NotificationRead(Some(notification(&mut row)?)),
            10 => UserWhat::NotificationRead(None),
            11 => UserWhat::NotifySettings,
            _ => return Err(corrupt("user change")),
        };
        Ok(Self { event_id, what })
    }
}

fn notification(row: &mut Row) -> Result<NotificationId> {
    NotificationId::from_slice(&row.take::<16>()?).ok_or_else(|| corrupt("user change"))
}

#[cfg(test)]
mod tests;
