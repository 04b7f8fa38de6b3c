//! Roles, kicks, bans, changes of a room, and who gets a room when its owner leaves.

use shared::{
    RoomId, Timestamp, UserId,
    protocol::{Position, Role},
};
use store::{Actor, ChangeBody, Removal, RoleChange, RoomRecord, RoomUpdate, StoreError, UserChangeBody};

use super::{Answer, Chosen, Model, Room, UNNAMED, fail};

/// Of a change whose name is not told.
pub(super) const UNTOLD: Chosen = Chosen { event_id: UNNAMED, at: Timestamp::from_millis(0) };

impl Model {
    pub fn role(&self, room: RoomId, user: UserId) -> Option<Role> {
        self.room(room).ok()?.member(user).ok().map(|member| member.role)
    }

    pub fn set_role(&mut self, change: &RoleChange, chosen: Chosen) -> Answer<Position> {
        let RoleChange { room, by, by_role, user, from, to } = change;
        let (is, was) = (self.role(*room, by.id), self.role(*room, user.id));
        let room = self.room_mut(*room)?;
        if (is, was) != (Some(*by_role), Some(*from)) {
            return fail(StoreError::RolesChanged);
        }
        if *to == Role::Owner {
            room.give(user, Role::Owner, UNTOLD);
            return Ok(room.give(by, Role::Admin, chosen));
        }
        Ok(room.give(user, *to, chosen))
    }

    pub fn remove(&mut self, removal: &Removal, chosen: Chosen) -> Answer<Position> {
        let Removal { room: id, by, by_role, user, role, ban } = removal;
        let (is, was) = (self.role(*id, by.id), self.role(*id, user.id));
        let room = self.room_mut(*id)?;
        if (is, was) != (Some(*by_role), *role) {
            return fail(StoreError::RolesChanged);
        }
        if *ban {
            room.banned.entry(user.id).or_insert(by.id);
        }
        if role.is_none() {
            return Ok(room.position());
        }
        Ok(self.take_out(*id, user, ChangeBody::Removed { by: by.id }, chosen))
    }

    pub fn update(&mut self, update: &RoomUpdate, chosen: Chosen) -> Answer<RoomRecord> {
        let is = self.role(update.room, update.by.id);
        let room = self.room_mut(update.room)?;
        if is != Some(update.by_role) {
            return fail(StoreError::RolesChanged);
        }
        let now = update.patch.applied(&room.record);
        if now != room.record {
            room.record = now.clone();
            room.change(&update.by, ChangeBody::Updated(Box::new(now.clone())), chosen);
        }
        Ok(now)
    }

    pub fn end(&mut self, room: RoomId, by: &Actor, by_role: Role) -> Answer<()> {
        let is = self.role(room, by.id);
        let ending = self.room_mut(room)?;
        if is != Some(by_role) {
            return fail(StoreError::RolesChanged);
        }
        ending.change(by, ChangeBody::Ended, UNTOLD);
        let ended = self.rooms.remove(&room).unwrap();
        for member in &ended.members {
            self.note(member.user, UserChangeBody::RoomRemoved(room));
        }
        self.ended.insert(room, ended);
        Ok(())
    }

    /// The member is none any more.
    pub(super) fn take_out(&mut self, room: RoomId, user: &Actor, body: ChangeBody, chosen: Chosen) -> Position {
        self.note(user.id, UserChangeBody::RoomRemoved(room));
        let from = self.room_mut(room).unwrap();
        from.members.retain(|m| m.user != user.id);
        from.marks.remove(&user.id);
        from.change(user, body, chosen)
    }
}

impl Room {
    pub(super) fn give(&mut self, user: &Actor, role: Role, chosen: Chosen) -> Position {
        self.members.iter_mut().filter(|m| m.user == user.id).for_each(|m| m.role = role);
        self.change(user, ChangeBody::Role { role }, chosen)
    }

    /// Who has the room when its owner leaves: the first admin, else the first member.
    pub(super) fn heir(&self, owner: UserId) -> Option<Actor> {
        let others = || self.members.iter().filter(|m| m.user != owner);
        let heir = others().find(|m| m.role == Role::Admin).or(others().next())?;
        Some(Actor { id: heir.user, username: String::new() })
    }

    pub fn unban(&mut self, user: UserId) {
        self.banned.remove(&user);
    }

    /// Who is banned, and by whom.
    pub fn bans(&self) -> Vec<(UserId, UserId)> {
        self.banned.iter().map(|(user, by)| (*user, *by)).collect()
    }
}
