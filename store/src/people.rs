//! Who knows whom: the people a user keeps in lists of their own.

use async_trait::async_trait;
use shared::UserId;

use crate::Result;

/// How somebody else stands to a viewer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Relation {
    /// The viewer is in their contacts.
    pub has_me: bool,
    /// They have blocked the viewer.
    pub blocks_me: bool,
}

/// What changes whether somebody may watch the owner is published, in the step that changes it
/// ([`AccessChanged`](crate::BusEvent::AccessChanged)).
#[async_trait]
pub trait People: Send + Sync {
    /// Adding one twice is one. If it was none before: a change in the owner's own log, and published.
    /// [`TooManyPeople`](crate::StoreError::TooManyPeople) where the owner has `most` others. O(contacts).
    async fn add_contact(&self, owner: UserId, contact: UserId, most: usize) -> Result<()>;
    /// If it was one: a change in the owner's own log, and published.
    async fn remove_contact(&self, owner: UserId, contact: UserId) -> Result<()>;
    /// In order of id.
    async fn contacts(&self, owner: UserId) -> Result<Vec<UserId>>;
    /// Blocking one twice is once. If they were not blocked before: a change in the owner's own log, and published. From
    /// when it returns nothing is said in the direct room of the two ([`Blocked`](crate::StoreError::Blocked)), whoever
    /// makes it, until neither blocks the other. A process that dies inside leaves the room to the sweep, within 30 s.
    /// [`TooManyPeople`](crate::StoreError::TooManyPeople) where the owner blocks `most` others. O(blocks).
    async fn block(&self, owner: UserId, other: UserId, most: usize) -> Result<()>;
    /// The reverse.
    async fn unblock(&self, owner: UserId, other: UserId) -> Result<()>;
    /// Whom the owner blocks, in order of id.
    async fn blocks(&self, owner: UserId) -> Result<Vec<UserId>>;
    /// Which of `owners` block which of `others`: (owner, other). One round trip, a look-up for each two.
    async fn blocks_among(&self, owners: &[UserId], others: &[UserId]) -> Result<Vec<(UserId, UserId)>>;
    /// How each of the others stands to the viewer, in order: one round trip, two look-ups for each.
    async fn relations(&self, viewer: UserId, others: &[UserId]) -> Result<Vec<Relation>>;
}
