//! An instance's entry in the registry: renewed while it serves, gone before its sockets are told to go.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use domain::{Domain, outage::Outage};
use shared::settings::StoreUrl;
use store::Instance;
use tokio::{
    net::{UdpSocket, lookup_host},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{Drain, ServiceSpec};

/// An entry is renewed so often and ends after three missed renewals.
const ANNOUNCE: Duration = Duration::from_secs(2);
/// What leaving the registry may take of the time for stopping: sockets wait for it to be told where to go.
const PARTING: Duration = Duration::from_millis(500);

/// Keeps the instance in the registry while it serves; when it stops, takes it out, and then begins the drain. One that is
/// asked to stop cancels `shutdown`, as a signal does.
pub(crate) async fn announce(
    domain: Domain,
    spec: ServiceSpec,
    bound: SocketAddr,
    shutdown: CancellationToken,
    drain: Arc<Drain>,
) {
    let _drain_at_the_end = drain.begin_at_drop();
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = keep_registered(&domain, &spec, bound) => {
            tracing::info!(service = spec.service.as_str(), "asked to stop by an administrator");
            shutdown.cancel();
        }
    }
    match timeout(PARTING, leave(&domain, &spec)).await {
        Ok(Ok(others)) => drain.set_places(others),
        Ok(Err(e)) => tracing::warn!("cannot leave the registry: {e}"),
        Err(_) => tracing::warn!("cannot leave the registry: no answer in {PARTING:?}"),
    }
}

/// Until the instance is asked to stop.
async fn keep_registered(domain: &Domain, spec: &ServiceSpec, bound: SocketAddr) {
    let mut outage = Outage::new("renew the registry entry");
    let mut ticks = tokio::time::interval(ANNOUNCE);
    let mut address = None;
    for beat in 1.. {
        ticks.tick().await;
        if address.is_none() {
            address = seen_by_others(bound, &domain.settings.store.url).await;
        }
        let at = address.unwrap_or(bound);
        let instance = Instance {
            id: domain.instance,
            service: spec.service,
            url: spec.public_url.clone().unwrap_or_else(|| format!("{}://{at}", spec.scheme)),
            address,
            beat,
            load: spec.connections.map_or(0, |count| count()),
            version: env!("CARGO_PKG_VERSION").into(),
            draining: false,
        };
        match domain.store.registry.register(&instance, 3 * ANNOUNCE).await {
            Ok(true) => return,
            Ok(false) => outage.over(),
            Err(e) => drop(outage.failed(&e.into())),
        }
    }
}

/// Out of the registry; gives the other instances that may take this one's sockets.
async fn leave(domain: &Domain, spec: &ServiceSpec) -> store::Result<Vec<Instance>> {
    let registry = &domain.store.registry;
    registry.deregister(spec.service, domain.instance).await?;
    if spec.connections.is_none() {
        return Ok(Vec::new());
    }
    let mut others = registry.instances(spec.service).await?;
    others.retain(|other| other.id != domain.instance && !other.draining);
    Ok(others)
}

/// What listens on every address of its machine is seen at the one from which the store is reached. `None`: the name of
/// the store's server cannot be looked up now.
async fn seen_by_others(bound: SocketAddr, store: &StoreUrl) -> Option<SocketAddr> {
    if !bound.ip().is_unspecified() {
        return Some(bound);
    }
    let loopback: IpAddr = if bound.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
    let Some(server) = store.server() else { return Some(SocketAddr::new(loopback, bound.port())) };
    let servers = lookup_host(server).await.ok()?;
    for server in servers.filter(|server| server.is_ipv4() || bound.is_ipv6()) {
        let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        // Sends nothing: the kernel chooses the route, and with it our address.
        let Ok(socket) = UdpSocket::bind((any, 0)).await else { continue };
        if socket.connect(server).await.is_ok()
            && let Ok(own) = socket.local_addr()
        {
            return Some(SocketAddr::new(own.ip(), bound.port()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_listens_everywhere_is_seen_at_the_address_that_faces_the_store() {
        let redis: StoreUrl = "redis://127.0.0.1".parse().unwrap();
        let embedded = StoreUrl::default();
        for (bound, store, seen) in [
            ("10.1.2.3:80", &redis, Some("10.1.2.3:80")),
            ("0.0.0.0:80", &redis, Some("127.0.0.1:80")),
            ("[::]:80", &redis, Some("127.0.0.1:80")),
            ("0.0.0.0:80", &embedded, Some("127.0.0.1:80")),
            ("[::]:80", &embedded, Some("[::1]:80")),
            ("0.0.0.0:80", &"redis+cluster://127.0.0.1:7000,b:2".parse().unwrap(), Some("127.0.0.1:80")),
            ("0.0.0.0:80", &"redis://nowhere.invalid".parse().unwrap(), None),
        ] {
            let found = seen_by_others(bound.parse().unwrap(), store).await;
            assert_eq!(found, seen.map(|seen| seen.parse().unwrap()), "{bound} {store:?}");
        }
    }
}
