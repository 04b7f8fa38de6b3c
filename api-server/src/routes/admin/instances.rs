//! Running instances, as administrators see them: listed, measured, asked to stop. And what became of a message.

use actix_web::{
    HttpResponse, get, post,
    web::{Data, Json, Path, Query},
};
use domain::admin::{Explained, InstanceLine, Stats};
use serde::{Deserialize, Serialize};
use shared::{InstanceId, Problem};
use utoipa::{IntoParams, ToSchema};
use web::ApiResult;

use super::Administrator;
use crate::{directory::Directory, gateway::Gateway};

#[derive(Serialize, ToSchema)]
struct Instances {
    items: Vec<RunningInstance>,
}

#[derive(Serialize, ToSchema)]
struct RunningInstance {
    #[serde(flatten)]
    line: InstanceLine,
    /// It has answered this api-server at its address.
    reachable: bool,
}

/// Users, running instances, the outbox, and what the store warns of.
#[utoipa::path(tag = "administration", security(("bearer" = [])), responses(
    (status = 200, body = Stats),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 403, body = Problem, description = "FORBIDDEN: no administrator"),
))]
#[get("/api/admin/stats")]
pub(super) async fn deployment_stats(admin: Administrator) -> ApiResult<Json<Stats>> {
    Ok(Json(admin.0.stats().await?))
}

/// The registered instances of all services; those of one process have one id.
#[utoipa::path(tag = "administration", security(("bearer" = [])), responses(
    (status = 200, body = Instances),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 403, body = Problem, description = "FORBIDDEN: no administrator"),
))]
#[get("/api/admin/instances")]
pub(super) async fn instances(admin: Administrator, directory: Data<Directory>) -> ApiResult<Json<Instances>> {
    let reachable = |line: &InstanceLine| directory.is_known(line.service, line.id);
    let lines = admin.0.instances().await?.into_iter();
    Ok(Json(Instances { items: lines.map(|line| RunningInstance { reachable: reachable(&line), line }).collect() }))
}

/// Has a process stop as SIGTERM does: out of the registry, its sockets sent to the other instances, exit status 0, so that
/// whatever keeps it running starts it anew. It looks every 2 s.
#[utoipa::path(tag = "administration", security(("bearer" = [])), params(("id" = InstanceId, Path)), responses(
    (status = 202, description = "It is asked"),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 403, body = Problem, description = "FORBIDDEN: no administrator"),
    (status = 404, body = Problem, description = "NOT_FOUND: no such instance"),
    (status = 409, body = Problem, description = "LAST_INSTANCE: of one of its services nobody else would serve"),
))]
#[post("/api/admin/instances/{id}/drain")]
pub(super) async fn drain_instance(admin: Administrator, id: Path<InstanceId>) -> ApiResult<HttpResponse> {
    admin.0.drain(*id).await?;
    Ok(HttpResponse::Accepted().finish())
}

/// What the process counts, in Prometheus' text format.
#[utoipa::path(tag = "administration", security(("bearer" = [])), params(("id" = InstanceId, Path)), responses(
    (status = 200, body = String, content_type = "text/plain"),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 403, body = Problem, description = "FORBIDDEN: no administrator"),
    (status = 404, body = Problem, description = "NOT_FOUND: no such instance"),
    (status = 503, body = Problem, description = "UNAVAILABLE: it is not reached from here"),
))]
#[get("/api/admin/instances/{id}/metrics")]
pub(super) async fn instance_metrics(
    _: Administrator,
    gateway: Data<Gateway>,
    id: Path<InstanceId>,
) -> ApiResult<HttpResponse> {
    gateway.metrics_of(*id).await
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Explaining {
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// What became of a message, or of a notification, for each recipient and each place, with every reason; 100 at a time.
#[utoipa::path(tag = "administration", security(("bearer" = [])), params(("id" = String, Path), Explaining), responses(
    (status = 200, body = Explained),
    (status = 400, body = Problem, description = "INVALID_MESSAGE"),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 403, body = Problem, description = "FORBIDDEN: no administrator"),
    (status = 404, body = Problem, description = "MESSAGE_NOT_FOUND; NOT_FOUND: no notification, or not known any more"),
))]
#[get("/api/admin/explain/{id}")]
pub(super) async fn explain(
    admin: Administrator,
    id: Path<String>,
    page: Query<Explaining>,
) -> ApiResult<Json<Explained>> {
    Ok(Json(admin.0.explain(&id, page.cursor.as_deref()).await?))
}
