//! A room's log: messages by `seq`, thin changes by `rev`, both in hashes of the room's tag.

use async_trait::async_trait;
use redis::cmd;
use sha2::{Digest, Sha256};
use shared::{
    EventId, MessageId, RoomId, Timestamp, UserId,
    protocol::{MessageType, Position},
};

use super::{
    Engine, codec,
    codec::{json, parse},
    connection::corrupt,
    intents::millis,
    keys::shard_of,
    scripts::{self, Call, MAX_PAGE},
};
use crate::{
    Actor, Appended, Changes, HistoryPage, Marked, Marks, NewMessage, PageFrom, PageRequest, Result, RoomLog,
    StoreError, StoredMessage,
    log::{CHANGES_KEPT, DEDUPE_KEPT},
};

/// How long an append without a key of its own is known by its event id, in a cluster, whose client may send twice
/// what lost its answer.
const RESEND_KEPT_MS: u64 = 60_000;

/// Kind, content and `reply_to` of a message, as 64 hex digits.
fn content_hash(message: &NewMessage) -> String {
    let kind = match message.kind {
        MessageType::Text => "text",
        MessageType::Image => "image",
        MessageType::File => "file",
        MessageType::Encrypted => "encrypted",
    };
    let reply_to = message.reply_to.map(|id| id.to_string()).unwrap_or_default();
    let digest = Sha256::digest(format!("{kind}\n{reply_to}\n{}", message.content));
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn appended(text: &str, event_id: EventId) -> Result<Appended> {
    let fields: Vec<&str> = text.split(' ').collect();
    let [seq, rev, first, at] = fields[..] else { return Err(corrupt("an append")) };
    let first: EventId = parse(first, "an event id")?;
    Ok(Appended {
        seq: parse(seq, "a seq")?,
        rev: parse(rev, "a rev")?,
        event_id: first,
        at: Timestamp::from_millis(parse(at, "a time")?),
        duplicate: first != event_id,
    })
}

fn position(fields: &[Option<String>]) -> Result<Position> {
    let [Some(rev), Some(event_id)] = fields else { return Err(corrupt("a position")) };
    Ok(Position { rev: parse(rev, "a rev")?, event_id: parse(event_id, "an event id")? })
}

#[async_trait]
impl RoomLog for Engine {
    async fn append(&self, message: &NewMessage) -> Result<Appended> {
        let (room, author, keys) = (message.room, message.author.id, &self.keys);
        let event_id = EventId::random();
        let (dedupe, kept) = match &message.client_message_id {
            Some(key) => (format!("k:{key}"), millis(DEDUPE_KEPT)),
            None => (format!("e:{event_id}"), if self.connections.is_cluster() { RESEND_KEPT_MS } else { 0 }),
        };
        let append = Call::new(&scripts::APPEND)
            .keys([keys.room(room), keys.members(room), keys.messages(room), keys.changes(room), keys.read(room)])
            .keys([keys.due(shard_of(room)), keys.room_channel(room), keys.dedupe(room, author, &dedupe)])
            .arg(author.to_string())
            .arg(event_id.to_string())
            .arg(codec::meta(message)?)
            .arg(&message.content)
            .arg(json(&message.author.username)?)
            .arg(room.to_string())
            .arg(millis(message.notify_after))
            .arg(if kept == 0 { String::new() } else { content_hash(message) })
            .arg(CHANGES_KEPT)
            .arg(kept);
        let answer: Vec<String> = self.connections.run("append a message", append).await?;
        match answer.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["OK", result] => appended(result, event_id),
            ["CONFLICT"] => Err(StoreError::IdempotencyConflict),
            ["NO_ROOM"] => Err(StoreError::RoomNotFound),
            ["NOT_A_MEMBER"] => Err(StoreError::NotAMember),
            _ => Err(corrupt("an answer")),
        }
    }

    async fn delete_message(&self, id: MessageId, by: &Actor) -> Result<Option<Position>> {
        let (room, keys) = (id.room, &self.keys);
        let event_id = EventId::random();
        let delete = Call::new(&scripts::DELETE_MESSAGE)
            .keys([keys.room(room), keys.messages(room), keys.changes(room), keys.deleted(room)])
            .key(keys.room_channel(room))
            .arg(id.seq)
            .arg(by.id.to_string())
            .arg(event_id.to_string())
            .arg(json(&by.username)?)
            .arg(CHANGES_KEPT);
        let answer: Vec<String> = self.connections.run("delete a message", delete).await?;
        match answer.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["OK", rev] => Ok(Some(Position { rev: parse(rev, "a rev")?, event_id })),
            ["GONE"] => Ok(None),
            ["NO_ROOM"] => Err(StoreError::RoomNotFound),
            ["NO_MESSAGE"] => Err(StoreError::MessageNotFound),
            _ => Err(corrupt("an answer")),
        }
    }

    async fn message(&self, id: MessageId) -> Result<Option<StoredMessage>> {
        let read = cmd("HGET").arg(self.keys.messages(id.room)).arg(id.seq).to_owned();
        let text: Option<String> = self.connections.ask("read a message", &read).await?;
        text.map(|text| codec::message(id.room, id.seq, &text)).transpose()
    }

    async fn history(&self, room: RoomId, page: PageRequest) -> Result<HistoryPage> {
        let (mode, seq) = match page.from {
            PageFrom::Newest => ("newest", 0),
            PageFrom::Before(seq) => ("before", seq),
            PageFrom::After(seq) => ("after", seq),
            PageFrom::Around(seq) => ("around", seq),
        };
        let read = Call::new(&scripts::HISTORY)
            .keys([self.keys.room(room), self.keys.messages(room)])
            .arg(mode)
            .arg(seq)
            .arg(page.limit.min(MAX_PAGE))
            .arg(page.visible_after)
            .arg(page.max_bytes);
        let answer: Vec<Option<String>> = self.connections.run("read the history", read).await?;
        match answer.first().and_then(Option::as_deref) {
            Some("OK") => {}
            Some("NO_ROOM") => return Err(StoreError::RoomNotFound),
            _ => return Err(corrupt("a page")),
        }
        let (Some(at), Some(has_more), Some(rest)) = (answer.get(1..3), answer.get(3), answer.get(4..)) else {
            return Err(corrupt("a page"));
        };
        let items = rest.chunks_exact(2).map(|item| match item {
            [Some(seq), Some(text)] => codec::message(room, parse(seq, "a seq")?, text),
            _ => Err(corrupt("a page")),
        });
        Ok(HistoryPage {
            items: items.collect::<Result<_>>()?,
            has_more: has_more.as_deref() == Some("1"),
            position: position(at)?,
        })
    }

    async fn mark_read(&self, room: RoomId, user: UserId, seq: u64) -> Result<Marked> {
        let mark = Call::new(&scripts::MARK_READ)
            .keys([self.keys.room(room), self.keys.members(room), self.keys.read(room)])
            .arg(user.to_string())
            .arg(seq);
        let answer: Vec<String> = self.connections.run("mark as read", mark).await?;
        match answer.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["OK", mark] => {
                let read = parse(mark, "a read mark")?;
                let marks = Marks { delivered: read, read };
                Ok(Marked { before: marks, now: marks })
            }
            ["NO_ROOM"] => Err(StoreError::RoomNotFound),
            ["NOT_A_MEMBER"] => Err(StoreError::NotAMember),
            _ => Err(corrupt("an answer")),
        }
    }

    async fn marks(&self, room: RoomId, users: &[UserId]) -> Result<Vec<Marks>> {
        if users.is_empty() {
            return Ok(Vec::new());
        }
        let mut read = cmd("HMGET");
        read.arg(self.keys.read(room));
        for user in users {
            read.arg(user.to_string());
        }
        let marks: Vec<Option<u64>> = self.connections.ask("read the read marks", &read).await?;
        Ok(marks.into_iter().map(Option::unwrap_or_default).map(|read| Marks { delivered: read, read }).collect())
    }

    async fn changes(&self, room: RoomId, after: Position, limit: usize) -> Result<Changes> {
        let read = Call::new(&scripts::CHANGES)
            .keys([self.keys.room(room), self.keys.changes(room), self.keys.messages(room)])
            .arg(after.rev)
            .arg(after.event_id.to_string())
            .arg(limit.min(MAX_PAGE));
        let answer: Vec<Option<String>> = self.connections.run("read the changes", read).await?;
        match answer.first().and_then(Option::as_deref) {
            Some("OK") => {}
            Some("NO_ROOM") => return Err(StoreError::RoomNotFound),
            Some("RESET") => return Ok(Changes::Reset { head: position(answer.get(1..3).unwrap_or_default())? }),
            _ => return Err(corrupt("changes")),
        }
        let (Some(has_more), Some(rest)) = (answer.get(3), answer.get(4..)) else { return Err(corrupt("changes")) };
        let changes = rest.chunks_exact(3).map(|item| match item {
            [Some(rev), Some(text), message] => codec::change(room, parse(rev, "a rev")?, text, message.as_deref()),
            _ => Err(corrupt("changes")),
        });
        Ok(Changes::Page { changes: changes.collect::<Result<_>>()?, has_more: has_more.as_deref() == Some("1") })
    }
}
