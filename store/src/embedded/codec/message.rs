//! A message's row: what its key says (room and seq) is left out, and what a message does not have takes no room. The
//! content comes last and needs no length.

use shared::{MessageId, RoomId, UserId, protocol::MessageType};

use super::{Row, RowOut, corrupt, from_json, to_json};
use crate::{Mentions, Result, StoredMessage, Tally};

const HAS_CLIENT_ID: u8 = 1;
const HAS_REPLY: u8 = 2;
const HAS_DELETED: u8 = 4;
const HAS_EDITED: u8 = 8;
const HAS_REPLIES: u8 = 16;
const NAMES_USERS: u8 = 32;
const NAMES_ALL: u8 = 64;
const HAS_REACTIONS: u8 = 128;
/// In the byte of the kind: the other one is full.
const HAS_ATTACHMENTS: u8 = 128;

pub(in crate::embedded) const fn kind_code(kind: MessageType) -> u8 {
    match kind {
        MessageType::Text => 0,
        MessageType::Image => 1,
        MessageType::File => 2,
        MessageType::Encrypted => 3,
    }
}

fn kind(code: u8) -> Result<MessageType> {
    match code {
        0 => Ok(MessageType::Text),
        1 => Ok(MessageType::Image),
        2 => Ok(MessageType::File),
        3 => Ok(MessageType::Encrypted),
        _ => Err(corrupt("message type")),
    }
}

fn flags(m: &StoredMessage) -> u8 {
    let flag = |there: bool, flag: u8| if there { flag } else { 0 };
    flag(m.client_message_id.is_some(), HAS_CLIENT_ID)
        | flag(m.reply_to.is_some(), HAS_REPLY)
        | flag(m.deleted_at.is_some(), HAS_DELETED)
        | flag(m.edited_at.is_some(), HAS_EDITED)
        | flag(m.replies > 0, HAS_REPLIES)
        | flag(!m.mentions.users.is_empty(), NAMES_USERS)
        | flag(m.mentions.all, NAMES_ALL)
        | flag(!m.reactions.is_empty(), HAS_REACTIONS)
}

/// A message without its room and seq.
pub(in crate::embedded) fn encode_message(m: &StoredMessage) -> Result<Vec<u8>> {
    let kind = kind_code(m.kind) | if m.attachments.is_empty() { 0 } else { HAS_ATTACHMENTS };
    let mut row = RowOut::default().byte(flags(m)).byte(kind).bytes(m.author.as_bytes()).time(m.at);
    if let Some(id) = &m.client_message_id {
        row = row.length(id.len())?.bytes(id.as_bytes());
    }
    if let Some(reply) = m.reply_to {
        row = row.bytes(reply.room.as_bytes()).number(reply.seq);
    }
    for at in [m.deleted_at, m.edited_at].into_iter().flatten() {
        row = row.time(at);
    }
    if m.replies > 0 {
        row = row.number(m.replies);
    }
    if !m.mentions.users.is_empty() {
        row = put_users(row, &m.mentions.users)?;
    }
    if !m.reactions.is_empty() {
        row = row.length(m.reactions.len())?;
        for tally in &m.reactions {
            row = row.length(tally.emoji.len())?.bytes(tally.emoji.as_bytes()).number(tally.count);
            row = put_users(row, &tally.users)?;
        }
    }
    if !m.attachments.is_empty() {
        let files = to_json(&m.attachments)?;
        row = row.length(files.len())?.bytes(&files);
    }
    Ok(row.bytes(m.content.as_bytes()).done())
}

fn put_users(row: RowOut, users: &[UserId]) -> Result<RowOut> {
    let row = row.length(users.len())?;
    Ok(users.iter().fold(row, |row, user| row.bytes(user.as_bytes())))
}

fn take_users(row: &mut Row) -> Result<Vec<UserId>> {
    // Collected one by one: a length that is corrupt reserves nothing.
    (0..row.length()?).map(|_| row.user()).collect()
}

fn take_tally(row: &mut Row) -> Result<Tally> {
    let len = row.length()?;
    Ok(Tally { emoji: row.text(len)?, count: row.number()?, users: take_users(row)? })
}

pub(in crate::embedded) fn decode_message(room: RoomId, seq: u64, bytes: &[u8]) -> Result<StoredMessage> {
    let mut row = Row::new(bytes, "message");
    let flags = row.byte()?;
    let has = |flag: u8| flags & flag != 0;
    let of_kind = row.byte()?;
    let (kind, author, at) = (kind(of_kind & !HAS_ATTACHMENTS)?, row.user()?, row.time()?);
    let mut client_message_id = None;
    if has(HAS_CLIENT_ID) {
        let len = row.length()?;
        client_message_id = Some(row.text(len)?);
    }
    let mut reply_to = None;
    if has(HAS_REPLY) {
        reply_to = Some(MessageId { room: row.room()?, seq: row.number()? });
    }
    let deleted_at = if has(HAS_DELETED) { Some(row.time()?) } else { None };
    let edited_at = if has(HAS_EDITED) { Some(row.time()?) } else { None };
    let replies = if has(HAS_REPLIES) { row.number()? } else { 0 };
    let users = if has(NAMES_USERS) { take_users(&mut row)? } else { Vec::new() };
    let mut reactions = Vec::new();
    if has(HAS_REACTIONS) {
        for _ in 0..row.length()? {
            reactions.push(take_tally(&mut row)?);
        }
    }
    let mut attachments = Vec::new();
    if of_kind & HAS_ATTACHMENTS != 0 {
        let len = row.length()?;
        attachments = from_json(row.text(len)?.as_bytes())?;
    }
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
        replies,
        mentions: Mentions { users, all: has(NAMES_ALL) },
        attachments,
        reactions,
        edited_at,
        deleted_at,
    })
}
