//! Accounts that go. What stands in the place of the record says so, and every step that adds to the user's tag looks
//! there; their names and their place in the indexes, in other slots, follow.

use async_trait::async_trait;
use redis::cmd;
use serde::{Deserialize, Serialize};
use shared::{SessionId, Timestamp, UserId, protocol::LastSeenFor};

use super::{
    Engine,
    codec::{from_json, json, parse},
    connection::corrupt,
    intents::{Intent, count, new_attempt},
    keys::indexed,
    scripts::{self, Call},
    sessions::used_at,
    users::{CONTENDERS, contended, record},
};
use crate::{DELETED_USER, Deletions, Presence, Published, Result, UserRecord, Users, presence::PresenceEvent};

/// In the place of a record whose account is gone. While something is left to do, a space and [`Left`] follow.
const GONE: &str = "gone";

/// What is to be found again of an account that is gone: under what it stands in other slots.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Left {
    username: String,
    email: Option<String>,
    guest: bool,
    /// Of many who delete it at once, the one who did.
    by: String,
}

impl Left {
    pub(super) fn of(record: &UserRecord) -> Self {
        let UserRecord { username, email, guest, .. } = record.clone();
        Self { username, email, guest, by: new_attempt() }
    }
}

impl Engine {
    pub(super) async fn user_text(&self, user: UserId) -> Result<Option<String>> {
        self.connections.ask("read a user", cmd("GET").arg(self.keys.user(user))).await
    }

    /// The account itself, and that its deletion is to be ended.
    pub(super) async fn close_and_list(
        &self,
        user: UserId,
        unseen_since: Option<Timestamp>,
    ) -> Result<Option<Vec<SessionId>>> {
        let ended = self.close_account(user, unseen_since).await?;
        // Also where it was gone before: whoever closed it may have died right then.
        if self.user_text(user).await?.is_some_and(|text| text.starts_with(GONE) && text != GONE) {
            let mut list = cmd("ZADD");
            list.arg(self.keys.deletions()).arg("NX").arg(Timestamp::now().as_millis()).arg(user.to_string());
            self.connections.ask::<i64>("list a deletion", &list).await?;
        }
        Ok(ended)
    }

    /// See [`Deletions::begin_deletion`].
    pub(super) async fn close_account(
        &self,
        user: UserId,
        unseen_since: Option<Timestamp>,
    ) -> Result<Option<Vec<SessionId>>> {
        let by = new_attempt();
        for _ in 0..CONTENDERS {
            let text = self.user_text(user).await?;
            let Some(account) = record(text.as_deref())? else { return Ok(None) };
            if unseen_since.is_some_and(|since| !account.guest || account.created_at > since) {
                return Ok(None);
            }
            let left = Left { by: by.clone(), ..Left::of(&account) };
            let close = Call::new(&scripts::CLOSE_ACCOUNT)
                .keys([self.keys.user(user), self.keys.sessions(user)])
                .keys([self.keys.presence(user), self.keys.user_channel(user)])
                .arg(text)
                .arg(format!("{GONE} {}", json(&left)?))
                .arg(unseen_since.map(Timestamp::as_millis));
            let answer: Vec<String> = self.connections.run("close an account", close).await?;
            match answer.split_first() {
                Some((said, sessions)) if said == "OK" => {
                    return sessions.iter().map(|id| parse(id, "a session")).collect::<Result<_>>().map(Some);
                }
                Some((said, _)) if said == "SEEN" => return Ok(None),
                Some((said, _)) if said == "CHANGED" => {}
                _ => return Err(corrupt("an answer")),
            }
        }
        Err(contended())
    }

    /// Frees the names of an account that is gone, and takes it out of the indexes.
    pub(super) async fn forget_names(&self, user: UserId, left: &Left) -> Result<()> {
        let (folded, owner) = (left.username.to_ascii_lowercase(), user.to_string());
        self.give_up_name(&self.keys.username(&folded), &owner).await?;
        if let Some(email) = &left.email {
            self.give_up_name(&self.keys.email(&email.to_ascii_lowercase()), &owner).await?;
        }
        let index = if left.guest { self.keys.guests() } else { self.keys.accounts() };
        let removes = vec![
            cmd("ZREM").arg(index).arg(indexed(&folded, user)).to_owned(),
            cmd("ZREM").arg(self.keys.guest_expiry()).arg(&owner).to_owned(),
        ];
        self.connections.ask_all::<i64>("forget a user", removes).await.map(drop)
    }

    /// When a guest was seen last, which is `now` of who is connected; `None`: there is no such account.
    async fn last_seen(&self, user: UserId, now: Timestamp) -> Result<Option<Timestamp>> {
        let Some(account) = self.user(user).await? else { return Ok(None) };
        let presence = self.presence(&[user]).await?.pop().unwrap_or_default();
        if !presence.devices.is_empty() {
            return Ok(Some(now));
        }
        let sessions = cmd("HVALS").arg(self.keys.sessions(user)).to_owned();
        let sessions: Vec<String> = self.connections.ask("read a user's sessions", &sessions).await?;
        let used = sessions.iter().map(|text| used_at(text)).collect::<Result<Vec<_>>>()?;
        Ok(used.into_iter().chain(presence.last_seen).chain(presence.left).chain([account.created_at]).max())
    }
}

#[async_trait]
impl Deletions for Engine {
    async fn begin_deletion(&self, user: UserId, unseen_since: Option<Timestamp>) -> Result<Option<Vec<SessionId>>> {
        let pending = self.record_intent(&Intent::Close { user, unseen_since }, Timestamp::now()).await?;
        let ended = self.close_and_list(user, unseen_since).await?;
        self.forget_intent(&pending).await?;
        Ok(ended)
    }

    async fn deletions(&self, begun_before: Timestamp, limit: usize) -> Result<Vec<UserId>> {
        let mut range = cmd("ZRANGE");
        range.arg(self.keys.deletions()).arg("-inf").arg(begun_before.as_millis());
        range.arg("BYSCORE").arg("LIMIT").arg(0).arg(count(limit));
        let users: Vec<String> = self.connections.ask("look for deletions", &range).await?;
        users.iter().map(|user| parse(user, "a user")).collect()
    }

    async fn clear_deleted(&self, user: UserId) -> Result<()> {
        let text = self.user_text(user).await?;
        let Some(left) = text.as_deref().and_then(|text| text.strip_prefix(GONE)) else { return Ok(()) };
        if !left.is_empty() {
            self.forget_names(user, &from_json(left)?).await?;
        }
        let published = Published::default();
        let event = PresenceEvent {
            user,
            username: DELETED_USER.into(),
            published,
            last_seen: None,
            last_seen_for: LastSeenFor::default(),
        };
        let mut clear =
            Call::new(&scripts::CLEAR_USER).keys([self.keys.presence(user), self.keys.presence_channel(user)]);
        for key in self.keys.of_user(user) {
            clear = clear.key(key);
        }
        let clear = clear.arg(json(&event.published)?).arg(json(&event)?);
        self.connections.run::<i64>("clear what is left of a user", clear).await.map(drop)
    }

    async fn end_deletion(&self, user: UserId) -> Result<()> {
        let text = self.user_text(user).await?;
        if let Some(text) = text.filter(|text| text.starts_with(GONE)) {
            self.replace(&self.keys.user(user), &text, GONE).await?;
        }
        let remove = cmd("ZREM").arg(self.keys.deletions()).arg(user.to_string()).to_owned();
        self.connections.ask::<i64>("end a deletion", &remove).await.map(drop)
    }

    async fn idle_guests(&self, unseen_since: Timestamp, now: Timestamp, limit: usize) -> Result<Vec<UserId>> {
        let mut range = cmd("ZRANGE");
        range.arg(self.keys.guest_expiry()).arg("-inf").arg(unseen_since.as_millis());
        range.arg("BYSCORE").arg("LIMIT").arg(0).arg(count(limit));
        let guests: Vec<String> = self.connections.ask("look for idle guests", &range).await?;
        let mut idle = Vec::new();
        for guest in guests {
            let user = parse(&guest, "a guest")?;
            let key = self.keys.guest_expiry();
            let note = match self.last_seen(user, now).await? {
                Some(seen) if seen <= unseen_since => {
                    idle.push(user);
                    continue;
                }
                Some(seen) => cmd("ZADD").arg(key).arg("XX").arg(seen.as_millis()).arg(&guest).to_owned(),
                None => cmd("ZREM").arg(key).arg(&guest).to_owned(),
            };
            self.connections.ask::<i64>("note when a guest was seen", &note).await?;
        }
        Ok(idle)
    }
}
