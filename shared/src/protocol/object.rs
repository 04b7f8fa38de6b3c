//! Users, rooms, messages and positions: the same in REST and on sockets.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{AttachmentId, EventId, MessageId, RoomId, Timestamp, UserId};

/// What others see of a user's presence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Online,
    Away,
    Busy,
    #[default]
    Offline,
}

/// Who of those who may watch a user is told when they were last seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum LastSeenFor {
    #[default]
    Everyone,
    /// Who is in the user's contacts.
    Contacts,
    Nobody,
}

/// A user as others see them; the owner also sees `email`, `emailVerified` and `lastSeenFor`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct User {
    pub id: UserId,
    pub username: String,
    pub display_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bio: Option<String>,
    pub status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<Timestamp>,
    pub created_at: Timestamp,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub guest: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email_verified: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_seen_for: Option<LastSeenFor>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RoomType {
    /// Anyone may find and join it.
    Public,
    /// Only members know that it exists.
    Private,
    /// Two users; made by opening it.
    Direct,
}

/// Which messages a member may read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum HistoryVisibility {
    /// All of them.
    All,
    /// Those sent since they joined.
    Joined,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Member,
    Admin,
    Owner,
}

/// How far a client has seen a log: the last change's number and name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Position {
    /// Numbers changes from 1, dense.
    pub rev: u64,
    pub event_id: EventId,
}

impl Position {
    /// Before the first change.
    pub const BEGINNING: Self = Self { rev: 0, event_id: EventId::from_bits(0) };
}

/// A room; the members' own fields (`role`, `unread`, …) are there for its members only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Room {
    pub id: RoomId,
    /// A unique name a public room may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handle: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(rename = "type")]
    pub kind: RoomType,
    pub created_by: UserId,
    pub member_count: u64,
    pub created_at: Timestamp,
    pub history_visibility: HistoryVisibility,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_message: Option<Message>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unread: Option<u64>,
    /// How many of the unread messages name the member or everybody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mentions: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_read_seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum MessageType {
    #[default]
    Text,
    Image,
    File,
    /// Opaque to the server: the clients' own end-to-end encryption.
    Encrypted,
}

/// How often one emoji was given to a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reaction {
    pub emoji: String,
    pub count: u64,
    /// The first of those who gave it, at most 50.
    pub user_ids: Vec<UserId>,
    /// The reader is one of them; in answers to a reader, never in events.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub me: bool,
}

/// How long a room keeps its messages; what is over either limit is removed for everybody.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Retention {
    /// Older messages go; 60 to 1,000,000,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_seconds: Option<u64>,
    /// All but so many of the newest go; 10 to 1,000,000,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_messages: Option<u64>,
}

/// How far a member has come in a room; both marks only move forward, and what is read has been delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    pub room_id: RoomId,
    pub user_id: UserId,
    pub delivered_seq: u64,
    pub read_seq: u64,
}

/// A file: of a message, or uploaded and not sent yet. Addresses are paths on api-server, and are asked with a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Attachment {
    pub id: AttachmentId,
    pub url: String,
    /// As its uploader called it; never a path.
    pub name: String,
    /// What the file was found to be, whatever was said of it.
    pub mime: String,
    /// Bytes.
    pub size: u64,
    /// Pixels; images have both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// Images have one: at most 320 pixels wide and high.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumbnail_url: Option<String>,
}

/// What a person wrote. A deleted one keeps id, seq and author; its content is empty.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    pub id: MessageId,
    pub room_id: RoomId,
    /// Numbers the room's messages from 1, dense.
    pub seq: u64,
    pub user_id: UserId,
    /// The author's name at the time of encoding.
    pub username: String,
    pub content: String,
    #[serde(rename = "type")]
    pub kind: MessageType,
    pub timestamp: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_message_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<MessageId>,
    /// Replies to it that are not deleted.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reply_count: u64,
    /// The members it names by `@username`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<UserId>,
    /// It names everybody, by `@all`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mention_all: bool,
    /// In the order in which they were named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// In order of each emoji's first use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reactions: Vec<Reaction>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edited_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A member of a room.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    pub user_id: UserId,
    pub username: String,
    pub display_name: String,
    pub role: Role,
    pub joined_at: Timestamp,
}

/// What a watcher sees of a user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserPresence {
    pub user_id: UserId,
    pub username: String,
    pub status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_text: Option<String>,
    /// When they were last connected; absent while they are, or when never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<Timestamp>,
    /// Live connections (snapshots only).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub devices: Option<u32>,
}
