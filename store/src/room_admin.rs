//! Roles, kicks, bans, changing what a room is, and deleting it. Who may do what is the domain's to say: it names the roles it decided by, and nothing is done
//! where they are others by then.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use shared::{
    RoomId, Timestamp, UserId,
    protocol::{HistoryVisibility, Position, Retention, Role},
};

use crate::{Actor, Result, RoomRecord};

/// Users a room may have banned at once.
pub const BANS_A_ROOM: usize = 1000;

/// A member gets another role.
#[derive(Debug, Clone, PartialEq)]
pub struct RoleChange {
    pub room: RoomId,
    pub by: Actor,
    /// The role `by` was seen to have.
    pub by_role: Role,
    pub user: Actor,
    /// The role `user` was seen to have.
    pub from: Role,
    /// Another one than `from`. [`Role::Owner`]: the room passes on, and `by` becomes an admin.
    pub to: Role,
}

/// What changes of a room; `None` leaves it as it is, and so does what is as it is asked for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RoomPatch {
    pub name: Option<String>,
    pub description: Option<Option<String>>,
    pub history_visibility: Option<HistoryVisibility>,
    pub retention: Option<Option<Retention>>,
}

impl RoomPatch {
    /// The room as it is with it.
    pub fn applied(&self, room: &RoomRecord) -> RoomRecord {
        RoomRecord {
            name: self.name.clone().or_else(|| room.name.clone()),
            description: self.description.clone().unwrap_or_else(|| room.description.clone()),
            history_visibility: self.history_visibility.unwrap_or(room.history_visibility),
            retention: self.retention.unwrap_or(room.retention),
            ..room.clone()
        }
    }
}

/// A room changes.
#[derive(Debug, Clone, PartialEq)]
pub struct RoomUpdate {
    pub room: RoomId,
    pub by: Actor,
    /// The role `by` was seen to have.
    pub by_role: Role,
    pub patch: RoomPatch,
}

/// Somebody is taken out of a room, or kept out of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Removal {
    pub room: RoomId,
    pub by: Actor,
    /// The role `by` was seen to have.
    pub by_role: Role,
    pub user: Actor,
    /// The role `user` was seen to have; `None`: they were no member.
    pub role: Option<Role>,
    /// They may not come back.
    pub ban: bool,
}

/// Somebody who may not come back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ban {
    pub user: UserId,
    pub by: UserId,
    pub at: Timestamp,
}

#[async_trait]
pub trait RoomAdmin: Send + Sync {
    /// One change (`Updated`), or none where it is so already; a public room is found by its new name. Gives the room as
    /// it is now.
    /// [`RoomNotFound`](crate::StoreError::RoomNotFound), [`RolesChanged`](crate::StoreError::RolesChanged).
    async fn update_room(&self, update: &RoomUpdate) -> Result<RoomRecord>;
    /// Deletes the room with all that is in it: to every operation it is not there from this step on, as if it had never
    /// been, and its handle and name are free. Its last event is `Deleted`, which is in no log. From the lists of its
    /// members, and from the disk, it goes step by step: what one call does not manage is left to
    /// [`sweep`](crate::Maintenance::sweep); each member's own log says `RoomRemoved`, and
    /// attachments become [orphans](crate::Attachments::orphans). For two days no room of that id
    /// can be made: [`create_room`](crate::Rooms::create_room) does nothing. `by_role`: without, whoever does it need not
    /// be a member.
    /// [`RoomNotFound`](crate::StoreError::RoomNotFound), [`RolesChanged`](crate::StoreError::RolesChanged).
    async fn delete_room(&self, room: RoomId, by: &Actor, by_role: Option<Role>) -> Result<()>;
    /// One change (`Role`); where the room passes on, two: of who becomes its owner, then of who was. `user` is another
    /// than `by`, unless both roles are theirs.
    /// [`RoomNotFound`](crate::StoreError::RoomNotFound), [`RolesChanged`](crate::StoreError::RolesChanged).
    async fn set_role(&self, change: &RoleChange) -> Result<Position>;
    /// What [`leave`](crate::Rooms::leave) does, as one change (`Removed`), for a member who is not the owner; none for
    /// who is no member. With `ban` they are kept out from the same step on, whoever banned them first. Gives the
    /// room's position after it.
    /// [`RoomNotFound`](crate::StoreError::RoomNotFound), [`RolesChanged`](crate::StoreError::RolesChanged),
    /// [`TooManyBans`](crate::StoreError::TooManyBans) beyond [`BANS_A_ROOM`].
    async fn remove_member(&self, removal: &Removal) -> Result<Position>;
    /// Lets somebody in again, where `by` has this role; who is not banned stays so.
    /// [`RoomNotFound`](crate::StoreError::RoomNotFound), [`RolesChanged`](crate::StoreError::RolesChanged).
    async fn unban(&self, room: RoomId, by: UserId, by_role: Role, user: UserId) -> Result<()>;
    /// In order of user, those strictly after `after`. [`RoomNotFound`](crate::StoreError::RoomNotFound).
    async fn bans(&self, room: RoomId, after: Option<UserId>, limit: usize) -> Result<Vec<Ban>>;
}
