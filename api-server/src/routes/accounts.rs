//! Signing up, logging in, tokens, the caller's own profile.

use actix_web::{
    HttpResponse, delete, get, patch, post,
    web::{Data, Json},
};
use domain::{
    Domain,
    accounts::{ChangePassword, DeleteAccount, Guest, Login, PatchProfile, Refresh, SignedIn, Signup},
};
use shared::{Problem, protocol::User};
use web::{ApiResult, Caller, CameFrom};

/// Makes an account and logs it in.
#[utoipa::path(tag = "accounts", request_body = Signup, responses(
    (status = 201, body = SignedIn),
    (status = 400, body = Problem, description = "INVALID_MESSAGE"),
    (status = 409, body = Problem, description = "USERNAME_TAKEN, EMAIL_TAKEN"),
    (status = 429, body = Problem, description = "RATE_LIMIT_EXCEEDED"),
))]
#[post("/api/signup")]
pub(super) async fn sign_up(domain: Data<Domain>, from: CameFrom, input: Json<Signup>) -> ApiResult<HttpResponse> {
    let signed_in = domain.accounts.sign_up(input.into_inner(), &from.0).await?;
    Ok(HttpResponse::Created().json(signed_in))
}

/// By username or e-mail, and password.
#[utoipa::path(tag = "accounts", request_body = Login, responses(
    (status = 200, body = SignedIn),
    (status = 400, body = Problem, description = "INVALID_MESSAGE"),
    (status = 401, body = Problem, description = "UNAUTHORIZED: wrong name or password"),
    (status = 403, body = Problem, description = "FORBIDDEN: the account is banned"),
    (status = 429, body = Problem, description = "RATE_LIMIT_EXCEEDED"),
))]
#[post("/api/login")]
pub(super) async fn log_in(domain: Data<Domain>, from: CameFrom, input: Json<Login>) -> ApiResult<Json<SignedIn>> {
    Ok(Json(domain.accounts.log_in(input.into_inner(), &from.0).await?))
}

/// An account without e-mail and password.
#[utoipa::path(tag = "accounts", request_body = Guest, responses(
    (status = 201, body = SignedIn),
    (status = 400, body = Problem, description = "INVALID_MESSAGE"),
    (status = 403, body = Problem, description = "FORBIDDEN: guests are switched off"),
    (status = 409, body = Problem, description = "USERNAME_TAKEN"),
    (status = 429, body = Problem, description = "RATE_LIMIT_EXCEEDED"),
))]
#[post("/api/guest")]
pub(super) async fn guest(domain: Data<Domain>, from: CameFrom, input: Json<Guest>) -> ApiResult<HttpResponse> {
    let signed_in = domain.accounts.guest(input.into_inner(), &from.0).await?;
    Ok(HttpResponse::Created().json(signed_in))
}

/// The next pair of tokens. A refresh token works once; using it again ends its session.
#[utoipa::path(tag = "accounts", request_body = Refresh, responses(
    (status = 200, body = SignedIn),
    (status = 400, body = Problem, description = "INVALID_MESSAGE"),
    (status = 401, body = Problem, description = "UNAUTHORIZED: used before, ended or unknown"),
    (status = 429, body = Problem, description = "RATE_LIMIT_EXCEEDED"),
))]
#[post("/api/token/refresh")]
pub(super) async fn refresh(domain: Data<Domain>, from: CameFrom, input: Json<Refresh>) -> ApiResult<Json<SignedIn>> {
    Ok(Json(domain.accounts.refresh(&input, &from.0).await?))
}

/// Ends the session: its refresh token is refused from now on and its sockets are closed.
#[utoipa::path(tag = "accounts", security(("bearer" = [])), responses(
    (status = 204),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
))]
#[post("/api/logout")]
pub(super) async fn log_out(domain: Data<Domain>, caller: Caller) -> ApiResult<HttpResponse> {
    domain.accounts.log_out(&caller.0).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Another password. All other sessions of the caller end.
#[utoipa::path(tag = "accounts", security(("bearer" = [])), request_body = ChangePassword, responses(
    (status = 204),
    (status = 400, body = Problem, description = "INVALID_MESSAGE: the new one is too short, too long or too common"),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 403, body = Problem, description = "FORBIDDEN: the old password is wrong, or a guest has none"),
    (status = 429, body = Problem, description = "RATE_LIMIT_EXCEEDED"),
))]
#[post("/api/password")]
pub(super) async fn change_password(
    domain: Data<Domain>,
    caller: Caller,
    input: Json<ChangePassword>,
) -> ApiResult<HttpResponse> {
    domain.accounts.change_password(&caller.0, input.into_inner()).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The caller's own profile, with e-mail.
#[utoipa::path(tag = "accounts", security(("bearer" = [])), responses(
    (status = 200, body = User),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
))]
#[get("/api/profile")]
pub(super) async fn profile(domain: Data<Domain>, caller: Caller) -> ApiResult<Json<User>> {
    Ok(Json(domain.accounts.profile(&caller.0).await?))
}

/// Changes what is given and leaves the rest.
#[utoipa::path(tag = "accounts", security(("bearer" = [])), request_body = PatchProfile, responses(
    (status = 200, body = User),
    (status = 400, body = Problem, description = "INVALID_MESSAGE"),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
))]
#[patch("/api/profile")]
pub(super) async fn patch_profile(
    domain: Data<Domain>,
    caller: Caller,
    input: Json<PatchProfile>,
) -> ApiResult<Json<User>> {
    Ok(Json(domain.accounts.patch_profile(&caller.0, input.into_inner()).await?))
}

/// Deletes the caller's account. Its name and address are free again, its logins have ended and its sockets are closed
/// (4503); what its user said stays, as a deleted user's.
#[utoipa::path(tag = "accounts", security(("bearer" = [])), request_body = Option<DeleteAccount>, responses(
    (status = 204),
    (status = 400, body = Problem, description = "INVALID_MESSAGE: an account that has a password needs it"),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 403, body = Problem, description = "FORBIDDEN: the password is wrong"),
    (status = 429, body = Problem, description = "RATE_LIMIT_EXCEEDED"),
))]
#[delete("/api/profile")]
pub(super) async fn delete_account(
    domain: Data<Domain>,
    caller: Caller,
    input: Option<Json<DeleteAccount>>,
) -> ApiResult<HttpResponse> {
    domain.accounts.delete(&caller.0, input.map(Json::into_inner).unwrap_or_default()).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The public keys access tokens are signed with (RFC 7517).
#[utoipa::path(tag = "operations", responses((status = 200, body = serde_json::Value)))]
#[get("/.well-known/jwks.json")]
pub(super) async fn jwks(domain: Data<Domain>) -> ApiResult<Json<serde_json::Value>> {
    Ok(Json(domain.identity.jwks().await?))
}
