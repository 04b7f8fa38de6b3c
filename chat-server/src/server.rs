//! Binding and running the service.

use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
};

use domain::Domain;
use store::Service;
use tokio_util::sync::CancellationToken;
use web::ServiceSpec;

use crate::{routes, session, socketio};

pub struct Server {
    listener: TcpListener,
    domain: Domain,
}

impl Server {
    /// Binds `chat.listen`.
    pub fn bind(domain: Domain) -> anyhow::Result<Self> {
        Ok(Self { listener: web::listen(domain.settings.chat.listen)?, domain })
    }

    /// Where it listens.
    pub fn addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `shutdown`; then tells every socket to reconnect and closes it.
    pub async fn run(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let spec = spec(&self.domain);
        web::serve(self.listener, self.domain, spec, shutdown).await
    }
}

/// The service's URL table and description.
pub fn spec(domain: &Domain) -> ServiceSpec {
    let sessions = domain.settings.chat.socketio.enabled.then(|| socketio::sessions(&domain.settings));
    ServiceSpec {
        service: Service::Chat,
        about: "The chat socket: `/chat` speaks JSON text frames `{type, payload, requestId?}`. Replies carry the \
                `requestId` of their command; events of every room of the user come by themselves.",
        public_url: domain.settings.chat.public_url.clone(),
        scheme: "ws",
        routes: {
            let sessions = sessions.clone();
            Arc::new(move |cfg| routes::configure(cfg, sessions.as_ref()))
        },
        sockets: Arc::new(move |domain, drain| routes::serve_sockets(domain, drain, sessions.as_ref())),
        connections: Some(|| session::SOCKETS.count()),
    }
}
