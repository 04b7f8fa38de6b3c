//! Accounts.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use shared::{SessionId, Timestamp, UserId};

use crate::Result;

/// An account as it is kept. `username` keeps the case it was given; it and `email` are unique without case
/// (compared by ASCII lower case).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UserRecord {
    pub id: UserId,
    pub username: String,
    pub display_name: String,
    pub email: Option<String>,
    pub email_verified: bool,
    /// PHC string; none for guests.
    pub password_hash: Option<String>,
    pub avatar_url: Option<String>,
    pub bio: Option<String>,
    pub created_at: Timestamp,
    pub guest: bool,
    /// May look after the deployment.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub administrator: bool,
    /// Since when the account is banned: it has no sessions, and none begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub banned_at: Option<Timestamp>,
}

/// Names a user of another product: a hash of its issuer and of their subject there.
pub type ExternalId = [u8; 32];

/// What to change of a profile; `None` leaves as it is, `Some(None)` clears.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProfilePatch {
    pub display_name: Option<String>,
    pub bio: Option<Option<String>>,
}

#[async_trait]
pub trait Users: Send + Sync {
    /// Stores a new account. [`UsernameTaken`](crate::StoreError::UsernameTaken) or
    /// [`EmailTaken`](crate::StoreError::EmailTaken) leave nothing behind. A process that dies inside leaves claims
    /// that the sweep releases within 30 s.
    async fn create_user(&self, user: &UserRecord) -> Result<()>;
    /// Stores a new account for this user of another product, as [`create_user`](Self::create_user) does, unless there has
    /// been one: gives whose it is, now and for ever, also after that account is gone. Of many at once one is made;
    /// [`Unavailable`](crate::StoreError::Unavailable) where another process does not come to an end with it.
    async fn provision_user(&self, user: &UserRecord, external: &ExternalId) -> Result<UserId>;
    /// Whose account was made for this user of another product; it may be gone.
    async fn user_id_by_external(&self, external: &ExternalId) -> Result<Option<UserId>>;
    async fn user(&self, id: UserId) -> Result<Option<UserRecord>>;
    /// One answer for each id, in order; one round trip.
    async fn users(&self, ids: &[UserId]) -> Result<Vec<Option<UserRecord>>>;
    /// By name, in any case.
    async fn user_id_by_name(&self, username: &str) -> Result<Option<UserId>>;
    /// By address, in any case.
    async fn user_id_by_email(&self, email: &str) -> Result<Option<UserId>>;
    /// The record after the change; [`UserNotFound`](crate::StoreError::UserNotFound).
    async fn update_profile(&self, id: UserId, patch: &ProfilePatch) -> Result<UserRecord>;
    /// Sets where the avatar is, or that there is none; gives where it was.
    /// [`UserNotFound`](crate::StoreError::UserNotFound).
    async fn set_avatar(&self, id: UserId, url: Option<&str>) -> Result<Option<String>>;
    /// Puts `next` in the place of the password hash `old`, and ends all sessions but `keep`, in one step that also
    /// publishes their ends. Gives which ended; `None`: `old` is not the hash (any more), and nothing was done.
    /// [`UserNotFound`](crate::StoreError::UserNotFound).
    async fn change_password(
        &self,
        id: UserId,
        old: &str,
        next: &str,
        keep: SessionId,
    ) -> Result<Option<Vec<SessionId>>>;
    /// [`UserNotFound`](crate::StoreError::UserNotFound).
    async fn set_administrator(&self, id: UserId, administrator: bool) -> Result<()>;
    /// Bans the account, in one step that ends all its sessions and publishes
    /// [`AccountClosed`](crate::UserEvent::AccountClosed); from then on no login of it lives, by whatever token, and none
    /// begins. One that is banned stays so, since `at` of the first time. Gives the sessions that ended.
    /// [`UserNotFound`](crate::StoreError::UserNotFound).
    async fn ban_user(&self, id: UserId, at: Timestamp) -> Result<Vec<SessionId>>;
    /// `false`: it was not banned. [`UserNotFound`](crate::StoreError::UserNotFound).
    async fn unban_user(&self, id: UserId) -> Result<bool>;
    /// Accounts (not guests) whose folded username starts with the folded `prefix`, in order of name, those strictly
    /// after the folded name `after`.
    async fn search_users(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<UserId>>;
    /// Accounts and guests there are.
    async fn count_users(&self) -> Result<u64>;
}
