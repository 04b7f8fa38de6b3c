//! The server: binds, then runs the routes and the two loops beside them until it is told to stop.

use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use actix_web::web::Data;
use anyhow::Context;
use domain::Domain;
use store::Service;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use web::ServiceSpec;

use crate::{
    auth::ApiKeys,
    channel::{Channel, Channels},
    notifier::Notifier,
    retry::Schedule,
    routes,
    worker::Worker,
};

/// For `/openapi.json`.
const ABOUT: &str =
    "Notifications: queued by services, or by messages whose readers are absent; delivered by channels.";

/// A bound notification-server that does not run yet.
pub struct Server {
    domain: Domain,
    listener: TcpListener,
    address: SocketAddr,
    channels: Channels,
    schedule: Schedule,
}

impl Server {
    /// Binds `notification.listen`; port 0 takes a free one.
    pub fn bind(domain: Domain) -> anyhow::Result<Self> {
        let listener = web::listen(domain.settings.notification.listen)?;
        let address = listener.local_addr()?;
        let channels = Channels::new(&domain)?;
        let lease = Duration::from_secs(domain.settings.notification.claim_seconds);
        let schedule = Schedule { lease, ..Schedule::default() };
        Ok(Self { domain, listener, address, channels, schedule })
    }

    /// One channel more, for programs that embed this server. Every job that names no channels goes by it too.
    pub fn with_channel(mut self, channel: Arc<dyn Channel>) -> Self {
        self.channels.all.push(channel);
        self
    }

    /// Another schedule of retries than the default.
    pub fn with_schedule(mut self, schedule: Schedule) -> Self {
        self.schedule = schedule;
        self
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown`. Jobs under way are finished within `http.shutdownSeconds`; what is left over is taken
    /// up by another process once its claim has ended.
    pub async fn run(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let Self { domain, listener, channels, schedule, .. } = self;
        let Channels { all: channels, web_push } = channels;
        let keys = Data::new(ApiKeys::new(&domain.settings.notification.api_keys));
        let web_push = Data::new(web_push);
        let spec = ServiceSpec {
            service: Service::Notification,
            about: ABOUT,
            public_url: domain.settings.notification.public_url.clone(),
            scheme: "http",
            routes: Arc::new(move |cfg| routes::configure(cfg, &keys, &web_push)),
            sockets: web::sockets::none,
            connections: None,
        };
        // Serving and the two loops end together, whichever ends first and however: a server that does not deliver is
        // not to look alive.
        let stop = shutdown.child_token();
        let notifier = spawn_until(&stop, Notifier::new(domain.clone()).run(stop.clone()));
        let worker = spawn_until(&stop, Worker::new(domain.clone(), channels, schedule).run(stop.clone()));
        let served = web::serve(listener, domain, spec, stop.clone()).await;
        stop.cancel();
        let (notifier, worker) = tokio::join!(notifier, worker);
        notifier.context("the notifier ended badly")?;
        worker.context("the outbox worker ended badly")?;
        served
    }
}

/// Runs a loop as a task; when it ends, by a panic too, `stop` is cancelled.
fn spawn_until(stop: &CancellationToken, work: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    let ended = stop.clone().drop_guard();
    tokio::spawn(async move {
        let _ended = ended;
        work.await;
    })
}
