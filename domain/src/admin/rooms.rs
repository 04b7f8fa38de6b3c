//! Rooms: found, shown, deleted.

use shared::{RoomId, UserId};
use store::{Membership, UserRecord};

use super::{Admin, By, Listed, MEMBERS, MemberLine, NAME, PAGE, RoomDetails, RoomLine};
use crate::{DomainError, Result, validate::Check};

impl Admin {
    /// Public rooms whose name begins with `query`, those after the room `after`.
    pub async fn rooms(&self, query: &str, after: Option<RoomId>) -> Result<Listed<RoomLine>> {
        Check::default().line("query", query, 0, 254).done()?;
        let after = match after {
            Some(id) => {
                let (room, _) = self.store.rooms.room(id).await?.ok_or(DomainError::RoomNotFound)?;
                Some((room.name.unwrap_or_default(), id))
            }
            None => None,
        };
        let after = after.as_ref().map(|(name, id)| (name.as_str(), *id));
        let ids = self.store.rooms.public_rooms(query, after, PAGE).await?;
        let mut items = Vec::with_capacity(ids.len());
        for id in &ids {
            if let Some((record, head)) = self.store.rooms.room(*id).await? {
                items.push(RoomLine::of(record, head));
            }
        }
        let next_cursor = ids.last().filter(|_| ids.len() == PAGE).map(ToString::to_string);
        Ok(Listed { items, next_cursor })
    }

    /// What is not an id is a handle.
    async fn find_room(&self, named: &str) -> Result<RoomId> {
        match named.parse() {
            Ok(id) => Ok(id),
            Err(_) if named.len() > NAME => Err(DomainError::RoomNotFound),
            Err(_) => self.store.rooms.room_id_by_handle(named).await?.ok_or(DomainError::RoomNotFound),
        }
    }

    /// One room of any kind, by id or handle.
    pub async fn room(&self, named: &str) -> Result<RoomDetails> {
        let id = self.find_room(named).await?;
        let (record, head) = self.store.rooms.room(id).await?.ok_or(DomainError::RoomNotFound)?;
        let members = self.store.rooms.members(id, 0, MEMBERS).await?;
        let ids: Vec<UserId> = members.iter().map(|member| member.user).collect();
        let names = self.store.users.users(&ids).await?;
        let line = |(member, name): (Membership, Option<UserRecord>)| MemberLine {
            id: member.user,
            username: name.map_or_else(String::new, |user| user.username),
            role: member.role,
            joined_at: member.joined_at,
        };
        Ok(RoomDetails {
            created_by: record.created_by,
            rev: head.rev,
            floor: head.floor,
            first_members: members.into_iter().zip(names).map(line).collect(),
            room: RoomLine::of(record, head),
        })
    }

    /// Deletes a room of any kind with all that is in it. Its members are told that the administrator did.
    pub async fn delete_room(&self, named: &str) -> Result<RoomId> {
        let By::Administrator(actor) = &self.by else {
            return Err(DomainError::Forbidden("an administrator deletes a room, whom its members are told"));
        };
        let room = self.find_room(named).await?;
        self.acts("delete a room", &room);
        self.store.room_admin.delete_room(room, actor, None).await?;
        Ok(room)
    }
}
