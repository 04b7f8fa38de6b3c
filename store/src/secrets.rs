//! Secrets that were sent to a user's e-mail address: who shows one has read the mail. Only their hashes are kept.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use shared::{SessionId, Timestamp, UserId};

use crate::Result;

/// What a secret lets its holder do, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretKind {
    /// Choose a new password.
    Reset,
    /// Show that the address is theirs.
    Verify,
}

/// A secret that was sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Secret {
    pub hash: [u8; 32],
    pub kind: SecretKind,
    /// Where it was sent, as the account has it: of no use once that is another.
    pub address: String,
    pub expires_at: Timestamp,
}

/// All of a user are in one place, so that taking one is one step. One that was taken is known until it would have ended,
/// so that keeping it once more does not bring it back.
#[async_trait]
pub trait Secrets: Send + Sync {
    /// Keeps a secret; one of this hash that is known changes nothing. Of its kind `keep` (above 0) stay, those that end
    /// last; what ended at `now` or before goes.
    async fn put_secret(&self, user: UserId, secret: &Secret, now: Timestamp, keep: usize) -> Result<()>;
    /// One that was not taken and ends after `now`; whether the account's address is still its own is not looked at.
    async fn secret(&self, user: UserId, hash: &[u8; 32], now: Timestamp) -> Result<Option<Secret>>;
    /// Takes a secret of this kind, and the account's address is verified. `false`: there is none that is good at `now`,
    /// or the account has another address, and nothing was done.
    async fn verify_address(&self, user: UserId, hash: &[u8; 32], now: Timestamp) -> Result<bool>;
    /// Takes a secret of this kind: `next` is the hash of the password, the address is verified, no other such secret is
    /// good any more, and all sessions end and are published. Gives which ended; `None` as in
    /// [`Self::verify_address`].
    async fn reset_password(
        &self,
        user: UserId,
        hash: &[u8; 32],
        next: &str,
        now: Timestamp,
    ) -> Result<Option<Vec<SessionId>>>;
}
