//! Accounts, as administrators see them.

use actix_web::{
    HttpResponse, delete, get, put,
    web::{Json, Path, Query},
};
use domain::admin::{Listed, SessionLine, UserDetails, UserLine};
use serde::Serialize;
use shared::{Problem, SessionId};
use utoipa::ToSchema;
use web::ApiResult;

use super::{Administrator, Search};

#[derive(Serialize, ToSchema)]
struct AccountSessions {
    items: Vec<SessionLine>,
}

#[derive(Serialize, ToSchema)]
struct Ended {
    /// The logins that ended.
    items: Vec<SessionId>,
}

/// Accounts by the beginning of their name, 100 at a time; by a whole address, or an id, the one.
#[utoipa::path(tag = "administration", security(("bearer" = [])), params(Search), responses(
    (status = 200, body = Listed<UserLine>),
    (status = 400, body = Problem, description = "INVALID_MESSAGE"),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 403, body = Problem, description = "FORBIDDEN: no administrator"),
))]
#[get("/api/admin/users")]
pub(super) async fn search_accounts(admin: Administrator, search: Query<Search>) -> ApiResult<Json<Listed<UserLine>>> {
    let Search { query, cursor } = search.into_inner();
    Ok(Json(admin.0.users(query.as_deref().unwrap_or_default(), cursor.as_deref()).await?))
}

/// One account or guest, by id or name.
#[utoipa::path(tag = "administration", security(("bearer" = [])), params(("user" = String, Path)), responses(
    (status = 200, body = UserDetails),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 403, body = Problem, description = "FORBIDDEN: no administrator"),
    (status = 404, body = Problem, description = "USER_NOT_FOUND"),
))]
#[get("/api/admin/users/{user}")]
pub(super) async fn account_details(admin: Administrator, user: Path<String>) -> ApiResult<Json<UserDetails>> {
    Ok(Json(admin.0.user(&user).await?))
}

/// Deletes an account or guest, as they could themselves.
#[utoipa::path(tag = "administration", security(("bearer" = [])), params(("user" = String, Path)), responses(
    (status = 204),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 403, body = Problem, description = "FORBIDDEN: no administrator, or oneself"),
    (status = 404, body = Problem, description = "USER_NOT_FOUND"),
))]
#[delete("/api/admin/users/{user}")]
pub(super) async fn remove_account(admin: Administrator, user: Path<String>) -> ApiResult<HttpResponse> {
    admin.0.delete_user(&user).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Bans an account or guest: all logins end, within a second its tokens are refused, also another product's, and its
/// sockets closed (4503); nobody logs in to it. What it has and has said stays.
#[utoipa::path(tag = "administration", security(("bearer" = [])), params(("user" = String, Path)), responses(
    (status = 204),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 403, body = Problem, description = "FORBIDDEN: no administrator, or oneself"),
    (status = 404, body = Problem, description = "USER_NOT_FOUND"),
))]
#[put("/api/admin/users/{user}/ban")]
pub(super) async fn ban_account(admin: Administrator, user: Path<String>) -> ApiResult<HttpResponse> {
    admin.0.ban(&user).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Lifts a ban: the user logs in again. Twice is once.
#[utoipa::path(tag = "administration", security(("bearer" = [])), params(("user" = String, Path)), responses(
    (status = 204),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 403, body = Problem, description = "FORBIDDEN: no administrator"),
    (status = 404, body = Problem, description = "USER_NOT_FOUND"),
))]
#[delete("/api/admin/users/{user}/ban")]
pub(super) async fn unban_account(admin: Administrator, user: Path<String>) -> ApiResult<HttpResponse> {
    admin.0.unban(&user).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The logins of an account or guest, the oldest first.
#[utoipa::path(tag = "administration", security(("bearer" = [])), params(("user" = String, Path)), responses(
    (status = 200, body = AccountSessions),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 403, body = Problem, description = "FORBIDDEN: no administrator"),
    (status = 404, body = Problem, description = "USER_NOT_FOUND"),
))]
#[get("/api/admin/users/{user}/sessions")]
pub(super) async fn account_sessions(admin: Administrator, user: Path<String>) -> ApiResult<Json<AccountSessions>> {
    Ok(Json(AccountSessions { items: admin.0.sessions(&user).await? }))
}

/// Ends all logins of an account or guest; within a second their tokens are refused and their sockets closed.
#[utoipa::path(tag = "administration", security(("bearer" = [])), params(("user" = String, Path)), responses(
    (status = 200, body = Ended),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 403, body = Problem, description = "FORBIDDEN: no administrator"),
    (status = 404, body = Problem, description = "USER_NOT_FOUND"),
))]
#[delete("/api/admin/users/{user}/sessions")]
pub(super) async fn revoke_all(admin: Administrator, user: Path<String>) -> ApiResult<Json<Ended>> {
    Ok(Json(Ended { items: admin.0.revoke_session(&user, None).await? }))
}

/// Ends one login of an account or guest.
#[utoipa::path(tag = "administration", security(("bearer" = [])),
    params(("user" = String, Path), ("session" = SessionId, Path)), responses(
        (status = 204),
        (status = 401, body = Problem, description = "UNAUTHORIZED"),
        (status = 403, body = Problem, description = "FORBIDDEN: no administrator"),
        (status = 404, body = Problem, description = "USER_NOT_FOUND; NOT_FOUND: the user has no such session"),
    ))]
#[delete("/api/admin/users/{user}/sessions/{session}")]
pub(super) async fn revoke_one(admin: Administrator, path: Path<(String, SessionId)>) -> ApiResult<HttpResponse> {
    let (user, session) = path.into_inner();
    admin.0.revoke_session(&user, Some(session)).await?;
    Ok(HttpResponse::NoContent().finish())
}
