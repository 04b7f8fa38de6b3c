//! What the routes of both socket services do alike: let a page in or not, upgrade, know the caller, tell of errors.

use std::{cell::OnceCell, rc::Rc, sync::Arc, time::Duration};

use actix_web::{HttpRequest, error::InternalError, web::Payload};
use domain::{Domain, DomainError, Result, Viewer};
use shared::{
    ErrorCode, Problem,
    protocol::{BadFrame, ServerFrame},
};
use socket::{CloseCode, Credential, Limits, QueueLimits, Upgraded};

use crate::{drain::Drain, error::problem_response, server::Running};

/// What a worker's sockets share; made by the first, because it needs the worker's runtime. Goes into `app_data`.
pub struct Worker<T>(Rc<OnceCell<Rc<T>>>);

impl<T> Default for Worker<T> {
    fn default() -> Self {
        Self(Rc::default())
    }
}

impl<T> Clone for Worker<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: 'static> Worker<T> {
    /// This worker's, made by `start` if there is none yet.
    pub fn of(
        request: &HttpRequest,
        running: &Running,
        start: impl FnOnce(Arc<Drain>) -> Rc<T>,
    ) -> actix_web::Result<Rc<T>> {
        let worker = request
            .app_data::<Self>()
            .ok_or_else(|| actix_web::error::ErrorInternalServerError("the worker has no place for its hub"))?;
        Ok(worker.0.get_or_init(|| start(running.drain.clone())).clone())
    }
}

/// Checks the page's origin and performs the handshake; an error carries the answer that refuses.
pub fn open(request: &HttpRequest, payload: Payload, domain: &Domain) -> actix_web::Result<(Upgraded, Limits)> {
    let settings = &domain.settings;
    if !socket::origin_allowed(request, &settings.http.allowed_origins) {
        return Err(refuse(ErrorCode::Forbidden, "this origin may not connect"));
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
    let Ok(upgraded) = socket::upgrade(request, payload, limits.frame_bytes, queue) else {
        let text = "this is a WebSocket endpoint: send the opening handshake of RFC 6455";
        return Err(refuse(ErrorCode::InvalidMessage, text));
    };
    Ok((upgraded, times))
}

fn refuse(code: ErrorCode, text: &'static str) -> actix_web::Error {
    InternalError::from_response(text, problem_response(Problem::new(code, text))).into()
}

/// The caller a credential names.
pub async fn authenticate(domain: &Domain, credential: &Credential) -> Result<Viewer> {
    match credential {
        Credential::Token(token) => domain.identity.authenticate(token).await,
        Credential::Ticket(_) => Err(DomainError::Unauthorized("the ticket is not valid")),
    }
}

/// How a socket ends whose user could not be attached.
pub fn refusal(e: &DomainError) -> CloseCode {
    match e.code() {
        ErrorCode::Unauthorized => CloseCode::Unauthorized,
        ErrorCode::Unavailable => CloseCode::Restart,
        _ => CloseCode::InternalError,
    }
}

/// What a client is told of a refusal; the cause goes to the log.
pub fn error_frame(e: &DomainError) -> ServerFrame {
    e.log();
    ServerFrame::Error {
        code: e.code(),
        message: e.to_string(),
        details: e.details().to_vec(),
        retry_after_ms: e.retry_after().map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
    }
}

/// What a client is told of a frame that could not be understood.
pub fn bad_frame(bad: BadFrame) -> ServerFrame {
    let BadFrame { message, details, .. } = bad;
    ServerFrame::Error { code: ErrorCode::InvalidMessage, message, details, retry_after_ms: None }
}

/// What a client is told of a binary frame.
pub fn no_binary() -> ServerFrame {
    let message = "send text frames: there are no binary ones".into();
    ServerFrame::Error { code: ErrorCode::InvalidMessage, message, details: Vec::new(), retry_after_ms: None }
}
