//! The operations of a walk that only ask.

use std::fmt::Debug;

use shared::{EventId, protocol::Position};
use store::{Actor, UserChange};

use super::{Walk, ops::Op};
use crate::{model::answer, support::id};

/// A position that was told, or one that was not: of the change after it, with its name.
fn position(rev: u64, event_id: EventId, foreign: bool) -> Position {
    Position { rev: rev + u64::from(foreign), event_id }
}

impl Walk<'_> {
    pub(super) async fn ask(&self, op: &Op) {
        match op {
            Op::History { .. } | Op::Replies { .. } => self.ask_pages(op).await,
            Op::Changes { .. } | Op::UserChanges { .. } => self.ask_logs(op).await,
            Op::Find { at, said } => {
                let new = said.new_message(self.rooms[at.1], &self.users[at.0], &self.users);
                assert_eq!(answer(self.store.log.find_append(&new).await), self.model.find(&new), "{op:?}");
            }
            Op::Reacted { at, seqs } => {
                let (user, room) = (self.users[at.0].id, self.rooms[at.1]);
                let got = self.store.log.reacted(room, user, seqs).await.unwrap();
                let expected = self.model.room(room).map(|r| r.reacted(user, seqs));
                assert_eq!(got, expected.unwrap_or_default(), "{op:?}");
            }
            Op::Message { room, seq } => {
                let message = id(self.rooms[*room], *seq);
                assert_eq!(self.store.log.message(message).await.unwrap(), self.model.message(message), "{op:?}");
            }
            Op::Members { room, after, limit } => {
                let got = self.store.rooms.members(self.rooms[*room], *after, *limit).await.unwrap();
                let expected = self.model.room(self.rooms[*room]).map(|r| r.members_after(*after, *limit));
                assert_eq!(got, expected.unwrap_or_default(), "{op:?}");
            }
            Op::Views { user } => self.compare_views(&self.users[*user], op).await,
            _ => unreachable!(),
        }
    }

    async fn ask_pages(&self, op: &Op) {
        match *op {
            Op::History { room, page } => {
                let got = answer(self.store.log.history(self.rooms[room], page).await);
                match self.model.history(self.rooms[room], page) {
                    Ok(None) => {
                        let page_got = got.unwrap();
                        assert!(page_got.items.len() <= page.limit, "{op:?}");
                        assert!(page_got.items.iter().all(|m| m.seq > page.visible_after), "{op:?}");
                    }
                    expected => assert_eq!(got, expected.map(|page| page.unwrap()), "{op:?}"),
                }
            }
            Op::Replies { room, seq, after, limit, max_bytes } => {
                let parent = id(self.rooms[room], seq);
                let got = answer(self.store.log.replies(parent, after, limit, max_bytes).await);
                assert_eq!(got, self.model.replies(parent, after, limit, max_bytes), "{op:?}");
            }
            _ => unreachable!(),
        }
    }

    async fn ask_logs(&self, op: &Op) {
        match *op {
            Op::Changes { room, from, limit, max_bytes, foreign } => {
                let room = self.rooms[room];
                let mut after = Position { rev: from as u64, event_id: EventId::from_bits(0) };
                if let Ok(room) = self.model.room(room) {
                    // Any position that was ever told: those from the room's making on.
                    let told = &room.changes[room.made - 1..];
                    let change = &told[from % told.len()];
                    after = position(change.rev, change.event_id, foreign);
                }
                let got = answer(self.store.log.changes(room, after, limit, max_bytes).await);
                assert_eq!(got, self.model.changes(room, after, limit, max_bytes), "{op:?}");
            }
            Op::UserChanges { user, from, limit, foreign } => {
                let user = self.users[user].id;
                let told = self.model.user_log(user);
                // The beginning and any position that was ever told.
                let nth = from % (told.len() + 1);
                let at = nth.checked_sub(1).map_or(Position::BEGINNING, |i| UserChange::position(&told[i]));
                let after = position(at.rev, at.event_id, foreign);
                let got = self.store.user_log.user_changes(user, after, limit).await.unwrap();
                assert_eq!(got, self.model.user_changes(user, after, limit), "{op:?}");
            }
            _ => unreachable!(),
        }
    }

    pub(super) async fn compare_views(&self, user: &Actor, why: &impl Debug) {
        let got = self.store.rooms.views(user.id, &self.rooms).await.unwrap();
        let expected: Vec<_> = self.rooms.iter().map(|r| self.model.view(*r, user.id)).collect();
        assert_eq!(got, expected, "{why:?}");
        assert_eq!(self.store.rooms.rooms_of(user.id).await.unwrap(), self.model.rooms_of(user.id), "{why:?}");
    }
}
