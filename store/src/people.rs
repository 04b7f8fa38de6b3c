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
    /// They have written to the viewer ([`People::note_written`]).
    pub wrote_me: bool,
}

/// How many people the lists of one user may hold.
#[derive(Debug, Clone, Copy)]
pub struct Most {
    /// Contacts, and those whom they asked to be one.
    pub contacts: usize,
    /// Requests that wait, of either direction.
    pub requests: usize,
}

/// What came of asking somebody to be a contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// They are one.
    Contact,
    /// They have not answered.
    Pending,
}

/// Requests of a user that wait, each in order of id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requests {
    pub outgoing: Vec<UserId>,
    pub incoming: Vec<UserId>,
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
    /// The owner asks somebody to be a contact, each of the other. Who has asked the owner becomes it at once, as does who
    /// has the owner in their contacts. Else a request waits in the lists of both, each change of which is one in its
    /// owner's own log, published. Asking twice is asking once. Where the other one blocks the owner, the request waits
    /// in the owner's list alone, for ever. [`Blocked`](crate::StoreError::Blocked) where the owner blocks them,
    /// [`TooManyPeople`](crate::StoreError::TooManyPeople) where a list is full. A process that dies inside leaves half
    /// of it to the sweep, within 30 s: a request that came to one of the lists alone is taken back.
    async fn ask_contact(&self, owner: UserId, other: UserId, most: Most) -> Result<Asked>;
    /// Takes back what the owner asked of the other one, and declines what that one asked of the owner, if anything: a
    /// change in the own log of each whose list changed, published. Where the owner blocks the other one, nothing changes
    /// in what that one asked.
    async fn drop_requests(&self, owner: UserId, other: UserId) -> Result<()>;
    async fn requests(&self, owner: UserId) -> Result<Requests>;
    /// Blocking one twice is once. If they were not blocked before: a change in the owner's own log, and published. From
    /// when it returns nothing is said in the direct room of the two ([`Blocked`](crate::StoreError::Blocked)), whoever
    /// makes it, until neither blocks the other. Requests between them are [dropped](Self::drop_requests). A process that dies inside leaves the room to the sweep, within 30 s.
    /// [`TooManyPeople`](crate::StoreError::TooManyPeople) where the owner blocks `most` others. O(blocks).
    async fn block(&self, owner: UserId, other: UserId, most: usize) -> Result<()>;
    /// The reverse.
    async fn unblock(&self, owner: UserId, other: UserId) -> Result<()>;
    /// Whom the owner blocks, in order of id.
    async fn blocks(&self, owner: UserId) -> Result<Vec<UserId>>;
    /// Which of `owners` block which of `others`: (owner, other). One round trip, a look-up for each two.
    async fn blocks_among(&self, owners: &[UserId], others: &[UserId]) -> Result<Vec<(UserId, UserId)>>;
    /// The owner has said something in the direct room of the two. Kept for ever; if it is new, published.
    async fn note_written(&self, owner: UserId, to: UserId) -> Result<()>;
    /// How each of the others stands to the viewer, in order: one round trip, three look-ups for each.
    async fn relations(&self, viewer: UserId, others: &[UserId]) -> Result<Vec<Relation>>;
}
