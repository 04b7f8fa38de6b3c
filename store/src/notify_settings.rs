//! What users want to be told of, how, and when.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use shared::{RoomId, UserId};

use crate::Result;

/// What of a room a member is notified of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RoomLevel {
    #[default]
    All,
    Mentions,
    Muted,
}

/// Hours in which nothing but the inbox is told, each day by the user's own clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoNotDisturb {
    /// Minutes after midnight.
    pub from: u16,
    /// Minutes after midnight; before `from`: of the next day.
    pub to: u16,
    /// By its name in the IANA time zone database.
    pub time_zone: String,
}

/// How and when a user is reached, whatever it is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reach {
    /// Channels that are switched off.
    #[serde(default)]
    pub off: BTreeSet<String>,
    #[serde(default)]
    pub quiet: Option<DoNotDisturb>,
}

/// All a user has set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NotifySettings {
    pub reach: Reach,
    /// Those that are not [`RoomLevel::All`].
    pub rooms: BTreeMap<RoomId, RoomLevel>,
}

#[async_trait]
pub trait NotifyPreferences: Send + Sync {
    /// Of a user who has set nothing: the default.
    async fn notify_settings(&self, user: UserId) -> Result<NotifySettings>;
    /// Replaces all of it in one step: a change in the user's own log, published, where they differ from what was there.
    /// O(rooms in it).
    async fn put_notify_settings(&self, user: UserId, settings: &NotifySettings) -> Result<()>;
    /// Switches a channel off, and changes nothing else: a change of the user's own log, published, unless it is off.
    async fn switch_off(&self, user: UserId, channel: &str) -> Result<()>;
    /// A part of [`Self::notify_settings`], whose cost does not grow with the rooms.
    async fn reach(&self, user: UserId) -> Result<Reach>;
    /// What each of these users has set for a room, in order: one round trip, one look-up for each.
    async fn room_levels(&self, room: RoomId, users: &[UserId]) -> Result<Vec<RoomLevel>>;
}
