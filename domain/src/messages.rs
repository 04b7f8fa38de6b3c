//! Messages: sending once, reading history, deleting, and the log's changes for who follows a room.

use std::{collections::HashMap, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use shared::{
    MessageId, RoomId, Settings, Timestamp, UserId,
    protocol::{
        Message, MessageType, Position, Reaction, Role,
        command::{EditMessage, Mark, React, SendMessage, TypingStatus},
    },
};
use store::{
    Change, Changes, Edit, Marked, Mentions, NewMessage, PageFrom, PageRequest, Reacting, RoomEvent, Store,
    StoredMessage, TypingEvent,
};
use utoipa::ToSchema;

use crate::{
    DomainError, Names, Result, Viewer,
    names::{DELETED_USER, NameCard},
    rates::Rates,
    rooms::{Access, PAGE_BYTES, Rooms, actor},
    validate::page_limit,
};

/// Messages a page gives at most, and by default.
const MAX_PAGE: usize = 200;
const DEFAULT_PAGE: usize = 50;
/// Longest dedupe key, in bytes.
const MAX_KEY: usize = 128;

/// What came of sending.
#[derive(Debug, Clone, PartialEq)]
pub struct Sent {
    pub id: MessageId,
    pub rev: u64,
    pub timestamp: Timestamp,
    pub client_message_id: Option<String>,
    /// The key was known: this is the first result.
    pub duplicate: bool,
}

/// A page of a room's history; at most one of `before`, `after`, `around` (each a `seq`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
pub struct HistoryQuery {
    pub before: Option<u64>,
    pub after: Option<u64>,
    pub around: Option<u64>,
    /// 1 to 200, default 50.
    pub limit: Option<usize>,
}

/// Newest first; with `after`, oldest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MessagePage {
    pub items: Vec<Message>,
    pub has_more: bool,
    /// What the page is current to.
    pub position: Position,
}

/// The changes after a position, as events.
#[derive(Debug)]
pub enum Missed {
    Events {
        events: Vec<RoomEvent>,
        has_more: bool,
    },
    /// They cannot be told: the room must be fetched anew.
    Reset {
        head: Position,
    },
    /// The room is gone.
    Gone,
}

pub struct Messages {
    store: Store,
    rooms: Arc<Rooms>,
    rates: Arc<Rates>,
    names: Arc<Names>,
    content_chars: usize,
    notify_after: Duration,
}

impl Messages {
    pub(crate) fn new(
        store: Store,
        settings: &Settings,
        rooms: Arc<Rooms>,
        rates: Arc<Rates>,
        names: Arc<Names>,
    ) -> Self {
        Self {
            store,
            rooms,
            rates,
            names,
            content_chars: settings.limits.content_chars,
            notify_after: Duration::from_millis(settings.notification.delay_ms),
        }
    }

    /// Stores and publishes a message; when it returns, the message is as durable as the store. One operation of the
    /// store, and one more where the rate's grant is used up. A repeat of a `clientMessageId` gives the first result.
    pub async fn send(&self, viewer: &Viewer, input: SendMessage) -> Result<Sent> {
        self.check(&input)?;
        let room = match (input.room_id, input.recipient_id) {
            (Some(room), None) => room,
            (None, Some(other)) => self.rooms.open_direct(viewer, other).await?,
            _ => return Err(DomainError::invalid("roomId", "give either roomId or recipientId")),
        };
        if input.reply_to.is_some_and(|reply| reply.room != room) {
            return Err(DomainError::invalid("replyTo", "not a message of this room"));
        }
        self.rates.message(viewer.user).await?;
        let message = NewMessage {
            room,
            author: actor(viewer),
            kind: input.kind,
            content: input.content,
            client_message_id: input.client_message_id,
            reply_to: input.reply_to,
            mentions: Mentions::default(),
            notify_after: self.notify_after,
        };
        match self.store.log.append(&message).await {
            Ok(done) => Ok(Sent {
                id: MessageId { room, seq: done.seq },
                rev: done.rev,
                timestamp: done.at,
                client_message_id: message.client_message_id,
                duplicate: done.duplicate,
            }),
            Err(e) => Err(self.rooms.hide(room, e.into()).await),
        }
    }

    /// [`send`](Self::send), answering the message itself.
    pub async fn post(&self, viewer: &Viewer, input: SendMessage) -> Result<Message> {
        let (content, kind, reply_to) = (input.content.clone(), input.kind, input.reply_to);
        let sent = self.send(viewer, input).await?;
        Ok(Message {
            id: sent.id,
            room_id: sent.id.room,
            seq: sent.id.seq,
            user_id: viewer.user,
            username: viewer.username.clone(),
            content,
            kind,
            timestamp: sent.timestamp,
            client_message_id: sent.client_message_id,
            reply_to,
            reply_count: 0,
            mentions: Vec::new(),
            mention_all: false,
            reactions: Vec::new(),
            edited_at: None,
            deleted_at: None,
        })
    }

    fn check_content(&self, content: &str) -> Result<()> {
        // Bytes first: a text of that few bytes cannot have more characters, and most are short.
        if content.len() > self.content_chars && content.chars().count() > self.content_chars {
            return Err(DomainError::invalid("content", format!("use up to {} characters", self.content_chars)));
        }
        if content.trim().is_empty() {
            return Err(DomainError::invalid("content", "must not be blank"));
        }
        Ok(())
    }

    fn check(&self, input: &SendMessage) -> Result<()> {
        self.check_content(&input.content)?;
        match &input.client_message_id {
            Some(key) if key.is_empty() || key.len() > MAX_KEY => {
                Err(DomainError::invalid("clientMessageId", format!("use 1 to {MAX_KEY} bytes")))
            }
            _ => Ok(()),
        }
    }

    /// A page of history that the viewer may see.
    pub async fn history(&self, viewer: &Viewer, room: RoomId, query: HistoryQuery) -> Result<MessagePage> {
        let from = match (query.before, query.after, query.around) {
            (None, None, None) => PageFrom::Newest,
            (Some(seq), None, None) => PageFrom::Before(seq),
            (None, Some(seq), None) => PageFrom::After(seq),
            (None, None, Some(seq)) => PageFrom::Around(seq),
            _ => return Err(DomainError::invalid("before", "give at most one of before, after and around")),
        };
        let limit = page_limit(query.limit, DEFAULT_PAGE, MAX_PAGE)?;
        let access = self.rooms.access(viewer.user, room).await?;
        let page = PageRequest { from, limit, visible_after: access.visible_after(), max_bytes: PAGE_BYTES };
        let page = self.store.log.history(room, page).await?;
        let cards = self.names.cards_of(page.items.iter().map(|m| m.author)).await?;
        let items = page.items.into_iter().map(|m| to_message(m, &cards)).collect();
        Ok(MessagePage { items, has_more: page.has_more, position: page.position })
    }

    /// One message that the viewer may see.
    pub async fn message(&self, viewer: &Viewer, id: MessageId) -> Result<Message> {
        let (message, _) = self.visible(viewer, id).await?;
        let cards = self.names.cards_of([message.author]).await?;
        Ok(to_message(message, &cards))
    }

    async fn visible(&self, viewer: &Viewer, id: MessageId) -> Result<(StoredMessage, Access)> {
        let access = match self.rooms.access(viewer.user, id.room).await {
            Err(DomainError::RoomNotFound | DomainError::NotAMember) => return Err(DomainError::MessageNotFound),
            other => other?,
        };
        match self.store.log.message(id).await? {
            Some(message) if message.seq > access.visible_after() => Ok((message, access)),
            _ => Err(DomainError::MessageNotFound),
        }
    }

    /// Removes a message's content: its author may, and the room's owner and admins. Doing it twice is doing it once.
    pub async fn delete(&self, viewer: &Viewer, id: MessageId) -> Result<()> {
        let (message, access) = self.visible(viewer, id).await?;
        if message.author != viewer.user && access.membership.role < Role::Admin {
            return Err(DomainError::Forbidden("only its author or an admin of the room may delete a message"));
        }
        self.store.log.delete_message(id, &actor(viewer)).await?;
        Ok(())
    }

    /// Gives a message another content, and gives the message as it is now. Only its author may.
    pub async fn edit(&self, viewer: &Viewer, input: EditMessage) -> Result<Message> {
        self.check_content(&input.content)?;
        let (message, _) = self.visible(viewer, input.message_id).await?;
        if message.author != viewer.user {
            return Err(DomainError::Forbidden("only its author may edit a message"));
        }
        self.rates.message(viewer.user).await?;
        let edit =
            Edit { id: input.message_id, by: actor(viewer), content: input.content, mentions: Mentions::default() };
        let message = self.store.log.edit_message(&edit).await?;
        Ok(named_message(message, viewer.username.clone()))
    }

    /// Gives a message an emoji, or takes it back; gives how many have given it now. Doing it twice is doing it once.
    pub async fn react(&self, viewer: &Viewer, input: React) -> Result<u64> {
        self.visible(viewer, input.message_id).await?;
        self.rates.message(viewer.user).await?;
        let React { message_id, emoji, add } = input;
        Ok(self.store.log.react(&Reacting { id: message_id, by: actor(viewer), emoji, add }).await?)
    }

    /// Moves the viewer's read mark (and with it the delivered one), only forward; gives where they stand. Their other
    /// devices are told.
    pub async fn mark_read(&self, viewer: &Viewer, input: &Mark) -> Result<Marked> {
        let marked = match self.store.log.mark_read(input.room_id, viewer.user, input.seq).await {
            Ok(marked) => marked,
            Err(e) => return Err(self.rooms.hide(input.room_id, e.into()).await),
        };
        if marked.now.read > marked.before.read {
            // The room has the mark; where this fails the other devices see it when they next sync.
            let told = self.store.user_log.note_read_mark(viewer.user, input.room_id, marked.now.read).await;
            if let Err(e) = told {
                DomainError::from(e).log();
            }
        }
        Ok(marked)
    }

    /// Moves the viewer's delivered mark, only forward; gives where both stand.
    pub async fn mark_delivered(&self, viewer: &Viewer, input: &Mark) -> Result<Marked> {
        match self.store.log.mark_delivered(input.room_id, viewer.user, input.seq).await {
            Ok(marked) => Ok(marked),
            Err(e) => Err(self.rooms.hide(input.room_id, e.into()).await),
        }
    }

    /// Tells the room that the viewer types, or has stopped. The caller has found them to be a member.
    pub async fn typing(&self, viewer: &Viewer, input: &TypingStatus) -> Result<()> {
        let event = TypingEvent {
            room: input.room_id,
            user: viewer.user,
            username: viewer.username.clone(),
            typing: input.is_typing,
        };
        Ok(self.store.bus.publish_typing(&event).await?)
    }

    /// The changes of a room after `after`, for whoever delivers them to members. Checks no membership.
    pub async fn missed(&self, room: RoomId, after: Position, limit: usize) -> Result<Missed> {
        match self.store.log.changes(room, after, limit).await {
            Ok(Changes::Page { changes, has_more }) => {
                let cards = self.names.cards_of(changes.iter().map(|c| c.user)).await?;
                let event = |change: Change| {
                    let username = name_of(&cards, change.user);
                    RoomEvent { room, change, username }
                };
                Ok(Missed::Events { events: changes.into_iter().map(event).collect(), has_more })
            }
            Ok(Changes::Reset { head }) => Ok(Missed::Reset { head }),
            Err(store::StoreError::RoomNotFound) => Ok(Missed::Gone),
            Err(e) => Err(e.into()),
        }
    }
}

fn name_of(cards: &HashMap<UserId, Arc<NameCard>>, user: UserId) -> String {
    cards.get(&user).map_or_else(|| DELETED_USER.into(), |card| card.username.clone())
}

pub(crate) fn to_message(message: StoredMessage, cards: &HashMap<UserId, Arc<NameCard>>) -> Message {
    let username = name_of(cards, message.author);
    named_message(message, username)
}

/// A stored message as clients see it.
pub fn named_message(message: StoredMessage, username: String) -> Message {
    Message {
        id: message.id(),
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
        reactions: message.reactions.into_iter().map(reaction).collect(),
        edited_at: message.edited_at,
        deleted_at: message.deleted_at,
    }
}

fn reaction(tally: store::Tally) -> Reaction {
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
