//! The caller's logins.

use actix_web::{
    HttpResponse, delete, get,
    web::{Data, Json, Path},
};
use domain::{Domain, accounts::SessionList};
use shared::{Problem, SessionId};
use web::{ApiResult, Caller};

/// All of the caller's logins, the oldest first; `current` marks the one that asks.
#[utoipa::path(tag = "accounts", security(("bearer" = [])), responses(
    (status = 200, body = SessionList),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
))]
#[get("/api/sessions")]
pub(super) async fn sessions(domain: Data<Domain>, caller: Caller) -> ApiResult<Json<SessionList>> {
    Ok(Json(domain.accounts.sessions(&caller.0).await?))
}

/// Ends one of the caller's logins: within a second its tokens are refused and its sockets closed, everywhere.
#[utoipa::path(tag = "accounts", security(("bearer" = [])), params(("id" = SessionId, Path)), responses(
    (status = 204),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 404, body = Problem, description = "NOT_FOUND: the caller has no such session"),
))]
#[delete("/api/sessions/{id}")]
pub(super) async fn revoke(domain: Data<Domain>, caller: Caller, id: Path<SessionId>) -> ApiResult<HttpResponse> {
    domain.accounts.revoke(&caller.0, id.into_inner()).await?;
    Ok(HttpResponse::NoContent().finish())
}
