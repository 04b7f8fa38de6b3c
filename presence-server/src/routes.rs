//! The URL table: `/presence`, and the upgrade of a request to a socket.

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

use crate::{hub::Hub, server::Counted, session::Handshake};

/// Called once in each worker.
pub(crate) fn configure(cfg: &mut ServiceConfig) {
    cfg.app_data(Worker::default()).service(presence);
}

/// What this worker's sockets share; made by the first, because it needs the worker's runtime.
#[derive(Clone, Default)]
struct Worker(Rc<OnceCell<Rc<Hub>>>);

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
    let settings = &domain.settings;
    if !socket::origin_allowed(&request, &settings.http.allowed_origins) {
        return Ok(problem_response(Problem::new(ErrorCode::Forbidden, "this origin may not connect")));
    }
    let limits = &settings.limits;
    let queue = QueueLimits {
        frames: limits.queue_frames,
        bytes: limits.queue_bytes,
        time: Duration::from_secs(limits.queue_seconds),
    };
    let times = Limits {
        authenticate: Duration::from_secs(limits.authenticate_seconds),
        bad_frames_per_minute: limits.bad_frames_per_minute,
    };
    let Ok(upgraded) = socket::upgrade(&request, payload, limits.frame_bytes, queue) else {
        let text = "this is a WebSocket endpoint: send the opening handshake of RFC 6455";
        return Ok(problem_response(Problem::new(ErrorCode::InvalidMessage, text)));
    };
    let hub = hub_of(&request, &domain, &running)?;
    let handshake = Handshake::new(Domain::clone(&domain), hub.clone(), upgraded.outbound.clone());
    let connection = Connection::new(upgraded.outbound, upgraded.inbound, times, hub.pulse());
    let credential = socket::credential(&request);
    let counted = Counted::new();
    actix_web::rt::spawn(async move {
        let _counted = counted;
        connection.run(handshake, credential).await;
    });
    Ok(upgraded.response)
}

fn hub_of(request: &HttpRequest, domain: &Domain, running: &Running) -> actix_web::Result<Rc<Hub>> {
    let worker = request
        .app_data::<Worker>()
        .ok_or_else(|| actix_web::error::ErrorInternalServerError("the worker has no place for its hub"))?;
    Ok(worker.0.get_or_init(|| Hub::start(domain, running.shutdown.clone())).clone())
}
