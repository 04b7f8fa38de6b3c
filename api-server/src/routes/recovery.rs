//! Lost passwords and unverified addresses: letters are asked for, and the tokens in them are used.

use actix_web::{
    HttpResponse, post,
    web::{Data, Json},
};
use domain::{
    Domain,
    accounts::{ForgotPassword, LetterToken, ResetPassword},
};
use shared::Problem;
use web::{ApiResult, Caller, CameFrom};

/// Sends a letter with a token to choose another password with, if anybody has this address. The answer does not tell
/// whether anybody has.
#[utoipa::path(tag = "accounts", request_body = ForgotPassword, responses(
    (status = 202),
    (status = 400, body = Problem, description = "INVALID_MESSAGE: that is no address"),
    (status = 429, body = Problem, description = "RATE_LIMIT_EXCEEDED"),
))]
#[post("/api/password/forgot")]
pub(super) async fn forgot_password(
    domain: Data<Domain>,
    from: CameFrom,
    input: Json<ForgotPassword>,
) -> ApiResult<HttpResponse> {
    domain.accounts.forgot_password(input.into_inner(), &from.0).await?;
    Ok(HttpResponse::Accepted().finish())
}

/// Another password, with the token of a letter, which works once. All sessions of the account end, and its address is
/// verified.
#[utoipa::path(tag = "accounts", request_body = ResetPassword, responses(
    (status = 204),
    (status = 400, body = Problem, description = "INVALID_MESSAGE: the token is not valid, or the password is too short, too long or too common"),
    (status = 429, body = Problem, description = "RATE_LIMIT_EXCEEDED"),
))]
#[post("/api/password/reset")]
pub(super) async fn reset_password(
    domain: Data<Domain>,
    from: CameFrom,
    input: Json<ResetPassword>,
) -> ApiResult<HttpResponse> {
    domain.accounts.reset_password(input.into_inner(), &from.0).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The account's address is right: with the token of a letter that asked, which works once.
#[utoipa::path(tag = "accounts", request_body = LetterToken, responses(
    (status = 204),
    (status = 400, body = Problem, description = "INVALID_MESSAGE: the token is not valid"),
    (status = 429, body = Problem, description = "RATE_LIMIT_EXCEEDED"),
))]
#[post("/api/email/verify")]
pub(super) async fn verify_email(
    domain: Data<Domain>,
    from: CameFrom,
    input: Json<LetterToken>,
) -> ApiResult<HttpResponse> {
    domain.accounts.verify_email(&input, &from.0).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Sends the letter that asks whether the caller's address is right once more, unless that is known.
#[utoipa::path(tag = "accounts", security(("bearer" = [])), responses(
    (status = 202),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 403, body = Problem, description = "FORBIDDEN: the account has no address"),
    (status = 429, body = Problem, description = "RATE_LIMIT_EXCEEDED"),
))]
#[post("/api/email/verification")]
pub(super) async fn ask_for_verification(domain: Data<Domain>, caller: Caller) -> ApiResult<HttpResponse> {
    domain.accounts.ask_for_verification(&caller.0).await?;
    Ok(HttpResponse::Accepted().finish())
}
