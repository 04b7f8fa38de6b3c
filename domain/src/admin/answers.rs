//! What is answered to who looks after a deployment.

use serde::{Deserialize, Serialize};
use shared::{
    InstanceId, RoomId, SessionId, Timestamp, UserId,
    protocol::{Role, RoomType, Status},
};
use store::{Finding, Head, RoomRecord, Service, UserRecord};
use utoipa::ToSchema;

/// Up to 100, and what to ask for to get the next.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Listed<T> {
    pub items: Vec<T>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next_cursor: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserLine {
    pub id: UserId,
    pub username: String,
    pub display_name: String,
    pub email: Option<String>,
    pub guest: bool,
    pub administrator: bool,
    /// Since when the account is banned, if it is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub banned_at: Option<Timestamp>,
    pub created_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserDetails {
    #[serde(flatten)]
    pub user: UserLine,
    pub email_verified: bool,
    /// What those who may watch them were told last.
    pub status: Status,
    pub last_seen: Option<Timestamp>,
    /// Live connections, of all kinds.
    pub connections: usize,
    pub contacts: usize,
    pub rooms: Vec<RoomId>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoomLine {
    pub id: RoomId,
    pub name: Option<String>,
    pub handle: Option<String>,
    #[serde(rename = "type")]
    pub kind: RoomType,
    pub members: u64,
    /// Number of the last message.
    pub seq: u64,
    pub created_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoomDetails {
    #[serde(flatten)]
    pub room: RoomLine,
    pub created_by: UserId,
    /// Number of the last change.
    pub rev: u64,
    /// Messages up to this number are gone by retention.
    pub floor: u64,
    /// The first 50, in order of joining.
    pub first_members: Vec<MemberLine>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemberLine {
    pub id: UserId,
    pub username: String,
    pub role: Role,
    pub joined_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionLine {
    pub id: SessionId,
    pub created_at: Timestamp,
    /// When a token of it was last issued.
    pub used_at: Timestamp,
    pub expires_at: Timestamp,
    /// What the client called itself at the login.
    pub agent: Option<String>,
    pub address: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// Accounts and guests.
    pub users: u64,
    /// Of all services, by their registry entries.
    pub instances: Vec<InstanceLine>,
    #[serde(default)]
    pub outbox: BacklogLine,
    /// What the store warns of.
    #[schema(value_type = Vec<Object>)]
    pub findings: Vec<Finding>,
}

/// Jobs of the outbox that are not over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BacklogLine {
    /// Anybody may take them up.
    pub due: u64,
    /// Under way, held, or to be tried again.
    pub later: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InstanceLine {
    /// `api | chat | presence | notification`
    #[schema(value_type = String)]
    pub service: Service,
    pub id: InstanceId,
    /// Where clients reach it.
    pub url: String,
    /// Where it listens, as other processes see it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub address: Option<String>,
    pub connections: u64,
    pub version: String,
    /// When its process began.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub started_at: Option<Timestamp>,
    /// It stops, or is asked to.
    #[serde(default)]
    pub draining: bool,
}

impl From<UserRecord> for UserLine {
    fn from(user: UserRecord) -> Self {
        Self {
            id: user.id,
            username: user.username,
            display_name: user.display_name,
            email: user.email,
            guest: user.guest,
            administrator: user.administrator,
            banned_at: user.banned_at,
            created_at: user.created_at,
        }
    }
}

impl RoomLine {
    pub(super) fn of(room: RoomRecord, head: Head) -> Self {
        Self {
            id: room.id,
            name: room.name,
            handle: room.handle,
            kind: room.kind,
            members: head.members,
            seq: head.seq,
            created_at: room.created_at,
        }
    }
}
