//! The whole URL table: the socket, and presence for those who have none.

mod states;

use std::{rc::Rc, sync::Arc};

use actix_web::{HttpResponse, get};
use domain::Domain;
use shared::Problem;
use socket::{Connection, Serve};
use utoipa_actix_web::service_config::ServiceConfig;
use web::{Drain, error::problem_response, sockets};

use crate::{hub::Hub, session::Handshake};

/// Called once in each worker.
pub(crate) fn configure(cfg: &mut ServiceConfig) {
    cfg.service(describe_presence) // GET /presence
        .service(states::seen) // GET /api/presence
        .service(states::mine) // GET /api/presence/me
        .service(states::set_mine); // PUT /api/presence/me
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
async fn describe_presence() -> HttpResponse {
    problem_response(sockets::no_handshake())
}

/// The sockets of one worker, with a hub of their own.
pub(crate) fn serve_sockets(domain: &Domain, drain: &Arc<Drain>) -> Serve {
    let hub = Hub::start(domain, drain.clone());
    let of_handshakes = domain.clone();
    let presence = sockets::at("/presence", move |socket| {
        let handshake = Handshake::new(of_handshakes.clone(), Rc::clone(&hub), socket.outbound.clone());
        let connection = Connection::new(socket.outbound, socket.inbound, socket.limits, hub.pulse());
        connection.run(handshake, socket.credential)
    });
    sockets::serve(domain, [presence])
}
