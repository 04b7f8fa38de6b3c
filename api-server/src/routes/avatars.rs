//! Avatars over REST.

use actix_web::{
    HttpResponse, delete, get,
    http::header,
    put,
    web::{Data, Json, Path, Payload},
};
use domain::Domain;
use shared::{Problem, protocol::User};
use web::{ApiResult, Caller};

use crate::receive;

/// Makes the middle of a picture the caller's avatar, 256 pixels wide and high. The body is the picture: PNG, JPEG, GIF or
/// WebP, at most 2 MiB.
#[utoipa::path(tag = "accounts", security(("bearer" = [])),
    request_body(content = String, content_type = "image/*", description = "The picture"),
    responses(
        (status = 200, body = User),
        (status = 400, body = Problem, description = "INVALID_MESSAGE"),
        (status = 401, body = Problem, description = "UNAUTHORIZED"),
        (status = 403, body = Problem, description = "FORBIDDEN: files cannot be uploaded here"),
        (status = 413, body = Problem, description = "PAYLOAD_TOO_LARGE"),
        (status = 429, body = Problem, description = "RATE_LIMIT_EXCEEDED"),
        (status = 503, body = Problem, description = "UNAVAILABLE"),
    ))]
#[put("/api/profile/avatar")]
pub(super) async fn set(domain: Data<Domain>, caller: Caller, body: Payload) -> ApiResult<Json<User>> {
    let mut intake = domain.files.begin_avatar(&caller.0).await?;
    receive::whole(body, &mut intake).await?;
    domain.files.set_avatar(&caller.0, intake).await?;
    Ok(Json(domain.accounts.profile(&caller.0).await?))
}

/// The caller has no avatar any more. Doing it twice is doing it once.
#[utoipa::path(tag = "accounts", security(("bearer" = [])), responses(
    (status = 204),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
))]
#[delete("/api/profile/avatar")]
pub(super) async fn remove(domain: Data<Domain>, caller: Caller) -> ApiResult<HttpResponse> {
    domain.files.remove_avatar(&caller.0).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// An avatar, as `avatarUrl` names it: for everybody who knows that, and never another picture.
#[utoipa::path(tag = "accounts", params(("user" = String, Path), ("file" = String, Path)), responses(
    (status = 200, content_type = "image/*", description = "The picture"),
    (status = 404, body = Problem, description = "NOT_FOUND"),
))]
#[get("/api/avatars/{user}/{file}")]
pub(super) async fn get_avatar(domain: Data<Domain>, path: Path<(String, String)>) -> ApiResult<HttpResponse> {
    let (reading, mime) = domain.files.avatar(&path.0, &path.1).await?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, mime))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"))
        .insert_header((header::CROSS_ORIGIN_RESOURCE_POLICY, "cross-origin"))
        .insert_header((header::CACHE_CONTROL, "public, max-age=31536000, immutable"))
        .no_chunking(reading.size)
        .streaming(reading.body))
}
