//! Accounts.
//!
//! Signup: intent → claims of name and e-mail → the record (the truth) → claims confirmed and indexed → intent gone.

use std::time::Duration;

use async_trait::async_trait;
use redis::cmd;
use shared::{SessionId, Timestamp, UserId};

use super::{
    Engine,
    codec::{from_json, hex, json, parse},
    connection::corrupt,
    intents::{Claim, Intent, Pending, count, voided},
    scripts::{self, Call},
};
use crate::{ExternalId, ProfilePatch, Result, StoreError, UserRecord, Users};

/// Changes of one profile at the same moment that one of them waits for.
pub(super) const CONTENDERS: usize = 32;
/// How often one looks for a user that another process is making, and how long between: two seconds in all.
const LOOKS: usize = 100;
const LOOK_AGAIN: Duration = Duration::from_millis(20);

impl Engine {
    /// The first half of a signup: the claims.
    pub(super) async fn claim_names(&self, user: &UserRecord, at: Timestamp) -> Result<Pending> {
        let pending = self.record_intent(&signup(user, None), at).await?;
        match self.claim_each(user, at).await {
            Ok(()) => Ok(pending),
            Err(e) => {
                if is_taken(&e) {
                    self.forget_intent(&pending).await?;
                }
                Err(e)
            }
        }
    }

    /// Where one of them is taken, neither is claimed.
    async fn claim_each(&self, user: &UserRecord, at: Timestamp) -> Result<()> {
        let claim = Claim::pending(user.id, at);
        let name = self.keys.username(&user.username.to_ascii_lowercase());
        if !self.claim_name(&name, &claim).await? {
            return Err(StoreError::UsernameTaken);
        }
        if let Some(email) = &user.email
            && !self.claim_name(&self.keys.email(&email.to_ascii_lowercase()), &claim).await?
        {
            self.release_name(&name, &claim.owner).await?;
            return Err(StoreError::EmailTaken);
        }
        Ok(())
    }

    /// The same for a user of another product, whose claim comes first. `None`: somebody else has it.
    pub(super) async fn claim_external(
        &self,
        user: &UserRecord,
        external: &ExternalId,
        at: Timestamp,
    ) -> Result<Option<Pending>> {
        let (key, claim) = (self.keys.external(&hex(external)), Claim::pending(user.id, at));
        let pending = self.record_intent(&signup(user, Some(hex(external))), at).await?;
        if !self.claim_name(&key, &claim).await? {
            self.forget_intent(&pending).await?;
            return Ok(None);
        }
        match self.claim_each(user, at).await {
            Ok(()) => Ok(Some(pending)),
            // The claim first: the intent is how the sweep finds it. What was begun otherwise the sweep settles, too.
            Err(e) => {
                if is_taken(&e) {
                    self.release_name(&key, &claim.owner).await?;
                    self.forget_intent(&pending).await?;
                }
                Err(e)
            }
        }
    }

    /// Writes the record; from here the account exists.
    pub(super) async fn write_user(&self, user: &UserRecord) -> Result<()> {
        let text = json(user)?;
        let mut set = cmd("SET");
        set.arg(self.keys.user(user.id)).arg(&text).arg("NX");
        let set: Option<String> = self.connections.ask("write a user", &set).await?;
        if set.is_some() {
            return Ok(());
        }
        match self.read_user(user.id).await? {
            // Our own from an attempt before this one.
            Some(record) if record == *user => Ok(()),
            Some(_) => Err(StoreError::UsernameTaken),
            None => Err(voided()),
        }
    }

    pub(super) async fn read_user(&self, id: UserId) -> Result<Option<UserRecord>> {
        let text: Option<String> = self.connections.ask("read a user", cmd("GET").arg(self.keys.user(id))).await?;
        record(text.as_deref())
    }

    /// Changes the record, whatever else does meanwhile.
    async fn change_user<T>(&self, id: UserId, change: impl Fn(&mut UserRecord) -> T) -> Result<T> {
        let key = self.keys.user(id);
        for _ in 0..CONTENDERS {
            let text: Option<String> = self.connections.ask("read a user", cmd("GET").arg(&key)).await?;
            let mut user = record(text.as_deref())?.ok_or(StoreError::UserNotFound)?;
            let changed = change(&mut user);
            if self.replace(&key, text.as_deref().unwrap_or_default(), &json(&user)?).await? {
                return Ok(changed);
            }
        }
        Err(contended())
    }

    /// Whose name it is. A claim that is still pending is settled from the record.
    async fn owner_of(
        &self,
        key: &str,
        wanted: &str,
        name_of: fn(&UserRecord) -> Option<&str>,
    ) -> Result<Option<UserId>> {
        let Some(claim) = self.claim_of(key).await? else { return Ok(None) };
        let id: UserId = parse(&claim.owner, "a claim's owner")?;
        if claim.confirmed {
            return Ok(Some(id));
        }
        match self.read_user(id).await? {
            Some(user) if name_of(&user).is_some_and(|name| name.eq_ignore_ascii_case(wanted)) => {
                self.confirm_signup(&user).await?;
                Ok(Some(id))
            }
            // Begun and not done, or never to be; the sweep decides which.
            _ => Ok(None),
        }
    }
}

/// The record of this text; `None` where something else stands in its place.
pub(super) fn record(text: Option<&str>) -> Result<Option<UserRecord>> {
    text.filter(|text| text.starts_with('{')).map(from_json).transpose()
}

/// Somebody else has the name or the address.
fn is_taken(e: &StoreError) -> bool {
    matches!(e, StoreError::UsernameTaken | StoreError::EmailTaken)
}

pub(super) fn contended() -> StoreError {
    StoreError::Unavailable(anyhow::anyhow!("too many changes of one profile at once"))
}

fn signup(user: &UserRecord, external: Option<String>) -> Intent {
    Intent::Signup { user: user.id, username: user.username.clone(), email: user.email.clone(), external }
}

/// Ids of the members of an index, after the zero byte.
pub(super) fn indexed_ids<T: std::str::FromStr>(members: Vec<String>) -> Result<Vec<T>> {
    let id = |member: &String| member.rsplit_once('\0').and_then(|(_, id)| id.parse().ok());
    members.iter().map(|m| id(m).ok_or_else(|| corrupt("an index"))).collect()
}

#[async_trait]
impl Users for Engine {
    async fn create_user(&self, user: &UserRecord) -> Result<()> {
        let pending = self.claim_names(user, Timestamp::now()).await?;
        self.write_user(user).await?;
        self.confirm_signup(user).await?;
        self.forget_intent(&pending).await
    }

    async fn provision_user(&self, user: &UserRecord, external: &ExternalId) -> Result<UserId> {
        let key = self.keys.external(&hex(external));
        for _ in 0..LOOKS {
            if let Some(owner) = self.user_id_by_external(external).await? {
                return Ok(owner);
            }
            if let Some(pending) = self.claim_external(user, external, Timestamp::now()).await? {
                self.write_user(user).await?;
                self.confirm_signup(user).await?;
                self.confirm_name(&key, &user.id.to_string()).await?;
                self.forget_intent(&pending).await?;
                return Ok(user.id);
            }
            // Whoever has the claim is about to write the record, or gives it up.
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Err(StoreError::Unavailable(anyhow::anyhow!("another process does not come to an end with this user")))
    }

    async fn user_id_by_external(&self, external: &ExternalId) -> Result<Option<UserId>> {
        let key = self.keys.external(&hex(external));
        let Some(claim) = self.claim_of(&key).await? else { return Ok(None) };
        let id: UserId = parse(&claim.owner, "a claim's owner")?;
        if claim.confirmed {
            return Ok(Some(id));
        }
        let Some(user) = self.read_user(id).await? else { return Ok(None) };
        self.confirm_signup(&user).await?;
        self.confirm_name(&key, &claim.owner).await?;
        Ok(Some(id))
    }

    async fn user(&self, id: UserId) -> Result<Option<UserRecord>> {
        self.read_user(id).await
    }

    async fn users(&self, ids: &[UserId]) -> Result<Vec<Option<UserRecord>>> {
        let reads = ids.iter().map(|id| cmd("GET").arg(self.keys.user(*id)).to_owned()).collect();
        let texts: Vec<Option<String>> = self.connections.ask_all("read users", reads).await?;
        texts.iter().map(|text| record(text.as_deref())).collect()
    }

    async fn user_id_by_name(&self, username: &str) -> Result<Option<UserId>> {
        let key = self.keys.username(&username.to_ascii_lowercase());
        self.owner_of(&key, username, |user| Some(&user.username)).await
    }

    async fn user_id_by_email(&self, email: &str) -> Result<Option<UserId>> {
        let key = self.keys.email(&email.to_ascii_lowercase());
        self.owner_of(&key, email, |user| user.email.as_deref()).await
    }

    async fn update_profile(&self, id: UserId, patch: &ProfilePatch) -> Result<UserRecord> {
        self.change_user(id, |user| {
            if let Some(name) = &patch.display_name {
                user.display_name.clone_from(name);
            }
            if let Some(bio) = &patch.bio {
                user.bio.clone_from(bio);
            }
            user.clone()
        })
        .await
    }

    async fn set_avatar(&self, id: UserId, url: Option<&str>) -> Result<Option<String>> {
        self.change_user(id, |user| std::mem::replace(&mut user.avatar_url, url.map(str::to_owned))).await
    }

    async fn change_password(
        &self,
        id: UserId,
        old: &str,
        next: &str,
        keep: SessionId,
    ) -> Result<Option<Vec<SessionId>>> {
        let key = self.keys.user(id);
        for _ in 0..CONTENDERS {
            let text: Option<String> = self.connections.ask("read a user", cmd("GET").arg(&key)).await?;
            let user = record(text.as_deref())?.ok_or(StoreError::UserNotFound)?;
            if user.password_hash.as_deref() != Some(old) {
                return Ok(None);
            }
            let user = UserRecord { password_hash: Some(next.to_owned()), ..user };
            let change = Call::new(&scripts::CHANGE_PASSWORD)
                .keys([self.keys.sessions(id), self.keys.user_channel(id), key.clone()])
                .arg("")
                .arg(keep.to_string())
                .arg(Timestamp::now().as_millis())
                .arg(text.unwrap_or_default())
                .arg(json(&user)?);
            let ended: Option<Vec<String>> = self.connections.run("change a password", change).await?;
            if let Some(ended) = ended {
                return ended.iter().map(|id| parse(id, "a session")).collect::<Result<_>>().map(Some);
            }
        }
        Err(contended())
    }

    async fn set_administrator(&self, id: UserId, administrator: bool) -> Result<()> {
        self.change_user(id, |user| user.administrator = administrator).await
    }

    async fn ban_user(&self, id: UserId, at: Timestamp) -> Result<Vec<SessionId>> {
        for _ in 0..CONTENDERS {
            let (key, text) = (self.keys.user(id), self.user_text(id).await?);
            let user = record(text.as_deref())?.ok_or(StoreError::UserNotFound)?;
            let banned_at = Some(user.banned_at.unwrap_or(at));
            let ban = Call::new(&scripts::BAN_ACCOUNT)
                .keys([key, self.keys.sessions(id), self.keys.user_channel(id)])
                .arg(text)
                .arg(json(&UserRecord { banned_at, ..user })?);
            let answer: Vec<String> = self.connections.run("ban an account", ban).await?;
            match answer.split_first() {
                Some((said, ended)) if said == "OK" => {
                    return ended.iter().map(|id| parse(id, "a session")).collect();
                }
                Some((said, _)) if said == "CHANGED" => {}
                _ => return Err(corrupt("an answer")),
            }
        }
        Err(contended())
    }

    async fn unban_user(&self, id: UserId) -> Result<bool> {
        self.change_user(id, |user| user.banned_at.take().is_some()).await
    }

    async fn search_users(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<UserId>> {
        let folded = prefix.to_ascii_lowercase();
        // Names hold no zero byte; in the index one ends the name.
        if folded.contains('\0') {
            return Ok(Vec::new());
        }
        // A name's own entry goes on with a zero byte; nothing else with that name stands before 0x01.
        let start = match after {
            Some(after) if after >= folded.as_str() => [b"(", after.as_bytes(), b"\x01"].concat(),
            _ => [b"[", folded.as_bytes()].concat(),
        };
        let mut range = cmd("ZRANGEBYLEX");
        range.arg(self.keys.accounts()).arg(start).arg([b"(", folded.as_bytes(), b"\xff"].concat());
        range.arg("LIMIT").arg(0).arg(count(limit));
        indexed_ids(self.connections.ask("search users", &range).await?)
    }

    async fn count_users(&self) -> Result<u64> {
        let counts = [self.keys.accounts(), self.keys.guests()].map(|key| cmd("ZCARD").arg(key).to_owned());
        let counts: Vec<u64> = self.connections.ask_all("count users", counts.to_vec()).await?;
        Ok(counts.iter().sum())
    }
}
