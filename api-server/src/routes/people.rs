//! The people a user keeps: contacts, who asks to be one, and whom they block.

use actix_web::{
    HttpResponse, delete, get, put,
    web::{Data, Json, Path},
};
use domain::{
    Domain,
    accounts::UserPage,
    people::{Asked, ContactRequests},
};
use serde::Serialize;
use shared::Problem;
use utoipa::ToSchema;
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

/// A contact who has not answered yet.
#[derive(Serialize, ToSchema)]
struct PendingContact {
    /// Always.
    pending: bool,
}

/// Adds a contact: they may watch the caller's presence from now on. Where contacts are asked
/// (`people.contact_requests`): asks them, or accepts what they asked.
#[utoipa::path(tag = "people", security(("bearer" = [])), params(("userId" = String, Path)), responses(
    (status = 204, description = "they are a contact"),
    (status = 202, body = PendingContact, description = "they are asked"),
    (status = 400, body = Problem, description = "INVALID_MESSAGE: oneself, or too many"),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 403, body = Problem, description =
        "where contacts are asked: BLOCKED by the caller; FORBIDDEN: a guest, and a stranger"),
    (status = 404, body = Problem, description = "USER_NOT_FOUND"),
    (status = 429, body = Problem, description = "RATE_LIMIT_EXCEEDED: where contacts are asked"),
))]
#[put("/api/contacts/{userId}")]
pub(super) async fn add_contact(domain: Data<Domain>, caller: Caller, id: Path<String>) -> ApiResult<HttpResponse> {
    Ok(match domain.people.add_contact(&caller.0, parse_user(&id)?).await? {
        Asked::Contact => HttpResponse::NoContent().finish(),
        Asked::Pending => HttpResponse::Accepted().json(PendingContact { pending: true }),
    })
}

/// Contact requests that wait.
#[utoipa::path(tag = "people", security(("bearer" = [])), responses(
    (status = 200, body = ContactRequests),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
))]
#[get("/api/contacts/requests")]
pub(super) async fn requests(domain: Data<Domain>, caller: Caller) -> ApiResult<Json<ContactRequests>> {
    Ok(Json(domain.people.contact_requests(&caller.0).await?))
}

/// Takes back what the caller asked of this user, and declines what that one asked.
#[utoipa::path(tag = "people", security(("bearer" = [])), params(("userId" = String, Path)), responses(
    (status = 204),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 404, body = Problem, description = "USER_NOT_FOUND: not an id"),
))]
#[delete("/api/contacts/requests/{userId}")]
pub(super) async fn drop_request(domain: Data<Domain>, caller: Caller, id: Path<String>) -> ApiResult<HttpResponse> {
    domain.people.drop_contact_request(&caller.0, parse_user(&id)?).await?;
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
