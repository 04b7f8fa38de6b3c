//! What rooms keep no longer. Each shard has a sorted set of its rooms with retention, and of those where deletion left
//! index entries behind, by when they were looked at, so that a call looks at those first that have waited longest.

use redis::cmd;
use shared::{RoomId, Timestamp};

use super::{
    Engine,
    codec::parse,
    keys::{SHARDS, shard_of},
    scripts::{self, Call, ENTRIES_A_STEP},
};
use crate::Result;

/// Messages that one script removes: Redis' only thread must not be held for long.
const MESSAGES_A_STEP: usize = 200;
/// Rooms that one call looks at, in all and of each shard.
const ROOMS_A_CALL: usize = 512;
const ROOMS_A_SHARD: usize = 16;
/// Index entries that one call goes on removing for, after its first look at each room.
const ENTRIES_A_CALL: usize = 100 * ENTRIES_A_STEP;
/// Rooms looked at in one round trip.
const ROOMS_AT_ONCE: usize = 32;

impl Engine {
    /// See [`Maintenance::trim`](crate::Maintenance::trim).
    pub(super) async fn trim_rooms(&self, now: Timestamp, limit: usize) -> Result<usize> {
        let mut rooms = self.rooms_with_retention().await?;
        let (mut removed, mut swept) = (0, 0);
        while !rooms.is_empty() && removed < limit {
            let left = limit - removed;
            let batch: Vec<RoomId> = rooms.drain(..rooms.len().min(ROOMS_AT_ONCE).min(left)).collect();
            let most = (left / batch.len()).min(MESSAGES_A_STEP);
            let calls = batch.iter().map(|room| self.trim_call(*room, now, most)).collect();
            let done: Vec<(usize, usize, bool)> = self.connections.run_all("remove old messages", calls).await?;
            // Those that may have more are asked again after the others.
            for (room, (messages, entries, has_entries)) in batch.into_iter().zip(done) {
                removed += messages;
                swept += entries;
                if messages == most || (has_entries && swept < ENTRIES_A_CALL) {
                    rooms.push(room);
                }
            }
        }
        Ok(removed)
    }

    /// Those to look at next.
    pub(super) async fn rooms_with_retention(&self) -> Result<Vec<RoomId>> {
        // From anywhere, so that no shard is always last.
        let first = rand::random::<u16>() % SHARDS;
        let looks = (0..SHARDS).map(|i| {
            let mut range = cmd("ZRANGE");
            range.arg(self.keys.retention((first + i) % SHARDS)).arg(0).arg(ROOMS_A_SHARD - 1);
            range
        });
        let found: Vec<Vec<String>> =
            self.connections.ask_all("look for rooms with retention", looks.collect()).await?;
        found.iter().flatten().take(ROOMS_A_CALL).map(|room| parse(room, "a room")).collect()
    }

    pub(super) fn trim_call(&self, room: RoomId, now: Timestamp, most: usize) -> Call {
        let keys = &self.keys;
        Call::new(&scripts::TRIM)
            .keys([keys.room(room), keys.messages(room), keys.deleted(room), keys.mentions(room)])
            .keys([keys.reactions(room), keys.replies(room), keys.retention(shard_of(room))])
            .keys([keys.leaving(room), keys.files(room), keys.orphans(shard_of(room))])
            .arg(room.to_string())
            .arg(now.as_millis())
            .arg(most)
            .arg(ENTRIES_A_STEP)
    }
}
