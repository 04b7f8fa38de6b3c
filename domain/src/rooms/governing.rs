//! Running a room: changing what it is, deleting it, giving roles, taking members out, bans.

use serde::Serialize;
use shared::{
    RoomId, Timestamp, UserId,
    protocol::{HistoryVisibility, Retention, Role, Room, RoomType, command::PatchRoom},
};
use store::{Actor, Removal, RoleChange, RoomPatch, RoomUpdate, StoreError};
use utoipa::ToSchema;

use super::{Rooms, actor, creating::check_form, roles::Act};
use crate::{DomainError, Result, Viewer, messages::name_of, pages::page_limit, validate::Check};

/// How often something is decided anew where roles change meanwhile.
pub(crate) const TRIES: usize = 8;
/// Bans a page gives at most.
const MAX_PAGE: usize = 200;

/// Somebody who may not come back.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BannedUser {
    pub user_id: UserId,
    pub username: String,
    pub banned_by: UserId,
    pub banned_at: Timestamp,
}

/// One page of bans, in order of user.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BanPage {
    pub items: Vec<BannedUser>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

impl Rooms {
    /// Changes what a room is, and gives it as it is now. What was said to those who were there is never shown to others:
    /// `joined` stays `joined`.
    pub async fn patch(&self, viewer: &Viewer, room: RoomId, input: PatchRoom) -> Result<Room> {
        check_patch(&input)?;
        for _ in 0..TRIES {
            let access = self.access(viewer.user, room).await?;
            access.require(Act::ChangeName)?;
            if input.history_visibility.is_some() || input.retention.is_some() {
                access.require(Act::ChangeHistory)?;
            }
            let before = access.record.history_visibility;
            let history_visibility = input.history_visibility.filter(|visibility| *visibility != before);
            if history_visibility == Some(HistoryVisibility::All) {
                return Err(DomainError::Forbidden("what was said to those who were there is not shown to others"));
            }
            let patch = RoomPatch {
                name: input.name.clone(),
                description: input.description.clone().map(|text| Some(text).filter(|text| !text.is_empty())),
                history_visibility,
                retention: input.retention.map(|limits| Some(limits).filter(|limits| *limits != Retention::default())),
            };
            let (by, by_role) = (actor(viewer), access.membership.role);
            match self.store.room_admin.update_room(&RoomUpdate { room, by, by_role, patch }).await {
                Ok(_) => return self.view(viewer, room).await,
                Err(StoreError::RolesChanged) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Err(StoreError::RolesChanged.into())
    }

    /// Deletes a room with all that is in it.
    pub async fn delete(&self, viewer: &Viewer, room: RoomId) -> Result<()> {
        for _ in 0..TRIES {
            let access = self.access(viewer.user, room).await?;
            access.require(Act::DeleteRoom)?;
            match self.store.room_admin.delete_room(room, &actor(viewer), Some(access.membership.role)).await {
                Err(StoreError::RolesChanged) => {}
                other => return Ok(other?),
            }
        }
        Err(StoreError::RolesChanged.into())
    }

    /// Gives a member a role; doing it twice is doing it once. [`Role::Owner`] passes the room on, and the viewer is an
    /// admin from then on, who may not do it again.
    pub async fn set_role(&self, viewer: &Viewer, room: RoomId, user: UserId, to: Role) -> Result<()> {
        for _ in 0..TRIES {
            let access = self.access(viewer.user, room).await?;
            let member = self.store.rooms.membership(room, user).await?;
            let from = member.ok_or(DomainError::NotFound("they are no member of this room"))?.role;
            let oneself = user == viewer.user;
            // To stay what one is takes no right, but in a direct room nobody is anything.
            if !oneself || from != to || access.record.kind == RoomType::Direct {
                access.require(if oneself { Act::StepDown(to) } else { Act::Appoint { from, to } })?;
            }
            if from == to {
                return Ok(());
            }
            let (by, by_role) = (actor(viewer), access.membership.role);
            let user = Actor { id: user, username: self.names.username(user).await? };
            match self.store.room_admin.set_role(&RoleChange { room, by, by_role, user, from, to }).await {
                Err(StoreError::RolesChanged) => {}
                other => return Ok(other.map(drop)?),
            }
        }
        Err(StoreError::RolesChanged.into())
    }

    /// Takes a member out of the room; oneself: leaves it. Who is no member stays so.
    pub async fn remove_member(&self, viewer: &Viewer, room: RoomId, user: UserId) -> Result<()> {
        if user == viewer.user {
            return self.leave(viewer, room).await;
        }
        self.take_out(viewer, room, user, false).await
    }

    /// Takes somebody out of the room and keeps them out; who is no member is kept out. Doing it twice is doing it once.
    pub async fn ban(&self, viewer: &Viewer, room: RoomId, user: UserId) -> Result<()> {
        if user == viewer.user {
            return Err(DomainError::invalid("userId", "one cannot ban oneself"));
        }
        self.take_out(viewer, room, user, true).await
    }

    async fn take_out(&self, viewer: &Viewer, room: RoomId, user: UserId, ban: bool) -> Result<()> {
        for _ in 0..TRIES {
            let access = self.access(viewer.user, room).await?;
            let role = self.store.rooms.membership(room, user).await?.map(|member| member.role);
            access.require(Act::Remove(role.unwrap_or(Role::Member)))?;
            if role.is_none() {
                if !ban {
                    return Ok(());
                }
                self.names.require(user).await?;
            }
            let (by, by_role) = (actor(viewer), access.membership.role);
            let user = Actor { id: user, username: self.names.username(user).await? };
            match self.store.room_admin.remove_member(&Removal { room, by, by_role, user, role, ban }).await {
                Err(StoreError::RolesChanged) => {}
                other => return Ok(other.map(drop)?),
            }
        }
        Err(StoreError::RolesChanged.into())
    }

    /// Lets somebody in again; who is not banned stays so.
    pub async fn unban(&self, viewer: &Viewer, room: RoomId, user: UserId) -> Result<()> {
        for _ in 0..TRIES {
            let access = self.access(viewer.user, room).await?;
            access.require(Act::LiftBans)?;
            match self.store.room_admin.unban(room, viewer.user, access.membership.role, user).await {
                Err(StoreError::RolesChanged) => {}
                other => return Ok(other?),
            }
        }
        Err(StoreError::RolesChanged.into())
    }

    /// Who is banned, in order of user; `limit` is 1 to 200, default 50.
    pub async fn bans(
        &self,
        viewer: &Viewer,
        room: RoomId,
        cursor: Option<&str>,
        limit: Option<usize>,
    ) -> Result<BanPage> {
        let limit = page_limit(limit, 50, MAX_PAGE)?;
        let after: Option<UserId> = match cursor {
            Some(cursor) => Some(cursor.parse().map_err(|_| DomainError::invalid("cursor", "not a cursor"))?),
            None => None,
        };
        self.access(viewer.user, room).await?.require(Act::LiftBans)?;
        let bans = self.store.room_admin.bans(room, after, limit).await?;
        let next_cursor = bans.last().filter(|_| bans.len() == limit).map(|last| last.user.to_string());
        let cards = self.names.cards_of(bans.iter().map(|ban| ban.user)).await?;
        let item = |ban: store::Ban| BannedUser {
            user_id: ban.user,
            username: name_of(&cards, ban.user),
            banned_by: ban.by,
            banned_at: ban.at,
        };
        Ok(BanPage { items: bans.into_iter().map(item).collect(), next_cursor })
    }
}

fn check_patch(input: &PatchRoom) -> Result<()> {
    let mut check = Check::default();
    check_form(&mut check, input.name.as_deref(), input.description.as_deref(), input.retention);
    check.that(input.kind.is_none(), "type", "stays as the room was made");
    check.that(input.handle.is_none(), "handle", "stays as the room was made");
    check.done()
}
