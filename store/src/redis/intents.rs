//! What spans two hash tags, so that a process that dies between them leaves nothing for ever.
//!
//! Before the first of two steps an [`Intent`] is recorded; after the second it is removed. Readers that meet a half
//! done thing settle it from the truth (the user's record, the room), and [`Engine::sweep`](crate::Maintenance) settles
//! what is older than [`PENDING`]. A process that slept so long inside must not finish later: the sweep leaves a mark in
//! the tag of the truth that makes that very attempt fail.

use std::time::Duration;

use redis::cmd;
use serde::{Deserialize, Serialize};
use shared::{EventId, RoomId, Timestamp, UserId, protocol::RoomType};

use super::{
    Engine,
    codec::{from_json, json, user},
    connection::corrupt,
    deletions::Left,
    keys::{INTENT_SHARDS, indexed, public_name},
    scripts::{self, Call},
};
use crate::{Actor, DELETED_USER, Result, RoomRecord, StoreError, UserRecord, user_log::USER_CHANGES_KEPT};

/// An intent this old belongs to a process that died.
pub(super) const PENDING: Duration = Duration::from_secs(10);
/// How long a mark keeps an abandoned attempt from finishing: far longer than any process sleeps and goes on.
const VOID_KEPT: Duration = Duration::from_secs(24 * 3600);
/// A record in whose place the sweep has put its mark.
pub(super) const VOID_USER: &str = "void";

/// Something begun.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Intent {
    /// Claims the user's name and e-mail address and, for a user of another product, that they are this one here.
    Signup {
        user: UserId,
        username: String,
        email: Option<String>,
        /// As it stands in the claim's key.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        external: Option<String>,
    },
    /// Claims the room's handle, and puts it among the public rooms.
    Create { room: RoomId, attempt: String, handle: Option<String> },
    /// The public room is called one of these (folded) instead of another.
    Rename { room: RoomId, attempt: String, names: Vec<String> },
    /// The room is deleted: its handle and its name (folded) are free.
    Delete { room: RoomId, attempt: String, handle: Option<String>, name: Option<String> },
    /// The account is deleted, if nothing keeps it.
    Close { user: UserId, unseen_since: Option<Timestamp> },
    /// The user blocks the other, or does no longer.
    Block { user: UserId, other: UserId, attempt: String },
    /// A contact request between the two begins or ends.
    Request { user: UserId, other: UserId },
    /// The user joins or leaves the room.
    Membership { user: UserId, room: RoomId, attempt: String },
}

/// An intent as it stands in its sorted set.
pub(super) struct Pending {
    key: String,
    text: String,
}

/// What a claim of a unique name holds: who claims it, since when, and whether it is settled.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Claim {
    pub(super) owner: String,
    pub(super) at: Timestamp,
    pub(super) confirmed: bool,
}

impl Claim {
    pub(super) fn pending(owner: impl ToString, at: Timestamp) -> Self {
        Self { owner: owner.to_string(), at, confirmed: false }
    }

    fn text(&self) -> String {
        let state = if self.confirmed { "confirmed" } else { "pending" };
        format!("{state} {} {}", self.owner, self.at.as_millis())
    }

    fn read(text: &str) -> Result<Self> {
        let mut parts = text.split(' ');
        let (Some(state), Some(owner), Some(at)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(corrupt("a claim"));
        };
        let at = Timestamp::from_millis(super::codec::parse(at, "a claim's time")?);
        Ok(Self { owner: owner.to_owned(), at, confirmed: state == "confirmed" })
    }
}

impl Engine {
    pub(super) async fn record_intent(&self, intent: &Intent, at: Timestamp) -> Result<Pending> {
        let shard = match intent {
            Intent::Signup { user, .. }
            | Intent::Close { user, .. }
            | Intent::Block { user, .. }
            | Intent::Request { user, .. }
            | Intent::Membership { user, .. } => user.as_bytes()[15],
            Intent::Create { room, .. } | Intent::Rename { room, .. } | Intent::Delete { room, .. } => {
                room.as_bytes()[15]
            }
        };
        let pending = Pending { key: self.keys.intents(shard % INTENT_SHARDS), text: json(intent)? };
        let mut add = cmd("ZADD");
        add.arg(&pending.key).arg(at.as_millis()).arg(&pending.text);
        self.connections.ask::<i64>("record an intent", &add).await?;
        Ok(pending)
    }

    pub(super) async fn forget_intent(&self, pending: &Pending) -> Result<()> {
        let mut remove = cmd("ZREM");
        remove.arg(&pending.key).arg(&pending.text);
        self.connections.ask::<i64>("forget an intent", &remove).await.map(drop)
    }

    /// Settles what was begun before `begun_before`, at most `limit` of each shard; gives how many.
    pub(super) async fn settle_intents(&self, begun_before: Timestamp, limit: usize) -> Result<usize> {
        let ranges = (0..INTENT_SHARDS)
            .map(|shard| {
                let mut range = cmd("ZRANGE");
                range.arg(self.keys.intents(shard)).arg("-inf").arg(begun_before.as_millis());
                range.arg("BYSCORE").arg("LIMIT").arg(0).arg(limit);
                range
            })
            .collect();
        let found: Vec<Vec<String>> = self.connections.ask_all("find old intents", ranges).await?;
        let mut settled = 0;
        for (shard, texts) in (0..INTENT_SHARDS).zip(found) {
            for text in texts {
                self.settle_intent(&from_json(&text)?).await?;
                self.forget_intent(&Pending { key: self.keys.intents(shard), text }).await?;
                settled += 1;
            }
        }
        Ok(settled)
    }

    /// The attempt can change the room no more.
    async fn void(&self, room: RoomId, attempt: &str) -> Result<()> {
        let mut void = cmd("SET");
        void.arg(self.keys.void(room, attempt)).arg(1).arg("PX").arg(millis(VOID_KEPT));
        self.connections.ask::<String>("void an attempt", &void).await.map(drop)
    }

    /// Brings what an intent of a dead process is about to what the truth says.
    async fn settle_intent(&self, intent: &Intent) -> Result<()> {
        match intent {
            Intent::Signup { user, username, email, external } => {
                let external = external.as_ref().map(|external| self.keys.external(external));
                self.settle_signup(*user, username, email.as_deref(), external.as_deref()).await
            }
            Intent::Create { room, attempt, handle } => self.settle_create(*room, attempt, handle.as_deref()).await,
            Intent::Rename { room, attempt, .. } | Intent::Delete { room, attempt, .. } => {
                self.void(*room, attempt).await?;
                self.settle_names_of(intent).await
            }
            // Nothing to void: whoever is late finds it done, or a guest who has come back.
            Intent::Close { user, unseen_since } => self.close_and_list(*user, *unseen_since).await.map(drop),
            Intent::Block { user, other, attempt } => {
                self.void(RoomId::direct(*user, *other), attempt).await?;
                self.settle_blocked([*user, *other], &new_attempt()).await?;
                self.finish_block(*user, *other).await
            }
            Intent::Request { user, other } => self.settle_requests(*user, *other).await,
            Intent::Membership { user, room, attempt } => self.void_membership(*user, *room, attempt).await,
        }
    }

    /// Brings a room's names in the indexes to those it has.
    pub(super) async fn settle_names_of(&self, intent: &Intent) -> Result<()> {
        match intent {
            Intent::Rename { room, names, .. } => self.settle_names(*room, names).await,
            Intent::Delete { room, handle, name, .. } => {
                if self.read_room(*room).await?.is_some() {
                    return Ok(());
                }
                if let Some(handle) = handle {
                    self.give_up_name(&self.keys.handle(handle), &room.to_string()).await?;
                }
                self.settle_names(*room, name.as_slice()).await
            }
            Intent::Signup { .. }
            | Intent::Create { .. }
            | Intent::Close { .. }
            | Intent::Block { .. }
            | Intent::Request { .. }
            | Intent::Membership { .. } => Ok(()),
        }
    }

    /// Of these names the room is found by the one it has. Where that changes meanwhile, once more: the last who looks
    /// has seen the last.
    async fn settle_names(&self, room: RoomId, names: &[String]) -> Result<()> {
        let mut own = self.found_by(room).await?;
        loop {
            let entries = names.iter().map(|name| match own.as_ref() == Some(name) {
                true => cmd("ZADD").arg(self.keys.public_rooms()).arg(0).arg(indexed(name, room)).to_owned(),
                false => cmd("ZREM").arg(self.keys.public_rooms()).arg(indexed(name, room)).to_owned(),
            });
            self.connections.ask_all::<i64>("index a public room", entries.collect()).await?;
            let now = self.found_by(room).await?;
            if now == own {
                return Ok(());
            }
            own = now;
        }
    }

    /// The name a public room is to be found by.
    async fn found_by(&self, room: RoomId) -> Result<Option<String>> {
        Ok(self.read_room(room).await?.and_then(|(record, _)| public_name(record.kind, record.name.as_deref())))
    }

    /// The record came to be: its claims are confirmed. It did not, or is gone again: they are released, and it never will.
    async fn settle_signup(
        &self,
        user: UserId,
        username: &str,
        email: Option<&str>,
        external: Option<&str>,
    ) -> Result<()> {
        let mut mark = cmd("SET");
        mark.arg(self.keys.user(user)).arg(VOID_USER).arg("NX").arg("PX").arg(millis(VOID_KEPT));
        let marked: Option<String> = self.connections.ask("void a signup", &mark).await?;
        let record = if marked.is_some() { None } else { self.read_user(user).await? };
        match record {
            Some(record) => {
                self.confirm_signup(&record).await?;
                match external {
                    Some(external) => self.confirm_name(external, &user.to_string()).await,
                    None => Ok(()),
                }
            }
            None => {
                if let Some(external) = external {
                    self.release_name(external, &user.to_string()).await?;
                }
                let name = self.keys.username(&username.to_ascii_lowercase());
                self.give_up_name(&name, &user.to_string()).await?;
                if let Some(email) = email {
                    self.give_up_name(&self.keys.email(&email.to_ascii_lowercase()), &user.to_string()).await?;
                }
                Ok(())
            }
        }
    }

    /// Makes the claims of a stored account lasting, and puts it into the indexes. Takes all of it back where the account
    /// is gone by then.
    pub(super) async fn confirm_signup(&self, record: &UserRecord) -> Result<()> {
        let (folded, owner) = (record.username.to_ascii_lowercase(), record.id.to_string());
        self.confirm_name(&self.keys.username(&folded), &owner).await?;
        if let Some(email) = &record.email {
            self.confirm_name(&self.keys.email(&email.to_ascii_lowercase()), &owner).await?;
        }
        let mut index = cmd("ZADD");
        let key = if record.guest { self.keys.guests() } else { self.keys.accounts() };
        index.arg(key).arg(0).arg(indexed(&folded, record.id));
        self.connections.ask::<i64>("index a user", &index).await?;
        if record.guest {
            let mut index = cmd("ZADD");
            index.arg(self.keys.guest_expiry()).arg("NX").arg(record.created_at.as_millis()).arg(&owner);
            self.connections.ask::<i64>("note when a guest was seen", &index).await?;
        }
        // Asked after claiming: a deletion that begins later gives the names up later.
        match self.read_user(record.id).await? {
            Some(_) => Ok(()),
            None => self.forget_names(record.id, &Left::of(record)).await,
        }
    }

    async fn settle_create(&self, room: RoomId, attempt: &str, handle: Option<&str>) -> Result<()> {
        let void = Call::new(&scripts::VOID_ROOM).keys([self.keys.room(room), self.keys.void(room, attempt)]);
        let there: bool = self.connections.run("void a room", void.arg(millis(VOID_KEPT))).await?;
        let record = if there { self.read_room(room).await?.map(|(record, _)| record) } else { None };
        if record.as_ref().is_some_and(|record| record.kind == RoomType::Direct) {
            self.settle_blocked_room(room).await?;
        }
        self.confirm_create(room, record.as_ref(), handle).await
    }

    /// Makes the claim of a room's handle lasting, or releases it if the room is not there or has another; puts the
    /// room among the public ones. `record` is as it was read: what became of the room since is seen too.
    pub(super) async fn confirm_create(
        &self,
        room: RoomId,
        record: Option<&RoomRecord>,
        claimed: Option<&str>,
    ) -> Result<()> {
        if let Some(claimed) = claimed {
            let key = self.keys.handle(&claimed.to_ascii_lowercase());
            let own = record.and_then(|r| r.handle.as_deref()).is_some_and(|h| h.eq_ignore_ascii_case(claimed));
            if own {
                self.confirm_name(&key, &room.to_string()).await?;
                // Deleted meanwhile: its handle was given up before it was confirmed.
                if self.read_room(room).await?.is_none() {
                    self.give_up_name(&key, &room.to_string()).await?;
                }
            } else {
                self.release_name(&key, &room.to_string()).await?;
            }
        }
        match record.and_then(|r| public_name(r.kind, r.name.as_deref())) {
            Some(name) => self.settle_names(room, &[name]).await,
            None => Ok(()),
        }
    }

    /// As [`Self::begin_membership`], for a join: [`StoreError::UserNotFound`] where the account is gone.
    pub(super) async fn begin_join(&self, user: UserId, room: RoomId, attempt: &str) -> Result<Pending> {
        let intent = Intent::Membership { user, room, attempt: attempt.to_owned() };
        let pending = self.record_intent(&intent, Timestamp::now()).await?;
        let begin = Call::new(&scripts::BEGIN_JOIN)
            .keys([self.keys.user(user), self.keys.user_intents(user)])
            .arg(room.to_string())
            .arg(attempt);
        if self.connections.run("record an intent at the user", begin).await? {
            return Ok(pending);
        }
        self.forget_intent(&pending).await?;
        Err(StoreError::UserNotFound)
    }

    /// Records, before the room is asked, that a user's membership may change. Gives the attempt.
    pub(super) async fn begin_membership(&self, user: UserId, room: RoomId, attempt: &str) -> Result<Pending> {
        let intent = Intent::Membership { user, room, attempt: attempt.to_owned() };
        let pending = self.record_intent(&intent, Timestamp::now()).await?;
        let mut set = cmd("HSET");
        set.arg(self.keys.user_intents(user)).arg(room.to_string()).arg(attempt);
        self.connections.ask::<i64>("record an intent at the user", &set).await?;
        Ok(pending)
    }

    /// Brings the user's index to what the room says: `member` was its answer to this attempt.
    pub(super) async fn finish_membership(
        &self,
        user: UserId,
        room: RoomId,
        attempt: &str,
        member: bool,
        pending: &Pending,
    ) -> Result<()> {
        if !self.apply_membership(user, room, attempt, member).await? {
            self.settle_membership(user, room).await?;
        }
        self.forget_intent(pending).await
    }

    /// `false`: a later attempt will. A room that has somebody whose account is gone loses them: they came in while it
    /// was deleted.
    async fn apply_membership(&self, user: UserId, room: RoomId, attempt: &str, member: bool) -> Result<bool> {
        match self.write_membership(user, room, attempt, member).await?.as_str() {
            "OK" => Ok(true),
            "LATER" => Ok(false),
            "GONE" => {
                let gone = Actor { id: user, username: DELETED_USER.into() };
                match self.leave_room(room, &gone, &new_attempt(), None).await {
                    Ok(_) | Err(StoreError::NotAMember | StoreError::RoomNotFound) => {}
                    Err(e) => return Err(e),
                }
                self.write_membership(user, room, attempt, false).await.map(|answer| answer == "OK")
            }
            _ => Err(corrupt("an answer")),
        }
    }

    async fn write_membership(&self, user: UserId, room: RoomId, attempt: &str, member: bool) -> Result<String> {
        let keys = &self.keys;
        let apply = Call::new(&scripts::APPLY_MEMBERSHIP)
            .keys([keys.user_rooms(user), keys.user_intents(user), keys.user_log(user), keys.user_channel(user)])
            .keys([keys.presence_channel(user), keys.user(user)])
            .arg(room.to_string())
            .arg(attempt)
            .arg(u8::from(member))
            .arg(EventId::random().to_string())
            .arg(if member { user::room_added(room) } else { user::room_removed(room) })
            .arg(USER_CHANGES_KEPT);
        self.connections.run("index a membership", apply).await
    }

    /// Brings the user's index to what the room says now. Whoever writes an intent later reads the room later, so the
    /// last one is right, and earlier ones leave it to that one.
    pub(super) async fn settle_membership(&self, user: UserId, room: RoomId) -> Result<()> {
        let attempt = new_attempt();
        let mut set = cmd("HSET");
        set.arg(self.keys.user_intents(user)).arg(room.to_string()).arg(&attempt);
        self.connections.ask::<i64>("record an intent at the user", &set).await?;
        let member = self.is_member(room, user).await?;
        self.apply_membership(user, room, &attempt, member).await.map(drop)
    }

    async fn void_membership(&self, user: UserId, room: RoomId, attempt: &str) -> Result<()> {
        let void = Call::new(&scripts::VOID_MEMBER)
            .keys([self.keys.members(room), self.keys.void(room, attempt)])
            .arg(millis(VOID_KEPT))
            .arg(user.to_string());
        self.connections.run::<i64>("void a membership", void).await?;
        self.settle_membership(user, room).await
    }

    pub(super) async fn is_member(&self, room: RoomId, user: UserId) -> Result<bool> {
        let mut exists = cmd("HEXISTS");
        exists.arg(self.keys.members(room)).arg(user.to_string());
        self.connections.ask("look for a member", &exists).await
    }

    /// Claims a unique name for `claim.owner`; `false` when somebody else has it.
    pub(super) async fn claim_name(&self, key: &str, claim: &Claim) -> Result<bool> {
        let mut set = cmd("SET");
        set.arg(key).arg(claim.text()).arg("NX");
        let set: Option<String> = self.connections.ask("claim a name", &set).await?;
        if set.is_some() {
            return Ok(true);
        }
        // Our own from an attempt before this one.
        Ok(self.claim_of(key).await?.is_some_and(|held| held.owner == claim.owner))
    }

    pub(super) async fn claim_of(&self, key: &str) -> Result<Option<Claim>> {
        let text: Option<String> = self.connections.ask("look up a name", cmd("GET").arg(key)).await?;
        text.as_deref().map(Claim::read).transpose()
    }

    pub(super) async fn confirm_name(&self, key: &str, owner: &str) -> Result<()> {
        match self.claim_of(key).await? {
            Some(held) if held.owner == owner && !held.confirmed => {
                let confirmed = Claim { confirmed: true, ..held.clone() };
                self.replace(key, &held.text(), &confirmed.text()).await.map(drop)
            }
            Some(_) => Ok(()),
            // Released with an attempt of the same owner that died; the owner came to be all the same.
            None => {
                let claim = Claim { confirmed: true, ..Claim::pending(owner, Timestamp::now()) };
                self.claim_name(key, &claim).await.map(drop)
            }
        }
    }

    /// Gives the name up, if it is `owner`'s and not confirmed.
    pub(super) async fn release_name(&self, key: &str, owner: &str) -> Result<()> {
        match self.claim_of(key).await? {
            Some(held) if held.owner == owner && !held.confirmed => self.replace(key, &held.text(), "").await.map(drop),
            _ => Ok(()),
        }
    }

    /// The same, also where it is confirmed.
    pub(super) async fn give_up_name(&self, key: &str, owner: &str) -> Result<()> {
        match self.claim_of(key).await? {
            Some(held) if held.owner == owner => self.replace(key, &held.text(), "").await.map(drop),
            _ => Ok(()),
        }
    }

    /// Sets the key if it holds `expected`; an empty `next` removes it.
    pub(super) async fn replace(&self, key: &str, expected: &str, next: &str) -> Result<bool> {
        let replace = Call::new(&scripts::COMPARE_AND_SET).key(key.to_owned()).arg(expected).arg(next);
        self.connections.run("compare and set", replace).await
    }
}

/// Names one attempt, so that the sweep can void it and no other.
pub(super) fn new_attempt() -> String {
    EventId::random().to_string()
}

/// Milliseconds as scripts can add them; ten years stand for anything longer.
pub(super) fn millis(duration: Duration) -> u64 {
    const LONGEST: u64 = 10 * 365 * 24 * 3600 * 1000;
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).min(LONGEST)
}

/// A limit as Redis takes it.
pub(super) fn count(limit: usize) -> usize {
    limit.min(100_000)
}

/// What a script says of an attempt that the sweep has voided: whoever calls again starts anew.
pub(super) fn voided() -> StoreError {
    StoreError::Unavailable(anyhow::anyhow!("took so long that it was given up"))
}
