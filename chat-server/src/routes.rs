//! The whole URL table, and the upgrade of a request to a socket.

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

use crate::{dialect::Dialect, hub::Hub, session::Handshake};

/// Called once in each worker.
pub fn configure(cfg: &mut ServiceConfig) {
    cfg.app_data(Worker::<Hub>::default()).service(open_chat);
}

/// The native chat socket.
///
/// Authenticates by `Authorization: Bearer`, `?token=`, the subprotocols `chatapp.v1, bearer.<token>`, or a first
/// frame `AUTHENTICATE {token}`. With `?hold=1` its events wait for `RESUME` or `SYNC`.
#[utoipa::path(tag = "sockets", responses(
    (status = 101, description = "switched to WebSocket"),
    (status = 400, description = "no WebSocket handshake", body = Problem),
    (status = 403, description = "the page's origin is not allowed", body = Problem),
))]
#[get("/chat")]
async fn open_chat(
    req: HttpRequest,
    payload: Payload,
    domain: Data<Domain>,
    running: Data<Running>,
) -> actix_web::Result<HttpResponse> {
    let (socket, limits) = sockets::open(&req, payload, &domain)?;
    let hub = Worker::of(&req, &running, |drain| Hub::start(Domain::clone(&domain), drain))?;
    let handshake = Handshake::new(hub.clone(), socket.outbound.clone(), Dialect::Native, will_resume(&req));
    let connection = Connection::new(socket.outbound, socket.inbound, limits, hub.pulse());
    actix_web::rt::spawn(connection.run(handshake, socket::credential(&req)));
    Ok(socket.response)
}

/// Does the client say in its request that it will resume?
fn will_resume(req: &HttpRequest) -> bool {
    req.query_string().split('&').any(|pair| matches!(pair, "hold=1" | "hold=true"))
}
