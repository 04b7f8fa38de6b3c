//! Who is connected. One lease per process, to which its connections refer: a beat costs the same however many
//! sockets it stands for, and when a process dies another claims its lease and walks its users.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use shared::{
    InstanceId, Timestamp, UserId,
    protocol::{LastSeenFor, Status},
};

use crate::Result;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SocketKind {
    Chat,
    Presence,
}

/// One live connection of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    pub instance: InstanceId,
    /// Unique in its instance.
    pub connection: u64,
    pub kind: SocketKind,
    /// Is the user looking? `None` until the client says.
    pub focused: Option<bool>,
    /// When `focused` last changed, or it connected.
    pub since: Timestamp,
}

/// What the user chose to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChosenStatus {
    #[default]
    Online,
    Away,
    Busy,
    Invisible,
}

/// Everything a status is derived from.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PresenceState {
    pub devices: Vec<Device>,
    pub chosen: ChosenStatus,
    pub text: Option<String>,
    /// Who of those who may watch is told of `last_seen`.
    pub last_seen_for: LastSeenFor,
    /// When the last connection ended, or one in focus: what they showed before may stay for a while.
    pub left: Option<Timestamp>,
    /// When watchers saw them last, who are told while `published` is offline. What they could not see leaves no trace
    /// here.
    pub last_seen: Option<Timestamp>,
    /// What watchers were last told; default (`offline`, no text) before the first time.
    pub published: Published,
    /// Grows with every change of the above but `published`.
    pub version: u64,
}

/// What watchers are told.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Published {
    pub status: Status,
    pub text: Option<String>,
}

/// A change of presence as it crosses the bus.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PresenceEvent {
    pub user: UserId,
    pub username: String,
    pub published: Published,
    /// With `offline` alone.
    pub last_seen: Option<Timestamp>,
    /// Who of the watchers is told of `last_seen`.
    #[serde(default)]
    pub last_seen_for: LastSeenFor,
}

/// What came of [`Presence::publish`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Publishing {
    /// It differed from what was published last: set and sent.
    Sent,
    /// Nothing new.
    Unchanged,
    /// The state has changed since it was read: derive again.
    Stale,
}

#[async_trait]
pub trait Presence: Send + Sync {
    /// Renews a process's lease until `now + ttl`. Gives whether it had one: `false` with the first beat, and when others
    /// have [reaped](Self::reap) it meanwhile, or begun to.
    async fn beat(&self, instance: InstanceId, now: Timestamp, ttl: Duration) -> Result<bool>;
    /// Adds a connection, or replaces it with the same (instance, connection). Gives the state with it. Where it is then
    /// the user's only one and they chose nothing, `alone` is published in the same step, if it differs from what was
    /// published last: most connects are of that kind, and need no [`Self::publish`].
    async fn put_device(&self, user: UserId, device: &Device, alone: &PresenceEvent) -> Result<PresenceState>;
    /// Removes a connection. When it was the last, or in focus, `left` is `at` and the user is [due](Self::due_at) at
    /// `at + grace`. When it was the last of a user who does not look offline, `last_seen` is `at` too.
    async fn remove_device(
        &self,
        user: UserId,
        instance: InstanceId,
        connection: u64,
        at: Timestamp,
        grace: Duration,
    ) -> Result<()>;
    async fn set_chosen(&self, user: UserId, chosen: ChosenStatus, text: Option<&str>) -> Result<()>;
    /// What watchers may see of `last_seen` changes with it: whoever watches is told to look again
    /// ([`AccessChanged`](crate::BusEvent::AccessChanged)), in the same step.
    async fn set_last_seen_for(&self, user: UserId, whom: LastSeenFor) -> Result<()>;
    /// One answer for each user, in order; a user never seen has the default.
    async fn presence(&self, users: &[UserId]) -> Result<Vec<PresenceState>>;
    /// Compares `published` with what was last and, if it differs and the state is still of `version`, sets and
    /// publishes it, in one step. With it, `last_seen` where the event has one.
    async fn publish(&self, event: &PresenceEvent, version: u64) -> Result<Publishing>;
    /// What is derived for the user may change at `at` by time alone: they are due then, or as early as they were due
    /// before.
    async fn due_at(&self, user: UserId, at: Timestamp) -> Result<()>;
    /// Takes users who are due at `now`; each is given to one caller, and again after `lease` unless
    /// [`Self::finish_due_user`].
    async fn due_users(&self, now: Timestamp, lease: Duration, limit: usize) -> Result<Vec<UserId>>;
    async fn finish_due_user(&self, user: UserId) -> Result<()>;
    /// Claims processes whose lease ended at `now` and removes their connections, as [`Self::remove_device`] does at
    /// `now`; their users are due at `now`. Bounded work for each call; gives how many users were touched.
    async fn reap(&self, now: Timestamp, limit: usize) -> Result<usize>;
}

/// What [`Presence::put_device`] has nothing to tell of: for tests of other things.
#[cfg(test)]
pub(crate) fn silent(user: UserId) -> PresenceEvent {
    PresenceEvent {
        user,
        username: String::new(),
        published: Published::default(),
        last_seen: None,
        last_seen_for: LastSeenFor::default(),
    }
}
