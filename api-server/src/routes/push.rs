//! The push endpoints: passed on to a live notification-server, which checks the caller itself.

use actix_web::{
    HttpRequest, HttpResponse, delete, get, post,
    web::{Bytes, Data},
};
use domain::notifications::{Subscribe, Subscription, SubscriptionList, Unsubscribe};
use serde::Serialize;
use shared::Problem;
use store::Service;
use utoipa::ToSchema;
use web::ApiResult;

use crate::gateway::Gateway;

/// What `GET /api/push/vapid-key` answers.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct VapidKey {
    public_key: String,
}

/// The key that browsers subscribe with (RFC 8292), base64url.
#[utoipa::path(tag = "push", responses(
    (status = 200, body = VapidKey),
    (status = 404, body = Problem, description = "NOT_FOUND: Web Push is not configured"),
    (status = 503, body = Problem, description = "UNAVAILABLE"),
))]
#[get("/api/push/vapid-key")]
pub(super) async fn vapid_key(gateway: Data<Gateway>, request: HttpRequest) -> ApiResult<HttpResponse> {
    gateway.forward(Service::Notification, &request, Bytes::new()).await
}

/// From now on the caller's notifications go there too, until their login ends.
#[utoipa::path(tag = "push", security(("bearer" = [])), request_body = Subscribe, responses(
    (status = 201, body = Subscription),
    (status = 400, body = Problem, description = "INVALID_MESSAGE"),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 403, body = Problem, description = "FORBIDDEN: this kind is not configured"),
    (status = 503, body = Problem, description = "UNAVAILABLE"),
))]
#[post("/api/push/subscriptions")]
pub(super) async fn subscribe(gateway: Data<Gateway>, request: HttpRequest, body: Bytes) -> ApiResult<HttpResponse> {
    gateway.forward(Service::Notification, &request, body).await
}

/// Where the caller's notifications go.
#[utoipa::path(tag = "push", security(("bearer" = [])), responses(
    (status = 200, body = SubscriptionList),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 503, body = Problem, description = "UNAVAILABLE"),
))]
#[get("/api/push/subscriptions")]
pub(super) async fn subscriptions(gateway: Data<Gateway>, request: HttpRequest) -> ApiResult<HttpResponse> {
    gateway.forward(Service::Notification, &request, Bytes::new()).await
}

/// Ends one; one that is not there (any more) is fine.
#[utoipa::path(tag = "push", security(("bearer" = [])), request_body = Unsubscribe, responses(
    (status = 204),
    (status = 400, body = Problem, description = "INVALID_MESSAGE"),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 503, body = Problem, description = "UNAVAILABLE"),
))]
#[delete("/api/push/subscriptions")]
pub(super) async fn unsubscribe(gateway: Data<Gateway>, request: HttpRequest, body: Bytes) -> ApiResult<HttpResponse> {
    gateway.forward(Service::Notification, &request, body).await
}
