//! A room's log: messages by `seq`, thin changes by `rev`, both in hashes of the room's tag.

use std::sync::LazyLock;

use async_trait::async_trait;
use redis::{Script, cmd};
use sha2::{Digest, Sha256};
use shared::{
    EventId, MessageId, RoomId, Timestamp, UserId,
    protocol::{MessageType, Position, Role},
};

use super::{
    Engine, codec,
    codec::{json, parse, position},
    connection::corrupt,
    intents::millis,
    keys::shard_of,
    marks::Mark,
    scripts::{self, Call, MAX_PAGE},
};
use crate::{
    Actor, Appended, Changes, Edit, HistoryPage, Marked, Marks, NewMessage, PageFrom, PageRequest, Reacting, Result,
    RoomLog, StoreError, StoredMessage,
    log::{CHANGES_KEPT, DEDUPE_KEPT},
};

/// How long an append without a key of its own is known by its event id: in a cluster, whose client may send twice
/// what lost its answer, and with attachments, for which the script wants a key.
const RESEND_KEPT_MS: u64 = 60_000;

/// Kind, content, `reply_to` and attachments of a message, as 64 hex digits.
fn content_hash(message: &NewMessage) -> String {
    let kind = match message.kind {
        MessageType::Text => "text",
        MessageType::Image => "image",
        MessageType::File => "file",
        MessageType::Encrypted => "encrypted",
    };
    let reply_to = message.reply_to.map(|id| id.to_string()).unwrap_or_default();
    let files: String = message.attachments.iter().map(|file| format!(" {}", file.id)).collect();
    let digest = Sha256::digest(format!("{kind}\n{reply_to}{files}\n{}", message.content));
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A client's dedupe key as it stands in ours, apart from event ids.
fn dedupe_name(key: &str) -> String {
    format!("k:{key}")
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

/// What a script says instead of its result.
pub(super) fn refused(answer: Option<&str>) -> StoreError {
    match answer {
        Some("CONFLICT") => StoreError::IdempotencyConflict,
        Some("NO_ROOM") => StoreError::RoomNotFound,
        Some("NOT_A_MEMBER") => StoreError::NotAMember,
        Some("ROLES_CHANGED") => StoreError::RolesChanged,
        Some("BLOCKED") => StoreError::Blocked,
        Some("NO_MESSAGE") => StoreError::MessageNotFound,
        Some("TOO_MANY") => StoreError::TooManyReactions,
        _ => corrupt("an answer"),
    }
}

/// A page of messages: each with its `seq` before it.
pub(super) fn messages(room: RoomId, fields: &[Option<String>]) -> Result<Vec<StoredMessage>> {
    let items = fields.chunks_exact(2).map(|item| match item {
        [Some(seq), Some(text)] => codec::message::message(room, parse(seq, "a seq")?, text),
        _ => Err(corrupt("a page")),
    });
    items.collect()
}

impl Engine {
    /// A call of the history's script, or of one that has it as its function.
    pub(super) fn page(&self, script: &'static LazyLock<Script>, room: RoomId, page: PageRequest) -> Call {
        let (mode, seq) = match page.from {
            PageFrom::Newest => ("newest", 0),
            PageFrom::Before(seq) => ("before", seq),
            PageFrom::After(seq) => ("after", seq),
            PageFrom::Around(seq) => ("around", seq),
        };
        Call::new(script)
            .keys([self.keys.room(room), self.keys.messages(room)])
            .arg(mode)
            .arg(seq)
            .arg(page.limit.min(MAX_PAGE))
            .arg(page.visible_after)
            .arg(page.max_bytes)
    }

    /// An append, the first or one found again, once as many replicas have it as are asked for.
    async fn acknowledged(&self, room: RoomId, appended: Appended) -> Result<Appended> {
        self.replicated(room, Position { rev: appended.rev, event_id: appended.event_id }).await?;
        Ok(appended)
    }
}

#[async_trait]
impl RoomLog for Engine {
    async fn append(&self, message: &NewMessage) -> Result<Appended> {
        let (room, author, keys) = (message.room, message.author.id, &self.keys);
        let event_id = EventId::random();
        let dedupe = match &message.client_message_id {
            Some(key) => Some((dedupe_name(key), millis(DEDUPE_KEPT))),
            None if self.connections.is_cluster() || !message.attachments.is_empty() => {
                Some((format!("e:{event_id}"), RESEND_KEPT_MS))
            }
            None => None,
        };
        let reply_to = message.reply_to.filter(|id| id.room == room);
        let mentions = codec::message::mentions(&message.mentions);
        let mut append = Call::new(&scripts::APPEND)
            .keys([keys.room(room), keys.members(room), keys.messages(room), keys.changes(room), keys.marks(room)])
            .keys([keys.due(shard_of(room)), keys.room_channel(room)])
            .arg(author.to_string())
            .arg(event_id.to_string())
            .arg(codec::message::meta(message)?)
            .arg(&message.content)
            .arg(json(&message.author.username)?)
            .arg(room.to_string())
            .arg(millis(message.notify_after))
            .arg(CHANGES_KEPT)
            .arg(&mentions)
            .arg(reply_to.map_or(0, |id| id.seq));
        let files: Vec<String> = message.attachments.iter().map(|file| file.id.to_string()).collect();
        if reply_to.is_some() || !mentions.is_empty() || !files.is_empty() {
            append = append.keys([keys.mentions(room), keys.replies(room)]);
        }
        if !files.is_empty() {
            append = append.key(keys.files(room));
        }
        if let Some((name, kept)) = dedupe {
            append = append.key(keys.dedupe(room, author, &name)).arg(content_hash(message)).arg(kept).arg(files);
        }
        let what = "append a message";
        let answer: Vec<String> = match &self.gather {
            Some(gather) => gather.run(what, append).await?,
            None => self.connections.run(what, append).await?,
        };
        match answer.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["OK", result] => self.acknowledged(room, appended(result, event_id)?).await,
            ref other => Err(refused(other.first().copied())),
        }
    }

    /// On one node they pass one queue and one connection; in a Cluster a moved slot may let one overtake another.
    fn keeps_order(&self) -> bool {
        self.gather.is_some()
    }

    async fn find_append(&self, message: &NewMessage) -> Result<Option<Appended>> {
        let Some(key) = &message.client_message_id else { return Ok(None) };
        let key = self.keys.dedupe(message.room, message.author.id, &dedupe_name(key));
        let first: Option<String> = self.connections.ask("look for an append", cmd("GET").arg(key)).await?;
        match first.as_deref().map(|text| text.split_once(' ')) {
            None => Ok(None),
            Some(Some((hash, first))) if hash == content_hash(message) => {
                let first = Appended { duplicate: true, ..appended(first, EventId::from_bits(0))? };
                self.acknowledged(message.room, first).await.map(Some)
            }
            Some(Some(_)) => Err(StoreError::IdempotencyConflict),
            Some(None) => Err(corrupt("an append")),
        }
    }

    async fn edit_message(&self, edit: &Edit) -> Result<StoredMessage> {
        self.edit(edit).await
    }

    async fn react(&self, reacting: &Reacting) -> Result<u64> {
        self.change_reaction(reacting).await
    }

    async fn reacted(&self, room: RoomId, user: UserId, seqs: &[u64]) -> Result<Vec<(u64, String)>> {
        self.reactions_of(room, user, seqs).await
    }

    async fn replies(
        &self,
        id: MessageId,
        after: u64,
        limit: usize,
        max_bytes: usize,
    ) -> Result<(Vec<StoredMessage>, bool)> {
        let read = Call::new(&scripts::REPLIES)
            .keys([self.keys.room(id.room), self.keys.replies(id.room), self.keys.messages(id.room)])
            .arg(codec::message::padded(id.seq))
            .arg(codec::message::padded(after))
            .arg(limit.min(MAX_PAGE))
            .arg(max_bytes);
        let answer: Vec<Option<String>> = self.connections.run("read replies", read).await?;
        match (answer.first().and_then(Option::as_deref), answer.get(1), answer.get(2..)) {
            (Some("OK"), Some(has_more), Some(rest)) => {
                Ok((messages(id.room, rest)?, limit > 0 && has_more.as_deref() == Some("1")))
            }
            (other, ..) => Err(refused(other)),
        }
    }

    async fn delete_message(&self, id: MessageId, by: &Actor, by_role: Option<Role>) -> Result<Option<Position>> {
        self.delete(id, by, by_role).await
    }

    async fn message(&self, id: MessageId) -> Result<Option<StoredMessage>> {
        let read = cmd("HGET").arg(self.keys.messages(id.room)).arg(id.seq).to_owned();
        let text: Option<String> = self.connections.ask("read a message", &read).await?;
        text.map(|text| codec::message::message(id.room, id.seq, &text)).transpose()
    }

    async fn history(&self, room: RoomId, page: PageRequest) -> Result<HistoryPage> {
        let read = self.page(&scripts::HISTORY, room, page);
        let answer: Vec<Option<String>> = self.connections.run("read the history", read).await?;
        match answer.first().and_then(Option::as_deref) {
            Some("OK") => {}
            other => return Err(refused(other)),
        }
        let (Some(at), Some(has_more), Some(rest)) = (answer.get(1..3), answer.get(3), answer.get(4..)) else {
            return Err(corrupt("a page"));
        };
        Ok(HistoryPage {
            items: messages(room, rest)?,
            has_more: has_more.as_deref() == Some("1"),
            position: position(at)?,
        })
    }

    async fn mark_read(&self, room: RoomId, user: UserId, seq: u64) -> Result<Marked> {
        self.mark(room, user, (Mark::Read, seq)).await
    }

    async fn mark_delivered(&self, room: RoomId, user: UserId, seq: u64) -> Result<Marked> {
        self.mark(room, user, (Mark::Delivered, seq)).await
    }

    async fn marks(&self, room: RoomId, users: &[UserId]) -> Result<Vec<Marks>> {
        self.read_marks(room, users).await
    }

    async fn changes(&self, room: RoomId, after: Position, limit: usize, max_bytes: usize) -> Result<Changes> {
        let read = Call::new(&scripts::CHANGES)
            .keys([self.keys.room(room), self.keys.changes(room), self.keys.messages(room)])
            .arg(after.rev)
            .arg(after.event_id.to_string())
            .arg(limit.min(MAX_PAGE))
            .arg(max_bytes);
        let answer: Vec<Option<String>> = self.connections.run("read the changes", read).await?;
        match answer.first().and_then(Option::as_deref) {
            Some("OK") => {}
            Some("RESET") => return Ok(Changes::Reset { head: position(answer.get(1..3).unwrap_or_default())? }),
            other => return Err(refused(other)),
        }
        let (Some(has_more), Some(rest)) = (answer.get(3), answer.get(4..)) else { return Err(corrupt("changes")) };
        let changes = rest.chunks_exact(3).map(|item| match item {
            [Some(rev), Some(text), now] => codec::room::change(room, parse(rev, "a rev")?, text, now.as_deref()),
            _ => Err(corrupt("changes")),
        });
        Ok(Changes::Page { changes: changes.collect::<Result<_>>()?, has_more: has_more.as_deref() == Some("1") })
    }
}
