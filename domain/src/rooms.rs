//! Rooms and membership: who may see, join and leave what.

mod creating;
pub(crate) mod governing;
mod inviting;
mod lobby;
mod reading;
pub(crate) mod roles;
mod standing;

use std::sync::Arc;

pub use governing::{BanPage, BannedUser};
pub use inviting::{InviteList, MadeInvite, ShownInvite};
pub use reading::{Direct, MemberPage, RoomPage, RoomSnapshot, RoomUnread, SyncPage, Unread};
use shared::{
    RoomId, UserId,
    protocol::{HistoryVisibility, Position, Role, RoomType, command::JoinRoom},
    settings::Limits,
};
pub use standing::Standing;
use store::{Actor, Head, Membership, RoomRecord, Store};

use crate::{DomainError, Names, Result, Viewer, rates::Rates, validate::Check};

/// A room a viewer was found to be a member of.
pub(crate) struct Access {
    pub record: RoomRecord,
    pub head: Head,
    pub membership: Membership,
}

impl Access {
    /// Messages up to this `seq` the viewer may not see, or they are gone.
    pub fn visible_after(&self) -> u64 {
        self.hidden_from(&self.membership).max(self.head.floor)
    }

    /// Messages up to this `seq` are hidden from the member.
    pub fn hidden_from(&self, member: &Membership) -> u64 {
        hidden_up_to(&self.record, member)
    }
}

/// Up to which `seq` a room's messages are hidden from a member: the rule behind every answer and event.
fn hidden_up_to(room: &RoomRecord, member: &Membership) -> u64 {
    match room.history_visibility {
        HistoryVisibility::All => 0,
        HistoryVisibility::Joined => member.joined_seq,
    }
}

pub struct Rooms {
    store: Store,
    limits: Limits,
    names: Arc<Names>,
    rates: Arc<Rates>,
}

impl Rooms {
    pub(crate) fn new(store: Store, limits: Limits, names: Arc<Names>, rates: Arc<Rates>) -> Self {
        Self { store, limits, names, rates }
    }

    /// The room a command names.
    pub async fn resolve(&self, target: &JoinRoom) -> Result<RoomId> {
        match (target.room_id, &target.handle) {
            (Some(id), None) => Ok(id),
            (None, Some(handle)) => {
                Check::default().name("handle", handle).done()?;
                self.store.rooms.room_id_by_handle(handle).await?.ok_or(DomainError::RoomNotFound)
            }
            _ => Err(DomainError::invalid("roomId", "give either roomId or handle")),
        }
    }

    /// Joins a public room. Others need an invitation, and do not exist for who has none.
    pub async fn join(&self, viewer: &Viewer, room: RoomId) -> Result<Position> {
        let (record, _) = self.store.rooms.room(room).await?.ok_or(DomainError::RoomNotFound)?;
        if record.kind != RoomType::Public {
            return Err(match self.store.rooms.membership(room, viewer.user).await? {
                Some(_) => DomainError::AlreadyAMember,
                None => DomainError::RoomNotFound,
            });
        }
        self.check_room_count(viewer.user).await?;
        let joined = self.store.rooms.join(room, &actor(viewer), Role::Member, self.limits.room_members).await?;
        Ok(joined.position)
    }

    /// Leaves a room; a direct room cannot be left.
    pub async fn leave(&self, viewer: &Viewer, room: RoomId) -> Result<()> {
        let access = self.access(viewer.user, room).await?;
        if access.record.kind == RoomType::Direct {
            return Err(DomainError::Forbidden("a direct room cannot be left"));
        }
        self.store.rooms.leave(room, &actor(viewer)).await?;
        Ok(())
    }

    /// Is `user` a member? Who is not learns of public rooms only that they are no member, of others nothing.
    pub(crate) async fn access(&self, user: UserId, room: RoomId) -> Result<Access> {
        let (record, head) = self.store.rooms.room(room).await?.ok_or(DomainError::RoomNotFound)?;
        match self.store.rooms.membership(room, user).await? {
            Some(membership) => Ok(Access { record, head, membership }),
            None => Err(hidden(record.kind)),
        }
    }

    /// [`DomainError::RoomNotFound`] or, for public rooms, [`DomainError::NotAMember`], unless the viewer is a member; two
    /// reads of the store.
    pub async fn check_member(&self, viewer: &Viewer, room: RoomId) -> Result<()> {
        self.access(viewer.user, room).await.map(drop)
    }

    /// The error a non-member gets for this room, when the store has said only that they are none.
    pub(crate) async fn hide(&self, room: RoomId, error: DomainError) -> DomainError {
        match error {
            DomainError::NotAMember => match self.store.rooms.room(room).await {
                Ok(Some((record, _))) => hidden(record.kind),
                Ok(None) => DomainError::RoomNotFound,
                Err(e) => e.into(),
            },
            other => other,
        }
    }
}

fn hidden(kind: RoomType) -> DomainError {
    match kind {
        RoomType::Public => DomainError::NotAMember,
        RoomType::Private | RoomType::Direct => DomainError::RoomNotFound,
    }
}

pub(crate) fn actor(viewer: &Viewer) -> Actor {
    Actor { id: viewer.user, username: viewer.username.clone() }
}
