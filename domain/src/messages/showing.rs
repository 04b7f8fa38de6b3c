//! Stored messages as clients see them: with names, and with what the reader has reacted.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use futures_util::{StreamExt, TryStreamExt, stream};
use shared::{
    RoomId, UserId,
    protocol::{Message, MessageType, Reaction},
};
use store::{Store, StoredMessage, Tally};

use crate::{
    Names, Result,
    files::shown,
    names::{DELETED_USER, NameCard},
};

/// Rooms asked at once for what the reader has reacted.
const CONCURRENT_READS: usize = 32;

/// Messages, of one room or several, in an answer to `viewer`. Costs no read while the names are cached, but for
/// reactions of more users than are listed: then one for each room.
pub(crate) async fn show(
    store: &Store,
    names: &Names,
    viewer: UserId,
    messages: Vec<StoredMessage>,
) -> Result<Vec<Message>> {
    let cards = names.cards_of(messages.iter().map(|m| m.author)).await?;
    let unlisted = own_unlisted(store, viewer, &messages).await?;
    let message = |stored: StoredMessage| {
        let (room, seq) = (stored.room, stored.seq);
        let username = name_of(&cards, stored.author);
        let mut message = named_message(stored, username);
        for reaction in &mut message.reactions {
            // Looked up by a clone of the emoji only where something is unlisted at all, which is rare.
            reaction.me = reaction.user_ids.contains(&viewer)
                || (!unlisted.is_empty() && unlisted.contains(&(room, seq, reaction.emoji.clone())));
        }
        message
    };
    Ok(messages.into_iter().map(message).collect())
}

/// What `viewer` gave where a tally does not list everybody.
async fn own_unlisted(
    store: &Store,
    viewer: UserId,
    messages: &[StoredMessage],
) -> Result<HashSet<(RoomId, u64, String)>> {
    let hidden = |tally: &Tally| (tally.users.len() as u64) < tally.count && !tally.users.contains(&viewer);
    let mut asked: HashMap<RoomId, Vec<u64>> = HashMap::new();
    for message in messages.iter().filter(|m| m.reactions.iter().any(hidden)) {
        asked.entry(message.room).or_default().push(message.seq);
    }
    let reads = asked.into_iter().map(|(room, seqs)| async move {
        let found = store.log.reacted(room, viewer, &seqs).await?;
        Ok::<_, store::StoreError>(found.into_iter().map(move |(seq, emoji)| (room, seq, emoji)))
    });
    let found: Vec<_> = stream::iter(reads).buffer_unordered(CONCURRENT_READS).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

pub(crate) fn name_of(cards: &HashMap<UserId, Arc<NameCard>>, user: UserId) -> String {
    cards.get(&user).map_or_else(|| DELETED_USER.into(), |card| card.username.clone())
}

/// A stored message in an event: the same for whoever gets it.
pub fn named_message(message: StoredMessage, username: String) -> Message {
    let id = message.id();
    let attachment = |record| shown(record, &format!("/api/messages/{id}/attachments"));
    Message {
        id,
        room_id: message.room,
        seq: message.seq,
        user_id: message.author,
        username,
        content: message.content,
        kind: message.kind,
        timestamp: message.at,
        client_message_id: message.client_message_id,
        reply_to: message.reply_to,
        reply_count: message.replies,
        mentions: message.mentions.users,
        mention_all: message.mentions.all,
        attachments: message.attachments.into_iter().map(attachment).collect(),
        reactions: message.reactions.into_iter().map(reaction).collect(),
        edited_at: message.edited_at,
        deleted_at: message.deleted_at,
    }
}

fn reaction(tally: Tally) -> Reaction {
    Reaction { emoji: tally.emoji, count: tally.count, user_ids: tally.users, me: false }
}

/// The text a notification shows of a message: what it says, shortened, never what is encrypted.
pub(crate) fn preview(message: &StoredMessage) -> String {
    const CHARS: usize = 140;
    match message.kind {
        MessageType::Encrypted => "New message".into(),
        MessageType::Image => "Sent an image".into(),
        MessageType::File => "Sent a file".into(),
        MessageType::Text if message.content.chars().count() > CHARS => {
            message.content.chars().take(CHARS).chain(['…']).collect()
        }
        MessageType::Text => message.content.clone(),
    }
}
