//! Roles, kicks and bans. Who may do what is the domain's to say: it names the roles it decided by, and nothing is done
//! where they are others by then.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use shared::{
    RoomId, Timestamp, UserId,
    protocol::{Position, Role},
};

use crate::{Actor, Result};

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
    /// Lets somebody in again; who is not banned stays so. [`RoomNotFound`](crate::StoreError::RoomNotFound).
    async fn unban(&self, room: RoomId, user: UserId) -> Result<()>;
    /// In order of user, those strictly after `after`. [`RoomNotFound`](crate::StoreError::RoomNotFound).
    async fn bans(&self, room: RoomId, after: Option<UserId>, limit: usize) -> Result<Vec<Ban>>;
}
