//! The whole URL table: the sockets.

use std::{rc::Rc, sync::Arc};

use actix_web::{HttpResponse, get};
use domain::Domain;
use shared::Problem;
use socket::{Connection, Serve};
use utoipa_actix_web::service_config::ServiceConfig;
use web::{
    Drain,
    error::problem_response,
    sockets::{self, Opened},
};

use crate::{dialect::Dialect, hub::Hub, session::Handshake};

/// Called once in each worker.
pub fn configure(cfg: &mut ServiceConfig) {
    cfg.service(describe_chat).service(describe_messaging).service(describe_resources);
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

/// The socket of the Messaging API: text frames `{type, data}`.
///
/// Authenticates as `/chat` does: `/ws?token=`.
#[utoipa::path(tag = "sockets", responses(
    (status = 101, description = "switched to WebSocket"),
    (status = 400, description = "no WebSocket handshake", body = Problem),
    (status = 403, description = "the page's origin is not allowed", body = Problem),
))]
#[get("/ws")]
async fn describe_messaging() -> HttpResponse {
    problem_response(sockets::no_handshake())
}

/// The socket of Resources: what is sent is said in the lobby, and told to all who are there.
///
/// Without a token the client is a guest, whose token it is told: `{type: "welcome", clientID, token}`.
#[utoipa::path(tag = "sockets", responses(
    (status = 101, description = "switched to WebSocket"),
    (status = 400, description = "no WebSocket handshake", body = Problem),
    (status = 403, description = "the page's origin is not allowed", body = Problem),
))]
#[get("/resources/ws")]
async fn describe_resources() -> HttpResponse {
    problem_response(sockets::no_handshake())
}

/// The sockets of one worker, with a hub of their own.
pub fn serve_sockets(domain: &Domain, drain: &Arc<Drain>) -> Serve {
    let hub = Hub::start(domain.clone(), drain.clone());
    let of = |hub: &Rc<Hub>, dialect| {
        let hub = hub.clone();
        move |socket: Opened| {
            let will_resume = dialect == Dialect::Native && will_resume(&socket.query);
            let handshake = Handshake::new(Rc::clone(&hub), socket.outbound.clone(), dialect, will_resume);
            let handshake = match dialect {
                Dialect::Resources(_) => handshake.with_guests(socket.from),
                Dialect::Native | Dialect::Messaging => handshake,
            };
            let connection = Connection::new(socket.outbound, socket.inbound, socket.limits, hub.pulse());
            connection.run(handshake, socket.credential)
        }
    };
    let native = sockets::at("/chat", of(&hub, Dialect::Native));
    let messaging = sockets::at("/ws", of(&hub, Dialect::Messaging));
    let resources = sockets::at("/resources/ws", of(&hub, Dialect::Resources(None)));
    sockets::serve(domain, [native, messaging, resources])
}

/// Does the client say in its request that it will resume?
fn will_resume(query: &str) -> bool {
    query.split('&').any(|pair| matches!(pair, "hold=1" | "hold=true"))
}
