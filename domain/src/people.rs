//! The people a user keeps: contacts.

use std::sync::Arc;

use shared::UserId;
use store::Store;

use crate::{Accounts, DomainError, Names, Result, Viewer, accounts::UserPage};

/// Contacts one user may keep.
const MAX_CONTACTS: usize = 5000;

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
}
