//! Signing keys, the registry of instances, token buckets, and health.

use std::time::Duration;

use async_trait::async_trait;
use redis::cmd;
use shared::{
    InstanceId,
    token::{Kid, PublicKey},
};

use super::{
    Engine,
    codec::{from_json, json, parse},
    connection::corrupt,
    intents::millis,
    scripts::{self, Call},
};
use crate::{Draining, Instance, Limits, Registry, Result, Service, SigningKeys, Taken};

#[async_trait]
impl SigningKeys for Engine {
    async fn publish_key(&self, key: &PublicKey, ttl: Duration) -> Result<()> {
        let kid = key.kid.as_str();
        // The index first: an entry in it without a key is passed over.
        let index = cmd("ZADD").arg(self.keys.signing_keys()).arg(0).arg(kid).to_owned();
        self.connections.ask::<i64>("index a signing key", &index).await?;
        let mut set = cmd("SET");
        set.arg(self.keys.signing_key(kid)).arg(json(key)?).arg("PX").arg(millis(ttl).max(1));
        self.connections.ask::<String>("publish a signing key", &set).await.map(drop)
    }

    async fn signing_key(&self, kid: &Kid) -> Result<Option<PublicKey>> {
        let read = cmd("GET").arg(self.keys.signing_key(kid.as_str())).to_owned();
        let text: Option<String> = self.connections.ask("read a signing key", &read).await?;
        text.as_deref().map(from_json).transpose()
    }

    async fn signing_keys(&self) -> Result<Vec<PublicKey>> {
        let index = cmd("ZRANGE").arg(self.keys.signing_keys()).arg(0).arg(-1).to_owned();
        let kids: Vec<String> = self.connections.ask("list signing keys", &index).await?;
        let reads = kids.iter().map(|kid| cmd("GET").arg(self.keys.signing_key(kid)).to_owned()).collect();
        let texts: Vec<Option<String>> = self.connections.ask_all("read signing keys", reads).await?;
        texts.iter().flatten().map(|text| from_json(text)).collect()
    }
}

impl Engine {
    /// Removes keys that ended from their index. One published at this moment is indexed again by its next heartbeat.
    pub(super) async fn prune_signing_keys(&self) -> Result<()> {
        let index = cmd("ZRANGE").arg(self.keys.signing_keys()).arg(0).arg(-1).to_owned();
        let kids: Vec<String> = self.connections.ask("list signing keys", &index).await?;
        let looks = kids.iter().map(|kid| cmd("EXISTS").arg(self.keys.signing_key(kid)).to_owned()).collect();
        let there: Vec<bool> = self.connections.ask_all("look for signing keys", looks).await?;
        let ended = kids.iter().zip(there).filter(|(_, there)| !there);
        let removes = ended.map(|(kid, _)| cmd("ZREM").arg(self.keys.signing_keys()).arg(kid).to_owned()).collect();
        self.connections.ask_all::<i64>("forget signing keys", removes).await.map(drop)
    }
}

#[async_trait]
impl Registry for Engine {
    async fn register(&self, instance: &Instance, ttl: Duration) -> Result<bool> {
        let (entries, expiry) = self.keys.service(instance.service);
        let register = Call::new(&scripts::REGISTER)
            .keys([entries, expiry, self.keys.registry_draining()])
            .arg(instance.id.to_string())
            .arg(json(instance)?)
            .arg(millis(ttl));
        self.connections.run("register an instance", register).await
    }

    async fn ask_to_drain(&self, id: InstanceId, ttl: Duration) -> Result<Draining> {
        let mut ask = Call::new(&scripts::ASK_TO_DRAIN).key(self.keys.registry_draining());
        for service in Service::ALL {
            ask = ask.key(self.keys.service(service).1);
        }
        match self.connections.run::<i64>("ask an instance to stop", ask.arg(id.to_string()).arg(millis(ttl))).await? {
            -1 => Ok(Draining::Asked),
            0 => Ok(Draining::Unknown),
            n @ 1..=4 => Ok(Draining::Last(Service::ALL[n as usize - 1])),
            _ => Err(corrupt("an answer")),
        }
    }

    async fn draining(&self) -> Result<Vec<InstanceId>> {
        let read = Call::new(&scripts::DRAINING).key(self.keys.registry_draining());
        let ids: Vec<String> = self.connections.run("list instances that stop", read).await?;
        let mut ids: Vec<InstanceId> = ids.iter().map(|id| parse(id, "an instance")).collect::<Result<_>>()?;
        ids.sort_unstable();
        Ok(ids)
    }

    async fn deregister(&self, service: Service, id: InstanceId) -> Result<()> {
        let (entries, expiry) = self.keys.service(service);
        let entry = cmd("HDEL").arg(entries).arg(id.to_string()).to_owned();
        let expiry = cmd("ZREM").arg(expiry).arg(id.to_string()).to_owned();
        self.connections.ask_atomic::<(i64, i64)>("deregister an instance", vec![entry, expiry]).await.map(drop)
    }

    async fn instances(&self, service: Service) -> Result<Vec<Instance>> {
        let (entries, expiry) = self.keys.service(service);
        let read = Call::new(&scripts::INSTANCES).keys([entries, expiry]);
        let texts: Vec<String> = self.connections.run("list instances", read).await?;
        let mut live: Vec<Instance> = texts.iter().map(|text| from_json(text)).collect::<Result<_>>()?;
        live.sort_by_key(|instance| (instance.load, *instance.id.as_bytes()));
        Ok(live)
    }
}

#[async_trait]
impl Limits for Engine {
    async fn take(&self, key: &str, burst: u32, refill: Duration, want: u32) -> Result<Taken> {
        let take =
            Call::new(&scripts::TAKE_TOKENS).key(self.keys.bucket(key)).arg(burst).arg(millis(refill).max(1)).arg(want);
        let (granted, wait): (u32, u64) = self.connections.run("take tokens", take).await?;
        Ok(Taken { granted, retry_after: Duration::from_millis(wait) })
    }

    async fn give_back(&self, key: &str, burst: u32, _: Duration, count: u32) -> Result<()> {
        let give = Call::new(&scripts::GIVE_BACK_TOKENS).key(self.keys.bucket(key)).arg(burst).arg(count);
        self.connections.run::<i64>("give tokens back", give).await.map(drop)
    }
}
