//! A room as one device sees it: what it fetched, and the events since.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use client::{
    protocol::{Message, ServerFrame},
    shared::{EventId, MessageId, RoomId, UserId},
};

/// What the judge compares of a message: all that an event may change, and who wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub id: MessageId,
    author: UserId,
    content: String,
    edited: bool,
    deleted: bool,
    /// How often each emoji was given; none of a deleted message.
    reactions: BTreeMap<String, u64>,
}

impl Seen {
    pub fn of(message: &Message) -> Self {
        let mut seen = Self {
            id: message.id,
            author: message.user_id,
            content: message.content.clone(),
            edited: message.edited_at.is_some(),
            deleted: false,
            reactions: message.reactions.iter().map(|given| (given.emoji.clone(), given.count)).collect(),
        };
        if message.deleted_at.is_some() {
            seen.delete();
        }
        seen
    }

    fn delete(&mut self) {
        self.deleted = true;
        self.edited = false;
        self.content.clear();
        self.reactions.clear();
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Self { content, edited, deleted, reactions, .. } = self;
        write!(f, "{content:?} (edited {edited}, deleted {deleted}, reactions {reactions:?})")
    }
}

/// A change as an event tells it.
pub(super) struct Change<'a> {
    pub room: RoomId,
    pub rev: u64,
    pub event_id: EventId,
    pub what: What<'a>,
}

pub(super) enum What<'a> {
    Written(&'a Message),
    Edited(&'a Message),
    Deleted {
        seq: u64,
    },
    Reacted {
        seq: u64,
        emoji: &'a str,
        count: u64,
    },
    /// Of members or of the room itself.
    Other,
}

impl What<'_> {
    /// Does it say what somebody wrote?
    pub fn shows_content(&self) -> bool {
        matches!(self, Self::Written(message) | Self::Edited(message) if !message.content.is_empty())
    }
}

impl<'a> Change<'a> {
    /// The change in a frame; `None` where it is no event of a room's log.
    pub fn of(frame: &'a ServerFrame) -> Option<Self> {
        let (room, rev, event_id, what) = match frame {
            ServerFrame::NewMessage { message, rev, event_id } => {
                (message.room_id, rev, event_id, What::Written(message))
            }
            ServerFrame::MessageEdited { message, rev, event_id } => {
                (message.room_id, rev, event_id, What::Edited(message))
            }
            ServerFrame::MessageDeleted { room_id, seq, rev, event_id, .. } => {
                (*room_id, rev, event_id, What::Deleted { seq: *seq })
            }
            ServerFrame::ReactionUpdated { room_id, seq, emoji, count, rev, event_id, .. } => {
                (*room_id, rev, event_id, What::Reacted { seq: *seq, emoji, count: *count })
            }
            ServerFrame::UserJoined { room_id, rev, event_id, .. }
            | ServerFrame::UserLeft { room_id, rev, event_id, .. }
            | ServerFrame::MemberUpdated { room_id, rev, event_id, .. }
            | ServerFrame::RoomUpdated { room_id, rev, event_id, .. }
            | ServerFrame::RoomDeleted { room_id, rev, event_id, .. } => (*room_id, rev, event_id, What::Other),
            _ => return None,
        };
        Some(Self { room, rev: *rev, event_id: *event_id, what })
    }
}

/// Why a change does not fit what the device knows.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Misfit {
    /// A message that is there already.
    Doubled(u64),
    /// A change of a message that the device does not have.
    Unknown(u64),
}

/// The room's messages by `seq`.
#[derive(Debug, Default)]
pub(super) struct View {
    /// Changes up to here are in it.
    rev: u64,
    messages: BTreeMap<u64, Seen>,
}

impl View {
    /// As fetched: `messages` are current to `rev`.
    pub fn fetched(rev: u64, messages: &[Message]) -> Self {
        Self { rev, messages: messages.iter().map(|message| (message.seq, Seen::of(message))).collect() }
    }

    /// Takes in a change, unless what was fetched has it already.
    pub fn apply(&mut self, rev: u64, what: &What) -> Result<(), Misfit> {
        if rev <= self.rev {
            return Ok(());
        }
        self.rev = rev;
        match what {
            What::Written(message) => match self.messages.insert(message.seq, Seen::of(message)) {
                Some(_) => return Err(Misfit::Doubled(message.seq)),
                None => return Ok(()),
            },
            What::Edited(message) => *self.known(message.seq)? = Seen::of(message),
            What::Deleted { seq } => self.known(*seq)?.delete(),
            What::Reacted { seq, emoji, count } => {
                let seen = self.known(*seq)?;
                match count {
                    0 => drop(seen.reactions.remove(*emoji)),
                    _ if seen.deleted => {}
                    count => drop(seen.reactions.insert((*emoji).to_owned(), *count)),
                }
            }
            What::Other => {}
        }
        Ok(())
    }

    fn known(&mut self, seq: u64) -> Result<&mut Seen, Misfit> {
        self.messages.get_mut(&seq).ok_or(Misfit::Unknown(seq))
    }

    /// Each `seq` that the two do not show alike: what this shows, what the other does.
    pub fn differences<'a>(&'a self, other: &'a Self) -> Vec<(u64, Option<&'a Seen>, Option<&'a Seen>)> {
        let all: BTreeSet<u64> = self.messages.keys().chain(other.messages.keys()).copied().collect();
        let both = all.into_iter().map(|seq| (seq, self.messages.get(&seq), other.messages.get(&seq)));
        both.filter(|(_, mine, others)| mine != others).collect()
    }
}
