//! Who says something in a direct room lets the other one watch their presence.

use shared::{RoomId, UserId};

use super::Messages;
use crate::Result;

impl Messages {
    /// After a message was stored. Two operations of the store for the first that this process sees of the author in a
    /// direct room, else none. What goes wrong is logged: the message is stored, and the next one makes up for it.
    pub(super) async fn note_written(&self, author: UserId, room: RoomId) {
        let known = (author, room);
        if !room.may_be_direct() || self.reached.contains_key(&known) {
            return;
        }
        match self.reach_other(author, room).await {
            Ok(()) => self.reached.insert(known, ()),
            Err(e) => e.log(),
        }
    }

    async fn reach_other(&self, author: UserId, room: RoomId) -> Result<()> {
        let members = self.store.rooms.members(room, 0, 2).await?;
        let mut others = members.iter().map(|member| member.user).filter(|user| *user != author);
        match others.find(|other| RoomId::direct(author, *other) == room) {
            Some(other) => Ok(self.store.people.note_written(author, other).await?),
            None => Ok(()),
        }
    }
}
