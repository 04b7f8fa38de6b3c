//! What can be asked: views, pages of history, replies, changes, a user's own log.

use shared::{
    MessageId, RoomId, UserId,
    protocol::{HistoryVisibility, Position},
};
use store::{
    Change, ChangeBody, Changes, HistoryPage, PageFrom, PageRequest, RoomView, StoredMessage, UserChange, UserChanges,
};

use super::{Answer, Model, Room};

impl Model {
    pub fn message(&self, id: MessageId) -> Option<StoredMessage> {
        self.room(id.room).ok()?.kept_at(id.seq).cloned()
    }

    pub fn rooms_of(&self, user: UserId) -> Vec<RoomId> {
        self.rooms.values().filter(|r| r.member(user).is_ok()).map(|r| r.record.id).collect()
    }

    pub fn view(&self, room: RoomId, user: UserId) -> Option<RoomView> {
        let room = self.room(room).ok()?;
        let membership = room.member(user).ok()?.clone();
        let read_seq = room.marks(user).read;
        let from = read_seq.max(membership.joined_seq);
        let unread = || room.kept().iter().filter(|m| m.seq > from && m.deleted_at.is_none());
        let names_them = |m: &&StoredMessage| m.mentions.all || m.mentions.users.contains(&user);
        let visible_after = match room.record.history_visibility {
            HistoryVisibility::All => 0,
            HistoryVisibility::Joined => membership.joined_seq,
        };
        Some(RoomView {
            record: room.record.clone(),
            head: room.head(),
            read_seq,
            unread: unread().count() as u64,
            mentions: unread().filter(names_them).count() as u64,
            last_message: room.kept().last().filter(|m| m.seq > visible_after).cloned(),
            membership,
        })
    }

    pub fn changes(&self, room: RoomId, after: Position, limit: usize, max_bytes: usize) -> Answer<Changes> {
        let room = self.room(room)?;
        let known = room.changes.iter().position(|c| (c.rev, c.event_id) == (after.rev, after.event_id));
        let Some(next) = known.map(|index| index + 1).or((after.rev == 0).then_some(0)) else {
            return Ok(Changes::Reset { head: room.position() });
        };
        let rest = &room.changes[next..];
        let mut bytes = 0;
        let fits = |(nth, change): &(usize, Change)| {
            if let ChangeBody::Message(message) | ChangeBody::Edited(message) = &change.body {
                bytes += message.weight();
            }
            *nth == 0 || bytes <= max_bytes
        };
        let current = rest.iter().take(limit).map(|change| room.current(change));
        let changes: Vec<_> = current.enumerate().take_while(fits).map(|(_, change)| change).collect();
        Ok(Changes::Page { has_more: rest.len() > changes.len(), changes })
    }

    pub fn user_changes(&self, user: UserId, after: Position, limit: usize) -> UserChanges {
        let log = self.user_log(user);
        let known = log.iter().position(|c| c.position() == after);
        let Some(next) = known.map(|index| index + 1).or((after.rev == 0).then_some(0)) else {
            return UserChanges::Reset { head: log.last().map_or(Position::BEGINNING, UserChange::position) };
        };
        let rest = &log[next..];
        UserChanges::Page { changes: rest.iter().take(limit).cloned().collect(), has_more: rest.len() > limit }
    }

    /// `None` where the contract leaves the answer open: around a message that is not there to be seen.
    pub fn history(&self, room: RoomId, page: PageRequest) -> Answer<Option<HistoryPage>> {
        let room = self.room(room)?;
        let visible = || room.kept().iter().filter(|m| m.seq > page.visible_after);
        let (wanted, limit): (Vec<&StoredMessage>, usize) = match page.from {
            PageFrom::Newest => (visible().rev().collect(), page.limit),
            PageFrom::Before(seq) => (visible().rev().filter(|m| m.seq < seq).collect(), page.limit),
            PageFrom::After(seq) => (visible().filter(|m| m.seq > seq).collect(), page.limit),
            PageFrom::Around(seq) => {
                if !visible().any(|m| m.seq == seq) {
                    return Ok(None);
                }
                let half = page.limit as u64 / 2;
                let newer = (room.head().seq - seq).min(half) as usize;
                let limit = newer + 1 + half as usize;
                (visible().rev().filter(|m| m.seq <= seq + half).collect(), limit)
            }
        };
        let (items, has_more) = fill(&wanted, limit, page.max_bytes);
        Ok(Some(HistoryPage { items, has_more, position: room.position() }))
    }

    pub fn replies(
        &self,
        id: MessageId,
        after: u64,
        limit: usize,
        max_bytes: usize,
    ) -> Answer<(Vec<StoredMessage>, bool)> {
        let room = self.room(id.room)?;
        let is_there = room.is_kept(id.seq);
        let answers = |m: &&StoredMessage| is_there && m.reply_to == Some(id) && m.seq > after.max(id.seq);
        let wanted: Vec<&StoredMessage> = room.kept().iter().filter(answers).collect();
        Ok(fill(&wanted, limit, max_bytes))
    }
}

/// As many of these as fit, and whether some are left.
fn fill(wanted: &[&StoredMessage], limit: usize, max_bytes: usize) -> (Vec<StoredMessage>, bool) {
    let (mut items, mut bytes) = (Vec::new(), 0);
    for message in wanted.iter().take(limit) {
        bytes += message.weight();
        if bytes > max_bytes && !items.is_empty() {
            break;
        }
        items.push((*message).clone());
    }
    let has_more = wanted.len() > items.len();
    (items, has_more)
}

impl Room {
    /// A change with its message as it is now. One whose message is gone by retention tells of a deletion: whoever
    /// catches up has nothing to show, and who showed it has to take it away.
    pub fn current(&self, change: &Change) -> Change {
        let mut change = change.clone();
        change.body = match change.body {
            ChangeBody::Message(message) => match self.kept_at(message.seq) {
                Some(message) => ChangeBody::Message(message.clone()),
                None => ChangeBody::Deleted { seq: message.seq },
            },
            ChangeBody::Edited(message) => match self.kept_at(message.seq) {
                Some(message) => ChangeBody::Edited(message.clone()),
                None => ChangeBody::Deleted { seq: message.seq },
            },
            ChangeBody::Reacted { seq, emoji, added, .. } => {
                let tallies = self.kept_at(seq).map_or(&[][..], |m| &m.reactions);
                let count = tallies.iter().find(|t| t.emoji == emoji).map_or(0, |t| t.count);
                ChangeBody::Reacted { seq, emoji, added, count }
            }
            ChangeBody::Updated(_) => ChangeBody::Updated(Box::new(self.record.clone())),
            body => body,
        };
        change
    }
}
