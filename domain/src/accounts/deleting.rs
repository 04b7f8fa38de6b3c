//! The end of an account: deleted by its user or an operator, or a guest who was not seen for long.
//!
//! With the first step nobody can use it or see it any more. The rest can be repeated, so that
//! [`Accounts::end_deletions`] goes on where a process died: their rooms lose them, their names are free, what is kept
//! about them goes. What they said stays, by nobody.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Deserialize;
use shared::{RoomId, SessionId, Timestamp, UserId};
use store::{Actor, DELETED_USER, Store, StoreError};
use utoipa::ToSchema;

use super::Accounts;
use crate::{DomainError, Files, Result, Viewer};

/// Rooms left at once.
const AT_ONCE: usize = 16;
/// What was under way for a user when their account went, on whichever instance, has ended after this: then all that is
/// kept about them is removed once more.
const UNDER_WAY: Duration = Duration::from_secs(10);
/// Deletions gone on with, or guests looked at, in one go; the rest come with the next.
const A_TICK: usize = 100;

#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct DeleteAccount {
    /// The caller's; not for guests, who have none.
    pub password: Option<String>,
}

impl Accounts {
    /// Deletes the caller's account: nobody can use it from then on, its name and address are free, its sockets are
    /// closed.
    pub async fn delete(&self, viewer: &Viewer, input: DeleteAccount) -> Result<()> {
        let record = self.store.users.user(viewer.user).await?.ok_or(DomainError::AccountClosed)?;
        if let Some(hash) = record.password_hash {
            let password = input.password.ok_or_else(|| DomainError::invalid("password", "give your password"))?;
            let attempt = self.rates.password(&viewer.user.to_string()).await?;
            if !self.passwords.verify(password, Some(hash)).await? {
                attempt.was_wrong();
                return Err(DomainError::Forbidden("the password is wrong"));
            }
            attempt.was_right().await;
        }
        self.close(viewer.user, None).await?;
        Ok(())
    }

    /// Removes guests who were not seen since `auth.guest_idle_hours`; gives how many. One who comes back at the same
    /// moment stays with all they have, or comes too late. Work is bounded, and grows with those who may be due.
    pub async fn remove_idle_guests(&self, now: Timestamp) -> Result<usize> {
        let since = now.before(self.guest_idle);
        let guests = self.store.deletions.idle_guests(since, now, A_TICK).await?;
        let mut removed = Ok(0);
        for guest in guests {
            removed = and(removed, self.close(guest, Some(since)).await.map(usize::from));
        }
        removed
    }

    /// Goes on with deletions whose process died, and ends those under which nothing can be under way any more, with the
    /// files that were the user's alone; gives how many ended.
    pub async fn end_deletions(&self, now: Timestamp, files: &Files) -> Result<usize> {
        let users = self.store.deletions.deletions(now.before(UNDER_WAY), A_TICK).await?;
        let mut ended = Ok(0);
        for user in users {
            ended = and(ended, end(&self.store, files, user).await.map(|()| 1));
        }
        ended
    }

    async fn close(&self, user: UserId, unseen_since: Option<Timestamp>) -> Result<bool> {
        let ended = delete(&self.store, user, unseen_since).await?;
        self.names.forget(user).await;
        self.identity.forget_user(user).await;
        for session in ended.iter().flatten() {
            self.identity.forget_session(*session).await;
        }
        Ok(ended.is_some())
    }
}

/// One more of many, of which all are tried, as a part of the store may be away: the sum, or the first error.
fn and(all: Result<usize>, one: Result<usize>) -> Result<usize> {
    Ok(all? + one?)
}

/// Deletes an account, if it was not seen since; gives the logins that ended. `None`: there is none, or it was seen.
pub(crate) async fn delete(
    store: &Store,
    user: UserId,
    unseen_since: Option<Timestamp>,
) -> Result<Option<Vec<SessionId>>> {
    let ended = store.deletions.begin_deletion(user, unseen_since).await?;
    if ended.is_some()
        && let Err(e) = clear(store, user).await
    {
        // It is gone; what is left follows.
        tracing::warn!(%user, "cannot remove all that is left of an account now: {e}");
    }
    Ok(ended)
}

/// The rooms of an account that is gone lose its user, its devices are pushed to no more, and nothing is kept about them.
async fn clear(store: &Store, user: UserId) -> Result<()> {
    let rooms = store.rooms.rooms_of(user).await?;
    stream::iter(rooms).map(|room| leave(store, room, user)).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
    // So that no room goes on as if they blocked somebody, and nobody is asked by them.
    for other in store.people.blocks(user).await? {
        store.people.unblock(user, other).await?;
        // Who is blocked may ask, and is not heard.
        store.people.drop_requests(user, other).await?;
    }
    let asked = store.people.requests(user).await?;
    for other in asked.outgoing.into_iter().chain(asked.incoming) {
        store.people.drop_requests(user, other).await?;
    }
    store.attachments.drop_uploads(user, None).await?;
    for subscription in store.push.subscriptions(user).await? {
        store.push.remove_subscription(user, &subscription.id()).await?;
    }
    Ok(store.deletions.clear_deleted(user).await?)
}

async fn end(store: &Store, files: &Files, user: UserId) -> Result<()> {
    clear(store, user).await?;
    files.forget_user(user).await?;
    Ok(store.deletions.end_deletion(user).await?)
}

/// A direct room, too: it is the other one's then.
async fn leave(store: &Store, room: RoomId, user: UserId) -> Result<()> {
    match store.rooms.leave(room, &Actor { id: user, username: DELETED_USER.into() }).await {
        Ok(_) | Err(StoreError::NotAMember | StoreError::RoomNotFound) => Ok(()),
        Err(e) => Err(e.into()),
    }
}
