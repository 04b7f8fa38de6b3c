//! What an operator may ask of a deployment. No service has a route to it: whoever can ask has the store anyway.

mod api_keys;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use shared::{
    InstanceId, RoomId, SessionId, Timestamp, UserId,
    protocol::{Role, RoomType, Status},
};
use store::{BackedUp, Finding, RoomRecord, Service, Store, UserRecord};

pub use self::api_keys::{ApiKey, NewKey, PREFIX as API_KEY_PREFIX, hash_key};
use crate::{DomainError, Result};

/// Users or rooms in one answer.
const PAGE: usize = 100;
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
    Stats(Stats),
    Keys(Vec<ApiKey>),
    Created(NewKey),
    Revoked(String),
    Backup(BackedUp),
}

/// Up to 100, and what to ask for as `after` to get the next.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Listed<T> {
    pub items: Vec<T>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserLine {
    pub id: UserId,
    pub username: String,
    pub display_name: String,
    pub email: Option<String>,
    pub guest: bool,
    pub created_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserDetails {
    #[serde(flatten)]
    pub user: UserLine,
    pub email_verified: bool,
    /// What those who may watch them were told last.
    pub status: Status,
    pub last_seen: Option<Timestamp>,
    /// Live connections, of all kinds.
    pub connections: usize,
    pub contacts: usize,
    pub rooms: Vec<RoomId>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoomLine {
    pub id: RoomId,
    pub name: Option<String>,
    pub handle: Option<String>,
    #[serde(rename = "type")]
    pub kind: RoomType,
    pub members: u64,
    /// Number of the last message.
    pub seq: u64,
    pub created_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoomDetails {
    #[serde(flatten)]
    pub room: RoomLine,
    pub created_by: UserId,
    /// Number of the last change.
    pub rev: u64,
    /// Messages up to this number are gone by retention.
    pub floor: u64,
    /// The first 50, in order of joining.
    pub first_members: Vec<MemberLine>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberLine {
    pub id: UserId,
    pub username: String,
    pub role: Role,
    pub joined_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionLine {
    pub id: SessionId,
    pub created_at: Timestamp,
    /// When a token of it was last issued.
    pub used_at: Timestamp,
    pub expires_at: Timestamp,
    /// What the client called itself at the login.
    pub agent: Option<String>,
    pub address: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// Accounts and guests.
    pub users: u64,
    /// Of all services, by their registry entries.
    pub instances: Vec<InstanceLine>,
    pub findings: Vec<Finding>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceLine {
    pub service: Service,
    pub id: InstanceId,
    pub url: String,
    pub connections: u64,
    pub version: String,
}

/// Carries out commands over an open store.
pub struct Admin {
    store: Store,
}

impl Admin {
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    pub async fn run(&self, command: Command) -> Result<Answer> {
        Ok(match command {
            Command::Users { query, after } => Answer::Users(self.users(&query, after.as_deref()).await?),
            Command::User { user } => Answer::User(Box::new(self.user(&user).await?)),
            Command::Rooms { query, after } => Answer::Rooms(self.rooms(&query, after).await?),
            Command::Room { room } => Answer::Room(Box::new(self.room(&room).await?)),
            Command::Sessions { user } => Answer::Sessions(self.sessions(&user).await?),
            Command::RevokeSession { user, session } => Answer::Ended(self.revoke_session(&user, session).await?),
            Command::Stats => Answer::Stats(self.stats().await?),
            Command::Keys => Answer::Keys(self.keys().await?),
            Command::CreateKey { name } => Answer::Created(self.create_key(&name).await?),
            Command::RevokeKey { id } => Answer::Revoked(self.revoke_key(id).await?),
            Command::Backup { into } => Answer::Backup(self.store.backups.back_up(into.as_deref()).await?),
        })
    }

    async fn users(&self, query: &str, after: Option<&str>) -> Result<Listed<UserLine>> {
        let ids = self.store.users.search_users(query, after, PAGE).await?;
        let records = self.store.users.users(&ids).await?;
        let items: Vec<UserLine> = records.into_iter().flatten().map(user_line).collect();
        let next = items.last().filter(|_| ids.len() == PAGE).map(|last| last.username.to_ascii_lowercase());
        Ok(Listed { items, next })
    }

    /// What is not an id is a name.
    async fn find_user(&self, named: &str) -> Result<UserId> {
        match named.parse() {
            Ok(id) => Ok(id),
            Err(_) => self.store.users.user_id_by_name(named).await?.ok_or(DomainError::UserNotFound),
        }
    }

    async fn user(&self, named: &str) -> Result<UserDetails> {
        let id = self.find_user(named).await?;
        let record = self.store.users.user(id).await?.ok_or(DomainError::UserNotFound)?;
        let presence = self.store.presence.presence(&[id]).await?.pop().unwrap_or_default();
        Ok(UserDetails {
            email_verified: record.email_verified,
            status: presence.published.status,
            last_seen: presence.last_seen.filter(|_| presence.devices.is_empty()),
            connections: presence.devices.len(),
            contacts: self.store.people.contacts(id).await?.len(),
            rooms: self.store.rooms.rooms_of(id).await?,
            user: user_line(record),
        })
    }

    async fn rooms(&self, query: &str, after: Option<RoomId>) -> Result<Listed<RoomLine>> {
        let after = match after {
            Some(id) => {
                let (room, _) = self.store.rooms.room(id).await?.ok_or(DomainError::RoomNotFound)?;
                Some((room.name.unwrap_or_default(), id))
            }
            None => None,
        };
        let after = after.as_ref().map(|(name, id)| (name.as_str(), *id));
        let ids = self.store.rooms.public_rooms(query, after, PAGE).await?;
        let mut items = Vec::with_capacity(ids.len());
        for id in &ids {
            if let Some((record, head)) = self.store.rooms.room(*id).await? {
                items.push(room_line(record, head));
            }
        }
        Ok(Listed { items, next: ids.last().filter(|_| ids.len() == PAGE).map(ToString::to_string) })
    }

    async fn room(&self, named: &str) -> Result<RoomDetails> {
        let id = match named.parse() {
            Ok(id) => id,
            Err(_) => self.store.rooms.room_id_by_handle(named).await?.ok_or(DomainError::RoomNotFound)?,
        };
        let (record, head) = self.store.rooms.room(id).await?.ok_or(DomainError::RoomNotFound)?;
        let members = self.store.rooms.members(id, 0, MEMBERS).await?;
        let ids: Vec<UserId> = members.iter().map(|member| member.user).collect();
        let names = self.store.users.users(&ids).await?;
        let line = |(member, name): (store::Membership, Option<UserRecord>)| MemberLine {
            id: member.user,
            username: name.map_or_else(String::new, |user| user.username),
            role: member.role,
            joined_at: member.joined_at,
        };
        Ok(RoomDetails {
            created_by: record.created_by,
            rev: head.rev,
            floor: head.floor,
            first_members: members.into_iter().zip(names).map(line).collect(),
            room: room_line(record, head),
        })
    }

    async fn sessions(&self, named: &str) -> Result<Vec<SessionLine>> {
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

    /// Its tokens are refused and its sockets closed, on every instance.
    async fn revoke_session(&self, named: &str, session: Option<SessionId>) -> Result<Vec<SessionId>> {
        let user = self.find_user(named).await?;
        let Some(session) = session else { return Ok(self.store.sessions.end_sessions(user, None).await?) };
        match self.store.sessions.end_session(user, session).await? {
            true => Ok(vec![session]),
            false => Err(DomainError::NotFound("the user has no such session")),
        }
    }

    async fn stats(&self) -> Result<Stats> {
        let mut instances = Vec::new();
        for service in [Service::Api, Service::Chat, Service::Presence, Service::Notification] {
            let of_service = self.store.registry.instances(service).await?;
            instances.extend(of_service.into_iter().map(|instance| InstanceLine {
                service,
                id: instance.id,
                url: instance.url,
                connections: instance.load,
                version: instance.version,
            }));
        }
        let findings = self.store.health.check().await?;
        Ok(Stats { users: self.store.users.count_users().await?, instances, findings })
    }
}

fn user_line(user: UserRecord) -> UserLine {
    UserLine {
        id: user.id,
        username: user.username,
        display_name: user.display_name,
        email: user.email,
        guest: user.guest,
        created_at: user.created_at,
    }
}

fn room_line(room: RoomRecord, head: store::Head) -> RoomLine {
    RoomLine {
        id: room.id,
        name: room.name,
        handle: room.handle,
        kind: room.kind,
        members: head.members,
        seq: head.seq,
        created_at: room.created_at,
    }
}
