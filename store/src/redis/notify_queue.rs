//! Rooms due for notification: one sorted set for each shard, beside the rooms it holds.

use std::time::Duration;

use async_trait::async_trait;
use redis::cmd;
use shared::{RoomId, Timestamp, UserId};

use super::{
    Engine,
    codec::{from_json, json, parse},
    intents::count,
    keys::{SHARDS, shard_of},
    scripts::{self, Call},
};
use crate::{Briefing, DueRoom, NotifyQueue, Outcome, PageRequest, Result, RoomLog, Rooms};

#[async_trait]
impl NotifyQueue for Engine {
    async fn put_outcomes(&self, room: RoomId, outcomes: &[(UserId, Outcome)]) -> Result<()> {
        if outcomes.is_empty() {
            return Ok(());
        }
        let mut set = cmd("HSET");
        set.arg(self.keys.outcomes(room));
        for (user, outcome) in outcomes {
            set.arg(user.to_string()).arg(json(outcome)?);
        }
        self.connections.ask::<i64>("keep outcomes", &set).await.map(drop)
    }

    async fn outcomes(&self, room: RoomId, users: &[UserId]) -> Result<Vec<Option<Outcome>>> {
        if users.is_empty() {
            return Ok(Vec::new());
        }
        let mut read = cmd("HMGET");
        read.arg(self.keys.outcomes(room));
        for user in users {
            read.arg(user.to_string());
        }
        let texts: Vec<Option<String>> = self.connections.ask("read outcomes", &read).await?;
        texts.iter().map(|text| text.as_deref().map(from_json).transpose()).collect()
    }

    /// One round trip looks into all shards; one more for each that has something due.
    async fn brief(
        &self,
        room: RoomId,
        messages: Option<PageRequest>,
        after: u64,
        limit: usize,
    ) -> Result<Option<Briefing>> {
        let messages = async {
            match messages {
                Some(page) => self.history(room, page).await.map(|page| page.items),
                None => Ok(Vec::new()),
            }
        };
        // A room that is not there has no history either: that is no error here.
        let (found, messages, members) = tokio::join!(self.room(room), messages, self.members(room, after, limit));
        let Some((_, head)) = found? else { return Ok(None) };
        let members = members?;
        let users: Vec<UserId> = members.iter().map(|member| member.user).collect();
        let marks = self.marks(room, &users).await?;
        let members = members.into_iter().zip(marks).collect();
        Ok(Some(Briefing { member_count: head.members, messages: messages?, members }))
    }

    async fn take_due(&self, now: Timestamp, lease: Duration, limit: usize) -> Result<Vec<DueRoom>> {
        // From anywhere, so that no shard is always last.
        let first = rand::random::<u16>() % SHARDS;
        let shards: Vec<u16> = (0..SHARDS).map(|i| (first + i) % SHARDS).collect();
        let looks = shards.iter().map(|shard| {
            let mut range = cmd("ZRANGE");
            range.arg(self.keys.due(*shard)).arg("-inf").arg(now.as_millis());
            range.arg("BYSCORE").arg("LIMIT").arg(0).arg(count(limit));
            range
        });
        let found: Vec<Vec<String>> = self.connections.ask_all("look for due rooms", looks.collect()).await?;
        let mut taken: Vec<DueRoom> = Vec::new();
        for (shard, rooms) in shards.into_iter().zip(found) {
            let rooms = &rooms[..rooms.len().min(limit - taken.len())];
            if rooms.is_empty() {
                continue;
            }
            let ids: Vec<RoomId> = rooms.iter().map(|room| parse(room, "a room")).collect::<Result<_>>()?;
            let mut take = Call::new(&scripts::TAKE_DUE).key(self.keys.due(shard));
            for id in ids {
                take = take.key(self.keys.room(id));
            }
            let take = take.arg(now.as_millis()).arg(now.after(lease).as_millis()).arg(rooms);
            let answer: Vec<(String, u64, u64)> = self.connections.run("take due rooms", take).await?;
            for (room, notified_seq, head_seq) in answer {
                taken.push(DueRoom { room: parse(&room, "a room")?, notified_seq, head_seq });
            }
        }
        Ok(taken)
    }

    async fn finish_due(&self, room: RoomId, seq: u64) -> Result<()> {
        let finish = Call::new(&scripts::FINISH_DUE)
            .keys([self.keys.due(shard_of(room)), self.keys.room(room)])
            .arg(room.to_string())
            .arg(seq);
        self.connections.run::<i64>("finish a due room", finish).await.map(drop)
    }
}
