//! A room's log: `seq` numbers messages, `rev` numbers changes, both dense from 1.
//!
//! Messages are kept by `seq` as their current state. The change log is thin: it points at messages and holds no
//! content, so a deleted text is gone; it keeps the last [`CHANGES_KEPT`].

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use shared::{
    EventId, MessageId, RoomId, Timestamp, UserId,
    protocol::{MessageType, Position, Role},
};

use crate::{Actor, AttachmentRecord, Result, RoomRecord};

/// Changes a room's log keeps; whoever is further behind fetches the room anew.
pub const CHANGES_KEPT: u64 = 10_000;
/// How long a dedupe key is known.
pub const DEDUPE_KEPT: Duration = Duration::from_secs(24 * 3600);

/// Users a reaction lists by name; the others are counted.
pub const REACTORS_LISTED: usize = 50;
/// Different emojis a message may have.
pub const EMOJIS_A_MESSAGE: usize = 20;

/// Whom a message names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mentions {
    /// Without repetition.
    pub users: Vec<UserId>,
    /// Everybody in the room.
    pub all: bool,
}

impl Mentions {
    pub fn is_empty(&self) -> bool {
        self.users.is_empty() && !self.all
    }
}

/// One emoji of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    pub emoji: String,
    pub count: u64,
    /// Who gave it first, at most [`REACTORS_LISTED`]. One who takes it back leaves the list, and nobody moves up; who
    /// gives it next is listed if there is room.
    pub users: Vec<UserId>,
}

/// A message in its current state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredMessage {
    pub room: RoomId,
    pub seq: u64,
    pub author: UserId,
    pub kind: MessageType,
    /// Empty once deleted.
    pub content: String,
    pub at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_message_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<MessageId>,
    /// Replies to it that are not deleted.
    pub replies: u64,
    /// Only who is, or was, a member. Empty once deleted.
    pub mentions: Mentions,
    /// At most as many as the domain lets in, which is why they do not count in a page's bytes. Empty once deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<AttachmentRecord>,
    /// In order of each emoji's first use; none without anybody. Empty once deleted.
    pub reactions: Vec<Tally>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
}

impl StoredMessage {
    pub fn id(&self) -> MessageId {
        MessageId { room: self.room, seq: self.seq }
    }

    /// Bytes it counts in a page: its content, and its reactions as Redis keeps them, as text (an emoji in hex digits,
    /// its count, 37 for each user listed).
    pub fn weight(&self) -> usize {
        let tally = |tally: &Tally| {
            let count = tally.count.checked_ilog10().unwrap_or(0) as usize + 1;
            3 + 2 * tally.emoji.len() + count + (37 * tally.users.len()).saturating_sub(1)
        };
        self.content.len() + self.reactions.iter().map(tally).sum::<usize>()
    }
}

/// A message to append.
#[derive(Debug, Clone, PartialEq)]
pub struct NewMessage {
    pub room: RoomId,
    pub author: Actor,
    pub kind: MessageType,
    pub content: String,
    /// Dedupe key, scoped to (room, author).
    pub client_message_id: Option<String>,
    pub reply_to: Option<MessageId>,
    /// Those who are no members of the room are left out of what is stored.
    pub mentions: Mentions,
    /// Claimed for this message: they are the room's from the step on that stores it.
    pub attachments: Vec<AttachmentRecord>,
    /// The room becomes due for notification so long after this message, unless it is due already.
    pub notify_after: Duration,
}

/// A new content for a message.
#[derive(Debug, Clone, PartialEq)]
pub struct Edit {
    pub id: MessageId,
    pub by: Actor,
    pub content: String,
    /// Those who are no members of the room are left out of what is stored.
    pub mentions: Mentions,
}

/// An emoji given to a message, or taken back.
#[derive(Debug, Clone, PartialEq)]
pub struct Reacting {
    pub id: MessageId,
    pub by: Actor,
    pub emoji: String,
    pub add: bool,
}

/// How far a member has come. `read` ≤ `delivered`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    pub delivered: u64,
    pub read: u64,
}

/// Where a member's marks were and are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marked {
    pub before: Marks,
    pub now: Marks,
}

/// Marks that moved, as they cross the bus. In no log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MarkEvent {
    pub room: RoomId,
    pub user: UserId,
    pub before: Marks,
    pub now: Marks,
    /// Members of the room then.
    pub members: u64,
}

/// Somebody types, or has stopped. In no log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TypingEvent {
    pub room: RoomId,
    pub user: UserId,
    pub username: String,
    pub typing: bool,
}

/// What came of an append.
#[derive(Debug, Clone, PartialEq)]
pub struct Appended {
    pub seq: u64,
    pub rev: u64,
    pub event_id: EventId,
    /// The store's clock.
    pub at: Timestamp,
    /// The dedupe key was known: this is the first result.
    pub duplicate: bool,
}

/// One entry of the change log, its message or room filled in from the current state. Where retention has removed the message,
/// `Message` and `Edited` come as `Deleted`.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    pub rev: u64,
    pub event_id: EventId,
    pub at: Timestamp,
    /// The author, the one who deleted or changed, the one who joined or left, the one whose role it is.
    pub user: UserId,
    pub body: ChangeBody,
}

#[derive(Debug, Clone, PartialEq)]
pub enum ChangeBody {
    Message(StoredMessage),
    /// The message got another content; here as it is now.
    Edited(StoredMessage),
    /// `user` gave an emoji to the message of this `seq`, or took it back.
    Reacted {
        seq: u64,
        emoji: String,
        added: bool,
        /// How many have given it: at that time on the bus; now when read from the log, and 0 where the message is
        /// deleted or gone.
        count: u64,
    },
    /// The message of this `seq` lost its content.
    Deleted {
        seq: u64,
    },
    Joined,
    Left,
    /// `user` has this role now.
    Role {
        role: Role,
    },
    /// `user` changed what the room is; here as it is now.
    Updated(Box<RoomRecord>),
    /// `user` was taken out of the room.
    Removed {
        by: UserId,
    },
    /// `user` deleted the room: the last on the bus, and in no log.
    Ended,
}

impl ChangeBody {
    /// Does `user` of the change cease to be a member by it?
    pub fn ends_membership(&self) -> bool {
        matches!(self, Self::Left | Self::Removed { .. })
    }
}

/// A change as it crosses the bus.
#[derive(Debug, Clone, PartialEq)]
pub struct RoomEvent {
    pub room: RoomId,
    pub change: Change,
    /// Name of `change.user` when it happened; empty for a role that came by another's leaving.
    pub username: String,
}

/// Which messages a page starts from; bounds are exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageFrom {
    /// The newest first.
    Newest,
    /// Those before this `seq`, newest first.
    Before(u64),
    /// Those after this `seq`, oldest first.
    After(u64),
    /// Half before, the message itself and half after, newest first.
    Around(u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRequest {
    pub from: PageFrom,
    pub limit: usize,
    /// Only messages with a greater `seq` (visibility); 0: all.
    pub visible_after: u64,
    /// The page ends before its messages [weigh](StoredMessage::weight) more than this many bytes; it has at least one message, and if that one exceeds
    /// them by itself, nothing else.
    pub max_bytes: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub struct HistoryPage {
    pub items: Vec<StoredMessage>,
    /// More in the direction of the page (for `Around`: older ones).
    pub has_more: bool,
    /// What the page is current to: read together with, or before, the items.
    pub position: Position,
}

/// The changes after a position, or why they cannot be told.
#[derive(Debug, Clone, PartialEq)]
pub enum Changes {
    /// In order, dense; empty when the position is the head.
    Page { changes: Vec<Change>, has_more: bool },
    /// The position is not in the log: trimmed, or another event has that `rev`.
    Reset { head: Position },
}

#[async_trait]
pub trait RoomLog: Send + Sync {
    /// One atomic step: dedupe key known → the first result (or
    /// [`IdempotencyConflict`](crate::StoreError::IdempotencyConflict) for another kind, content, `reply_to` or attachments), looked
    /// up before every other check; author a member, else [`NotAMember`](crate::StoreError::NotAMember) or
    /// [`RoomNotFound`](crate::StoreError::RoomNotFound); not [`Blocked`](crate::StoreError::Blocked) → `seq`, `rev` → written → author's read mark to the head →
    /// due for notification → published. O(1) whatever the room's size.
    ///
    /// Both of the author's marks move, and no [`MarkEvent`] tells of it: the message does. A `reply_to` that names an
    /// earlier message of this room above the floor (deleted or not) makes it one of that message's
    /// [`replies`](Self::replies) and raises its count; any other is only kept.
    async fn append(&self, message: &NewMessage) -> Result<Appended>;
    /// Do appends take effect in the order in which their futures are first polled, also those under way at once?
    fn keeps_order(&self) -> bool;
    /// The first result of this message's dedupe key, if it is known: what [`append`](Self::append) would answer, and
    /// nothing is written. Without a key: `None`.
    /// [`IdempotencyConflict`](crate::StoreError::IdempotencyConflict) for another content.
    async fn find_append(&self, message: &NewMessage) -> Result<Option<Appended>>;
    /// Replaces content and mentions: one change, and the message as it is now. The same content again is no change,
    /// whatever the mentions.
    /// Who is named anew is mentioned as from the beginning, who no longer is, is not. Checks that `by` is a member, not
    /// that they are the author. [`RoomNotFound`](crate::StoreError::RoomNotFound),
    /// [`NotAMember`](crate::StoreError::NotAMember), [`Blocked`](crate::StoreError::Blocked),
    /// [`MessageNotFound`](crate::StoreError::MessageNotFound) (also where it is deleted or below the floor).
    async fn edit_message(&self, edit: &Edit) -> Result<StoredMessage>;
    /// Gives an emoji or takes it back: one change, or none where it is so already. Gives how many have given it now.
    /// O(log reactions of the room). Errors as [`edit_message`](Self::edit_message), and
    /// [`TooManyReactions`](crate::StoreError::TooManyReactions) beyond [`EMOJIS_A_MESSAGE`].
    async fn react(&self, reacting: &Reacting) -> Result<u64>;
    /// Which emojis this user has given to these messages: (seq, emoji), in order of seq, then of the emoji's bytes, each
    /// once. None where the message is deleted or gone, or there is no such room.
    async fn reacted(&self, room: RoomId, user: UserId, seqs: &[u64]) -> Result<Vec<(u64, String)>>;
    /// Replies to a message, those with a greater `seq` than `after`, oldest first, and whether there are more; deleted
    /// ones too (without content). None to a message that is not there or gone. Bytes as [`PageRequest::max_bytes`].
    /// [`RoomNotFound`](crate::StoreError::RoomNotFound).
    async fn replies(
        &self,
        id: MessageId,
        after: u64,
        limit: usize,
        max_bytes: usize,
    ) -> Result<(Vec<StoredMessage>, bool)>;
    /// Removes content, mentions and reactions: one change. Its attachments become
    /// [orphans](crate::Attachments::orphans). If it was a reply, the count of what it replied to goes down
    /// (that one itself is no change). A message deleted before: `Ok(None)`, no change. `by_role`: the role that lets `by`
    /// delete what another wrote, [`RolesChanged`](crate::StoreError::RolesChanged) where they do not have it (any more);
    /// `None`: not checked, as for their own.
    /// [`RoomNotFound`](crate::StoreError::RoomNotFound), [`MessageNotFound`](crate::StoreError::MessageNotFound).
    async fn delete_message(&self, id: MessageId, by: &Actor, by_role: Option<Role>) -> Result<Option<Position>>;
    /// `None` below the floor too.
    async fn message(&self, id: MessageId) -> Result<Option<StoredMessage>>;
    /// A page in O(page). [`RoomNotFound`](crate::StoreError::RoomNotFound).
    async fn history(&self, room: RoomId, page: PageRequest) -> Result<HistoryPage>;
    /// Moves both marks to `min(seq, head.seq)`, each only forward; publishes a [`MarkEvent`] if one moved. Joining sets
    /// both to the head, leaving removes them; neither is published as marks.
    /// [`RoomNotFound`](crate::StoreError::RoomNotFound), [`NotAMember`](crate::StoreError::NotAMember).
    async fn mark_read(&self, room: RoomId, user: UserId, seq: u64) -> Result<Marked>;
    /// The same for the delivered mark alone.
    async fn mark_delivered(&self, room: RoomId, user: UserId, seq: u64) -> Result<Marked>;
    /// Marks of these members, in order (0: nothing yet).
    async fn marks(&self, room: RoomId, users: &[UserId]) -> Result<Vec<Marks>>;
    /// The changes after `after`, at most `limit`, and ending before the messages they come with
    /// [weigh](StoredMessage::weight) more than `max_bytes`; at least one. Rev 0, with any event id, is the beginning of
    /// the log.
    /// [`RoomNotFound`](crate::StoreError::RoomNotFound).
    async fn changes(&self, room: RoomId, after: Position, limit: usize, max_bytes: usize) -> Result<Changes>;
}
