//! Running instances, asked to stop.

use std::time::Duration;

use shared::InstanceId;
use store::Draining;

use super::{Admin, InstanceLine};
use crate::{DomainError, Result};

/// For how long an instance is asked to stop: it looks with each beat, every 2 s.
const ASKED_FOR: Duration = Duration::from_secs(20);

impl Admin {
    /// Those that are registered, of all services. Five reads.
    pub async fn instances(&self) -> Result<Vec<InstanceLine>> {
        let draining = self.store.registry.draining().await?;
        let mut lines = Vec::new();
        for service in store::Service::ALL {
            let of_service = self.store.registry.instances(service).await?;
            lines.extend(of_service.into_iter().map(|instance| InstanceLine {
                service,
                id: instance.id,
                url: instance.url,
                address: instance.address.map(|address| address.to_string()),
                connections: instance.load,
                version: instance.version,
                started_at: instance.id.made_at(),
                draining: instance.draining || draining.contains(&instance.id),
            }));
        }
        Ok(lines)
    }

    /// Has a process stop as SIGTERM does, within some seconds; whatever keeps it running starts it anew.
    /// [`DomainError::LastInstance`] where nobody would be left to serve.
    pub async fn drain(&self, id: InstanceId) -> Result<()> {
        self.acts("drain an instance", &id);
        match self.store.registry.ask_to_drain(id, ASKED_FOR).await? {
            Draining::Asked => Ok(()),
            Draining::Last(service) => Err(DomainError::LastInstance(service)),
            Draining::Unknown => Err(DomainError::NotFound("there is no such instance")),
        }
    }
}
