//! The whole URL table, and the upgrade of a request to a socket.

use std::{cell::OnceCell, rc::Rc, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse, get,
    web::{Data, Payload},
};
use domain::Domain;
use shared::{ErrorCode, Problem};
use socket::{Connection, Limits, QueueLimits};
use utoipa_actix_web::service_config::ServiceConfig;
use web::{error::problem_response, server::Running};

use crate::{dialect::Dialect, hub::Hub, session::Handshake};

/// Called once in each worker.
pub fn configure(cfg: &mut ServiceConfig) {
    cfg.app_data(Worker::default()).service(open_chat);
}

/// What this worker's sockets share; made by the first, because it needs the worker's runtime.
#[derive(Clone, Default)]
struct Worker(Rc<OnceCell<Rc<Hub>>>);

/// The native chat socket.
///
/// Authenticates by `Authorization: Bearer`, `?token=`, the subprotocols `chatapp.v1, bearer.<token>`, or a first
/// frame `AUTHENTICATE {token}`.
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
    let settings = &domain.settings;
    if !socket::origin_allowed(&req, &settings.http.allowed_origins) {
        return Ok(problem_response(Problem::new(ErrorCode::Forbidden, "this origin may not connect")));
    }
    let limits = &settings.limits;
    let queue = QueueLimits {
        frames: limits.queue_frames,
        bytes: limits.queue_bytes,
        time: Duration::from_secs(limits.queue_seconds),
    };
    let Ok(socket) = socket::upgrade(&req, payload, limits.frame_bytes, queue) else {
        let text = "this is a WebSocket endpoint: send the opening handshake of RFC 6455";
        return Ok(problem_response(Problem::new(ErrorCode::InvalidMessage, text)));
    };
    let hub = hub_of(&req, &domain, &running)?;
    let credential = socket::credential(&req);
    let handshake = Handshake::new(hub.clone(), socket.outbound.clone(), Dialect::Native);
    let limits = Limits {
        authenticate: Duration::from_secs(limits.authenticate_seconds),
        bad_frames_per_minute: limits.bad_frames_per_minute,
    };
    let connection = Connection::new(socket.outbound, socket.inbound, limits, hub.pulse());
    actix_web::rt::spawn(connection.run(handshake, credential));
    Ok(socket.response)
}

fn hub_of(req: &HttpRequest, domain: &Domain, running: &Running) -> actix_web::Result<Rc<Hub>> {
    let worker = req
        .app_data::<Worker>()
        .ok_or_else(|| actix_web::error::ErrorInternalServerError("the worker has no place for its hub"))?;
    Ok(worker.0.get_or_init(|| Hub::start(domain.clone(), running.shutdown.clone())).clone())
}
