//! Running instances: those of this process, so they live in memory.

use std::{collections::HashMap, time::Duration};

use async_trait::async_trait;
use shared::InstanceId;
use tokio::time::Instant;

use super::Embedded;
use crate::{Instance, Registry, Result, Service};

/// Entries and when they end. Ended ones go whenever one is put; live ones are a process's few services.
pub(super) type Instances = HashMap<(Service, InstanceId), (Instance, Instant)>;

#[async_trait]
impl Registry for Embedded {
    async fn register(&self, instance: &Instance, ttl: Duration) -> Result<()> {
        let now = Instant::now();
        let mut instances = self.instances.lock();
        instances.retain(|_, (_, ends)| *ends > now);
        instances.insert((instance.service, instance.id), (instance.clone(), now + ttl));
        Ok(())
    }

    async fn deregister(&self, service: Service, id: InstanceId) -> Result<()> {
        self.instances.lock().remove(&(service, id));
        Ok(())
    }

    async fn instances(&self, service: Service) -> Result<Vec<Instance>> {
        let now = Instant::now();
        let instances = self.instances.lock();
        let live = instances.values().filter(|(i, ends)| i.service == service && *ends > now);
        let mut live: Vec<Instance> = live.map(|(instance, _)| instance.clone()).collect();
        live.sort_by_key(|i| (i.load, i.id));
        Ok(live)
    }
}
