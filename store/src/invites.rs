//! Invites: who knows the secret of one may join its room. Only the secret's hash is kept.

use std::time::Duration;

use async_trait::async_trait;
use shared::{RoomId, Timestamp, UserId, protocol::Role};

use crate::{Actor, Joined, Result};

/// Invites a room may have at once.
pub const INVITES_A_ROOM: usize = 100;

/// The hash of an invite's secret, which names it.
pub type InviteHash = [u8; 32];

/// An invite to make.
#[derive(Debug, Clone, PartialEq)]
pub struct NewInvite {
    pub room: RoomId,
    pub by: UserId,
    /// The role `by` was seen to have.
    pub by_role: Role,
    pub hash: InviteHash,
    pub lifetime: Duration,
    /// Above 0; `None`: any number.
    pub max_uses: Option<u64>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Invite {
    pub hash: InviteHash,
    pub by: UserId,
    /// The store's clock.
    pub made_at: Timestamp,
    pub expires_at: Timestamp,
    pub max_uses: Option<u64>,
    pub uses: u64,
}

impl Invite {
    /// Does it let anybody in?
    pub fn is_good(&self, now: Timestamp) -> bool {
        now < self.expires_at && self.max_uses.is_none_or(|most| self.uses < most)
    }
}

#[async_trait]
pub trait Invites: Send + Sync {
    /// Makes an invite; one of that hash that has not expired is left as it is. Gives what is there now. Those that have
    /// expired go, and where there is no place those that are used up.
    /// [`RoomNotFound`](crate::StoreError::RoomNotFound), [`RolesChanged`](crate::StoreError::RolesChanged),
    /// [`TooManyInvites`](crate::StoreError::TooManyInvites) beyond [`INVITES_A_ROOM`].
    async fn put_invite(&self, invite: &NewInvite) -> Result<Invite>;
    /// In order of making; those that have expired may be there still.
    /// [`RoomNotFound`](crate::StoreError::RoomNotFound).
    async fn invites(&self, room: RoomId) -> Result<Vec<Invite>>;
    /// Withdraws one, where `by` has this role; who came by it stays. [`RoomNotFound`](crate::StoreError::RoomNotFound),
    /// [`RolesChanged`](crate::StoreError::RolesChanged), [`InviteNotFound`](crate::StoreError::InviteNotFound).
    async fn remove_invite(&self, room: RoomId, by: UserId, by_role: Role, hash: &InviteHash) -> Result<()>;
    /// What [`join`](crate::Rooms::join) does, as a member, and one use of the invite in the same step; a refusal is no
    /// use. Also [`InviteNotFound`](crate::StoreError::InviteNotFound), where it is not [good](Invite::is_good) too, or who
    /// made it is neither owner nor admin now.
    async fn redeem(&self, room: RoomId, user: &Actor, hash: &InviteHash, max_members: u64) -> Result<Joined>;
    /// Random bytes of the room's own, the same from the first call on, from which secrets are derived that must be found
    /// again. [`RoomNotFound`](crate::StoreError::RoomNotFound).
    async fn invite_salt(&self, room: RoomId) -> Result<[u8; 32]>;
}
