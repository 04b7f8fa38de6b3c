//! What is done to messages: sent, edited, reacted to, deleted, trimmed.

use std::time::Duration;

use shared::{MessageId, RoomId, Timestamp, UserId, protocol::Position};
use store::{
    Actor, Appended, ChangeBody, Edit, Marks, Mentions, NewMessage, Reacting, StoreError, StoredMessage, Tally,
    log::EMOJIS_A_MESSAGE,
};

use super::{Answer, Chosen, Model, Room, fail};

impl Model {
    /// What is known of this message's dedupe key.
    pub fn find(&self, new: &NewMessage) -> Answer<Option<Appended>> {
        let Some(room) = self.known(new.room) else { return Ok(None) };
        let key = new.client_message_id.clone().map(|key| (new.author.id, key));
        let Some((first, appended)) = key.and_then(|key| room.keys.get(&key)) else { return Ok(None) };
        let same = (first.kind, &first.content, first.reply_to) == (new.kind, &new.content, new.reply_to);
        let repeated = Appended { duplicate: true, ..appended.clone() };
        if same { Ok(Some(repeated)) } else { fail(StoreError::IdempotencyConflict) }
    }

    pub fn append(&mut self, new: &NewMessage, chosen: Chosen) -> Answer<Appended> {
        if let Some(first) = self.find(new)? {
            return Ok(first);
        }
        let room = self.room_mut(new.room)?;
        room.member(new.author.id)?;
        let seq = room.messages.len() as u64 + 1;
        let message = StoredMessage {
            room: new.room,
            seq,
            author: new.author.id,
            kind: new.kind,
            content: new.content.clone(),
            at: chosen.at,
            client_message_id: new.client_message_id.clone(),
            reply_to: new.reply_to,
            replies: 0,
            mentions: room.of_members(&new.mentions),
            attachments: new.attachments.clone(),
            reactions: Vec::new(),
            edited_at: None,
            deleted_at: None,
        };
        if let Some(parent) = room.parent_mut(&message) {
            parent.replies += 1;
        }
        room.messages.push(message.clone());
        let Position { rev, event_id } = room.change(&new.author, ChangeBody::Message(message), chosen);
        room.marks.insert(new.author.id, Marks { delivered: seq, read: seq });
        let appended = Appended { seq, rev, event_id, at: chosen.at, duplicate: false };
        if let Some(key) = &new.client_message_id {
            room.keys.insert((new.author.id, key.clone()), (new.clone(), appended.clone()));
        }
        Ok(appended)
    }

    pub fn edit(&mut self, edit: &Edit, chosen: Chosen) -> Answer<StoredMessage> {
        let room = self.room_mut(edit.id.room)?;
        room.member(edit.by.id)?;
        let mentions = room.of_members(&edit.mentions);
        let message = room.live_mut(edit.id.seq)?;
        if message.content == edit.content {
            return Ok(message.clone());
        }
        message.content.clone_from(&edit.content);
        message.mentions = mentions;
        message.edited_at = Some(chosen.at);
        let message = message.clone();
        room.change(&edit.by, ChangeBody::Edited(message.clone()), chosen);
        Ok(message)
    }

    pub fn react(&mut self, reacting: &Reacting, chosen: Chosen) -> Answer<u64> {
        let Reacting { id, by, emoji, add } = reacting;
        let room = self.room_mut(id.room)?;
        room.member(by.id)?;
        let tallies = &mut room.live_mut(id.seq)?.reactions;
        let index = tallies.iter().position(|t| t.emoji == *emoji);
        let given = index.is_some_and(|i| tallies[i].users.contains(&by.id));
        if given == *add {
            return Ok(index.map_or(0, |i| tallies[i].count));
        }
        if index.is_none() && tallies.len() >= EMOJIS_A_MESSAGE {
            return fail(StoreError::TooManyReactions);
        }
        let index = index.unwrap_or(tallies.len());
        if index == tallies.len() {
            tallies.push(Tally { emoji: emoji.clone(), count: 0, users: Vec::new() });
        }
        let users = &mut tallies[index].users;
        if *add {
            users.push(by.id)
        } else {
            users.retain(|u| *u != by.id)
        }
        let count = users.len() as u64;
        tallies[index].count = count;
        tallies.retain(|t| t.count > 0);
        room.change(by, ChangeBody::Reacted { seq: id.seq, emoji: emoji.clone(), added: *add, count }, chosen);
        Ok(count)
    }

    pub fn delete(&mut self, id: MessageId, by: &Actor, chosen: Chosen) -> Answer<Option<Position>> {
        let room = self.room_mut(id.room)?;
        let Some(message) = room.kept_mut(id.seq) else { return fail(StoreError::MessageNotFound) };
        if message.deleted_at.is_some() {
            return Ok(None);
        }
        message.content.clear();
        message.mentions = Mentions::default();
        message.reactions.clear();
        message.deleted_at = Some(chosen.at);
        let reply = message.clone();
        if let Some(parent) = room.parent_mut(&reply) {
            parent.replies -= 1;
        }
        Ok(Some(room.change(by, ChangeBody::Deleted { seq: id.seq }, chosen)))
    }

    /// The engine has raised the floor; gives how many messages that removed.
    pub fn trim(&mut self, room: RoomId, floor: u64) -> u64 {
        let room = self.room_mut(room).unwrap();
        let removed = floor - room.floor;
        room.floor = floor;
        removed
    }
}

impl Room {
    /// Where retention wants the floor.
    pub fn floor_due(&self, now: Timestamp) -> u64 {
        let Some(retention) = self.record.retention else { return self.floor };
        let head = self.messages.len() as u64;
        let by_count = retention.max_messages.map_or(0, |most| head.saturating_sub(most));
        let by_age = retention.max_age_seconds.map_or(0, |most| {
            let over = |m: &&StoredMessage| now.since(m.at) > Duration::from_secs(most);
            self.messages.iter().take_while(over).count() as u64
        });
        self.floor.max(by_count).max(by_age)
    }

    /// The mentions without those who are no members.
    fn of_members(&self, mentions: &Mentions) -> Mentions {
        let users = mentions.users.iter().copied().filter(|u| self.member(*u).is_ok()).collect();
        Mentions { users, all: mentions.all }
    }

    pub fn is_kept(&self, seq: u64) -> bool {
        seq > self.floor && seq <= self.messages.len() as u64
    }

    /// All that are there, oldest first.
    pub fn kept(&self) -> &[StoredMessage] {
        &self.messages[self.floor as usize..]
    }

    pub fn kept_at(&self, seq: u64) -> Option<&StoredMessage> {
        self.is_kept(seq).then(|| &self.messages[seq as usize - 1])
    }

    fn kept_mut(&mut self, seq: u64) -> Option<&mut StoredMessage> {
        self.is_kept(seq).then(|| &mut self.messages[seq as usize - 1])
    }

    /// One that can be edited and reacted to.
    fn live_mut(&mut self, seq: u64) -> Answer<&mut StoredMessage> {
        let message = self.kept_mut(seq).filter(|m| m.deleted_at.is_none());
        message.ok_or_else(|| StoreError::MessageNotFound.to_string())
    }

    /// The message this one answers. What was not there yet when it was sent, it does not answer.
    fn parent_mut(&mut self, reply: &StoredMessage) -> Option<&mut StoredMessage> {
        let parent = reply.reply_to.filter(|parent| parent.seq < reply.seq)?;
        self.kept_mut(parent.seq)
    }

    /// Which of these messages the user has given which emojis.
    pub fn reacted(&self, user: UserId, seqs: &[u64]) -> Vec<(u64, String)> {
        let mut given: Vec<(u64, String)> = Vec::new();
        for message in seqs.iter().filter_map(|seq| self.kept_at(*seq)) {
            let mine = message.reactions.iter().filter(|t| t.users.contains(&user));
            given.extend(mine.map(|t| (message.seq, t.emoji.clone())));
        }
        given.sort();
        given.dedup();
        given
    }
}
