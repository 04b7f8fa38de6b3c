//! What is in the store against what was acknowledged.

use std::collections::{HashMap, HashSet};

use anyhow::{Context, Result, bail, ensure};
use shared::{RoomId, protocol::Position};
use store::{ChangeBody, Changes, PageFrom, PageRequest, Store, StoredMessage, UserChanges};

use crate::{alice, content, edited, room};

/// An append the child was told of.
pub struct Ack {
    pub room: usize,
    pub seq: u64,
    pub rev: u64,
    pub key: String,
    /// The child was told of its edit, or of a reaction to it.
    pub edited: bool,
    pub reacted: bool,
}

/// What the last comparison found a room to be.
#[derive(Default, Clone, Copy)]
pub struct Known {
    pub seq: u64,
    pub position: Option<Position>,
}

/// Reads each room from where it was known: dense numbers, right contents, no key twice; then looks for each
/// acknowledged append. Gives how many are missing or wrong.
pub async fn compare(store: &Store, acks: &[Ack], known: &mut [Known]) -> Result<u64> {
    let mut lost = 0;
    for (n, known) in known.iter_mut().enumerate() {
        let Some(room) = room(u8::try_from(n)?) else { bail!("no room {n}") };
        let messages = match store.rooms.room(room).await? {
            Some(_) => read_messages(store, room, known).await?,
            None => HashMap::new(),
        };
        let revs = read_revs(store, room, known).await?;
        for ack in acks.iter().filter(|ack| ack.room == n) {
            let message = messages.get(&ack.seq);
            let right = message.is_some_and(|m| {
                m.client_message_id.as_ref() == Some(&ack.key)
                    && (m.edited_at.is_some() || !ack.edited)
                    && (m.reactions.len() == 1 || !ack.reacted)
            });
            let changed = revs.get(&ack.rev).is_none_or(|seq| *seq == Some(ack.seq));
            if !right || !changed {
                eprintln!("lost: room {n} seq {} rev {} key {}", ack.seq, ack.rev, ack.key);
                lost += 1;
            }
        }
    }
    Ok(lost)
}

async fn read_messages(store: &Store, room: RoomId, known: &mut Known) -> Result<HashMap<u64, StoredMessage>> {
    let mut messages = HashMap::new();
    let mut keys = HashSet::new();
    loop {
        let from = PageFrom::After(known.seq);
        let page = PageRequest { from, limit: 200, visible_after: 0, max_bytes: 1 << 20 };
        let page = store.log.history(room, page).await?;
        check_reactions(store, room, &page.items).await?;
        for message in page.items {
            ensure!(message.seq == known.seq + 1, "a gap: {} follows {}", message.seq, known.seq);
            known.seq = message.seq;
            let key = message.client_message_id.clone().context("a message without its key")?;
            let text = content(&if message.edited_at.is_some() { edited(&key) } else { key.clone() });
            ensure!(message.content == text, "message {} has another content", message.seq);
            ensure!(keys.insert(key), "message {} is there twice", message.seq);
            messages.insert(message.seq, message);
        }
        if !page.has_more {
            break;
        }
    }
    // What a message answers was sent by the same child, so it is among these.
    let mut replies: HashMap<u64, u64> = HashMap::new();
    for parent in messages.values().filter_map(|m| m.reply_to) {
        *replies.entry(parent.seq).or_default() += 1;
    }
    for message in messages.values() {
        let counted = replies.get(&message.seq).copied().unwrap_or_default();
        ensure!(message.replies == counted, "message {} has {counted} replies, not {}", message.seq, message.replies);
    }
    Ok(messages)
}

/// The messages' tallies and the index behind them say the same.
async fn check_reactions(store: &Store, room: RoomId, messages: &[StoredMessage]) -> Result<()> {
    let author = alice().context("an author")?.id;
    let seqs: Vec<u64> = messages.iter().map(|m| m.seq).collect();
    let given = store.log.reacted(room, author, &seqs).await?;
    let given: Vec<u64> = given.into_iter().map(|(seq, _)| seq).collect();
    let tallied: Vec<u64> = messages.iter().filter(|m| !m.reactions.is_empty()).map(|m| m.seq).collect();
    ensure!(given == tallied, "reactions are given to {given:?} and tallied for {tallied:?}");
    Ok(())
}

/// The user's own log goes on, dense, from the last entry a child was told of to its head.
pub async fn check_user_log(store: &Store, noted: Option<Position>) -> Result<()> {
    let Some(noted) = noted else { return Ok(()) };
    let author = alice().context("an author")?.id;
    let head = store.user_log.user_positions(&[author]).await?[0];
    let UserChanges::Page { changes, has_more: false } = store.user_log.user_changes(author, noted, 1000).await? else {
        bail!("entry {} is not in the user's log, which stands at {}", noted.rev, head.rev);
    };
    ensure!(changes.iter().map(|c| c.rev).eq(noted.rev + 1..=head.rev), "a gap in the user's log after {}", noted.rev);
    Ok(())
}

/// rev → seq of the changes since the known position; dense, up to the head.
async fn read_revs(store: &Store, room: RoomId, known: &mut Known) -> Result<HashMap<u64, Option<u64>>> {
    let mut revs = HashMap::new();
    let Some((_, head)) = store.rooms.room(room).await? else { return Ok(revs) };
    let Some(mut at) = known.position else {
        known.position = Some(head.position());
        return Ok(revs);
    };
    loop {
        let Changes::Page { changes, has_more } = store.log.changes(room, at, 500, usize::MAX).await? else {
            bail!("position {} is not in the log any more", at.rev);
        };
        for change in changes {
            ensure!(change.rev == at.rev + 1, "a gap: change {} follows {}", change.rev, at.rev);
            at = Position { rev: change.rev, event_id: change.event_id };
            let seq = if let ChangeBody::Message(message) = change.body { Some(message.seq) } else { None };
            revs.insert(change.rev, seq);
        }
        if !has_more {
            break;
        }
    }
    ensure!(at == head.position(), "the log ends at {} and the head says {}", at.rev, head.rev);
    known.position = Some(at);
    Ok(revs)
}
