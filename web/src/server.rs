//! Listening and serving: socket options, limits and shutdown are the same for every service.

use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use actix_cors::Cors;
use actix_http::{Extensions, HttpService};
use actix_service::map_config;
use actix_web::{
    App, HttpResponse,
    dev::AppConfig,
    http::StatusCode,
    middleware,
    web::{Data, JsonConfig, PathConfig, PayloadConfig, QueryConfig},
};
use anyhow::Context;
use domain::Domain;
use shared::settings::Http;
use socket::Serve;
use socket2::{Domain as Family, Protocol, SockRef, Socket, Type};
use store::Service;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tracing_actix_web::TracingLogger;
use utoipa::openapi::{
    InfoBuilder, OpenApi, OpenApiBuilder, PathItem, RefOr,
    security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};
use utoipa_actix_web::{AppExt, service_config::ServiceConfig};

use crate::{
    drain::Drain,
    error::{PROBLEM_JSON, finish, json_error, names_nothing, unreadable, unrouted},
    observe::{self, PathSpan},
    registration::announce,
};

/// Connections waiting to be accepted.
const BACKLOG: i32 = 4096;
/// What the kernel may hold for a peer that does not read; bounds the memory a slow reader takes.
const SEND_BUFFER: usize = 192 * 1024;
/// A peer that acknowledges nothing for so long is gone.
const USER_TIMEOUT: Duration = Duration::from_secs(60);

/// What tells one service from another.
#[derive(Clone)]
pub struct ServiceSpec {
    pub service: Service,
    /// One paragraph for `/openapi.json`.
    pub about: &'static str,
    /// Where clients reach it; default: from the bound address.
    pub public_url: Option<String>,
    /// `http` or `ws`, for the default of `public_url`.
    pub scheme: &'static str,
    /// The URL table; called once in each worker.
    pub routes: Arc<dyn Fn(&mut ServiceConfig) + Send + Sync>,
    /// What serves sockets; called once in each worker, inside its runtime. A request for a WebSocket goes there and to
    /// no route.
    pub sockets: Arc<dyn Fn(&Domain, &Arc<Drain>) -> Serve + Send + Sync>,
    /// Open sockets, for services that have them.
    pub connections: Option<fn() -> u64>,
}

/// What handlers may know of the running service.
pub struct Running {
    pub service: Service,
    /// The service stops; its sockets learn of it by `drain`, a moment later.
    pub shutdown: CancellationToken,
    pub drain: Arc<Drain>,
    connections: Option<fn() -> u64>,
}

impl Running {
    /// Open sockets; `None` where the service has none.
    pub fn connections(&self) -> Option<u64> {
        self.connections.map(|count| count())
    }
}

/// Binds; port 0 takes a free one.
pub fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let family = if address.is_ipv4() { Family::IPV4 } else { Family::IPV6 };
    let socket = Socket::new(family, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into()).with_context(|| format!("listen on {address}"))?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// The service's description of itself (OpenAPI 3.1), from the routes themselves.
pub fn openapi(spec: &ServiceSpec) -> OpenApi {
    let info = InfoBuilder::new()
        .title(format!("ChatApp {}", spec.service.as_str()))
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(spec.about))
        .build();
    let base = OpenApiBuilder::new().info(info).build();
    let app = App::new().into_utoipa_app().openapi(base).configure(|cfg| configure(cfg, spec));
    let (_, mut api) = app.split_for_parts();
    let about = "An access token (`POST /api/login`), or a token of a product that `auth.external` names";
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(about)).build();
    let bearer = SecurityScheme::Http(bearer);
    api.components.get_or_insert_default().add_security_scheme("bearer", bearer);
    api.paths.paths.values_mut().for_each(complete);
    api
}

/// What is the same for all: refusals have the media type of problems, and a response that is not described (OpenAPI
/// 3.1 asks that it is) is as its status says.
fn complete(path: &mut PathItem) {
    let operations =
        [&mut path.get, &mut path.post, &mut path.put, &mut path.patch, &mut path.delete].into_iter().flatten();
    for (status, response) in operations.flat_map(|operation| operation.responses.responses.iter_mut()) {
        let RefOr::T(response) = response else { continue };
        if response.description.is_empty() {
            let reason = StatusCode::from_bytes(status.as_bytes()).ok().and_then(|status| status.canonical_reason());
            response.description = reason.unwrap_or("Answer").into();
        }
        if status.starts_with(['4', '5'])
            && let Some(body) = response.content.shift_remove("application/json")
        {
            response.content.insert(PROBLEM_JSON.into(), body);
        }
    }
}

fn configure(cfg: &mut ServiceConfig, spec: &ServiceSpec) {
    cfg.service(observe::health).service(observe::ready).service(observe::metrics_text);
    (spec.routes)(cfg);
}

/// Serves until `shutdown`, and registers the instance while it runs. Then, in this order: unready; out of the registry,
/// so that nobody is sent here any more; sockets told to go (and where), no new ones accepted; requests under way and
/// sockets given `http.shutdownSeconds`.
pub async fn serve(
    listener: TcpListener,
    domain: Domain,
    spec: ServiceSpec,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let address = listener.local_addr()?;
    let http = domain.settings.http.clone();
    let limit = domain.settings.limits.body_bytes;
    let drain = Arc::new(Drain::default());
    let running = Data::new(Running {
        service: spec.service,
        shutdown: shutdown.clone(),
        drain: drain.clone(),
        connections: spec.connections,
    });
    let api = Data::new(openapi(&spec));
    let data = Data::new(domain.clone());
    let (routes, allowed) = (spec.clone(), http.allowed_origins.clone());
    let app = move || {
        App::new()
            .into_utoipa_app()
            .configure(|cfg| configure(cfg, &routes))
            .into_app()
            .route("/openapi.json", actix_web::web::get().to(openapi_json))
            .default_service(actix_web::web::to(unrouted))
            .app_data(data.clone())
            .app_data(running.clone())
            .app_data(api.clone())
            .app_data(PayloadConfig::new(limit))
            .app_data(JsonConfig::default().limit(limit).error_handler(json_error))
            .app_data(PathConfig::default().error_handler(|_, _| names_nothing()))
            .app_data(QueryConfig::default().error_handler(|e, _| unreadable("query", e.to_string())))
            .wrap(cors(&allowed))
            .wrap(middleware::from_fn(finish))
            .wrap(TracingLogger::<PathSpan>::new())
    };
    let (sockets, of_sockets) = (spec.sockets.clone(), (domain.clone(), drain.clone()));
    // Measured to matter: no Nagle, no second held after a close, no half-closed sockets.
    let service = move || {
        let (sockets, (domain, drain)) = (sockets.clone(), of_sockets.clone());
        let stopping = drain.begun().clone();
        HttpService::build()
            .tcp_nodelay(true)
            .client_disconnect_timeout(Duration::ZERO)
            .h1_allow_half_closed(false)
            .graceful_shutdown_signal(move || stopping.clone().cancelled_owned())
            .on_connect_ext(on_connect)
            .upgrade(socket::upgrades(move || sockets(&domain, &drain)))
            .finish(map_config(app(), |()| AppConfig::default()))
            .tcp()
    };
    let server = actix_server::Server::build()
        .workers(workers(&http))
        .max_concurrent_connections(http.max_connections)
        .shutdown_timeout(http.shutdown_seconds)
        .listen(spec.service.as_str(), listener, service)?
        .shutdown_signal(drain.begun().clone().cancelled_owned())
        .run();
    tracing::info!(service = spec.service.as_str(), %address, "listening");
    let announcing = tokio::spawn(announce(domain, spec, address, shutdown, drain));
    server.await?;
    if let Err(e) = announcing.await {
        tracing::error!("the registry entry was not looked after to the end: {e}");
    }
    Ok(())
}

/// Before the first request of a connection.
fn on_connect(connection: &TcpStream, _: &mut Extensions) {
    // Best effort: without it a dead peer is noticed later, by the heartbeat.
    let _ = SockRef::from(connection).set_tcp_user_timeout(Some(USER_TIMEOUT));
}

fn workers(http: &Http) -> usize {
    match http.workers {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        workers => workers,
    }
}

fn cors(allowed: &[String]) -> Cors {
    let cors = Cors::default()
        .allowed_methods(["GET", "POST", "PUT", "PATCH", "DELETE"])
        .allowed_headers(["authorization", "content-type", "idempotency-key"])
        .expose_headers(["x-request-id", "retry-after"])
        .max_age(3600);
    if allowed.iter().any(|origin| origin == "*") {
        return cors.send_wildcard().allow_any_origin();
    }
    allowed.iter().fold(cors, |cors, origin| cors.allowed_origin(origin))
}

async fn openapi_json(api: Data<OpenApi>) -> HttpResponse {
    HttpResponse::Ok().json(api.get_ref())
}
