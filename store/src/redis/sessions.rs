//! Login sessions: one hash each, which Redis itself removes when it expires.

use async_trait::async_trait;
use redis::cmd;
use shared::{SessionId, Timestamp, UserId};

use super::{
    Engine, codec,
    codec::parse,
    connection::corrupt,
    scripts::{self, Call},
    user_log,
};
use crate::{Arrival, Result, Rotation, SessionRecord, Sessions};

fn hex(bytes: &[u8; 32]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(64), |mut out, byte| {
        // Writing into a string cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut out = [0; 32];
    if text.len() != 64 {
        return None;
    }
    for (byte, pair) in out.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(out)
}

/// From `user refresh created expires`, as they stand in the hash.
fn session(id: SessionId, fields: &[Option<String>]) -> Result<Option<SessionRecord>> {
    let [Some(user), Some(refresh), Some(created), Some(expires)] = fields else { return Ok(None) };
    Ok(Some(SessionRecord {
        id,
        user: parse(user, "a session's user")?,
        refresh_hash: unhex(refresh).ok_or_else(|| corrupt("a session's hash"))?,
        created_at: Timestamp::from_millis(parse(created, "a time")?),
        expires_at: Timestamp::from_millis(parse(expires, "a time")?),
    }))
}

impl Engine {
    async fn publish_session_ended(&self, user: UserId, session: SessionId) -> Result<()> {
        let mut publish = cmd("SPUBLISH");
        publish.arg(self.keys.user_channel(user)).arg(codec::user::session_ended(session));
        self.connections.ask::<i64>("publish the end of a session", &publish).await.map(drop)
    }
}

#[async_trait]
impl Sessions for Engine {
    async fn create_session(&self, session: &SessionRecord) -> Result<()> {
        let key = self.keys.session(session.id);
        let mut set = cmd("HSET");
        set.arg(&key).arg("user").arg(session.user.to_string()).arg("refresh").arg(hex(&session.refresh_hash));
        set.arg("created").arg(session.created_at.as_millis()).arg("expires").arg(session.expires_at.as_millis());
        let expire = cmd("PEXPIREAT").arg(&key).arg(session.expires_at.as_millis()).to_owned();
        self.connections.ask_atomic::<(i64, i64)>("create a session", vec![set, expire]).await.map(drop)
    }

    async fn session(&self, id: SessionId) -> Result<Option<SessionRecord>> {
        let mut read = cmd("HMGET");
        read.arg(self.keys.session(id)).arg(&["user", "refresh", "created", "expires"]);
        let fields: Vec<Option<String>> = self.connections.ask("read a session", &read).await?;
        session(id, &fields)
    }

    async fn arrival(&self, user: UserId, id: SessionId) -> Result<Option<Arrival>> {
        type Own = ((Option<String>, Option<String>), Vec<String>, Vec<String>);
        let lives = cmd("HEXISTS").arg(self.keys.session(id)).arg("user").to_owned();
        let own = cmd("HMGET").arg(self.keys.user_log(user)).arg("rev").arg("eid").to_owned();
        let intents = cmd("HKEYS").arg(self.keys.user_intents(user)).to_owned();
        let rooms = cmd("SMEMBERS").arg(self.keys.user_rooms(user)).to_owned();
        // Both are asked before either answers. Those of the user are of one moment.
        let (lives, ((rev, event_id), intents, rooms)) = tokio::try_join!(
            self.connections.ask::<bool>("look for a session", &lives),
            self.connections.ask_atomic::<Own>("read what a user arrives at", vec![own, intents, rooms]),
        )?;
        if !lives {
            return Ok(None);
        }
        let own = user_log::position(rev.as_deref(), event_id.as_deref())?;
        Ok(Some(Arrival { own, rooms: self.settled_rooms(user, &intents, &rooms).await? }))
    }

    async fn rotate_refresh(
        &self,
        id: SessionId,
        presented: [u8; 32],
        next: [u8; 32],
        expires_at: Timestamp,
    ) -> Result<Rotation> {
        let rotate = Call::new(&scripts::ROTATE_REFRESH)
            .key(self.keys.session(id))
            .arg(hex(&presented))
            .arg(hex(&next))
            .arg(expires_at.as_millis());
        let answer: Vec<Option<String>> = self.connections.run("rotate a refresh token", rotate).await?;
        match answer.first().and_then(Option::as_deref) {
            Some("ROTATED") => {
                let record = session(id, &answer[1..])?.ok_or_else(|| corrupt("a session"))?;
                Ok(Rotation::Rotated(record))
            }
            Some("REUSED") => {
                if let Some(Some(user)) = answer.get(1) {
                    self.publish_session_ended(parse(user, "a session's user")?, id).await?;
                }
                Ok(Rotation::Reused)
            }
            Some("UNKNOWN") => Ok(Rotation::Unknown),
            _ => Err(corrupt("a rotation")),
        }
    }

    async fn end_session(&self, id: SessionId) -> Result<()> {
        let key = self.keys.session(id);
        let read = cmd("HGET").arg(&key).arg("user").to_owned();
        let remove = cmd("DEL").arg(&key).to_owned();
        let (user, _): (Option<String>, i64) = self.connections.ask_atomic("end a session", vec![read, remove]).await?;
        match user {
            Some(user) => self.publish_session_ended(parse(&user, "a session's user")?, id).await,
            None => Ok(()),
        }
    }
}
