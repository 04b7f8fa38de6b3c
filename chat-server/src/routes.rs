//! The whole URL table: the sockets.

use std::{rc::Rc, sync::Arc};

use actix_web::{HttpResponse, get};
use domain::Domain;
use shared::Problem;
use socket::{Connection, Serve};
use utoipa_actix_web::service_config::ServiceConfig;
use web::{Drain, error::problem_response, sockets};

use crate::{dialect::Dialect, hub::Hub, session::Handshake};

/// Called once in each worker.
pub fn configure(cfg: &mut ServiceConfig) {
    cfg.service(describe_chat);
}

/// The native chat socket.
///
/// Authenticates by `Authorization: Bearer`, `?token=`, the subprotocols `chatapp.v1, bearer.<token>`, or a first
/// frame `AUTHENTICATE {token}`; with another product's token, by `AUTHENTICATE` again before it ends. With `?hold=1` its events wait for `RESUME` or `SYNC`.
#[utoipa::path(tag = "sockets", responses(
    (status = 101, description = "switched to WebSocket"),
    (status = 400, description = "no WebSocket handshake", body = Problem),
    (status = 403, description = "the page's origin is not allowed", body = Problem),
))]
#[get("/chat")]
async fn describe_chat() -> HttpResponse {
    problem_response(sockets::no_handshake())
}

/// The sockets of one worker, with a hub of their own.
pub fn serve_sockets(domain: &Domain, drain: &Arc<Drain>) -> Serve {
    let hub = Hub::start(domain.clone(), drain.clone());
    let native = sockets::at("/chat", move |socket| {
        let will_resume = will_resume(&socket.query);
        let handshake = Handshake::new(Rc::clone(&hub), socket.outbound.clone(), Dialect::Native, will_resume);
        let connection = Connection::new(socket.outbound, socket.inbound, socket.limits, hub.pulse());
        connection.run(handshake, socket.credential)
    });
    sockets::serve(domain, [native])
}

/// Does the client say in its request that it will resume?
fn will_resume(query: &str) -> bool {
    query.split('&').any(|pair| matches!(pair, "hold=1" | "hold=true"))
}
