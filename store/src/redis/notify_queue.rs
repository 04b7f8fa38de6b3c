//! Rooms due for notification: one sorted set for each shard, beside the rooms it holds.

use std::time::Duration;

use async_trait::async_trait;
use redis::cmd;
use shared::{RoomId, Timestamp, UserId};

use super::{
    Engine, codec,
    codec::{from_json, json, parse},
    connection::corrupt,
    intents::count,
    keys::{SHARDS, shard_of},
    log::messages,
    scripts::{self, Call, MAX_PAGE},
};
use crate::{Briefing, DueRoom, Marks, Membership, NotifyQueue, Outcome, PageFrom, PageRequest, Result};

/// The number of members; of each listed one the user, the membership and the marks; the page of messages.
type Brief = (u64, Vec<String>, Vec<Option<String>>, Vec<Option<String>>, Vec<Option<String>>);

#[async_trait]
impl NotifyQueue for Engine {
    async fn put_outcomes(&self, room: RoomId, outcomes: &[(UserId, Outcome)]) -> Result<()> {
        if outcomes.is_empty() {
            return Ok(());
        }
        let mut put = Call::new(&scripts::PUT_OUTCOMES).keys([self.keys.room(room), self.keys.outcomes(room)]);
        for (user, outcome) in outcomes {
            put = put.arg(user.to_string()).arg(json(outcome)?);
        }
        self.connections.run::<i64>("keep outcomes", put).await.map(drop)
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

    /// One round trip, whatever is asked for.
    async fn brief(
        &self,
        room: RoomId,
        page: Option<PageRequest>,
        after: u64,
        limit: usize,
    ) -> Result<Option<Briefing>> {
        // The head of the room is read for a page; without one, none of its messages is.
        let none = PageRequest { from: PageFrom::Newest, limit: 0, visible_after: 0, max_bytes: 0 };
        let keys = &self.keys;
        let read = self.page(&scripts::BRIEF, room, page.unwrap_or(none));
        let read = read.keys([keys.joined(room), keys.members(room), keys.marks(room)]);
        let read = read.arg(after).arg(limit.min(MAX_PAGE));
        let answer: Option<Brief> = self.connections.run("read what a notifier needs", read).await?;
        let Some((member_count, users, memberships, marks, page)) = answer else { return Ok(None) };
        let mut members: Vec<(Membership, Marks)> = Vec::with_capacity(users.len());
        for ((user, membership), marks) in users.iter().zip(memberships).zip(marks) {
            let membership = membership.ok_or_else(|| corrupt("a member"))?;
            let joined = codec::joined(parse(user, "a member")?, &membership)?;
            members.push((joined.membership, codec::room::marks(marks.as_deref())?));
        }
        let messages = messages(room, page.get(4..).unwrap_or_default())?;
        Ok(Some(Briefing { member_count, messages, members }))
    }

    /// One round trip looks into all shards; one more takes from all that have something due.
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
        let (mut left, mut takes) = (limit, Vec::new());
        for (shard, rooms) in shards.into_iter().zip(found) {
            let rooms = &rooms[..rooms.len().min(left)];
            if rooms.is_empty() {
                continue;
            }
            left -= rooms.len();
            let ids: Vec<RoomId> = rooms.iter().map(|room| parse(room, "a room")).collect::<Result<_>>()?;
            let mut take = Call::new(&scripts::TAKE_DUE).key(self.keys.due(shard));
            for id in ids {
                take = take.key(self.keys.room(id));
            }
            takes.push(take.arg(now.as_millis()).arg(now.after(lease).as_millis()).arg(rooms));
        }
        // What is taken by an answer that is lost is due again after the lease.
        let taken: Vec<Vec<(String, u64, u64)>> = self.connections.run_all("take due rooms", takes).await?;
        let due = |(room, notified_seq, head_seq): (String, u64, u64)| {
            Ok(DueRoom { room: parse(&room, "a room")?, notified_seq, head_seq })
        };
        taken.into_iter().flatten().map(due).collect()
    }

    async fn conclude(&self, room: RoomId, seq: u64, outcomes: &[(UserId, Outcome)]) -> Result<()> {
        let mut finish = Call::new(&scripts::CONCLUDE)
            .keys([self.keys.due(shard_of(room)), self.keys.room(room), self.keys.outcomes(room)])
            .arg(room.to_string())
            .arg(seq);
        for (user, outcome) in outcomes {
            finish = finish.arg(user.to_string()).arg(json(outcome)?);
        }
        self.connections.run::<i64>("conclude a due room", finish).await.map(drop)
    }
}
