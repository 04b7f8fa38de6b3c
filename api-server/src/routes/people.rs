//! The people a user keeps: contacts, and whom they block.

use actix_web::{
    HttpResponse, delete, get, put,
    web::{Data, Json, Path},
};
use domain::{Domain, accounts::UserPage};
use shared::Problem;
use web::{ApiResult, Caller};

use super::users::parse_user;

/// The caller's contacts.
#[utoipa::path(tag = "people", security(("bearer" = [])), responses(
    (status = 200, body = UserPage),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
))]
#[get("/api/contacts")]
pub(super) async fn contacts(domain: Data<Domain>, caller: Caller) -> ApiResult<Json<UserPage>> {
    Ok(Json(domain.people.contacts(&caller.0).await?))
}

/// Adds a contact: they may watch the caller's presence from now on.
#[utoipa::path(tag = "people", security(("bearer" = [])), params(("userId" = String, Path)), responses(
    (status = 204),
    (status = 400, body = Problem, description = "INVALID_MESSAGE: oneself, or too many"),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 404, body = Problem, description = "USER_NOT_FOUND"),
))]
#[put("/api/contacts/{userId}")]
pub(super) async fn add_contact(domain: Data<Domain>, caller: Caller, id: Path<String>) -> ApiResult<HttpResponse> {
    domain.people.add_contact(&caller.0, parse_user(&id)?).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Removes a contact; removing one that is none is fine.
#[utoipa::path(tag = "people", security(("bearer" = [])), params(("userId" = String, Path)), responses(
    (status = 204),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 404, body = Problem, description = "USER_NOT_FOUND: not an id"),
))]
#[delete("/api/contacts/{userId}")]
pub(super) async fn remove_contact(domain: Data<Domain>, caller: Caller, id: Path<String>) -> ApiResult<HttpResponse> {
    domain.people.remove_contact(&caller.0, parse_user(&id)?).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Whom the caller blocks, in order of id.
#[utoipa::path(tag = "people", security(("bearer" = [])), responses(
    (status = 200, body = UserPage),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
))]
#[get("/api/blocks")]
pub(super) async fn blocks(domain: Data<Domain>, caller: Caller) -> ApiResult<Json<UserPage>> {
    Ok(Json(domain.people.blocks(&caller.0).await?))
}

/// Blocks a user; blocking one twice is once.
#[utoipa::path(tag = "people", security(("bearer" = [])), params(("userId" = String, Path)), responses(
    (status = 204),
    (status = 400, body = Problem, description = "INVALID_MESSAGE: oneself, or too many"),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 404, body = Problem, description = "USER_NOT_FOUND"),
))]
#[put("/api/blocks/{userId}")]
pub(super) async fn block(domain: Data<Domain>, caller: Caller, id: Path<String>) -> ApiResult<HttpResponse> {
    domain.people.block(&caller.0, parse_user(&id)?).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Unblocks a user; unblocking one who is not blocked is fine.
#[utoipa::path(tag = "people", security(("bearer" = [])), params(("userId" = String, Path)), responses(
    (status = 204),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 404, body = Problem, description = "USER_NOT_FOUND: not an id"),
))]
#[delete("/api/blocks/{userId}")]
pub(super) async fn unblock(domain: Data<Domain>, caller: Caller, id: Path<String>) -> ApiResult<HttpResponse> {
    domain.people.unblock(&caller.0, parse_user(&id)?).await?;
    Ok(HttpResponse::NoContent().finish())
}
