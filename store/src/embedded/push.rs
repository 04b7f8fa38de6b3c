//! Push subscriptions: a user's together, and who has put an endpoint last.

use async_trait::async_trait;
use shared::UserId;

use super::{
    Embedded, codec, keys,
    kv::{Order, Read},
};
use crate::{PushSubscription, PushSubscriptions, Result};

#[async_trait]
impl PushSubscriptions for Embedded {
    async fn put_subscription(&self, user: UserId, subscription: &PushSubscription, most: usize) -> Result<bool> {
        let (id, row) = (subscription.id(), codec::to_json(subscription)?);
        self.write(move |tx| {
            let key = keys::push(user, &id);
            if tx.get(&key)?.is_none()
                && tx.collect(&keys::pushes(user), Order::Ascending, most, |_, _| Ok(()))?.len() == most
            {
                return Ok(false);
            }
            tx.put(key, row)?;
            tx.put(keys::push_owner(&id), user.as_bytes().to_vec())?;
            Ok(true)
        })
        .await
    }

    async fn subscriptions(&self, user: UserId) -> Result<Vec<PushSubscription>> {
        self.read(move |read| {
            let all =
                read.collect(&keys::pushes(user), Order::Ascending, usize::MAX, |_, row| codec::from_json(row))?;
            let mut owned = Vec::new();
            for subscription in all {
                let subscription: PushSubscription = subscription;
                let owner = read.get(&keys::push_owner(&subscription.id()))?;
                if owner.is_some_and(|owner| owner == user.as_bytes()) {
                    owned.push(subscription);
                }
            }
            Ok(owned)
        })
        .await
    }

    async fn remove_subscription(&self, user: UserId, id: &str) -> Result<bool> {
        let (key, owner) = (keys::push(user, id), keys::push_owner(id));
        self.write(move |tx| {
            let there = tx.get(&key)?.is_some();
            tx.delete(key);
            if tx.get(&owner)?.is_some_and(|owner| owner == user.as_bytes()) {
                tx.delete(owner);
            }
            Ok(there)
        })
        .await
    }

    async fn push_key(&self, candidate: &[u8]) -> Result<Vec<u8>> {
        let candidate = candidate.to_vec();
        self.write(move |tx| {
            if let Some(key) = tx.get(&keys::push_key())? {
                return Ok(key);
            }
            tx.put(keys::push_key(), candidate.clone())?;
            Ok(candidate)
        })
        .await
    }
}
