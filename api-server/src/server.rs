//! Binding and running the service.

use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
};

use domain::Domain;
use store::Service;
use tokio_util::sync::CancellationToken;
use web::ServiceSpec;

use crate::{gateway::Gateway, routes};

pub struct Server {
    listener: TcpListener,
    domain: Domain,
}

impl Server {
    /// Binds `api.listen`.
    pub fn bind(domain: Domain) -> anyhow::Result<Self> {
        Ok(Self { listener: web::listen(domain.settings.api.listen)?, domain })
    }

    /// Where it listens.
    pub fn addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let spec = spec(&self.domain)?;
        web::serve(self.listener, self.domain, spec, shutdown).await
    }
}

/// The service's URL table and description.
pub fn spec(domain: &Domain) -> anyhow::Result<ServiceSpec> {
    let gateway = Gateway::new(domain.store.registry.clone())?;
    Ok(ServiceSpec {
        service: Service::Api,
        about: "Accounts, rooms, direct messages, history and notifications over REST. Errors are problem+json \
                (RFC 9457) with a `code`. Sockets: `/chat` and `/presence`, found by `/api/registry`.",
        public_url: domain.settings.api.public_url.clone(),
        scheme: "http",
        routes: Arc::new(move |cfg| routes::configure(cfg, &gateway)),
        sockets: web::sockets::none,
        connections: None,
    })
}
