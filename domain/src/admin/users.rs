//! Users: found, shown, logged out, banned, deleted, made administrators.

use shared::{SessionId, Timestamp, UserId};
use store::UserRecord;

use super::{Admin, By, Listed, NAME, PAGE, SessionLine, UserDetails, UserLine};
use crate::{DomainError, Result, accounts::deleting, validate::Check};

impl Admin {
    /// Accounts (not guests) whose name begins with `query`, those after the name `after`. A query with an `@` is an
    /// address, an id is whose it is: then there is one at most, which may be a guest. Three reads at most.
    pub async fn users(&self, query: &str, after: Option<&str>) -> Result<Listed<UserLine>> {
        Check::default().line("query", query, 0, 254).done()?;
        let named = match query.parse() {
            Ok(id) => Some(Some(id)),
            Err(_) if query.contains('@') => Some(self.store.users.user_id_by_email(query).await?),
            Err(_) => None,
        };
        let (ids, full) = match named {
            Some(one) => (one.into_iter().collect(), false),
            None => {
                let ids = self.store.users.search_users(query, after, PAGE).await?;
                let full = ids.len() == PAGE;
                (ids, full)
            }
        };
        let records = self.store.users.users(&ids).await?;
        let items: Vec<UserLine> = records.into_iter().flatten().map(UserLine::from).collect();
        let next_cursor = items.last().filter(|_| full).map(|last| last.username.to_ascii_lowercase());
        Ok(Listed { items, next_cursor })
    }

    /// What is not an id is a name.
    async fn find_user(&self, named: &str) -> Result<UserId> {
        match named.parse() {
            Ok(id) => Ok(id),
            // The store's keys have a longest length.
            Err(_) if named.len() > NAME => Err(DomainError::UserNotFound),
            Err(_) => self.store.users.user_id_by_name(named).await?.ok_or(DomainError::UserNotFound),
        }
    }

    async fn record(&self, named: &str) -> Result<UserRecord> {
        let id = self.find_user(named).await?;
        self.store.users.user(id).await?.ok_or(DomainError::UserNotFound)
    }

    /// One account or guest, by id or name.
    pub async fn user(&self, named: &str) -> Result<UserDetails> {
        let record = self.record(named).await?;
        let id = record.id;
        let presence = self.store.presence.presence(&[id]).await?.pop().unwrap_or_default();
        Ok(UserDetails {
            email_verified: record.email_verified,
            status: presence.published.status,
            last_seen: presence.last_seen.filter(|_| presence.devices.is_empty()),
            connections: presence.devices.len(),
            contacts: self.store.people.contacts(id).await?.len(),
            rooms: self.store.rooms.rooms_of(id).await?,
            user: record.into(),
        })
    }

    /// The logins of an account or guest, the oldest first.
    pub async fn sessions(&self, named: &str) -> Result<Vec<SessionLine>> {
        let user = self.find_user(named).await?;
        let sessions = self.store.sessions.sessions(user).await?.into_iter().map(|session| SessionLine {
            id: session.id,
            created_at: session.created_at,
            used_at: session.used_at,
            expires_at: session.expires_at,
            agent: session.agent,
            address: session.address,
        });
        Ok(sessions.collect())
    }

    /// Ends one login of a user, or all: their tokens are refused and their sockets closed, on every instance.
    pub async fn revoke_session(&self, named: &str, session: Option<SessionId>) -> Result<Vec<SessionId>> {
        let user = self.find_user(named).await?;
        self.acts("end logins", &user);
        let Some(session) = session else { return Ok(self.store.sessions.end_sessions(user, None).await?) };
        match self.store.sessions.end_session(user, session).await? {
            true => Ok(vec![session]),
            false => Err(DomainError::NotFound("the user has no such session")),
        }
    }

    /// As its user would.
    pub async fn delete_user(&self, named: &str) -> Result<UserId> {
        let user = self.other_than_oneself(named).await?;
        self.acts("delete an account", &user);
        match deleting::delete(&self.store, user, None).await? {
            Some(_) => Ok(user),
            None => Err(DomainError::UserNotFound),
        }
    }

    /// Ends all logins of an account or guest, and lets nobody log in to it until the ban is lifted; within a second its
    /// tokens are refused, also another product's, and its sockets closed. What it has and has said stays.
    pub async fn ban(&self, named: &str) -> Result<UserId> {
        let user = self.other_than_oneself(named).await?;
        self.acts("ban an account", &user);
        self.store.users.ban_user(user, Timestamp::now()).await?;
        Ok(user)
    }

    /// Who was banned logs in again; twice is once.
    pub async fn unban(&self, named: &str) -> Result<UserId> {
        let user = self.find_user(named).await?;
        self.acts("lift a ban", &user);
        self.store.users.unban_user(user).await?;
        Ok(user)
    }

    /// Makes an account an administrator, or takes that back. It must be one with a password: a guest's is whoever's has
    /// the token, and another product's user is whoever that product says.
    pub async fn set_administrator(&self, named: &str, administrator: bool) -> Result<UserId> {
        let record = self.record(named).await?;
        if administrator && record.password_hash.is_none() {
            return Err(DomainError::Forbidden("an administrator is an account with a password of its own"));
        }
        self.acts(if administrator { "make an administrator" } else { "make no administrator" }, &record.id);
        self.store.users.set_administrator(record.id, administrator).await?;
        Ok(record.id)
    }

    /// Who locks themselves out may be the last one.
    async fn other_than_oneself(&self, named: &str) -> Result<UserId> {
        let user = self.find_user(named).await?;
        match &self.by {
            By::Administrator(actor) if actor.id == user => {
                Err(DomainError::Forbidden("an administrator does not do this to themselves"))
            }
            By::Administrator(_) | By::Operator => Ok(user),
        }
    }
}
