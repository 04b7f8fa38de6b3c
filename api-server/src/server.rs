//! Binding and running the service.

use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use domain::{Domain, upkeep};
use store::Service;
use tokio_util::sync::CancellationToken;
use web::ServiceSpec;

use crate::{directory::Directory, gateway::Gateway, routes};

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
        let patience = Duration::from_millis(self.domain.settings.api.gateway_ms);
        let http = reqwest::Client::builder()
            .connect_timeout(patience / 5)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()?;
        let directory = Arc::new(Directory::new(self.domain.store.registry.clone(), http.clone()));
        let gateway = Gateway::new(http, directory.clone(), patience);
        let spec = spec(&self.domain, directory.clone(), gateway);
        let files = self.domain.clone();
        tokio::select! {
            served = web::serve(self.listener, self.domain, spec, shutdown) => served,
            never = directory.watch() => match never {},
            never = upkeep::clean_files(&files) => match never {},
        }
    }
}

/// The service's URL table and description.
fn spec(domain: &Domain, directory: Arc<Directory>, gateway: Gateway) -> ServiceSpec {
    let settings = domain.settings.clone();
    ServiceSpec {
        service: Service::Api,
        about: "Accounts, rooms, direct messages, history and notifications over REST. Errors are problem+json \
                (RFC 9457) with a `code`. Sockets: `/chat` and `/presence`, found by `/api/registry`.",
        public_url: domain.settings.api.public_url.clone(),
        scheme: "http",
        routes: Arc::new(move |cfg| routes::configure(cfg, &settings.api, &directory, &gateway)),
        sockets: web::sockets::none,
        connections: None,
    }
}
