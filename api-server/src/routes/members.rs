//! Members of a room: listing them, giving them roles, taking them out, bans.

use actix_web::{
    HttpResponse, delete, get, put,
    web::{Data, Json, Path, Query},
};
use domain::{
    Domain,
    rooms::{BanPage, MemberPage},
};
use serde::Deserialize;
use shared::{Problem, protocol::command::SetRole};
use utoipa::IntoParams;
use web::{ApiResult, Caller};

use super::{rooms::parse_room, users::parse_user};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Page {
    /// 1 to 200, default 50.
    limit: Option<usize>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// Members in order of joining.
#[utoipa::path(tag = "rooms", security(("bearer" = [])), params(("id" = String, Path), Page), responses(
    (status = 200, body = MemberPage),
    (status = 400, body = Problem, description = "INVALID_MESSAGE"),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 403, body = Problem, description = "NOT_A_MEMBER"),
    (status = 404, body = Problem, description = "ROOM_NOT_FOUND"),
))]
#[get("/api/rooms/{id}/members")]
pub(super) async fn members(
    domain: Data<Domain>,
    caller: Caller,
    id: Path<String>,
    page: Query<Page>,
) -> ApiResult<Json<MemberPage>> {
    Ok(Json(domain.rooms.members(&caller.0, parse_room(&id)?, page.cursor.as_deref(), page.limit).await?))
}

/// Gives a member a role. `owner` passes the room on: the caller, its owner, is an admin from then on.
#[utoipa::path(tag = "rooms", security(("bearer" = [])), params(("id" = String, Path), ("userId" = String, Path)),
    request_body = SetRole, responses(
        (status = 204),
        (status = 400, body = Problem, description = "INVALID_MESSAGE"),
        (status = 401, body = Problem, description = "UNAUTHORIZED"),
        (status = 403, body = Problem, description = "NOT_A_MEMBER; FORBIDDEN: not with one's role, or a direct room"),
        (status = 404, body = Problem, description = "ROOM_NOT_FOUND, USER_NOT_FOUND; NOT_FOUND: they are no member"),
    ))]
#[put("/api/rooms/{id}/members/{userId}")]
pub(super) async fn set_role(
    domain: Data<Domain>,
    caller: Caller,
    ids: Path<(String, String)>,
    input: Json<SetRole>,
) -> ApiResult<HttpResponse> {
    domain.rooms.set_role(&caller.0, parse_room(&ids.0)?, parse_user(&ids.1)?, input.role).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Takes a member out of the room; oneself: leaves it. They may come back. Who is no member stays so.
#[utoipa::path(tag = "rooms", security(("bearer" = [])), params(("id" = String, Path), ("userId" = String, Path)),
    responses(
        (status = 204),
        (status = 401, body = Problem, description = "UNAUTHORIZED"),
        (status = 403, body = Problem, description = "NOT_A_MEMBER; FORBIDDEN: not with one's role, or a direct room"),
        (status = 404, body = Problem, description = "ROOM_NOT_FOUND, USER_NOT_FOUND"),
    ))]
#[delete("/api/rooms/{id}/members/{userId}")]
pub(super) async fn remove_member(
    domain: Data<Domain>,
    caller: Caller,
    ids: Path<(String, String)>,
) -> ApiResult<HttpResponse> {
    domain.rooms.remove_member(&caller.0, parse_room(&ids.0)?, parse_user(&ids.1)?).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Who is banned from the room, in order of user.
#[utoipa::path(tag = "rooms", security(("bearer" = [])), params(("id" = String, Path), Page), responses(
    (status = 200, body = BanPage),
    (status = 400, body = Problem, description = "INVALID_MESSAGE"),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 403, body = Problem, description = "NOT_A_MEMBER; FORBIDDEN: not with one's role, or a direct room"),
    (status = 404, body = Problem, description = "ROOM_NOT_FOUND"),
))]
#[get("/api/rooms/{id}/bans")]
pub(super) async fn bans(
    domain: Data<Domain>,
    caller: Caller,
    id: Path<String>,
    page: Query<Page>,
) -> ApiResult<Json<BanPage>> {
    Ok(Json(domain.rooms.bans(&caller.0, parse_room(&id)?, page.cursor.as_deref(), page.limit).await?))
}

/// Takes somebody out of the room, and keeps them out; who is no member is kept out.
#[utoipa::path(tag = "rooms", security(("bearer" = [])), params(("id" = String, Path), ("userId" = String, Path)),
    responses(
        (status = 204),
        (status = 400, body = Problem, description = "INVALID_MESSAGE: oneself"),
        (status = 401, body = Problem, description = "UNAUTHORIZED"),
        (status = 403, body = Problem, description = "NOT_A_MEMBER; FORBIDDEN: not with one's role, or a direct room"),
        (status = 404, body = Problem, description = "ROOM_NOT_FOUND, USER_NOT_FOUND"),
        (status = 409, body = Problem, description = "ROOM_FULL: 1,000 are banned"),
    ))]
#[put("/api/rooms/{id}/bans/{userId}")]
pub(super) async fn ban(domain: Data<Domain>, caller: Caller, ids: Path<(String, String)>) -> ApiResult<HttpResponse> {
    domain.rooms.ban(&caller.0, parse_room(&ids.0)?, parse_user(&ids.1)?).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Lets somebody in again; who is not banned stays so.
#[utoipa::path(tag = "rooms", security(("bearer" = [])), params(("id" = String, Path), ("userId" = String, Path)),
    responses(
        (status = 204),
        (status = 401, body = Problem, description = "UNAUTHORIZED"),
        (status = 403, body = Problem, description = "NOT_A_MEMBER; FORBIDDEN: not with one's role, or a direct room"),
        (status = 404, body = Problem, description = "ROOM_NOT_FOUND, USER_NOT_FOUND"),
    ))]
#[delete("/api/rooms/{id}/bans/{userId}")]
pub(super) async fn unban(
    domain: Data<Domain>,
    caller: Caller,
    ids: Path<(String, String)>,
) -> ApiResult<HttpResponse> {
    domain.rooms.unban(&caller.0, parse_room(&ids.0)?, parse_user(&ids.1)?).await?;
    Ok(HttpResponse::NoContent().finish())
}
