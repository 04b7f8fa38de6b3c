//! The URL table: `/presence`.

use std::{rc::Rc, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse, get,
    web::{Data, Payload},
};
use domain::Domain;
use shared::Problem;
use socket::{Connection, Limits, Pulse, QueueLimits, credential, foreign_origin, origin_allowed, upgrade};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{hub::Hub, server::Counted, session::Handshake};

/// What one worker's sockets share.
pub(crate) struct Worker {
    domain: Domain,
    hub: Rc<Hub>,
    pulse: Rc<Pulse>,
    sockets: TaskTracker,
}

/// Called once in each worker, in its runtime: starts the worker's hub and pulse.
pub(crate) fn configure(cfg: &mut ServiceConfig, domain: &Domain, shutdown: &CancellationToken, sockets: &TaskTracker) {
    let heartbeat = Duration::from_secs(domain.settings.limits.heartbeat_seconds);
    let worker = Worker {
        domain: domain.clone(),
        hub: Hub::start(domain),
        pulse: Pulse::start(heartbeat, shutdown.clone()),
        sockets: sockets.clone(),
    };
    cfg.app_data(Data::new(Rc::new(worker)));
    cfg.service(presence);
}

/// The presence socket (RFC 6455). Frames are JSON texts `{"type", "payload", "requestId?"}`.
#[utoipa::path(tag = "sockets", responses(
    (status = 101, description = "A socket; authenticate by header, subprotocol, `?token=` or a first frame"),
    (status = 400, description = "No WebSocket handshake"),
    (status = 403, body = Problem, description = "FORBIDDEN: the page's origin is not allowed"),
))]
#[get("/presence")]
async fn presence(worker: Data<Rc<Worker>>, request: HttpRequest, payload: Payload) -> actix_web::Result<HttpResponse> {
    let settings = &worker.domain.settings;
    if !origin_allowed(&request, &settings.http.allowed_origins) {
        return Ok(foreign_origin());
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
    let upgraded = upgrade(&request, payload, limits.frame_bytes, queue)?;
    let handshake = Handshake::new(worker.domain.clone(), worker.hub.clone(), upgraded.outbound.clone());
    let connection = Connection::new(upgraded.outbound, upgraded.inbound, times, &worker.pulse);
    let credential = credential(&request);
    let counted = Counted::new();
    let sockets = worker.sockets.clone();
    actix_web::rt::spawn(sockets.track_future(async move {
        let _counted = counted;
        let session_end = handshake.on_end();
        connection.run(handshake, credential).await;
        session_end.run().await;
    }));
    Ok(upgraded.response)
}
