//! Login sessions: one hash for each user, in the user's tag. Its fields do not expire by themselves, so every reader
//! looks at the time.

use async_trait::async_trait;
use redis::{Cmd, cmd};
use serde::{Deserialize, Serialize};
use shared::{SessionId, Timestamp, UserId};

use super::{
    Engine,
    codec::{from_json, hex, json, parse, unhex},
    connection::corrupt,
    intents::millis,
    scripts::{self, Call},
    user_log, users,
};
use crate::{Arrival, Exchange, Login, Replaced, Result, Rotation, SessionRecord, Sessions, StoreError};

/// What no script looks at.
#[derive(Serialize, Deserialize)]
struct Client {
    agent: Option<String>,
    address: Option<String>,
}

/// `refresh:family:replaced:at created used expires` and the client, as they stand in the hash.
fn encode(session: &SessionRecord) -> Result<String> {
    let secrets = match &session.replaced {
        Some(old) => format!("{}:{}", hex(&old.hash), old.at.as_millis()),
        None => ":".to_owned(),
    };
    let secrets = format!("{}:{}:{secrets}", hex(&session.refresh_hash), hex(&session.family_hash));
    let client = Client { agent: session.agent.clone(), address: session.address.clone() };
    let (created, used, expires) = (session.created_at, session.used_at, session.expires_at);
    let times = format!("{} {} {}", created.as_millis(), used.as_millis(), expires.as_millis());
    Ok(format!("{secrets} {times} {}", json(&client)?))
}

/// The reverse of [`encode`].
fn decode(user: UserId, id: SessionId, text: &str) -> Result<SessionRecord> {
    let mut parts = text.splitn(5, ' ');
    let mut next = || parts.next().ok_or_else(|| corrupt("a session"));
    let Secrets { refresh_hash, family_hash, replaced } = secrets(next()?)?;
    let mut time = || Ok::<_, crate::StoreError>(Timestamp::from_millis(parse(next()?, "a time")?));
    let (created_at, used_at, expires_at) = (time()?, time()?, time()?);
    let Client { agent, address } = from_json(next()?)?;
    Ok(SessionRecord { id, user, refresh_hash, family_hash, replaced, created_at, used_at, expires_at, agent, address })
}

struct Secrets {
    refresh_hash: [u8; 32],
    family_hash: [u8; 32],
    replaced: Option<Replaced>,
}

/// `refresh:family:replaced:at`; of a login that began without, the first alone.
fn secrets(text: &str) -> Result<Secrets> {
    let hash = |text| unhex(text).ok_or_else(|| corrupt("a session's hash"));
    let mut parts = text.split(':');
    let mut next = || parts.next().filter(|part| !part.is_empty());
    Ok(Secrets {
        refresh_hash: hash(next().unwrap_or_default())?,
        family_hash: next().map(hash).transpose()?.unwrap_or_default(),
        replaced: match (next(), next()) {
            (Some(old), Some(at)) => {
                Some(Replaced { hash: hash(old)?, at: Timestamp::from_millis(parse(at, "a time")?) })
            }
            _ => None,
        },
    })
}

/// When the session of this text was used last.
pub(super) fn used_at(text: &str) -> Result<Timestamp> {
    let used = text.split(' ').nth(2).ok_or_else(|| corrupt("a session"))?;
    Ok(Timestamp::from_millis(parse(used, "a time")?))
}

/// Does the login live of whose session, or user, this is the text?
fn is_live(login: Login, text: Option<&str>) -> Result<bool> {
    match login {
        Login::Session(_) => lives(text),
        Login::Host { .. } => Ok(users::record(text)?.is_some_and(|user| user.banned_at.is_none())),
    }
}

/// Does the session of this text live?
fn lives(text: Option<&str>) -> Result<bool> {
    let Some(text) = text else { return Ok(false) };
    let expires = text.split(' ').nth(3).ok_or_else(|| corrupt("a session"))?;
    Ok(Timestamp::from_millis(parse(expires, "a time")?) > Timestamp::now())
}

impl Engine {
    fn read_session(&self, user: UserId, id: SessionId) -> Cmd {
        cmd("HGET").arg(self.keys.sessions(user)).arg(id.to_string()).to_owned()
    }

    /// Reads what says whether the login lives.
    fn read_login(&self, user: UserId, login: Login) -> Cmd {
        match login {
            Login::Session(id) => self.read_session(user, id),
            Login::Host { .. } => cmd("GET").arg(self.keys.user(user)).to_owned(),
        }
    }

    /// A script on the user's sessions, which may publish.
    fn sessions_script(&self, script: &'static std::sync::LazyLock<redis::Script>, user: UserId) -> Call {
        Call::new(script).keys([self.keys.sessions(user), self.keys.user_channel(user)])
    }

    /// `only`, or all but `except`.
    async fn end(&self, user: UserId, only: Option<SessionId>, except: Option<SessionId>) -> Result<Vec<SessionId>> {
        let text = |id: Option<SessionId>| id.map_or_else(String::new, |id| id.to_string());
        let end = self.sessions_script(&scripts::END_SESSIONS, user).arg(text(only)).arg(text(except));
        let end = end.arg(Timestamp::now().as_millis());
        let ended: Vec<String> = self.connections.run("end sessions", end).await?;
        ended.iter().map(|id| parse(id, "a session")).collect()
    }
}

#[async_trait]
impl Sessions for Engine {
    async fn create_session(&self, session: &SessionRecord, keep: usize, password: Option<&str>) -> Result<bool> {
        let create = self.sessions_script(&scripts::CREATE_SESSION, session.user).arg(session.id.to_string());
        let create = create.key(self.keys.user(session.user));
        let create = create.arg(encode(session)?).arg(Timestamp::now().as_millis()).arg(keep);
        let create = create.arg(password.unwrap_or_default());
        match self.connections.run::<i64>("create a session", create).await? {
            -1 => Err(StoreError::UserNotFound),
            -2 => Err(StoreError::AccountBanned),
            made => Ok(made != 0),
        }
    }

    async fn sessions(&self, user: UserId) -> Result<Vec<SessionRecord>> {
        let read = cmd("HGETALL").arg(self.keys.sessions(user)).to_owned();
        let all: Vec<(String, String)> = self.connections.ask("read a user's sessions", &read).await?;
        let mut live = Vec::new();
        for (id, text) in all {
            if lives(Some(&text))? {
                live.push(decode(user, parse(&id, "a session")?, &text)?);
            }
        }
        live.sort_by_key(|session| (session.created_at, *session.id.as_bytes()));
        Ok(live)
    }

    async fn session(&self, user: UserId, id: SessionId) -> Result<Option<SessionRecord>> {
        let text: Option<String> = self.connections.ask("read a session", &self.read_session(user, id)).await?;
        match text {
            Some(text) if lives(Some(&text))? => Ok(Some(decode(user, id, &text)?)),
            _ => Ok(None),
        }
    }

    async fn live(&self, logins: &[(UserId, Login)]) -> Result<Vec<bool>> {
        let reads = logins.iter().map(|(user, login)| self.read_login(*user, *login)).collect();
        let texts: Vec<Option<String>> = self.connections.ask_all("look for logins", reads).await?;
        logins.iter().zip(&texts).map(|((_, login), text)| is_live(*login, text.as_deref())).collect()
    }

    async fn arrival(&self, user: UserId, login: Login) -> Result<Option<Arrival>> {
        type Own = (Option<String>, (Option<String>, Option<String>), Vec<String>, Vec<String>);
        let own = cmd("HMGET").arg(self.keys.user_log(user)).arg("rev").arg("eid").to_owned();
        let intents = cmd("HKEYS").arg(self.keys.user_intents(user)).to_owned();
        let rooms = cmd("SMEMBERS").arg(self.keys.user_rooms(user)).to_owned();
        // All in one tag, and of one moment.
        let reads = vec![self.read_login(user, login), own, intents, rooms];
        let (stands, (rev, event_id), intents, rooms) =
            self.connections.ask_atomic::<Own>("read what a user arrives at", reads).await?;
        if !is_live(login, stands.as_deref())? {
            return Ok(None);
        }
        let own = user_log::position(rev.as_deref(), event_id.as_deref())?;
        Ok(Some(Arrival { own, rooms: self.settled_rooms(user, &intents, &rooms).await? }))
    }

    async fn rotate_refresh(&self, user: UserId, id: SessionId, exchange: &Exchange) -> Result<Rotation> {
        let rotate = self
            .sessions_script(&scripts::ROTATE_REFRESH, user)
            .arg(id.to_string())
            .arg(hex(&exchange.presented))
            .arg(hex(&exchange.next))
            .arg(exchange.at.as_millis())
            .arg(exchange.expires_at.as_millis())
            .arg(hex(&exchange.family))
            .arg(millis(exchange.grace));
        let answer: Vec<String> = self.connections.run("rotate a refresh token", rotate).await?;
        match answer.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["ROTATED", text] => Ok(Rotation::Rotated(Box::new(decode(user, id, text)?))),
            ["REUSED"] => Ok(Rotation::Reused),
            ["UNKNOWN"] => Ok(Rotation::Unknown),
            _ => Err(corrupt("a rotation")),
        }
    }

    async fn end_session(&self, user: UserId, id: SessionId) -> Result<bool> {
        Ok(!self.end(user, Some(id), None).await?.is_empty())
    }

    async fn end_sessions(&self, user: UserId, except: Option<SessionId>) -> Result<Vec<SessionId>> {
        self.end(user, None, except).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_read_as_it_was_written() {
        let at = Timestamp::from_millis(-5);
        let session = SessionRecord {
            id: SessionId::new(),
            user: UserId::new(),
            refresh_hash: [171; 32],
            family_hash: [2; 32],
            replaced: None,
            created_at: at,
            used_at: Timestamp::from_millis(7),
            expires_at: Timestamp::now(),
            agent: Some("a b \"c\" é\n".into()),
            address: None,
        };
        let rotated = SessionRecord { replaced: Some(Replaced { hash: [3; 32], at }), ..session.clone() };
        for session in [&session, &rotated] {
            let read = decode(session.user, session.id, &encode(session).unwrap()).unwrap();
            assert_eq!(&read, session);
        }
        let before = format!("{} 1 2 3 {{\"agent\":null,\"address\":null}}", hex(&[171; 32]));
        let read = decode(session.user, session.id, &before).unwrap();
        assert_eq!((read.refresh_hash, read.family_hash, read.replaced), ([171; 32], [0; 32], None));
    }
}
