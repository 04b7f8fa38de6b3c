//! Push subscriptions: a user's are one hash in the user's tag; who has put an endpoint last is a key of its own.

use async_trait::async_trait;
use redis::cmd;
use shared::UserId;

use super::{
    Engine,
    codec::{from_json, json, parse},
    scripts::{self, Call},
};
use crate::{PushSubscription, PushSubscriptions, Result};

#[async_trait]
impl PushSubscriptions for Engine {
    async fn put_subscription(&self, user: UserId, subscription: &PushSubscription, most: usize) -> Result<bool> {
        let id = subscription.id();
        let put = Call::new(&scripts::PUT_SUBSCRIPTION)
            .key(self.keys.push(user))
            .arg(id.as_str())
            .arg(json(subscription)?)
            .arg(most);
        if !self.connections.run::<bool>("put a push subscription", put).await? {
            return Ok(false);
        }
        // After it: where this process dies in between, the endpoint goes on being the other's, or nobody's.
        let own = cmd("SET").arg(self.keys.push_owner(&id)).arg(user.to_string()).to_owned();
        self.connections.ask::<String>("own a push endpoint", &own).await?;
        Ok(true)
    }

    async fn subscriptions(&self, user: UserId) -> Result<Vec<PushSubscription>> {
        let read = cmd("HVALS").arg(self.keys.push(user)).to_owned();
        let texts: Vec<String> = self.connections.ask("read push subscriptions", &read).await?;
        let all: Vec<PushSubscription> = texts.iter().map(|text| from_json(text)).collect::<Result<_>>()?;
        let reads = all.iter().map(|one| cmd("GET").arg(self.keys.push_owner(&one.id())).to_owned()).collect();
        let owners: Vec<Option<String>> = self.connections.ask_all("read who owns push endpoints", reads).await?;
        let mut owned = Vec::new();
        for (subscription, owner) in all.into_iter().zip(owners) {
            let owner: Option<UserId> = owner.map(|owner| parse(&owner, "the owner of an endpoint")).transpose()?;
            if owner == Some(user) {
                owned.push(subscription);
            }
        }
        owned.sort_by_cached_key(PushSubscription::id);
        Ok(owned)
    }

    async fn remove_subscription(&self, user: UserId, id: &str) -> Result<bool> {
        // The owner first: a process that dies in between leaves a subscription that is nobody's, and removed again.
        let disown = Call::new(&scripts::COMPARE_AND_SET).key(self.keys.push_owner(id)).arg(user.to_string()).arg("");
        self.connections.run::<bool>("disown a push endpoint", disown).await?;
        let remove = cmd("HDEL").arg(self.keys.push(user)).arg(id).to_owned();
        self.connections.ask("remove a push subscription", &remove).await
    }

    async fn push_key(&self, candidate: &[u8]) -> Result<Vec<u8>> {
        let key = self.keys.push_key();
        let set = cmd("SET").arg(&key).arg(candidate).arg("NX").to_owned();
        self.connections.ask::<Option<String>>("make the key for pushes", &set).await?;
        let read = cmd("GET").arg(&key).to_owned();
        self.connections.ask("read the key for pushes", &read).await
    }
}
