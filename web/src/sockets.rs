//! What both socket services do alike: let a page in or not, upgrade, know the caller, tell of errors.

use std::{rc::Rc, sync::Arc, time::Duration};

use actix_http::{ResponseBuilder, header};
use domain::{Domain, DomainError, Result, Viewer, accounts::Source};
use futures_util::future::{FutureExt, LocalBoxFuture};
use shared::{
    ErrorCode, Problem, Settings,
    protocol::{BadFrame, ServerFrame},
};
use socket::{CloseCode, Credential, Inbound, Limits, Outbound, QueueLimits, Serve, Upgrade};

use crate::{
    Drain, address,
    error::{PROBLEM_JSON, REQUEST_ID, status},
    extract::source,
    observe::given_id,
};

const NO_HANDSHAKE: &str = "this is a WebSocket endpoint: send the opening handshake of RFC 6455";

/// A socket that has been let in.
pub struct Opened {
    pub outbound: Outbound,
    pub inbound: Inbound,
    pub limits: Limits,
    pub credential: Option<Credential>,
    /// Of the request.
    pub query: String,
    pub from: Source,
}

/// The sockets of one path.
pub struct Route {
    path: &'static str,
    serve: Box<dyn Fn(Opened) -> LocalBoxFuture<'static, ()>>,
}

/// The sockets of `path`, each to its end with `serve`.
pub fn at<F: Future<Output = ()> + 'static>(path: &'static str, serve: impl Fn(Opened) -> F + 'static) -> Route {
    Route { path, serve: Box::new(move |opened| serve(opened).boxed_local()) }
}

/// Serves the sockets of these paths, after checking the page's origin and performing the handshake; all others are
/// refused.
pub fn serve(domain: &Domain, routes: impl Into<Vec<Route>>) -> Serve {
    let (settings, routes) = (domain.settings.clone(), routes.into());
    Rc::new(move |upgrade| {
        let path = upgrade.head().uri.path();
        let Some(route) = routes.iter().find(|route| route.path == path) else {
            return refuse(upgrade, Problem::new(ErrorCode::NotFound, "there is no such socket")).boxed_local();
        };
        match open(upgrade, &settings) {
            Ok(opened) => (route.serve)(opened),
            Err((upgrade, code, text)) => refuse(*upgrade, Problem::new(code, text)).boxed_local(),
        }
    })
}

/// For services that have no sockets.
pub fn none(domain: &Domain, _: &Arc<Drain>) -> Serve {
    serve(domain, [])
}

fn open(upgrade: Upgrade, settings: &Settings) -> std::result::Result<Opened, (Box<Upgrade>, ErrorCode, &'static str)> {
    let head = upgrade.head();
    if !socket::origin_allowed(head, &settings.http.allowed_origins) {
        return Err((Box::new(upgrade), ErrorCode::Forbidden, "this origin may not connect"));
    }
    let (credential, query) = (socket::credential(head), head.uri.query().unwrap_or_default().to_owned());
    let from = source(head, address::caller(head, &settings.http.trusted_proxies));
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
    match upgrade.accept(limits.frame_bytes, queue) {
        Ok((outbound, inbound)) => Ok(Opened { outbound, inbound, limits: times, credential, query, from }),
        Err(upgrade) => Err((upgrade, ErrorCode::InvalidMessage, NO_HANDSHAKE)),
    }
}

/// The answer to a request that should have been a WebSocket's.
pub fn no_handshake() -> Problem {
    Problem::new(ErrorCode::InvalidMessage, NO_HANDSHAKE)
}

async fn refuse(upgrade: Upgrade, problem: Problem) {
    let id = given_id(upgrade.head().headers()).unwrap_or_else(uuid::Uuid::new_v4).to_string();
    let problem = Problem { request_id: Some(id.clone()), ..problem };
    let mut answer = ResponseBuilder::new(status(problem.code));
    answer.insert_header((header::CONTENT_TYPE, PROBLEM_JSON)).insert_header((REQUEST_ID, id));
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    upgrade.refuse(answer.finish().drop_body(), body).await;
}

/// The caller a credential names; that their login stands is asked for when the socket is set up.
pub async fn authenticate(domain: &Domain, credential: &Credential) -> Result<Viewer> {
    match credential {
        Credential::Token(token) => domain.identity.identify(token).await,
        Credential::Ticket(ticket) => domain.identity.redeem(ticket).await,
    }
}

/// How a socket ends whose user could not be attached.
pub fn refusal(e: &DomainError) -> CloseCode {
    match e.code() {
        ErrorCode::Unauthorized if matches!(e, DomainError::AccountClosed) => CloseCode::AccountClosed,
        ErrorCode::Unauthorized => CloseCode::Unauthorized,
        ErrorCode::Forbidden | ErrorCode::RoomFull => CloseCode::Policy,
        ErrorCode::Unavailable | ErrorCode::RateLimitExceeded => CloseCode::Restart,
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
