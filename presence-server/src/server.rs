//! Binding and running the service.

use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
};

use domain::Domain;
use store::Service;
use tokio_util::sync::CancellationToken;
use web::ServiceSpec;

use crate::{routes, session};

pub struct Server {
    listener: TcpListener,
    domain: Domain,
}

impl Server {
    /// Binds `presence.listen`.
    pub fn bind(domain: Domain) -> anyhow::Result<Self> {
        Ok(Self { listener: web::listen(domain.settings.presence.listen)?, domain })
    }

    /// Where it listens.
    pub fn addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `shutdown`, then closes every socket with 1012.
    pub async fn run(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let spec = ServiceSpec {
            service: Service::Presence,
            about: "Presence: over WebSocket at `/presence`, and asked for once over REST.",
            public_url: self.domain.settings.presence.public_url.clone(),
            scheme: "ws",
            routes: Arc::new(routes::configure),
            sockets: Arc::new(routes::serve_sockets),
            connections: Some(|| session::SOCKETS.count()),
        };
        web::serve(self.listener, self.domain, spec, shutdown).await
    }
}
