//! The presence endpoints: passed on to a live presence-server, which checks the caller itself.

use actix_web::{
    HttpRequest, HttpResponse, get, put,
    web::{Bytes, Data},
};
use domain::presence::{OwnPresence, SeenUsers};
use shared::{Problem, protocol::command::SetStatus};
use store::Service;
use web::ApiResult;

use crate::gateway::Gateway;

/// How users stand now. Who may not be watched looks offline, as the unknown do.
#[utoipa::path(tag = "presence", security(("bearer" = [])),
    params(("userIds" = Option<String>, Query, description = "comma-separated; default: the caller's contacts")),
    responses(
        (status = 200, body = SeenUsers),
        (status = 400, body = Problem, description = "INVALID_MESSAGE: not ids, or too many"),
        (status = 401, body = Problem, description = "UNAUTHORIZED"),
        (status = 503, body = Problem, description = "UNAVAILABLE"),
    ))]
#[get("/api/presence")]
pub(super) async fn seen(gateway: Data<Gateway>, request: HttpRequest) -> ApiResult<HttpResponse> {
    gateway.forward(Service::Presence, &request, Bytes::new()).await
}

/// What the caller chose to show, and what others see of it.
#[utoipa::path(operation_id = "own_presence", tag = "presence", security(("bearer" = [])), responses(
    (status = 200, body = OwnPresence),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 503, body = Problem, description = "UNAVAILABLE"),
))]
#[get("/api/presence/me")]
pub(super) async fn mine(gateway: Data<Gateway>, request: HttpRequest) -> ApiResult<HttpResponse> {
    gateway.forward(Service::Presence, &request, Bytes::new()).await
}

/// Sets what the caller shows while connected, on all devices.
#[utoipa::path(operation_id = "set_own_presence", tag = "presence", security(("bearer" = [])), request_body = SetStatus,
    responses(
        (status = 200, body = OwnPresence),
        (status = 400, body = Problem, description = "INVALID_MESSAGE"),
        (status = 401, body = Problem, description = "UNAUTHORIZED"),
        (status = 503, body = Problem, description = "UNAVAILABLE"),
    ))]
#[put("/api/presence/me")]
pub(super) async fn set_mine(gateway: Data<Gateway>, request: HttpRequest, body: Bytes) -> ApiResult<HttpResponse> {
    gateway.forward(Service::Presence, &request, body).await
}
