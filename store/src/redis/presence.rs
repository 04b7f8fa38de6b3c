//! Presence: a user's devices and what was published, one hash in the user's tag; leases and grace deadlines in one of
//! their own.
//!
//! A process's users stand in a set before their first device and leave it after the last, so that whoever reaps its
//! lease finds every device it left behind, and every end of grace it did not come to note.

use std::time::Duration;

use async_trait::async_trait;
use redis::{Cmd, cmd};
use serde::Deserialize;
use shared::{InstanceId, Timestamp, UserId, protocol::LastSeenFor};

use super::{
    Engine,
    codec::{from_json, json, parse},
    connection::corrupt,
    intents::{count, millis},
    scripts::{self, Call},
};
use crate::{ChosenStatus, Device, Presence, PresenceState, Published, Publishing, Result, presence::PresenceEvent};

/// How long whoever reaps a process has for one call.
const REAPING: Duration = Duration::from_secs(10);
/// Users read at once while reaping.
const BATCH: usize = 64;

/// The fields that are devices, and no others.
const DEVICE: &str = "d:";

/// What the fields of an instance's devices begin with.
fn devices_of(instance: InstanceId) -> String {
    format!("{DEVICE}{instance}:")
}

fn device_name(instance: InstanceId, connection: u64) -> String {
    format!("{DEVICE}{instance}:{connection}")
}

fn chosen_text(chosen: ChosenStatus) -> &'static str {
    match chosen {
        ChosenStatus::Online => "online",
        ChosenStatus::Away => "away",
        ChosenStatus::Busy => "busy",
        ChosenStatus::Invisible => "invisible",
    }
}

/// The fields of the hash with their values; of a field given twice the last counts.
type Fields = Vec<(String, String)>;

fn state(fields: &[(String, String)]) -> Result<PresenceState> {
    let mut state = PresenceState::default();
    for (name, value) in fields {
        match name.as_str() {
            "chosen" => state.chosen = named(value, "a chosen status")?,
            "last_seen_for" => state.last_seen_for = named(value, "who is told")?,
            "text" => state.text = Some(value.clone()),
            "left" => state.left = Some(Timestamp::from_millis(parse(value, "a time")?)),
            "last_seen" => state.last_seen = Some(Timestamp::from_millis(parse(value, "a time")?)),
            "published" => state.published = from_json(value)?,
            "version" => state.version = parse(value, "a version")?,
            name if name.starts_with(DEVICE) => state.devices.push(from_json(value)?),
            _ => return Err(corrupt("a presence")),
        }
    }
    state.devices.sort_by_key(|device| (*device.instance.as_bytes(), device.connection));
    Ok(state)
}

fn named<'a, T: Deserialize<'a>>(name: &'a str, what: &'static str) -> Result<T> {
    let name = serde::de::value::StrDeserializer::new(name);
    T::deserialize(name).map_err(|_: serde::de::value::Error| corrupt(what))
}

fn whom_text(whom: LastSeenFor) -> &'static str {
    match whom {
        LastSeenFor::Everyone => "everyone",
        LastSeenFor::Contacts => "contacts",
        LastSeenFor::Nobody => "nobody",
    }
}

/// How a claimed process stands among the leases: its own beat renews nothing then.
fn claimed(instance: InstanceId) -> String {
    format!("{instance} dead")
}

/// What came of removing devices.
struct Removed {
    /// Devices of the instance that are left.
    of_instance: u64,
    /// It was the last, or one in focus.
    left: bool,
}

impl Engine {
    /// Removes a device, or all of an instance.
    async fn drop_devices(
        &self,
        user: UserId,
        instance: InstanceId,
        connection: Option<u64>,
        at: Timestamp,
    ) -> Result<Removed> {
        let mut remove = Call::new(&scripts::REMOVE_DEVICE)
            .key(self.keys.presence(user))
            .arg(devices_of(instance))
            .arg(at.as_millis())
            .arg(json(&Published::default())?);
        if let Some(connection) = connection {
            remove = remove.arg(device_name(instance, connection));
        }
        let (of_instance, left) = self.connections.run("remove a device", remove).await?;
        Ok(Removed { of_instance, left })
    }

    async fn note_due(&self, user: UserId, at: Timestamp) -> Result<()> {
        let mut add = cmd("ZADD");
        add.arg(self.keys.presence_due()).arg("LT").arg(at.as_millis()).arg(user.to_string());
        self.connections.ask::<i64>("note when a user is due", &add).await.map(drop)
    }

    fn on_instance_users(&self, verb: &str, instance: InstanceId, user: UserId) -> Cmd {
        cmd(verb).arg(self.keys.instance_users(instance)).arg(user.to_string()).to_owned()
    }

    /// Takes the user off the instance's set, unless a device came meanwhile.
    async fn forget_user(&self, instance: InstanceId, user: UserId) -> Result<()> {
        let remove = self.on_instance_users("SREM", instance, user);
        self.connections.ask::<i64>("forget a user of an instance", &remove).await?;
        let names = cmd("HKEYS").arg(self.keys.presence(user)).to_owned();
        let names: Vec<String> = self.connections.ask("look for devices", &names).await?;
        let own = devices_of(instance);
        if names.iter().any(|name| name.starts_with(&own)) {
            let add = self.on_instance_users("SADD", instance, user);
            self.connections.ask::<i64>("note a user of an instance", &add).await?;
        }
        Ok(())
    }

    /// Walks the users of a process that died, at most `limit`; gives how many, and whether they are all.
    async fn reap_instance(&self, instance: InstanceId, now: Timestamp, limit: usize) -> Result<(usize, bool)> {
        let mut touched = 0;
        loop {
            let wanted = BATCH.min(limit - touched);
            if wanted == 0 {
                return Ok((touched, false));
            }
            let some = cmd("SRANDMEMBER").arg(self.keys.instance_users(instance)).arg(wanted).to_owned();
            let users: Vec<String> = self.connections.ask("read users of an instance", &some).await?;
            if users.is_empty() {
                return Ok((touched, true));
            }
            for user in users {
                let user: UserId = parse(&user, "a user")?;
                self.drop_devices(user, instance, None, now).await?;
                // Also where nothing was removed: the process may have died between removing and noting it.
                self.note_due(user, now).await?;
                let remove = self.on_instance_users("SREM", instance, user);
                self.connections.ask::<i64>("forget a user of an instance", &remove).await?;
                touched += 1;
            }
        }
    }
}

#[async_trait]
impl Presence for Engine {
    async fn beat(&self, instance: InstanceId, now: Timestamp, ttl: Duration) -> Result<bool> {
        let mut add = cmd("ZADD");
        add.arg(self.keys.leases()).arg(now.after(ttl).as_millis()).arg(instance.to_string());
        let added: bool = self.connections.ask("renew a lease", &add).await?;
        Ok(!added)
    }

    async fn put_device(&self, user: UserId, device: &Device, alone: &PresenceEvent) -> Result<PresenceState> {
        let note = self.on_instance_users("SADD", device.instance, user);
        let put = Call::new(&scripts::PUT_DEVICE)
            .keys([self.keys.presence(user), self.keys.presence_channel(user)])
            .arg(device_name(device.instance, device.connection))
            .arg(json(device)?)
            .arg(json(&alone.published)?)
            .arg(json(alone)?)
            .arg(json(&Published::default())?);
        // Again after it: another connection's end may have taken the user off the set meanwhile.
        let fields: Fields = if self.connections.is_cluster() {
            // Of two slots, so in order only one after the other.
            self.connections.ask::<i64>("note a user of an instance", &note).await?;
            let put = self.connections.run("put a device", put).await?;
            self.connections.ask::<i64>("note a user of an instance", &note).await?;
            put
        } else {
            let (_, put, _): (i64, _, i64) =
                self.connections.run_between("put a device", note.clone(), put, note).await?;
            put
        };
        state(&fields)
    }

    async fn remove_device(
        &self,
        user: UserId,
        instance: InstanceId,
        connection: u64,
        at: Timestamp,
        grace: Duration,
    ) -> Result<()> {
        let gone = self.drop_devices(user, instance, Some(connection), at).await?;
        if gone.left {
            self.note_due(user, at.after(grace)).await?;
        }
        if gone.of_instance == 0 { self.forget_user(instance, user).await } else { Ok(()) }
    }

    async fn set_chosen(&self, user: UserId, chosen: ChosenStatus, text: Option<&str>) -> Result<()> {
        let set = Call::new(&scripts::SET_CHOSEN).key(self.keys.presence(user)).arg(chosen_text(chosen)).arg(text);
        self.connections.run::<i64>("choose a status", set).await.map(drop)
    }

    async fn set_last_seen_for(&self, user: UserId, whom: LastSeenFor) -> Result<()> {
        let set = Call::new(&scripts::SET_LAST_SEEN_FOR)
            .keys([self.keys.presence(user), self.keys.presence_channel(user)])
            .arg(whom_text(whom));
        self.connections.run::<i64>("choose who is told of last seen", set).await.map(drop)
    }

    async fn presence(&self, users: &[UserId]) -> Result<Vec<PresenceState>> {
        let states = users.iter().map(|user| cmd("HGETALL").arg(self.keys.presence(*user)).to_owned()).collect();
        let states: Vec<Fields> = self.connections.ask_all("read presence", states).await?;
        states.iter().map(|fields| state(fields)).collect()
    }

    async fn publish(&self, event: &PresenceEvent, version: u64) -> Result<Publishing> {
        let publish = Call::new(&scripts::PUBLISH_PRESENCE)
            .keys([self.keys.presence(event.user), self.keys.presence_channel(event.user)])
            .arg(version)
            .arg(json(&event.published)?)
            .arg(json(event)?)
            .arg(json(&Published::default())?)
            .arg(event.last_seen.map(Timestamp::as_millis));
        let answer: String = self.connections.run("publish presence", publish).await?;
        match answer.as_str() {
            "SENT" => Ok(Publishing::Sent),
            "UNCHANGED" => Ok(Publishing::Unchanged),
            "STALE" => Ok(Publishing::Stale),
            _ => Err(corrupt("an answer")),
        }
    }

    async fn due_at(&self, user: UserId, at: Timestamp) -> Result<()> {
        self.note_due(user, at).await
    }

    async fn due_users(&self, now: Timestamp, lease: Duration, limit: usize) -> Result<Vec<UserId>> {
        let take = Call::new(&scripts::TAKE_PRESENCE_DUE)
            .keys([self.keys.presence_due(), self.keys.presence_taken()])
            .arg(now.as_millis())
            .arg(now.after(lease).as_millis())
            .arg(count(limit));
        let users: Vec<String> = self.connections.run("take users due", take).await?;
        users.iter().map(|user| parse(user, "a user")).collect()
    }

    async fn finish_due_user(&self, user: UserId) -> Result<()> {
        let remove = cmd("ZREM").arg(self.keys.presence_taken()).arg(user.to_string()).to_owned();
        self.connections.ask::<i64>("finish a user", &remove).await.map(drop)
    }

    async fn reap(&self, now: Timestamp, limit: usize) -> Result<usize> {
        let mut touched = 0;
        while touched < limit {
            let claim = Call::new(&scripts::CLAIM_LEASE)
                .key(self.keys.leases())
                .arg(now.as_millis())
                .arg(now.as_millis().saturating_add(i64::try_from(millis(REAPING)).unwrap_or(i64::MAX)));
            let dead: Option<String> = self.connections.run("claim a dead lease", claim).await?;
            let Some(dead) = dead else { break };
            let instance: InstanceId = parse(&dead, "an instance")?;
            let (walked, all) = self.reap_instance(instance, now, limit - touched).await?;
            touched += walked;
            let mut lease = if all { cmd("ZREM") } else { cmd("ZADD") };
            lease.arg(self.keys.leases());
            if !all {
                // More to walk: for whoever calls next.
                lease.arg(now.as_millis());
            }
            lease.arg(claimed(instance));
            self.connections.ask::<i64>("end a lease", &lease).await?;
        }
        Ok(touched)
    }
}
