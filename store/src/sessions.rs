//! Login sessions: all of a user's are together, so that they are listed, and ended, in one step.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use shared::{EventId, RoomId, SessionId, Timestamp, UserId, protocol::Position};

use crate::Result;

/// A login.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionRecord {
    pub id: SessionId,
    pub user: UserId,
    /// SHA-256 of the refresh secret that is valid now.
    pub refresh_hash: [u8; 32],
    /// SHA-256 of what all its secrets have in common: who presents it has had one of them. Zeros, which is no hash of
    /// anything, where it began without.
    #[serde(default)]
    pub family_hash: [u8; 32],
    /// The secret that was valid before.
    #[serde(default)]
    pub replaced: Option<Replaced>,
    pub created_at: Timestamp,
    /// When a token of it was last issued.
    pub used_at: Timestamp,
    /// The session is gone after this.
    pub expires_at: Timestamp,
    /// What the client called itself at the login.
    pub agent: Option<String>,
    /// Where it came from.
    pub address: Option<String>,
}

/// How a user is logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Login {
    /// By a session of ours: until it ends, whatever tokens of it come and go.
    Session(SessionId),
    /// By a token of another product: until that is good no more, or its user is gone.
    Host { until: Timestamp },
}

/// A refresh secret that is valid no more.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Replaced {
    /// SHA-256 of it.
    pub hash: [u8; 32],
    /// When it was first exchanged.
    pub at: Timestamp,
}

/// A refresh secret that is presented, and what takes its place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Exchange {
    /// SHA-256 of the one presented.
    pub presented: [u8; 32],
    /// SHA-256 of its part that names its family.
    pub family: [u8; 32],
    /// SHA-256 of the one that follows.
    pub next: [u8; 32],
    pub at: Timestamp,
    /// How long after its first exchange a secret may be exchanged once more: the answer may have been lost.
    pub grace: Duration,
    /// When the session then expires.
    pub expires_at: Timestamp,
}

/// What came of presenting a refresh secret.
#[derive(Debug, Clone, PartialEq)]
pub enum Rotation {
    /// It was the valid one, or within the grace the one before; the new hash is in place.
    Rotated(Box<SessionRecord>),
    /// It is of the session's family and valid no more: somebody replays an old one. The session has been ended, and that
    /// published.
    Reused,
    /// No such session (any more), or never a secret of it: nothing was done.
    Unknown,
}

/// What a user who connects is shown of themselves.
#[derive(Debug, Clone, PartialEq)]
pub struct Arrival {
    /// Where their own log stands, before their rooms were read.
    pub own: Position,
    /// As [`Rooms::rooms_of`](crate::Rooms::rooms_of).
    pub rooms: Vec<RoomId>,
}

/// What ends a session also publishes [`SessionEnded`](crate::UserEvent::SessionEnded) in the same step; but for time:
/// one that expires is gone without a word.
#[async_trait]
pub trait Sessions: Send + Sync {
    /// Of more than `keep`, those not used for the longest end; the new one stays. `password`: the hash the login was
    /// verified with; `false`: it is not the account's (any more), and nothing was done. O(sessions of the user).
    /// [`UserNotFound`](crate::StoreError::UserNotFound): their account was deleted;
    /// [`AccountBanned`](crate::StoreError::AccountBanned).
    async fn create_session(&self, session: &SessionRecord, keep: usize, password: Option<&str>) -> Result<bool>;
    /// Those of the user that live, the oldest login first.
    async fn sessions(&self, user: UserId) -> Result<Vec<SessionRecord>>;
    /// `None` once it ended or expired.
    async fn session(&self, user: UserId, id: SessionId) -> Result<Option<SessionRecord>>;
    /// One answer for each login, in order: does it live? One by another product's token does as long as its user is
    /// there and not banned; the time is for the caller. One round trip.
    async fn live(&self, logins: &[(UserId, Login)]) -> Result<Vec<bool>>;
    /// What a user of this login who connects is shown of themselves, in one round trip; `None` once it does not live,
    /// as [`live`](Self::live) says. Nothing that happens after falls between: it has a later `rev` in the user's own log.
    async fn arrival(&self, user: UserId, login: Login) -> Result<Option<Arrival>>;
    /// Compares and replaces the hash in one step. The same call again, within the grace, gives the same.
    async fn rotate_refresh(&self, user: UserId, id: SessionId, exchange: &Exchange) -> Result<Rotation>;
    /// `false`: there was none that lives. Ending one twice is fine.
    async fn end_session(&self, user: UserId, id: SessionId) -> Result<bool>;
    /// Ends all of the user's but `except`, in one step; gives which.
    async fn end_sessions(&self, user: UserId, except: Option<SessionId>) -> Result<Vec<SessionId>>;
}

/// What a ticket opens: a socket, as this login of this user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ticket {
    pub user: UserId,
    pub login: Login,
    /// As of the token it was given for.
    pub scope: Option<String>,
}

/// Tickets, by the SHA-256 of their secret. They end soon: losing them costs their holders one more call.
#[async_trait]
pub trait Tickets: Send + Sync {
    /// Keeps one for `ttl`.
    async fn put_ticket(&self, hash: [u8; 32], ticket: &Ticket, ttl: Duration) -> Result<()>;
    /// Gives it once, to one `attempt`; a repeat of that attempt gets it again.
    async fn take_ticket(&self, hash: [u8; 32], attempt: EventId) -> Result<Option<Ticket>>;
}
