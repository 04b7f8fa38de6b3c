//! Running instances: those of this process, so they live in memory.

use std::{collections::HashMap, time::Duration};

use async_trait::async_trait;
use shared::InstanceId;
use tokio::time::Instant;

use super::Embedded;
use crate::{Draining, Instance, Registry, Result, Service};

/// Ended ones go whenever one is put; live ones are a process's few services.
#[derive(Default)]
pub(super) struct Instances {
    /// Entries and when they end.
    live: HashMap<(Service, InstanceId), (Instance, Instant)>,
    /// Those asked to stop, of the live ones, and for how long.
    draining: HashMap<InstanceId, Instant>,
}

impl Instances {
    fn forget_ended(&mut self, now: Instant) {
        self.live.retain(|_, (_, ends)| *ends > now);
        self.draining.retain(|_, ends| *ends > now);
    }
}

#[async_trait]
impl Registry for Embedded {
    async fn register(&self, instance: &Instance, ttl: Duration) -> Result<bool> {
        let now = Instant::now();
        let mut entries = self.instances.lock();
        entries.forget_ended(now);
        entries.live.insert((instance.service, instance.id), (instance.clone(), now + ttl));
        Ok(entries.draining.contains_key(&instance.id))
    }

    async fn ask_to_drain(&self, id: InstanceId, ttl: Duration) -> Result<Draining> {
        let now = Instant::now();
        let mut entries = self.instances.lock();
        entries.forget_ended(now);
        let services: Vec<Service> = entries.live.keys().filter(|(_, of)| *of == id).map(|(of, _)| *of).collect();
        let stays = |(of, other): &(Service, InstanceId), service| {
            *of == service && *other != id && !entries.draining.contains_key(other)
        };
        for service in Service::ALL.into_iter().filter(|service| services.contains(service)) {
            if !entries.live.keys().any(|key| stays(key, service)) {
                return Ok(Draining::Last(service));
            }
        }
        if services.is_empty() {
            return Ok(Draining::Unknown);
        }
        entries.draining.insert(id, now + ttl);
        Ok(Draining::Asked)
    }

    async fn draining(&self) -> Result<Vec<InstanceId>> {
        let mut entries = self.instances.lock();
        entries.forget_ended(Instant::now());
        let mut ids: Vec<InstanceId> = entries.draining.keys().copied().collect();
        ids.sort_unstable();
        Ok(ids)
    }

    async fn deregister(&self, service: Service, id: InstanceId) -> Result<()> {
        self.instances.lock().live.remove(&(service, id));
        Ok(())
    }

    async fn instances(&self, service: Service) -> Result<Vec<Instance>> {
        let now = Instant::now();
        let instances = self.instances.lock();
        let live = instances.live.values().filter(|(i, ends)| i.service == service && *ends > now);
        let mut live: Vec<Instance> = live.map(|(instance, _)| instance.clone()).collect();
        live.sort_by_key(|i| (i.load, i.id));
        Ok(live)
    }
}
