//! User id → names, cached: events and history carry names, and a page must not cost a read for each author.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures_util::{StreamExt, TryStreamExt, stream};
use moka::future::Cache;
use shared::UserId;
pub use store::DELETED_USER;
use store::Users;

use crate::{DomainError, Result};

/// The names of one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameCard {
    pub username: String,
    pub display_name: String,
    pub guest: bool,
}

/// Names looked up at once; each is a read of its own.
const CONCURRENT_READS: usize = 64;

/// How long a name is taken to be nobody's: at most so long does a mention of who signed up at another instance fail.
const FREE_KEPT: Duration = Duration::from_secs(1);

/// Each direction is bounded to 100,000 users; an entry is at most 30 s old.
pub struct Names {
    users: Arc<dyn Users>,
    cards: Cache<UserId, Arc<NameCard>>,
    /// By folded name.
    ids: Cache<String, UserId>,
    /// Folded names that are nobody's, for [`FREE_KEPT`]: who has just signed up can soon be mentioned, and a text full
    /// of names that are none costs its reads once.
    free: Cache<String, ()>,
}

impl Names {
    pub fn new(users: Arc<dyn Users>) -> Self {
        Self::keeping_free(users, FREE_KEPT)
    }

    fn keeping_free(users: Arc<dyn Users>, free_kept: Duration) -> Self {
        let kept = Duration::from_secs(30);
        let cards = Cache::builder().max_capacity(100_000).time_to_live(kept).build();
        let ids = Cache::builder().max_capacity(100_000).time_to_live(kept).build();
        let free = Cache::builder().max_capacity(100_000).time_to_live(free_kept).build();
        Self { users, cards, ids, free }
    }

    /// `None`: no such account.
    pub async fn card(&self, id: UserId) -> Result<Option<Arc<NameCard>>> {
        Ok(self.cards_of([id]).await?.remove(&id))
    }

    /// The username, or [`DELETED_USER`].
    pub async fn username(&self, id: UserId) -> Result<String> {
        Ok(self.card(id).await?.map_or_else(|| DELETED_USER.into(), |c| c.username.clone()))
    }

    /// The cards of those that exist; at most one read of the store, for those not cached.
    pub async fn cards_of(&self, ids: impl IntoIterator<Item = UserId>) -> Result<HashMap<UserId, Arc<NameCard>>> {
        let mut found = HashMap::new();
        let mut missing = Vec::new();
        for id in ids {
            if found.contains_key(&id) || missing.contains(&id) {
                continue;
            }
            match self.cards.get(&id).await {
                Some(card) => drop(found.insert(id, card)),
                None => missing.push(id),
            }
        }
        if !missing.is_empty() {
            let records = self.users.users(&missing).await?;
            for record in records.into_iter().flatten() {
                let card = Arc::new(NameCard {
                    username: record.username,
                    display_name: record.display_name,
                    guest: record.guest,
                });
                self.cards.insert(record.id, card.clone()).await;
                found.insert(record.id, card);
            }
        }
        Ok(found)
    }

    /// The users of these folded names, those that are taken. The caller bounds how many: names that are not cached are
    /// read together, one read each.
    pub async fn ids_of(&self, names: impl IntoIterator<Item = String>) -> Result<HashMap<String, UserId>> {
        let reads = names.into_iter().map(|name| async move {
            if let Some(id) = self.ids.get(&name).await {
                return Ok(Some((name, id)));
            }
            if self.free.contains_key(&name) {
                return Ok(None);
            }
            let id = self.users.user_id_by_name(&name).await?;
            match id {
                Some(id) => self.ids.insert(name.clone(), id).await,
                None => self.free.insert(name.clone(), ()).await,
            }
            Ok::<_, DomainError>(id.map(|id| (name, id)))
        });
        let found: Vec<_> = stream::iter(reads).buffer_unordered(CONCURRENT_READS).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// After a change of profile in this process, so that its own user sees it at once.
    pub async fn forget(&self, id: UserId) {
        self.cards.invalidate(&id).await;
    }

    /// After a signup in this process, so that the new name can be mentioned at once, whoever's it was before.
    pub async fn taken(&self, username: &str) {
        let folded = username.to_ascii_lowercase();
        self.free.invalidate(&folded).await;
        self.ids.invalidate(&folded).await;
    }

    /// The card, or the error that there is no such user.
    pub async fn require(&self, id: UserId) -> Result<Arc<NameCard>> {
        self.card(id).await?.ok_or(DomainError::UserNotFound)
    }
}

#[cfg(test)]
mod tests {
    use shared::{Timestamp, settings};
    use store::UserRecord;

    use super::*;

    #[tokio::test]
    async fn that_a_name_is_nobodys_is_read_once_until_it_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("embedded:{}", dir.path().display()).parse().unwrap();
        let store = store::open(&settings::Store { url, ..settings::Store::default() }).await.unwrap();
        let names = Names::keeping_free(store.users.clone(), Duration::from_secs(3600));
        let ids = async || names.ids_of(["late".to_owned()]).await.unwrap().remove("late");
        assert_eq!(ids().await, None);
        let late = UserRecord {
            id: UserId::new(),
            username: "Late".into(),
            display_name: "Late".into(),
            email: None,
            email_verified: false,
            password_hash: None,
            avatar_url: None,
            bio: None,
            created_at: Timestamp::now(),
            guest: true,
            administrator: false,
            banned_at: None,
        };
        // As another instance would: this one is not told.
        store.users.create_user(&late).await.unwrap();
        assert_eq!(ids().await, None, "not read again");
        names.taken(&late.username).await;
        assert_eq!(ids().await, Some(late.id));
        store.maintenance.close().await.unwrap();
    }
}
