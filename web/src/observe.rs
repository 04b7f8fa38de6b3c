//! `/health`, `/ready`, `/metrics` and the log span of a request; the same on every service.

use std::{sync::OnceLock, time::Duration};

use actix_web::{
    Error, HttpMessage, HttpRequest, HttpResponse,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    get,
    http::header::HeaderMap,
    web::Data,
};
use domain::Domain;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde::Serialize;
use shared::{ErrorCode, InstanceId, Problem, Timestamp};
use tokio::time::timeout;
use tracing::Span;
use tracing_actix_web::{RequestId, RootSpanBuilder};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    error::{ApiResult, REQUEST_ID, problem_response},
    histogram,
    server::Running,
};

/// How long `/health` waits for the count of users.
const COUNTING: Duration = Duration::from_millis(300);

/// The process's recorder; services that share a process share it.
fn recorder() -> &'static PrometheusHandle {
    static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
    RECORDER.get_or_init(|| {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        // Another recorder can only have been set by an embedding program: then ours shows nothing, and theirs all.
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::warn!("another metrics recorder is in place; /metrics stays empty");
        }
        handle
    })
}

/// Call once before the first metric is counted.
pub fn install_metrics() {
    recorder();
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Health {
    /// `healthy`: the process serves.
    status: &'static str,
    timestamp: Timestamp,
    /// Which process answers, as the registry names it.
    instance: InstanceId,
    #[serde(skip_serializing_if = "Option::is_none")]
    active_connections: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_users: Option<u64>,
}

/// Does the process live? Tells the count of users too where the store answers at once; a store that hangs must not
/// make a probe take the process for dead.
#[utoipa::path(tag = "operations", responses((status = 200, body = Health)))]
#[get("/health")]
pub async fn health(domain: Data<Domain>, running: Data<Running>) -> HttpResponse {
    let total_users = match running.service {
        store::Service::Api => timeout(COUNTING, domain.accounts.count()).await.ok().and_then(Result::ok),
        _ => None,
    };
    let active_connections = running.connections();
    let (status, timestamp, instance) = ("healthy", Timestamp::now(), domain.instance);
    HttpResponse::Ok().json(Health { status, timestamp, instance, active_connections, total_users })
}

#[derive(Serialize, ToSchema)]
struct Ready {
    status: &'static str,
    /// What an operator should look at, each one sentence.
    warnings: Vec<String>,
}

/// Can it serve now? 503 while the store is away or the service is stopping.
#[utoipa::path(tag = "operations", responses((status = 200, body = Ready), (status = 503, body = Problem)))]
#[get("/ready")]
pub async fn ready(domain: Data<Domain>, running: Data<Running>) -> ApiResult<HttpResponse> {
    if running.shutdown.is_cancelled() {
        return Ok(problem_response(Problem::new(ErrorCode::Unavailable, "the service is stopping")));
    }
    let found = domain.store.health.check().await?;
    let warnings = found.iter().map(ToString::to_string).collect();
    Ok(HttpResponse::Ok().json(Ready { status: "ready", warnings }))
}

/// Everything counted by this process, in Prometheus' text format.
#[utoipa::path(tag = "operations", responses((status = 200, body = String, content_type = "text/plain")))]
#[get("/metrics")]
pub async fn metrics_text() -> HttpResponse {
    let mut text = recorder().render();
    histogram::render(&mut text);
    HttpResponse::Ok().content_type("text/plain; version=0.0.4").body(text)
}

/// Counts a refusal, of REST or of a frame.
pub(crate) fn count_error(code: ErrorCode) {
    metrics::counter!("chatapp_errors_total", "code" => code.as_str()).increment(1);
}

/// What names the request in answers and logs: the id whoever passed it on gave it, where that is a UUID, so that it
/// has one name on all services; else one made for it.
pub fn request_id(request: &HttpRequest) -> Option<String> {
    match given_id(request.headers()) {
        Some(id) => Some(id.to_string()),
        None => request.extensions().get::<RequestId>().map(ToString::to_string),
    }
}

/// The id whoever passed the request on gave it.
pub(crate) fn given_id(headers: &HeaderMap) -> Option<Uuid> {
    headers.get(&REQUEST_ID)?.to_str().ok()?.parse().ok()
}

/// What of a path may be logged: a code that lets somebody in is none of it.
fn shown(path: &str) -> &str {
    const INVITES: &str = "/api/invites/";
    if path.starts_with(INVITES) { INVITES } else { path }
}

/// A span with method, path and request id. Never the query: it may hold a token.
pub struct PathSpan;

impl RootSpanBuilder for PathSpan {
    fn on_request_start(request: &ServiceRequest) -> Span {
        let id = request_id(request.request());
        tracing::info_span!("request", method = %request.method(), path = shown(request.path()), id)
    }

    fn on_request_end<B: MessageBody>(span: Span, outcome: &Result<ServiceResponse<B>, Error>) {
        let _entered = span.enter();
        match outcome {
            Ok(response) => tracing::debug!(status = response.status().as_u16(), "answered"),
            Err(e) => tracing::debug!("failed: {e}"),
        }
    }
}
