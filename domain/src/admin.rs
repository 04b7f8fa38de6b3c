//! What may be asked of a deployment by who looks after it: an operator, who has the store anyway, or an administrator,
//! whose account says so.
//!
//! Reading order: this file → `users`, `rooms`, `instances`, `explaining`, `api_keys` (what can be done) → `answers`.

mod answers;
mod api_keys;
mod explaining;
mod instances;
mod rooms;
mod users;

use std::{fmt, path::PathBuf};

use serde::{Deserialize, Serialize};
use shared::{RoomId, SessionId, Timestamp, UserId};
use store::{Actor, BackedUp, Backlog, Store};

pub use self::{
    answers::{
        BacklogLine, InstanceLine, Listed, MemberLine, RoomDetails, RoomLine, SessionLine, Stats, UserDetails, UserLine,
    },
    api_keys::{ApiKey, NewKey, PREFIX as API_KEY_PREFIX, hash_key},
    explaining::{DecisionLine, Explained, ExplainedMessage, Explanation},
};
use crate::{DomainError, Result, Viewer};

/// Users or rooms in one answer.
const PAGE: usize = 100;
/// Bytes of a name or handle, at most.
const NAME: usize = 64;
/// Members shown of a room.
const MEMBERS: usize = 50;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "command")]
pub enum Command {
    /// Accounts (not guests) whose name begins with `query`, those after the name `after`.
    Users {
        query: String,
        after: Option<String>,
    },
    /// One account or guest, by id or name.
    User {
        user: String,
    },
    /// Public rooms whose name begins with `query`, those after the room `after`.
    Rooms {
        query: String,
        after: Option<RoomId>,
    },
    /// One room, by id or handle.
    Room {
        room: String,
    },
    /// The logins of an account or guest, by id or name.
    Sessions {
        user: String,
    },
    /// Ends one login of a user, or all of them.
    RevokeSession {
        user: String,
        session: Option<SessionId>,
    },
    /// Deletes an account or guest, by id or name.
    DeleteUser {
        user: String,
    },
    BanUser {
        user: String,
    },
    UnbanUser {
        user: String,
    },
    /// Makes an account an administrator, or takes that back.
    SetAdministrator {
        user: String,
        administrator: bool,
    },
    Stats,
    Keys,
    CreateKey {
        name: String,
    },
    RevokeKey {
        id: String,
    },
    /// See [`store::Backups::back_up`].
    Backup {
        into: Option<PathBuf>,
    },
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    Users(Listed<UserLine>),
    User(Box<UserDetails>),
    Rooms(Listed<RoomLine>),
    Room(Box<RoomDetails>),
    Sessions(Vec<SessionLine>),
    /// The logins that were ended.
    Ended(Vec<SessionId>),
    /// The account that was deleted.
    Deleted(UserId),
    Banned(UserId),
    Unbanned(UserId),
    /// An administrator from now on.
    Granted(UserId),
    /// None any more.
    Ungranted(UserId),
    Stats(Stats),
    Keys(Vec<ApiKey>),
    Created(NewKey),
    Revoked(String),
    Backup(BackedUp),
}

/// Who asks.
#[derive(Clone)]
enum By {
    /// Whoever has the store.
    Operator,
    /// An account that may.
    Administrator(Actor),
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Operator => f.write_str("operator"),
            Self::Administrator(actor) => write!(f, "{} {}", actor.id, actor.username),
        }
    }
}

/// Carries out what is asked, over an open store. Whoever has one may do all of it; each act is written to the log.
#[derive(Clone)]
pub struct Admin {
    store: Store,
    by: By,
}

impl Admin {
    /// For an operator.
    pub fn new(store: Store) -> Self {
        Self { store, by: By::Operator }
    }

    /// For an administrator: a login by password whose account is one now. One read; [`DomainError::Forbidden`].
    pub async fn of(store: Store, viewer: &Viewer) -> Result<Self> {
        const REFUSED: DomainError = DomainError::Forbidden("this is for administrators");
        viewer.session().map_err(|_| REFUSED)?;
        let record = store.users.user(viewer.user).await?.ok_or(DomainError::AccountClosed)?;
        if !record.administrator || record.banned_at.is_some() {
            return Err(REFUSED);
        }
        Ok(Self { store, by: By::Administrator(Actor { id: record.id, username: record.username }) })
    }

    pub async fn run(&self, command: Command) -> Result<Answer> {
        Ok(match command {
            Command::Users { query, after } => Answer::Users(self.users(&query, after.as_deref()).await?),
            Command::User { user } => Answer::User(Box::new(self.user(&user).await?)),
            Command::Rooms { query, after } => Answer::Rooms(self.rooms(&query, after).await?),
            Command::Room { room } => Answer::Room(Box::new(self.room(&room).await?)),
            Command::Sessions { user } => Answer::Sessions(self.sessions(&user).await?),
            Command::RevokeSession { user, session } => Answer::Ended(self.revoke_session(&user, session).await?),
            Command::DeleteUser { user } => Answer::Deleted(self.delete_user(&user).await?),
            Command::BanUser { user } => Answer::Banned(self.ban(&user).await?),
            Command::UnbanUser { user } => Answer::Unbanned(self.unban(&user).await?),
            Command::SetAdministrator { user, administrator } => {
                let id = self.set_administrator(&user, administrator).await?;
                if administrator { Answer::Granted(id) } else { Answer::Ungranted(id) }
            }
            Command::Stats => Answer::Stats(self.stats().await?),
            Command::Keys => Answer::Keys(self.keys().await?),
            Command::CreateKey { name } => Answer::Created(self.create_key(&name).await?),
            Command::RevokeKey { id } => Answer::Revoked(self.revoke_key(id).await?),
            Command::Backup { into } => Answer::Backup(self.store.backups.back_up(into.as_deref()).await?),
        })
    }

    /// Tells the log what is about to be done, to whom or what, and by whom.
    fn acts(&self, act: &'static str, of: &dyn fmt::Display) {
        tracing::info!(by = %self.by, %of, "administration: {act}");
    }

    /// Users, running instances, the outbox, and what the store warns of. Nine reads.
    pub async fn stats(&self) -> Result<Stats> {
        let Backlog { due, later } = self.store.outbox.backlog(Timestamp::now()).await?;
        Ok(Stats {
            users: self.store.users.count_users().await?,
            instances: self.instances().await?,
            outbox: BacklogLine { due, later },
            findings: self.store.health.check().await?,
        })
    }
}
