//! Other people: search, profiles, presence.

use actix_web::{
    get,
    middleware::from_fn,
    web::{Data, Json, Path, Query},
};
use domain::{Domain, DomainError, accounts::UserPage};
use serde::{Deserialize, Serialize};
use shared::{
    Problem, UserId,
    protocol::{User, UserPresence},
};
use utoipa::{IntoParams, ToSchema};
use web::{ApiResult, Caller, error::with_success};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Search {
    /// The beginning of a username, in any case.
    query: String,
    /// 1 to 100, default 20.
    limit: Option<usize>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// Accounts by the beginning of their username.
#[utoipa::path(tag = "people", security(("bearer" = [])), params(Search), responses(
    (status = 200, body = UserPage),
    (status = 400, body = Problem, description = "INVALID_MESSAGE"),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 403, body = Problem, description = "FORBIDDEN: guests may not search"),
))]
#[get("/api/users")]
pub(super) async fn search(domain: Data<Domain>, caller: Caller, search: Query<Search>) -> ApiResult<Json<UserPage>> {
    let Search { query, limit, cursor } = search.into_inner();
    Ok(Json(domain.accounts.search(&caller.0, &query, cursor.as_deref(), limit).await?))
}

/// A user as the caller may see them.
#[utoipa::path(tag = "people", security(("bearer" = [])), params(("id" = String, Path)), responses(
    (status = 200, body = User),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 404, body = Problem, description = "USER_NOT_FOUND"),
))]
#[get("/api/users/{id}")]
pub(super) async fn get_user(domain: Data<Domain>, caller: Caller, id: Path<String>) -> ApiResult<Json<User>> {
    Ok(Json(domain.accounts.user(&caller.0, parse_user(&id)?).await?))
}

/// A user's presence; `success` and `data` repeat it for clients of the messaging dialect.
#[derive(Serialize, ToSchema)]
struct UserStatus {
    #[serde(flatten)]
    presence: UserPresence,
    success: bool,
    data: UserPresence,
}

/// Is a user there? Who may not watch them sees `offline`.
#[utoipa::path(tag = "people", security(("bearer" = [])), params(("id" = String, Path)), responses(
    (status = 200, body = UserStatus),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 404, body = Problem, description = "USER_NOT_FOUND"),
))]
#[get("/api/users/{id}/status", wrap = "from_fn(with_success)")]
pub(super) async fn status(domain: Data<Domain>, caller: Caller, id: Path<String>) -> ApiResult<Json<UserStatus>> {
    let id = parse_user(&id)?;
    domain.names.require(id).await?;
    let presence = domain.presence.seen_by(&caller.0, &[id]).await?.pop().ok_or(DomainError::UserNotFound)?;
    Ok(Json(UserStatus { data: presence.clone(), success: true, presence }))
}

/// What is not an id names nobody.
pub(super) fn parse_user(id: &str) -> Result<UserId, DomainError> {
    id.parse().map_err(|_| DomainError::UserNotFound)
}
