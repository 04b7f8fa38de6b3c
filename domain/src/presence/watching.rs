//! Who may watch whom, and what they see.

use std::collections::HashSet;

use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use shared::{
    UserId,
    protocol::{RoomType, UserPresence},
};
use store::{PresenceState, Published};
use utoipa::ToSchema;

use super::{Presence, shown};
use crate::{Result, Viewer, validate::Check};

/// Users looked at at once for one call.
const CONCURRENT_READS: usize = 16;

/// Users as a viewer may see them.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SeenUsers {
    /// In the order they were asked for.
    pub users: Vec<UserPresence>,
}

impl Presence {
    /// Each user as the viewer may see them, in order: who may not be watched looks offline, as do the unknown. It is what
    /// was published last, so that the updates that follow a snapshot are all there is to know.
    pub async fn seen_by(&self, viewer: &Viewer, users: &[UserId]) -> Result<Vec<UserPresence>> {
        let allowed = self.watchable(viewer, users).await?;
        let states = self.store.presence.presence(users).await?;
        let cards = self.names.cards_of(users.iter().copied()).await?;
        let seen = users.iter().zip(states).map(|(user, state)| {
            let username = cards.get(user).map_or_else(String::new, |card| card.username.clone());
            if !allowed.contains(user) {
                return shown(*user, username, &PresenceState::default(), Published::default());
            }
            shown(*user, username, &state, state.published.clone())
        });
        Ok(seen.collect())
    }

    /// Those of `users` the viewer may watch: themselves, who has them in their contacts, and who shares a private or
    /// direct room with them. Costs two reads for each user.
    pub async fn watchable(&self, viewer: &Viewer, users: &[UserId]) -> Result<HashSet<UserId>> {
        let mine: HashSet<_> = self.store.rooms.rooms_of(viewer.user).await?.into_iter().collect();
        let mine = &mine;
        let checks = users.iter().map(|user| async move {
            let may = self.may_watch(viewer.user, *user, mine).await?;
            Ok::<_, crate::DomainError>(may.then_some(*user))
        });
        stream::iter(checks)
            .buffer_unordered(CONCURRENT_READS)
            .try_filter_map(|u| async move { Ok(u) })
            .try_collect()
            .await
    }

    async fn may_watch(&self, watcher: UserId, user: UserId, mine: &HashSet<shared::RoomId>) -> Result<bool> {
        if watcher == user || mine.contains(&shared::RoomId::direct(watcher, user)) {
            return Ok(true);
        }
        if self.store.users.contacts(user).await?.contains(&watcher) {
            return Ok(true);
        }
        for room in self.store.rooms.rooms_of(user).await? {
            if mine.contains(&room)
                && let Some((record, _)) = self.store.rooms.room(room).await?
                && record.kind != RoomType::Public
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The users a subscription names: those given, at most `presence.maxWatched`, or the viewer's contacts.
    pub async fn watched(&self, viewer: &Viewer, users: Option<Vec<UserId>>) -> Result<Vec<UserId>> {
        let users = match users {
            Some(users) => users,
            None => self.store.users.contacts(viewer.user).await?,
        };
        let most = self.max_watched;
        Check::default().that(users.len() <= most, "userIds", format!("name up to {most} users")).done()?;
        Ok(users)
    }
}
