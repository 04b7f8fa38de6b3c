//! What a client knows that follows a room's events and asks for nothing else.

use std::collections::BTreeMap;

use store::{ChangeBody, Mentions, RoomEvent, StoredMessage, Tally};

/// The room's messages by number, as told by its events alone.
#[derive(Default)]
pub struct Replay {
    messages: BTreeMap<u64, StoredMessage>,
    rev: u64,
}

impl Replay {
    pub fn new(rev: u64) -> Self {
        Self { rev, ..Self::default() }
    }

    /// The next event; fails where it does not go on from what was told before.
    pub fn hear(&mut self, event: &RoomEvent, context: &str) {
        let change = &event.change;
        self.rev += 1;
        assert_eq!(change.rev, self.rev, "{context}");
        match &change.body {
            ChangeBody::Message(message) => {
                assert_eq!(message.seq, self.messages.len() as u64 + 1, "{context}");
                if let Some(parent) = message.reply_to {
                    self.of(parent.seq).replies += 1;
                }
                self.messages.insert(message.seq, message.clone());
            }
            ChangeBody::Edited(message) => {
                let known = self.of(message.seq);
                assert!(known.deleted_at.is_none(), "an edit of what is deleted: {context}");
                known.content.clone_from(&message.content);
                known.mentions = message.mentions.clone();
                known.edited_at = message.edited_at;
                assert_eq!(known, message, "{context}");
            }
            ChangeBody::Reacted { seq, emoji, added, count } => {
                let known = self.of(*seq);
                assert!(known.deleted_at.is_none(), "a reaction to what is deleted: {context}");
                let users = &mut tally(known, emoji).users;
                let given = users.contains(&change.user);
                assert_ne!(given, *added, "a change that changes nothing: {context}");
                if *added {
                    users.push(change.user)
                } else {
                    users.retain(|u| *u != change.user)
                }
                assert_eq!(users.len() as u64, *count, "{context}");
                tally(known, emoji).count = *count;
                known.reactions.retain(|t| t.count > 0);
            }
            ChangeBody::Deleted { seq } => {
                let known = self.of(*seq);
                assert!(known.deleted_at.is_none(), "deleted twice: {context}");
                known.deleted_at = Some(change.at);
                known.content.clear();
                known.mentions = Mentions::default();
                known.reactions.clear();
                if let Some(parent) = known.reply_to {
                    self.of(parent.seq).replies -= 1;
                }
            }
            ChangeBody::Joined | ChangeBody::Left | ChangeBody::Role { .. } | ChangeBody::Removed { .. } => {}
            ChangeBody::Updated(_) | ChangeBody::Ended => {}
        }
    }

    fn of(&mut self, seq: u64) -> &mut StoredMessage {
        self.messages.get_mut(&seq).expect("an event of a message nobody sent")
    }

    /// What was heard is what there is. (When a message was deleted is the store's to know to the millisecond.)
    pub fn is(self, kept: &[StoredMessage], context: &str) {
        assert_eq!(self.messages.len(), kept.len(), "{context}");
        for (mut heard, kept) in self.messages.into_values().zip(kept) {
            assert_eq!(heard.deleted_at.is_some(), kept.deleted_at.is_some(), "{context}");
            heard.deleted_at = kept.deleted_at;
            assert_eq!(heard, *kept, "{context}");
        }
    }
}

fn tally<'a>(message: &'a mut StoredMessage, emoji: &str) -> &'a mut Tally {
    let tallies = &mut message.reactions;
    let index = tallies.iter().position(|t| t.emoji == emoji).unwrap_or(tallies.len());
    if index == tallies.len() {
        tallies.push(Tally { emoji: emoji.into(), count: 0, users: Vec::new() });
    }
    &mut tallies[index]
}
