//! The notification endpoints: passed on to a live notification-server, which checks the caller itself.

use actix_web::{
    HttpRequest, HttpResponse, get, post, put,
    web::{Bytes, Data},
};
use domain::notifications::{NotificationPage, NotifyRequest, NotifyState, Preferences};
use serde::Serialize;
use shared::{NotificationId, Problem};
use store::Service;
use utoipa::ToSchema;
use web::ApiResult;

use crate::gateway::Gateway;

/// What `POST /notify` answers.
#[derive(Serialize, ToSchema)]
struct Queued {
    id: NotificationId,
    /// `queued`: stored.
    status: String,
}

/// What `GET /notify/{id}` answers.
#[derive(Serialize, ToSchema)]
struct NotifyStates {
    id: NotificationId,
    recipients: Vec<NotifyState>,
}

/// How many were unread.
#[derive(Serialize, ToSchema)]
struct ReadAll {
    read: u64,
}

/// Queues a notification; with a service API key or a token of scope `notify`.
#[utoipa::path(tag = "notifications", security(("bearer" = [])), request_body = NotifyRequest, responses(
    (status = 202, body = Queued),
    (status = 400, body = Problem, description = "INVALID_MESSAGE"),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 403, body = Problem, description = "FORBIDDEN: the token lacks the scope"),
    (status = 404, body = Problem, description = "USER_NOT_FOUND"),
    (status = 503, body = Problem, description = "UNAVAILABLE"),
))]
#[post("/notify")]
pub(super) async fn notify(gateway: Data<Gateway>, request: HttpRequest, body: Bytes) -> ApiResult<HttpResponse> {
    gateway.forward_keyed(Service::Notification, &request, body).await
}

/// How a notification stands, for each recipient and channel.
#[utoipa::path(tag = "notifications", security(("bearer" = [])), params(("id" = String, Path)), responses(
    (status = 200, body = NotifyStates),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 403, body = Problem, description = "FORBIDDEN: the token lacks the scope"),
    (status = 404, body = Problem, description = "NOT_FOUND"),
    (status = 503, body = Problem, description = "UNAVAILABLE"),
))]
#[get("/notify/{id}")]
pub(super) async fn notify_state(gateway: Data<Gateway>, request: HttpRequest) -> ApiResult<HttpResponse> {
    gateway.forward(Service::Notification, &request, Bytes::new()).await
}

/// The caller's inbox, newest first.
#[utoipa::path(tag = "notifications", security(("bearer" = [])),
    params(("cursor" = Option<String>, Query), ("limit" = Option<u32>, Query, description = "1 to 100, default 50")),
    responses(
        (status = 200, body = NotificationPage),
        (status = 400, body = Problem, description = "INVALID_MESSAGE"),
        (status = 401, body = Problem, description = "UNAUTHORIZED"),
        (status = 503, body = Problem, description = "UNAVAILABLE"),
    ))]
#[get("/api/notifications")]
pub(super) async fn inbox(gateway: Data<Gateway>, request: HttpRequest) -> ApiResult<HttpResponse> {
    gateway.forward(Service::Notification, &request, Bytes::new()).await
}

/// Marks one notification read.
#[utoipa::path(operation_id = "mark_notification_read", tag = "notifications", security(("bearer" = [])), params(("id" = String, Path)), responses(
    (status = 204),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 404, body = Problem, description = "NOT_FOUND"),
    (status = 503, body = Problem, description = "UNAVAILABLE"),
))]
#[put("/api/notifications/{id}/read")]
pub(super) async fn mark_read(gateway: Data<Gateway>, request: HttpRequest) -> ApiResult<HttpResponse> {
    gateway.forward(Service::Notification, &request, Bytes::new()).await
}

/// Marks all notifications read.
#[utoipa::path(tag = "notifications", security(("bearer" = [])), responses(
    (status = 200, body = ReadAll),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 503, body = Problem, description = "UNAVAILABLE"),
))]
#[put("/api/notifications/read-all")]
pub(super) async fn mark_all_read(gateway: Data<Gateway>, request: HttpRequest) -> ApiResult<HttpResponse> {
    gateway.forward(Service::Notification, &request, Bytes::new()).await
}

/// What the caller wants to be told of, how, and when.
#[utoipa::path(operation_id = "notification_settings", tag = "notifications", security(("bearer" = [])), responses(
    (status = 200, body = Preferences),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 503, body = Problem, description = "UNAVAILABLE"),
))]
#[get("/api/notifications/settings")]
pub(super) async fn settings(gateway: Data<Gateway>, request: HttpRequest) -> ApiResult<HttpResponse> {
    gateway.forward(Service::Notification, &request, Bytes::new()).await
}

/// Replaces all of it; what is not named is as it is by default.
#[utoipa::path(operation_id = "set_notification_settings", tag = "notifications", security(("bearer" = [])), request_body = Preferences, responses(
    (status = 200, body = Preferences),
    (status = 400, body = Problem, description = "INVALID_MESSAGE"),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 503, body = Problem, description = "UNAVAILABLE"),
))]
#[put("/api/notifications/settings")]
pub(super) async fn set_settings(gateway: Data<Gateway>, request: HttpRequest, body: Bytes) -> ApiResult<HttpResponse> {
    gateway.forward(Service::Notification, &request, body).await
}

/// Where the links in e-mails lead: a page with a button. It changes nothing.
#[utoipa::path(operation_id = "ask_unsubscribe", tag = "notifications", params(("token" = String, Query)), responses(
    (status = 200, content_type = "text/html", body = String),
    (status = 400, body = Problem, description = "INVALID_MESSAGE: the link is not valid"),
    (status = 429, body = Problem, description = "RATE_LIMIT_EXCEEDED"),
    (status = 503, body = Problem, description = "UNAVAILABLE"),
))]
#[get("/api/notifications/unsubscribe")]
pub(super) async fn ask_unsubscribe(gateway: Data<Gateway>, request: HttpRequest) -> ApiResult<HttpResponse> {
    gateway.forward(Service::Notification, &request, Bytes::new()).await
}

/// Switches e-mail off for whom the link was sent to, with one click in a mail program (RFC 8058), or the page's button.
#[utoipa::path(operation_id = "unsubscribe_email", tag = "notifications", params(("token" = String, Query)), responses(
    (status = 200, content_type = "text/html", body = String),
    (status = 400, body = Problem, description = "INVALID_MESSAGE: the link is not valid"),
    (status = 429, body = Problem, description = "RATE_LIMIT_EXCEEDED"),
    (status = 503, body = Problem, description = "UNAVAILABLE"),
))]
#[post("/api/notifications/unsubscribe")]
pub(super) async fn unsubscribe(gateway: Data<Gateway>, request: HttpRequest) -> ApiResult<HttpResponse> {
    gateway.forward(Service::Notification, &request, Bytes::new()).await
}
