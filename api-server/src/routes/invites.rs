//! Invites: making, seeing and withdrawing them, and coming in by one.

use actix_web::{
    HttpResponse, delete, get, post,
    web::{Data, Json, Path},
};
use domain::{
    Domain,
    rooms::{InviteList, MadeInvite},
};
use shared::{
    Problem,
    protocol::{Room, command::MakeInvite},
};
use web::{ApiResult, Caller, CameFrom, IdempotencyKey};

use super::rooms::parse_room;

/// Makes an invite; its code is not told again. With an `Idempotency-Key`, the caller's own, a repeat answers the same
/// invite, for as long as it is there.
#[utoipa::path(tag = "rooms", security(("bearer" = [])), request_body = MakeInvite,
    params(("id" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses(
        (status = 201, body = MadeInvite),
        (status = 400, body = Problem, description = "INVALID_MESSAGE"),
        (status = 401, body = Problem, description = "UNAUTHORIZED"),
        (status = 403, body = Problem, description = "NOT_A_MEMBER; FORBIDDEN: not with one's role, or a direct room"),
        (status = 404, body = Problem, description = "ROOM_NOT_FOUND"),
        (status = 409, body = Problem, description = "ROOM_FULL: it has 100 invites; IDEMPOTENCY_CONFLICT"),
        (status = 429, body = Problem, description = "RATE_LIMIT_EXCEEDED"),
    ))]
#[post("/api/rooms/{id}/invites")]
pub(super) async fn invite(
    domain: Data<Domain>,
    caller: Caller,
    key: IdempotencyKey,
    id: Path<String>,
    input: Json<MakeInvite>,
) -> ApiResult<HttpResponse> {
    let made = domain.rooms.invite(&caller.0, parse_room(&id)?, input.into_inner(), key.0.as_deref()).await?;
    Ok(HttpResponse::Created().json(made))
}

/// The room's invites, in order of making, without their codes.
#[utoipa::path(tag = "rooms", security(("bearer" = [])), params(("id" = String, Path)), responses(
    (status = 200, body = InviteList),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 403, body = Problem, description = "NOT_A_MEMBER; FORBIDDEN: not with one's role, or a direct room"),
    (status = 404, body = Problem, description = "ROOM_NOT_FOUND"),
))]
#[get("/api/rooms/{id}/invites")]
pub(super) async fn invites(domain: Data<Domain>, caller: Caller, id: Path<String>) -> ApiResult<Json<InviteList>> {
    Ok(Json(domain.rooms.invites(&caller.0, parse_room(&id)?).await?))
}

/// Withdraws an invite; who came by it stays.
#[utoipa::path(tag = "rooms", security(("bearer" = [])), params(("id" = String, Path), ("inviteId" = String, Path)),
    responses(
        (status = 204),
        (status = 401, body = Problem, description = "UNAUTHORIZED"),
        (status = 403, body = Problem, description = "NOT_A_MEMBER; FORBIDDEN: not with one's role, or a direct room"),
        (status = 404, body = Problem, description = "ROOM_NOT_FOUND; NOT_FOUND: no such invite"),
    ))]
#[delete("/api/rooms/{id}/invites/{inviteId}")]
pub(super) async fn withdraw(
    domain: Data<Domain>,
    caller: Caller,
    ids: Path<(String, String)>,
) -> ApiResult<HttpResponse> {
    domain.rooms.withdraw(&caller.0, parse_room(&ids.0)?, &ids.1).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Joins the room an invite is for; a member already is answered their room, and uses nothing up.
#[utoipa::path(tag = "rooms", security(("bearer" = [])), params(("code" = String, Path)), responses(
    (status = 200, body = Room),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 404, body = Problem, description = "NOT_FOUND: no such invite, expired, used up, withdrawn, or not for one"),
    (status = 409, body = Problem, description = "ROOM_FULL"),
    (status = 429, body = Problem, description = "RATE_LIMIT_EXCEEDED"),
))]
#[post("/api/invites/{code}")]
pub(super) async fn redeem(
    domain: Data<Domain>,
    caller: Caller,
    from: CameFrom,
    code: Path<String>,
) -> ApiResult<Json<Room>> {
    Ok(Json(domain.rooms.redeem(&caller.0, &code, &from.0.network).await?))
}
