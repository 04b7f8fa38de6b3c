//! The URL table: `/presence`, and the upgrade of a request to a socket.

use actix_web::{
    HttpRequest, HttpResponse, get,
    web::{Data, Payload},
};
use domain::Domain;
use shared::Problem;
use socket::Connection;
use utoipa_actix_web::service_config::ServiceConfig;
use web::{
    server::Running,
    sockets::{self, Worker},
};

use crate::{hub::Hub, session::Handshake};

/// Called once in each worker.
pub(crate) fn configure(cfg: &mut ServiceConfig) {
    cfg.app_data(Worker::<Hub>::default()).service(presence);
}

/// The presence socket (RFC 6455). Frames are JSON texts `{"type", "payload", "requestId?"}`.
///
/// Authenticates by `Authorization: Bearer`, `?token=`, the subprotocols `chatapp.v1, bearer.<token>`, or a first
/// frame `AUTHENTICATE {token}`.
#[utoipa::path(tag = "sockets", responses(
    (status = 101, description = "switched to WebSocket"),
    (status = 400, description = "no WebSocket handshake", body = Problem),
    (status = 403, description = "the page's origin is not allowed", body = Problem),
))]
#[get("/presence")]
async fn presence(
    request: HttpRequest,
    payload: Payload,
    domain: Data<Domain>,
    running: Data<Running>,
) -> actix_web::Result<HttpResponse> {
    let (upgraded, limits) = sockets::open(&request, payload, &domain)?;
    let hub = Worker::of(&request, &running, |drain| Hub::start(&domain, drain))?;
    let handshake = Handshake::new(Domain::clone(&domain), hub.clone(), upgraded.outbound.clone());
    let connection = Connection::new(upgraded.outbound, upgraded.inbound, limits, hub.pulse());
    actix_web::rt::spawn(connection.run(handshake, socket::credential(&request)));
    Ok(upgraded.response)
}
