//! Roles, kicks, bans, and changing what a room is: each one script in the room's tag. Whoever is taken out loses the room from their own list as
//! by leaving it.

use std::collections::BTreeMap;

use async_trait::async_trait;
use redis::cmd;
use shared::{
    EventId, RoomId, Timestamp, UserId,
    protocol::{Position, Role},
};

use super::{
    Engine,
    codec::{from_json, json, parse, role_text},
    connection::corrupt,
    intents::{Intent, new_attempt, voided},
    keys::{public_name, shard_of},
    rooms::limits,
    scripts::{self, Call, ENTRIES_A_STEP},
};
use crate::{
    Actor, Ban, Removal, Result, RoleChange, RoomAdmin, RoomRecord, RoomUpdate, StoreError, log::CHANGES_KEPT,
    room_admin::BANS_A_ROOM,
};

/// How often a change of a room is begun anew where another came between.
pub(super) const TRIES: usize = 8;

/// What a script that changes roles or members answers.
fn position(answer: &[String]) -> Result<Position> {
    match answer.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["OK", rev, event_id] => Ok(Position { rev: parse(rev, "a rev")?, event_id: parse(event_id, "an event id")? }),
        ["NO_ROOM"] => Err(StoreError::RoomNotFound),
        ["NOT_A_MEMBER"] => Err(StoreError::NotAMember),
        ["ROLES_CHANGED"] => Err(StoreError::RolesChanged),
        ["TOO_MANY_BANS"] => Err(StoreError::TooManyBans),
        ["VOID"] => Err(voided()),
        _ => Err(corrupt("an answer")),
    }
}

fn ban(user: UserId, text: &str) -> Result<Ban> {
    let (by, at) = text.split_once(' ').ok_or_else(|| corrupt("a ban"))?;
    let at = Timestamp::from_millis(parse(at, "a time")?);
    Ok(Ban { user, by: parse(by, "a user")?, at })
}

impl Engine {
    /// A room's record as it stands there, to be compared in the step that changes it.
    pub(super) async fn record_text(&self, room: RoomId) -> Result<Option<String>> {
        let read = cmd("HGET").arg(self.keys.room(room)).arg("record").to_owned();
        self.connections.ask("read a room", &read).await
    }

    /// `false`: the room's record is not `before` any more.
    pub(super) async fn write_update(
        &self,
        update: &RoomUpdate,
        (before, now): (&str, &RoomRecord),
        attempt: &str,
    ) -> Result<bool> {
        let (keys, room) = (&self.keys, update.room);
        let change = Call::new(&scripts::UPDATE_ROOM)
            .keys([keys.room(room), keys.members(room), keys.changes(room), keys.room_channel(room)])
            .keys([keys.retention(shard_of(room)), keys.void(room, attempt)])
            .arg(update.by.id.to_string())
            .arg(role_text(update.by_role))
            .arg(EventId::random().to_string())
            .arg(json(&update.by.username)?)
            .arg(before)
            .arg(if now == &from_json(before)? { before.to_owned() } else { json(now)? })
            .arg(&limits(now))
            .arg(room.to_string())
            .arg(CHANGES_KEPT);
        let answer: String = self.connections.run("change a room", change).await?;
        match answer.as_str() {
            "OK" => Ok(true),
            "CHANGED" => Ok(false),
            "NO_ROOM" => Err(StoreError::RoomNotFound),
            "ROLES_CHANGED" => Err(StoreError::RolesChanged),
            "VOID" => Err(voided()),
            _ => Err(corrupt("an answer")),
        }
    }

    /// A member leaves, or is taken out by `removal`: the room, and then their list of rooms.
    pub(super) async fn leave_with(&self, room: RoomId, user: &Actor, removal: Option<&Removal>) -> Result<Position> {
        let attempt = new_attempt();
        if removal.is_some_and(|removal| removal.role.is_none()) {
            // Nothing to do in their list.
            return self.leave_room(room, user, &attempt, removal).await;
        }
        let pending = self.begin_membership(user.id, room, &attempt).await?;
        match self.leave_room(room, user, &attempt, removal).await {
            Ok(position) => {
                self.finish_membership(user.id, room, &attempt, false, &pending).await?;
                Ok(position)
            }
            Err(refused) => {
                self.abandon(user.id, room, &pending, &refused).await?;
                Err(refused)
            }
        }
    }

    /// The second half of it: the room itself.
    pub(super) async fn leave_room(
        &self,
        room: RoomId,
        user: &Actor,
        attempt: &str,
        removal: Option<&Removal>,
    ) -> Result<Position> {
        let leave = Call::new(&scripts::LEAVE)
            .keys(self.membership_keys(room, attempt))
            .keys([self.keys.mentions(room), self.keys.outcomes(room)])
            .arg(user.id.to_string())
            .arg(EventId::random().to_string())
            .arg(json(&user.username)?)
            .arg(CHANGES_KEPT)
            .arg(ENTRIES_A_STEP)
            .arg(EventId::random().to_string())
            .arg(removal.map(|removal| removal.by.id.to_string()).unwrap_or_default())
            .arg(removal.map_or("", |removal| role_text(removal.by_role)))
            .arg(removal.and_then(|removal| removal.role).map_or("", role_text))
            .arg(removal.filter(|removal| removal.ban).map_or(0, |_| BANS_A_ROOM));
        position(&self.connections.run::<Vec<String>>("leave a room", leave).await?)
    }
}

#[async_trait]
impl RoomAdmin for Engine {
    async fn delete_room(&self, room: RoomId, by: &Actor, by_role: Option<Role>) -> Result<()> {
        self.end_room(room, by, by_role).await
    }

    /// Two round trips, and one more where the room is found by its name.
    async fn update_room(&self, update: &RoomUpdate) -> Result<RoomRecord> {
        for _ in 0..TRIES {
            let attempt = new_attempt();
            let text = self.record_text(update.room).await?.ok_or(StoreError::RoomNotFound)?;
            let before: RoomRecord = from_json(&text)?;
            let now = update.patch.applied(&before);
            let names = [&before, &now].map(|room| public_name(room.kind, room.name.as_deref()));
            let [Some(old), Some(new)] = names else {
                match self.write_update(update, (&text, &now), &attempt).await? {
                    true => return Ok(now),
                    false => continue,
                }
            };
            let names = vec![old, new];
            let renamed = Intent::Rename { room: update.room, attempt: attempt.clone(), names };
            let pending = self.record_intent(&renamed, Timestamp::now()).await?;
            let written = self.write_update(update, (&text, &now), &attempt).await;
            if !matches!(written, Err(StoreError::Unavailable(_) | StoreError::Unexpected(_))) {
                self.settle_names_of(&renamed).await?;
                self.forget_intent(&pending).await?;
            }
            if written? {
                return Ok(now);
            }
        }
        Err(StoreError::Unavailable(anyhow::anyhow!("the room is being changed by many at once")))
    }

    async fn set_role(&self, change: &RoleChange) -> Result<Position> {
        let keys = &self.keys;
        let RoleChange { room, by, by_role, user, from, to } = change;
        let set = Call::new(&scripts::SET_ROLE)
            .keys([keys.room(*room), keys.members(*room), keys.admins(*room), keys.changes(*room)])
            .key(keys.room_channel(*room))
            .arg(by.id.to_string())
            .arg(role_text(*by_role))
            .arg(EventId::random().to_string())
            .arg(json(&by.username)?)
            .arg(user.id.to_string())
            .arg(role_text(*from))
            .arg(role_text(*to))
            .arg(EventId::random().to_string())
            .arg(json(&user.username)?)
            .arg(CHANGES_KEPT);
        position(&self.connections.run::<Vec<String>>("set a role", set).await?)
    }

    async fn remove_member(&self, removal: &Removal) -> Result<Position> {
        self.leave_with(removal.room, &removal.user, Some(removal)).await
    }

    async fn unban(&self, room: RoomId, by: UserId, by_role: Role, user: UserId) -> Result<()> {
        let unban = Call::new(&scripts::UNBAN)
            .keys([self.keys.room(room), self.keys.members(room), self.keys.bans(room)])
            .arg(by.to_string())
            .arg(role_text(by_role))
            .arg(user.to_string());
        match self.connections.run::<String>("lift a ban", unban).await?.as_str() {
            "OK" => Ok(()),
            "NO_ROOM" => Err(StoreError::RoomNotFound),
            "ROLES_CHANGED" => Err(StoreError::RolesChanged),
            _ => Err(corrupt("an answer")),
        }
    }

    /// There are at most [`BANS_A_ROOM`].
    async fn bans(&self, room: RoomId, after: Option<UserId>, limit: usize) -> Result<Vec<Ban>> {
        if self.read_room(room).await?.is_none() {
            return Err(StoreError::RoomNotFound);
        }
        let read = cmd("HGETALL").arg(self.keys.bans(room)).to_owned();
        let texts: BTreeMap<String, String> = self.connections.ask("list bans", &read).await?;
        let read = |(user, text): (&String, &String)| ban(parse(user, "a user")?, text);
        // The order of ids is that of their text.
        let bans = texts.iter().map(read).filter(|ban| !matches!(ban, Ok(ban) if after >= Some(ban.user)));
        bans.take(limit).collect()
    }
}
