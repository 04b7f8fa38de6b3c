//! The caller's own inbox.

use actix_web::{
    HttpResponse, get, put,
    web::{Data, Json, Path, Query},
};
use domain::{
    Domain,
    notifications::{NotificationPage, Preferences},
};
use serde::{Deserialize, Serialize};
use shared::{NotificationId, Problem};
use utoipa::{IntoParams, ToSchema};
use web::{ApiResult, Caller};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct InboxQuery {
    /// `nextCursor` of the page before.
    cursor: Option<String>,
    /// 1 to 100, default 50.
    limit: Option<usize>,
}

#[derive(Serialize, ToSchema)]
struct Read {
    /// How many were unread.
    read: u64,
}

/// A page of the caller's notifications, newest first.
#[utoipa::path(tag = "inbox", security(("bearer" = [])), params(InboxQuery), responses(
    (status = 200, body = NotificationPage), (status = 400, body = Problem), (status = 401, body = Problem),
))]
#[get("/api/notifications")]
pub async fn list(caller: Caller, domain: Data<Domain>, query: Query<InboxQuery>) -> ApiResult<HttpResponse> {
    let page = domain.notifications.inbox(&caller.0, query.cursor.as_deref(), query.limit).await?;
    Ok(HttpResponse::Ok().json(page))
}

/// Marks one as read; reading it twice keeps the first time.
#[utoipa::path(tag = "inbox", security(("bearer" = [])), params(("id" = String, Path)), responses(
    (status = 204), (status = 401, body = Problem), (status = 404, body = Problem),
))]
#[put("/api/notifications/{id}/read")]
pub async fn mark_read(caller: Caller, domain: Data<Domain>, id: Path<NotificationId>) -> ApiResult<HttpResponse> {
    domain.notifications.mark_read(&caller.0, id.into_inner()).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Marks all of them as read.
#[utoipa::path(tag = "inbox", security(("bearer" = [])), responses(
    (status = 200, body = Read), (status = 401, body = Problem),
))]
#[put("/api/notifications/read-all")]
pub async fn mark_all_read(caller: Caller, domain: Data<Domain>) -> ApiResult<HttpResponse> {
    let read = domain.notifications.mark_all_read(&caller.0).await?;
    Ok(HttpResponse::Ok().json(Read { read }))
}

/// What the caller wants to be told of, how, and when.
#[utoipa::path(tag = "inbox", security(("bearer" = [])), responses(
    (status = 200, body = Preferences), (status = 401, body = Problem),
))]
#[get("/api/notifications/settings")]
pub async fn settings(caller: Caller, domain: Data<Domain>) -> ApiResult<HttpResponse> {
    Ok(HttpResponse::Ok().json(domain.notifications.preferences(&caller.0).await?))
}

/// Replaces all of it; what is not named is as it is by default.
#[utoipa::path(tag = "inbox", security(("bearer" = [])), responses(
    (status = 200, body = Preferences), (status = 400, body = Problem), (status = 401, body = Problem),
))]
#[put("/api/notifications/settings")]
pub async fn set_settings(caller: Caller, domain: Data<Domain>, input: Json<Preferences>) -> ApiResult<HttpResponse> {
    Ok(HttpResponse::Ok().json(domain.notifications.set_preferences(&caller.0, &input).await?))
}
