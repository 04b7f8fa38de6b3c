//! Accounts that go: deleted by their users or an operator, and guests who were not seen for long.
//!
//! With the first step an account is not there any more. What it leaves behind goes in steps that can be repeated; until
//! all are done, and what was under way for the user has ended, it is listed, so that somebody goes on.

use async_trait::async_trait;
use shared::{SessionId, Timestamp, UserId};

use crate::Result;

/// The name shown of whoever is not there any more.
pub const DELETED_USER: &str = "deleted user";

#[async_trait]
pub trait Deletions: Send + Sync {
    /// In one step, which also publishes [`AccountClosed`](crate::UserEvent::AccountClosed): the account is gone, of which
    /// stays that its id was somebody's, and its sessions have ended. From then on nothing begins a session for it or
    /// makes it a member of a room. Gives the sessions; `None`: there is no such account, so that of many at once
    /// one begins.
    ///
    /// `unseen_since`: only a guest who is not connected, and was not seen later; else `None`, and nothing was done.
    async fn begin_deletion(&self, user: UserId, unseen_since: Option<Timestamp>) -> Result<Option<Vec<SessionId>>>;
    /// Deletions that began at `begun_before` or before and have not ended, the oldest first.
    async fn deletions(&self, begun_before: Timestamp, limit: usize) -> Result<Vec<UserId>>;
    /// Frees the name and the address of an account that is gone, and removes all that is kept of its user under their id
    /// but their memberships: leave the rooms before. Who watches them is told that they are offline. Does nothing
    /// to an account that is there.
    async fn clear_deleted(&self, user: UserId) -> Result<()>;
    /// Nothing is left to do: the deletion is listed no more.
    async fn end_deletion(&self, user: UserId) -> Result<()>;
    /// Guests who are not connected and were last seen at `unseen_since` or before: made, refreshed, or their last connection
    /// ended. Looks at up to `limit` of those not known to have been seen later, and notes when each was, which is `now`
    /// of who is connected: so the cost does not grow with the guests there are.
    async fn idle_guests(&self, unseen_since: Timestamp, now: Timestamp, limit: usize) -> Result<Vec<UserId>>;
}
