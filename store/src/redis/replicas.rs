//! Acknowledging only what replicas have: `WAIT`, on connections of their own, because it holds up whatever else is
//! asked on the same one.
//!
//! `WAIT` counts the replicas that have all that was written on its own connection before it. So one group of waiters
//! is one small write and one `WAIT`, which come after the writes they wait for. Each group first looks whether the node
//! still has their changes: after a failover it may be another node, whose replicas never heard of them.

use std::{collections::HashMap, time::Duration};

use parking_lot::Mutex;
use redis::{
    FromRedisValue, Pipeline, RedisResult, Value,
    cluster_routing::{Route, RoutingInfo, SingleNodeRoutingInfo, SlotAddr},
    cmd,
};
use shared::{RoomId, protocol::Position};
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
};

use super::{
    connection::{Address, Picked, fault},
    keys::{Keys, shard_of},
};
use crate::{Result, StoreError, log::CHANGES_KEPT};

/// Waiters of one group, and as many may stand in line for the next; more are refused.
const GROUP: usize = 2048;
/// What an answer may take beyond the waiting itself.
const ANSWER: Duration = Duration::from_secs(2);

/// What is asked for: so many replicas, within this time.
#[derive(Debug, Clone, Copy)]
pub struct ReplicaWait {
    pub replicas: u32,
    pub within: Duration,
}

pub(super) struct Replicas {
    asked: ReplicaWait,
    keys: Keys,
    connection: Picked,
    /// Where commands go: what is asked here stands behind no `WAIT`.
    commands: Picked,
    home: Handle,
    /// Where each shard is, as far as that has been asked for.
    homes: Mutex<HashMap<u16, Home>>,
    /// One task for each node there has been.
    lines: Mutex<HashMap<String, mpsc::Sender<Waiter>>>,
}

/// The node that has a shard; outside of a cluster always the same.
#[derive(Debug, Clone, Default)]
struct Home {
    node: String,
    slot: u16,
}

struct Waiter {
    room: RoomId,
    slot: u16,
    position: Position,
    done: oneshot::Sender<Result<()>>,
}

fn too_late(why: impl std::fmt::Display) -> StoreError {
    StoreError::Unavailable(anyhow::anyhow!("{why}"))
}

impl Replicas {
    /// Must be called on the runtime that is to do the waiting.
    pub(super) async fn open(address: &Address, commands: Picked, keys: Keys, asked: ReplicaWait) -> Result<Self> {
        let connection = address.reconnecting(asked.within + ANSWER).await?;
        Ok(Self {
            asked,
            keys,
            connection,
            commands,
            home: Handle::current(),
            homes: Mutex::default(),
            lines: Mutex::default(),
        })
    }

    /// Returns when enough replicas have the room's log up to `position`, or
    /// [`Unavailable`](crate::StoreError::Unavailable): too few in time, too many waiting, or it is not in the log.
    pub(super) async fn wait(&self, room: RoomId, position: Position) -> Result<()> {
        let Home { node, slot } = self.home_of(room).await?;
        let (done, answer) = oneshot::channel();
        if self.line(&node).try_send(Waiter { room, slot, position, done }).is_err() {
            return Err(too_late("too many wait for replicas"));
        }
        // The group before and one's own.
        let most = 2 * (self.asked.within + ANSWER);
        let answer = match tokio::time::timeout(most, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(too_late("nobody waits for replicas any more")),
            Err(_) => Err(too_late("waiting for replicas took too long")),
        };
        if answer.is_err() {
            // The shard may have moved.
            self.homes.lock().remove(&shard_of(room));
        }
        answer
    }

    async fn home_of(&self, room: RoomId) -> Result<Home> {
        let Picked::Cluster(mut connection) = self.commands.clone() else { return Ok(Home::default()) };
        let shard = shard_of(room);
        if let Some(home) = self.homes.lock().get(&shard).cloned() {
            return Ok(home);
        }
        let key = self.keys.waited(shard);
        let asked = async {
            // Follows a slot that has moved, which a command without a key does not.
            cmd("EXISTS").arg(&key).query_async::<i64>(&mut connection).await?;
            let slot: u16 = cmd("CLUSTER").arg("KEYSLOT").arg(&key).query_async(&mut connection).await?;
            let name = cmd("CLUSTER").arg("MYID").to_owned();
            let answer = connection.route_command(name, RoutingInfo::SingleNode(owner_of(slot))).await?;
            RedisResult::Ok(Home { node: String::from_redis_value(answer)?, slot })
        };
        let asked = tokio::time::timeout(ANSWER, asked).await;
        let home = asked.map_err(|_| too_late("no node tells its name"))?;
        let home = home.map_err(|e| fault(e, "find the node of a room"))?;
        self.homes.lock().insert(shard, home.clone());
        Ok(home)
    }

    fn line(&self, node: &str) -> mpsc::Sender<Waiter> {
        let mut lines = self.lines.lock();
        if let Some(line) = lines.get(node) {
            return line.clone();
        }
        let (line, waiters) = mpsc::channel(GROUP);
        self.home.spawn(serve(self.connection.clone(), self.keys.clone(), self.asked, waiters));
        lines.insert(node.to_owned(), line.clone());
        line
    }
}

fn owner_of(slot: u16) -> SingleNodeRoutingInfo {
    SingleNodeRoutingInfo::SpecificNode(Route::new(slot, SlotAddr::Master))
}

/// Waits for one group after another, until nobody can ask any more.
async fn serve(connection: Picked, keys: Keys, asked: ReplicaWait, mut waiters: mpsc::Receiver<Waiter>) {
    let mut group = Vec::new();
    while waiters.recv_many(&mut group, GROUP).await > 0 {
        let answers = ask(&connection, &keys, asked, &group).await;
        for (i, waiter) in group.drain(..).enumerate() {
            let answer = match &answers {
                Ok(held) if held.get(i) == Some(&true) => Ok(()),
                Ok(_) => Err(too_late("the log has another change in its place")),
                Err(why) => Err(too_late(why)),
            };
            // Whoever has gone is not told.
            let _ = waiter.done.send(answer);
        }
    }
}

/// Waits for one group. Gives for each waiter whether the node that waited has their change; or why nobody knows.
async fn ask(
    connection: &Picked,
    keys: &Keys,
    asked: ReplicaWait,
    group: &[Waiter],
) -> std::result::Result<Vec<bool>, String> {
    let Some(first) = group.first() else { return Ok(Vec::new()) };
    let mut pipeline = Pipeline::with_capacity(2 * group.len() + 2);
    for waiter in group {
        pipeline.cmd("HGET").arg(keys.changes(waiter.room)).arg(waiter.position.rev);
        pipeline.cmd("HGET").arg(keys.room(waiter.room)).arg("rev");
    }
    // The small write. Redis 7.0 counts from any command; only writes are promised to count.
    pipeline.cmd("SET").arg(keys.waited(shard_of(first.room))).arg(1).arg("PX").arg(60_000);
    pipeline.cmd("WAIT").arg(asked.replicas).arg(u64::try_from(asked.within.as_millis()).unwrap_or(u64::MAX));
    let count = 2 * group.len() + 2;
    let answered = async {
        match connection.clone() {
            Picked::Single(mut connection) => {
                redis::aio::ConnectionLike::req_packed_commands(&mut connection, &pipeline, 0, count).await
            }
            Picked::Cluster(mut connection) => {
                connection.route_pipeline(pipeline, 0, count, owner_of(first.slot)).await
            }
        }
    };
    let answered = tokio::time::timeout(asked.within + ANSWER, answered).await;
    let answers =
        answered.map_err(|_| "no answer while waiting for replicas".to_owned())?.map_err(|e| e.to_string())?;
    let [reads @ .., marked, replicas] = &answers[..] else { return Err("no answer".to_owned()) };
    read::<String>(marked)?;
    let replicas: u32 = read(replicas)?;
    if replicas < asked.replicas {
        return Err(format!("{replicas} of {} replicas have it in time", asked.replicas));
    }
    Ok(reads.chunks_exact(2).zip(group).map(|(read, waiter)| holds(waiter.position, read)).collect())
}

fn read<T: FromRedisValue>(value: &Value) -> std::result::Result<T, String> {
    T::from_redis_value_ref(value).map_err(|e| e.to_string())
}

/// Is the position in the log, as it was read: its change, and the head's `rev`?
fn holds(position: Position, reads: &[Value]) -> bool {
    let (change, head) = (reads.first().map(read::<Option<String>>), reads.get(1).map(read::<Option<u64>>));
    match (change, head) {
        (Some(Ok(Some(change))), _) => change.get(2..18) == Some(position.event_id.to_string().as_str()),
        // Of long ago, and trimmed.
        (Some(Ok(None)), Some(Ok(Some(head)))) => head >= position.rev + CHANGES_KEPT,
        _ => false,
    }
}
