//! The caller's logins, and tickets for their sockets.

use actix_web::{
    HttpResponse, delete, get, post,
    web::{Data, Json, Path},
};
use domain::{
    Domain,
    accounts::{SessionList, WsTicket},
};
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

/// A ticket that opens one socket as the caller, once, within 30 s: `?ticket=` at `/chat` or `/presence`.
#[utoipa::path(tag = "accounts", security(("bearer" = [])), responses(
    (status = 200, body = WsTicket),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 429, body = Problem, description = "RATE_LIMIT_EXCEEDED"),
))]
#[post("/api/ws-ticket")]
pub(super) async fn ws_ticket(domain: Data<Domain>, caller: Caller) -> ApiResult<Json<WsTicket>> {
    Ok(Json(domain.accounts.ws_ticket(&caller.0).await?))
}
