//! The people a user keeps: contacts, who asks to be one, and whom they block.

use std::sync::Arc;

use serde::Serialize;
use shared::{Settings, UserId, protocol::User};
pub use store::Asked;
use store::{Most, Store};
use utoipa::ToSchema;

use crate::{Accounts, DomainError, Names, Result, Viewer, accounts::UserPage, rates::Rates};

/// Contacts one user may keep.
const MAX_CONTACTS: usize = 5000;
/// Contact requests of each direction that may wait for one user.
const MAX_REQUESTS: usize = 500;
/// People one user may block.
const MAX_BLOCKS: usize = 1000;

/// Contact requests that wait, in order of id.
#[derive(Debug, Serialize, ToSchema)]
pub struct ContactRequests {
    /// Who asks the caller.
    pub incoming: Vec<User>,
    /// Whom the caller asks.
    pub outgoing: Vec<User>,
}

pub struct People {
    store: Store,
    accounts: Arc<Accounts>,
    names: Arc<Names>,
    rates: Arc<Rates>,
    /// Are contacts asked?
    requests: bool,
}

impl People {
    pub(crate) fn new(
        store: Store,
        settings: &Settings,
        accounts: Arc<Accounts>,
        names: Arc<Names>,
        rates: Arc<Rates>,
    ) -> Self {
        Self { store, accounts, names, rates, requests: settings.people.contact_requests }
    }

    /// All contacts of the viewer, in order of id.
    pub async fn contacts(&self, viewer: &Viewer) -> Result<UserPage> {
        let ids = self.store.people.contacts(viewer.user).await?;
        Ok(UserPage { items: self.accounts.users(viewer, &ids).await?, next_cursor: None })
    }

    /// Adds a contact, who may watch the viewer's presence from now on. Adding one twice is one.
    ///
    /// Where contacts are asked (`people.contact_requests`): asks them, or accepts what they have asked; each is then a
    /// contact of the other. Who is blocked by the other one learns no more than that it is [`Asked::Pending`].
    pub async fn add_contact(&self, viewer: &Viewer, other: UserId) -> Result<Asked> {
        if other == viewer.user {
            return Err(DomainError::invalid("userId", "you cannot be your own contact"));
        }
        self.names.require(other).await?;
        if !self.requests {
            self.store.people.add_contact(viewer.user, other, MAX_CONTACTS).await?;
            return Ok(Asked::Contact);
        }
        self.rates.contact_request(viewer.user).await?;
        if viewer.guest && !self.is_welcome(viewer.user, other).await? {
            return Err(DomainError::Forbidden("guests may not ask people to be their contacts"));
        }
        let most = Most { contacts: MAX_CONTACTS, requests: MAX_REQUESTS };
        Ok(self.store.people.ask_contact(viewer.user, other, most).await?)
    }

    /// Has the other one asked this user, or have they in their contacts?
    async fn is_welcome(&self, user: UserId, other: UserId) -> Result<bool> {
        let relation = self.store.people.relations(user, &[other]).await?.pop().unwrap_or_default();
        Ok(relation.has_me || self.store.people.requests(user).await?.incoming.contains(&other))
    }

    pub async fn contact_requests(&self, viewer: &Viewer) -> Result<ContactRequests> {
        let requests = self.store.people.requests(viewer.user).await?;
        Ok(ContactRequests {
            incoming: self.accounts.users(viewer, &requests.incoming).await?,
            outgoing: self.accounts.users(viewer, &requests.outgoing).await?,
        })
    }

    /// Takes back what the viewer asked, and declines what the other one did. Where there is nothing, that is fine.
    pub async fn drop_contact_request(&self, viewer: &Viewer, other: UserId) -> Result<()> {
        Ok(self.store.people.drop_requests(viewer.user, other).await?)
    }

    /// Removing one that is none is fine.
    pub async fn remove_contact(&self, viewer: &Viewer, other: UserId) -> Result<()> {
        Ok(self.store.people.remove_contact(viewer.user, other).await?)
    }

    /// All whom the viewer blocks, in order of id.
    pub async fn blocks(&self, viewer: &Viewer) -> Result<UserPage> {
        let ids = self.store.people.blocks(viewer.user).await?;
        Ok(UserPage { items: self.accounts.users(viewer, &ids).await?, next_cursor: None })
    }

    /// Blocks a user: neither says anything in the direct room of the two, the other one sees the viewer offline, and what
    /// they write elsewhere neither notifies the viewer nor mentions them. Blocking one twice is once.
    pub async fn block(&self, viewer: &Viewer, other: UserId) -> Result<()> {
        if other == viewer.user {
            return Err(DomainError::invalid("userId", "you cannot block yourself"));
        }
        self.names.require(other).await?;
        Ok(self.store.people.block(viewer.user, other, MAX_BLOCKS).await?)
    }

    /// Unblocking one who is not blocked is fine.
    pub async fn unblock(&self, viewer: &Viewer, other: UserId) -> Result<()> {
        Ok(self.store.people.unblock(viewer.user, other).await?)
    }
}
