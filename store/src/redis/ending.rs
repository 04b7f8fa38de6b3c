//! Deleting a room: one script takes all of it away but who its members were; their lists of rooms, in other slots, follow
//! step by step.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use redis::cmd;
use shared::{EventId, RoomId, Timestamp, UserId, protocol::Role};

use super::{
    Engine,
    codec::{from_json, json, parse, role_text},
    connection::corrupt,
    intents::{Intent, millis, new_attempt, voided},
    keys::{SHARDS, public_name, shard_of},
    room_admin::TRIES,
    scripts::{self, Call, ENTRIES_A_STEP},
};
use crate::{Actor, Result, RoomRecord, StoreError, log::DEDUPE_KEPT};

/// Former members whose lists follow in one step, and at once.
const MEMBERS_A_STEP: usize = 200;
const AT_ONCE: usize = 32;
/// Steps of one sweep, over all deleted rooms.
const STEPS: usize = 20;
/// How long the id of a deleted room is not free: longer than what was said in it is known by its dedupe keys.
const ID_KEPT: Duration = DEDUPE_KEPT.saturating_mul(2);

impl Engine {
    /// See [`RoomAdmin::delete_room`](crate::RoomAdmin::delete_room).
    pub(super) async fn end_room(&self, room: RoomId, by: &Actor, by_role: Option<Role>) -> Result<()> {
        for _ in 0..TRIES {
            let text = self.record_text(room).await?.ok_or(StoreError::RoomNotFound)?;
            let record: RoomRecord = from_json(&text)?;
            let attempt = new_attempt();
            let handle = record.handle.as_ref().map(|handle| handle.to_ascii_lowercase());
            let name = public_name(record.kind, record.name.as_deref());
            let intent = Intent::Delete { room, attempt: attempt.clone(), handle, name };
            let pending = self.record_intent(&intent, Timestamp::now()).await?;
            let deleted = self.delete_here((room, &text), by, by_role, &attempt).await;
            if !matches!(deleted, Err(StoreError::Unavailable(_) | StoreError::Unexpected(_))) {
                self.settle_names_of(&intent).await?;
                self.forget_intent(&pending).await?;
            }
            if deleted? {
                return self.end_step(room).await.map(drop);
            }
        }
        Err(StoreError::Unavailable(anyhow::anyhow!("the room is being changed by many at once")))
    }

    /// The room itself. `false`: its record is not this any more, and it may be found by another name.
    pub(super) async fn delete_here(
        &self,
        (room, record): (RoomId, &str),
        by: &Actor,
        by_role: Option<Role>,
        attempt: &str,
    ) -> Result<bool> {
        let (keys, shard) = (&self.keys, shard_of(room));
        let delete = Call::new(&scripts::DELETE_ROOM)
            .keys([keys.room(room), keys.members(room), keys.joined(room), keys.void(room, attempt)])
            .keys([keys.room_channel(room), keys.due(shard), keys.retention(shard), keys.ending(shard)])
            .keys([keys.former(room), keys.admins(room), keys.bans(room), keys.invites(room), keys.salt(room)])
            .keys([keys.marks(room), keys.messages(room), keys.changes(room), keys.deleted(room)])
            .keys([keys.mentions(room), keys.reactions(room), keys.leaving(room), keys.replies(room)])
            .key(keys.outcomes(room))
            .arg(by.id.to_string())
            .arg(by_role.map_or("", role_text))
            .arg(EventId::random().to_string())
            .arg(json(&by.username)?)
            .arg(room.to_string())
            .arg(record);
        let answer: String = self.connections.run("delete a room", delete).await?;
        match answer.as_str() {
            "OK" => Ok(true),
            "CHANGED" => Ok(false),
            "NO_ROOM" => Err(StoreError::RoomNotFound),
            "ROLES_CHANGED" => Err(StoreError::RolesChanged),
            "VOID" => Err(voided()),
            _ => Err(corrupt("an answer")),
        }
    }

    /// Lists of some former members follow, and some of the room's files become orphans. Gives how many are left; doing it twice at once is harmless.
    async fn end_step(&self, room: RoomId) -> Result<usize> {
        let range = cmd("ZRANGE").arg(self.keys.former(room)).arg(0).arg(MEMBERS_A_STEP - 1).to_owned();
        let users: Vec<String> = self.connections.ask("list former members", &range).await?;
        let ids: Vec<UserId> = users.iter().map(|user| parse(user, "a member")).collect::<Result<_>>()?;
        let settle = |user| self.settle_membership(user, room);
        stream::iter(ids).map(settle).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await?;
        let end = Call::new(&scripts::END_ROOM)
            .keys([self.keys.room(room), self.keys.former(room), self.keys.ending(shard_of(room))])
            .keys([self.keys.files(room), self.keys.orphans(shard_of(room))])
            .arg(room.to_string())
            .arg(millis(ID_KEPT))
            .arg(ENTRIES_A_STEP)
            .arg(&users);
        self.connections.run("end a room", end).await
    }

    /// Goes on where deleting rooms was left.
    pub(super) async fn end_rooms(&self) -> Result<()> {
        let looks =
            (0..SHARDS).map(|shard| cmd("ZRANGE").arg(self.keys.ending(shard)).arg(0).arg(STEPS - 1).to_owned());
        let found: Vec<Vec<String>> = self.connections.ask_all("look for deleted rooms", looks.collect()).await?;
        let mut rooms: Vec<RoomId> = found.iter().flatten().map(|room| parse(room, "a room")).collect::<Result<_>>()?;
        for _ in 0..STEPS {
            let Some(room) = rooms.pop() else { break };
            if self.end_step(room).await? > 0 {
                rooms.insert(0, room);
            }
        }
        Ok(())
    }
}
