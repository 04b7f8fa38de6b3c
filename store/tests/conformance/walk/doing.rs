//! The operations of a walk that change something.

use shared::{EventId, MessageId, RoomId, Timestamp, protocol::Role};
use store::{Edit, Reacting, Removal, RoleChange, RoomUpdate, TypingEvent, UserChangeBody};

use super::{
    MAX_MEMBERS, NO_TIME, OLD, ROOMS, Walk, chosen,
    ops::{At, Op, emoji},
};
use crate::{
    model::{Chosen, answer},
    support::id,
};

/// The role somebody has, or one they have not.
fn decided_by(role: Option<Role>, wrong: bool) -> Role {
    match role {
        Some(Role::Member) if wrong => Role::Admin,
        Some(_) if wrong => Role::Member,
        other => other.unwrap_or(Role::Member),
    }
}

impl Walk<'_> {
    fn at(&self, (user, room): At) -> (store::Actor, RoomId) {
        (self.users[user].clone(), self.rooms[room])
    }

    /// The name of the room's last change, where an answer does not tell it.
    async fn last_event(&self, room: RoomId) -> EventId {
        let position = self.store.rooms.positions(&[room]).await.unwrap().remove(0);
        position.map_or(EventId::random(), |p| p.event_id)
    }

    pub(super) async fn write(&mut self, op: &Op) {
        match op {
            Op::Send { at, said } => {
                let (user, room) = self.at(*at);
                let new = said.new_message(room, &user, &self.users);
                let got = answer(self.store.log.append(&new).await);
                let chosen = chosen(&got, |a| (a.event_id, a.at));
                assert_eq!(got, self.model.append(&new, chosen), "{op:?}");
            }
            Op::Edit { at, seq, said } => {
                let (by, room) = self.at(*at);
                let (content, mentions) = (said.content(), said.mentions(&self.users));
                let edit = Edit { id: id(room, *seq), by, content, mentions };
                let got = answer(self.store.log.edit_message(&edit).await);
                let at = got.as_ref().ok().and_then(|m| m.edited_at).unwrap_or(NO_TIME);
                let chosen = Chosen { event_id: self.last_event(room).await, at };
                assert_eq!(got, self.model.edit(&edit, chosen), "{op:?}");
            }
            Op::React { at, seq, emoji: which, add } => {
                let (by, room) = self.at(*at);
                let reacting = Reacting { id: id(room, *seq), by, emoji: emoji(*which), add: *add };
                let got = answer(self.store.log.react(&reacting).await);
                let chosen = Chosen { event_id: self.last_event(room).await, at: NO_TIME };
                assert_eq!(got, self.model.react(&reacting, chosen), "{op:?}");
            }
            Op::Delete { at, seq } => {
                let (by, room) = self.at(*at);
                let message: MessageId = id(room, *seq);
                let got = answer(self.store.log.delete_message(message, &by, None).await);
                let now = self.store.log.message(message).await.unwrap();
                let at = now.and_then(|m| m.deleted_at).unwrap_or(NO_TIME);
                let event_id = got.as_ref().ok().and_then(|p| *p).map_or(EventId::random(), |p| p.event_id);
                assert_eq!(got, self.model.delete(message, &by, Chosen { event_id, at }), "{op:?}");
            }
            _ => unreachable!(),
        }
    }

    pub(super) async fn come_or_go(&mut self, op: &Op) {
        match op {
            Op::Join { at } => {
                let ((user, room), max) = (self.at(*at), MAX_MEMBERS[at.1]);
                let got = answer(self.store.rooms.join(room, &user, Role::Member, max).await);
                let chosen = chosen(&got, |j| (j.position.event_id, j.membership.joined_at));
                assert_eq!(got, self.model.join(room, &user, max, chosen), "{op:?}");
            }
            Op::Leave { at } => {
                let (user, room) = self.at(*at);
                let got = answer(self.store.rooms.leave(room, &user).await);
                let chosen = chosen(&got, |p| (p.event_id, NO_TIME));
                assert_eq!(got, self.model.leave(room, &user, chosen), "{op:?}");
            }
            _ => unreachable!(),
        }
    }

    /// What only the owner's role stands against is left out: it is not the store's to refuse.
    pub(super) async fn govern(&mut self, op: &Op) {
        match *op {
            Op::SetRole { at, user, to, wrong } => {
                let ((by, room), user) = (self.at(at), self.users[user].clone());
                let (is, was) = (self.model.role(room, by.id), self.model.role(room, user.id));
                if was == Some(to) || was == Some(Role::Owner) || (to == Role::Owner && is != Some(Role::Owner)) {
                    return;
                }
                let (by_role, from) = (decided_by(is, wrong), decided_by(was, false));
                let change = RoleChange { room, by, by_role, user, from, to };
                let got = answer(self.store.room_admin.set_role(&change).await);
                let chosen = chosen(&got, |p| (p.event_id, NO_TIME));
                assert_eq!(got, self.model.set_role(&change, chosen), "{op:?}");
            }
            Op::Remove { at, user, ban, wrong } => {
                let ((by, room), user) = (self.at(at), self.users[user].clone());
                let (is, role) = (self.model.role(room, by.id), self.model.role(room, user.id));
                if role == Some(Role::Owner) {
                    return;
                }
                let removal = Removal { room, by, by_role: decided_by(is, wrong), user, role, ban };
                let got = answer(self.store.room_admin.remove_member(&removal).await);
                let chosen = chosen(&got, |p| (p.event_id, NO_TIME));
                assert_eq!(got, self.model.remove(&removal, chosen), "{op:?}");
            }
            Op::Update { at, ref patch, wrong } => {
                let (by, room) = self.at(at);
                let by_role = decided_by(self.model.role(room, by.id), wrong);
                let update = RoomUpdate { room, by, by_role, patch: patch.clone() };
                let got = answer(self.store.room_admin.update_room(&update).await);
                let chosen = Chosen { event_id: self.last_event(room).await, at: NO_TIME };
                assert_eq!(got, self.model.update(&update, chosen), "{op:?}");
            }
            Op::End { at, wrong } => {
                let (by, room) = self.at(at);
                let is = self.model.role(room, by.id);
                if is != Some(Role::Owner) {
                    return;
                }
                let by_role = decided_by(is, wrong);
                let got = answer(self.store.room_admin.delete_room(room, &by, Some(by_role)).await);
                assert_eq!(got, self.model.end(room, &by, by_role), "{op:?}");
            }
            Op::Unban { room, user } => {
                let (room, user) = (self.rooms[room], self.users[user].id);
                let owner = self.users.iter().find(|user| self.model.role(room, user.id) == Some(Role::Owner));
                let Some(owner) = owner else { return };
                let got = answer(self.store.room_admin.unban(room, owner.id, Role::Owner, user).await);
                assert_eq!(got, self.model.room_mut(room).map(|room| room.unban(user)), "{op:?}");
            }
            _ => unreachable!(),
        }
    }

    /// What changes no room's log.
    pub(super) async fn tell(&mut self, op: &Op) {
        match *op {
            Op::Mark { at, seq, read } => {
                let (user, room) = self.at(at);
                let got = if read {
                    self.store.log.mark_read(room, user.id, seq).await
                } else {
                    self.store.log.mark_delivered(room, user.id, seq).await
                };
                assert_eq!(answer(got), self.model.mark(room, user.id, seq, read), "{op:?}");
            }
            Op::NoteRead { at, seq } => {
                let (user, room) = self.at(at);
                let got = self.store.user_log.note_read_mark(user.id, room, seq).await.unwrap();
                self.model.note(user.id, UserChangeBody::ReadMark { room, seq });
                self.learn_user_logs(op).await;
                assert_eq!(got, self.model.user_position(user.id), "{op:?}");
            }
            Op::Typing { at, typing } => {
                let (user, room) = self.at(at);
                let event = TypingEvent { room, user: user.id, username: user.username, typing };
                self.store.bus.publish_typing(&event).await.unwrap();
                self.model.typing(&event);
            }
            Op::Contact { user, other, add } => {
                let (owner, contact) = (self.users[user].id, self.users[other].id);
                if add {
                    self.store.people.add_contact(owner, contact, 9).await.unwrap();
                } else {
                    self.store.people.remove_contact(owner, contact).await.unwrap();
                }
                self.model.contact(owner, contact, add);
            }
            _ => unreachable!(),
        }
    }

    /// How far one call goes is the engine's to choose; that it removes only what is over, tells how much it was, and
    /// removes nothing only when nothing is over, is not.
    pub(super) async fn trim(&mut self, limit: usize, late: bool) {
        let now = Timestamp::now().after(if late { OLD * 2 } else { std::time::Duration::ZERO });
        let told = self.store.maintenance.trim(now, limit).await.unwrap() as u64;
        let (mut removed, mut left) = (0, 0);
        for room in &self.rooms[..ROOMS - 1] {
            let Ok(model) = self.model.room(*room) else { continue };
            let floor = self.store.rooms.room(*room).await.unwrap().unwrap().1.floor;
            let due = model.floor_due(now);
            assert!((model.floor..=due).contains(&floor), "{floor} is not from {} to {due}", model.floor);
            left += due - floor;
            removed += self.model.trim(*room, floor);
        }
        assert_eq!(told, removed, "trim({limit}, late: {late})");
        assert!(told > 0 || left == 0, "trim({limit}, late: {late}) leaves {left} and removes none");
    }
}
