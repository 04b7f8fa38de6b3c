//! The people a user keeps: contacts, and whom they block.

use std::sync::Arc;

use shared::UserId;
use store::Store;

use crate::{Accounts, DomainError, Names, Result, Viewer, accounts::UserPage};

/// Contacts one user may keep.
const MAX_CONTACTS: usize = 5000;
/// People one user may block.
const MAX_BLOCKS: usize = 1000;

pub struct People {
    store: Store,
    accounts: Arc<Accounts>,
    names: Arc<Names>,
}

impl People {
    pub(crate) fn new(store: Store, accounts: Arc<Accounts>, names: Arc<Names>) -> Self {
        Self { store, accounts, names }
    }

    /// All contacts of the viewer, in order of id.
    pub async fn contacts(&self, viewer: &Viewer) -> Result<UserPage> {
        let ids = self.store.people.contacts(viewer.user).await?;
        Ok(UserPage { items: self.accounts.users(viewer, &ids).await?, next_cursor: None })
    }

    /// Adds a contact, who may watch the viewer's presence from now on. Adding one twice is one.
    pub async fn add_contact(&self, viewer: &Viewer, other: UserId) -> Result<()> {
        if other == viewer.user {
            return Err(DomainError::invalid("userId", "you cannot be your own contact"));
        }
        self.names.require(other).await?;
        Ok(self.store.people.add_contact(viewer.user, other, MAX_CONTACTS).await?)
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
