//! Rooms: making, finding, changing, deleting, joining, leaving.

use actix_web::{
    HttpResponse, delete, get, patch, post, put,
    web::{Data, Json, Path, Query},
};
use domain::{Domain, DomainError, rooms::RoomPage};
use serde::Deserialize;
use shared::{
    Problem, RoomId,
    protocol::{
        Room,
        command::{CreateRoom, PatchRoom},
    },
};
use utoipa::IntoParams;
use web::{ApiResult, Caller, IdempotencyKey};

use super::users::parse_user;

/// Makes a public or private room; the caller owns it. With an `Idempotency-Key`, the caller's own, a repeat answers the
/// room that was made first, as it is now, for as long as it exists.
#[utoipa::path(tag = "rooms", security(("bearer" = [])), request_body = CreateRoom,
    params(("Idempotency-Key" = Option<String>, Header)),
    responses(
        (status = 201, body = Room),
        (status = 400, body = Problem, description = "INVALID_MESSAGE"),
        (status = 401, body = Problem, description = "UNAUTHORIZED"),
        (status = 404, body = Problem, description = "ROOM_NOT_FOUND: what was made under this key has been deleted"),
        (status = 409, body = Problem,
            description = "HANDLE_TAKEN; ROOM_FULL: in too many rooms; IDEMPOTENCY_CONFLICT"),
    ))]
#[post("/api/rooms")]
pub(super) async fn create(
    domain: Data<Domain>,
    caller: Caller,
    key: IdempotencyKey,
    input: Json<CreateRoom>,
) -> ApiResult<HttpResponse> {
    let room = domain.rooms.create_once(&caller.0, input.into_inner(), key.0.as_deref()).await?;
    Ok(HttpResponse::Created().json(room))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct OwnRooms {
    /// 1 to 200, default 200; a page with long last messages has fewer.
    limit: Option<usize>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// The caller's rooms with unread counts and last messages, in order of id.
#[utoipa::path(tag = "rooms", security(("bearer" = [])), params(OwnRooms), responses(
    (status = 200, body = RoomPage),
    (status = 400, body = Problem, description = "INVALID_MESSAGE"),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
))]
#[get("/api/rooms")]
pub(super) async fn mine(domain: Data<Domain>, caller: Caller, page: Query<OwnRooms>) -> ApiResult<Json<RoomPage>> {
    Ok(Json(domain.rooms.mine(&caller.0, page.cursor.as_deref(), page.limit).await?))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct PublicRooms {
    /// The beginning of a name, in any case; default: all.
    query: Option<String>,
    /// 1 to 200, default 50.
    limit: Option<usize>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// Public rooms in order of name.
#[utoipa::path(tag = "rooms", security(("bearer" = [])), params(PublicRooms), responses(
    (status = 200, body = RoomPage),
    (status = 400, body = Problem, description = "INVALID_MESSAGE"),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
))]
#[get("/api/rooms/public")]
pub(super) async fn public(domain: Data<Domain>, _: Caller, search: Query<PublicRooms>) -> ApiResult<Json<RoomPage>> {
    let PublicRooms { query, limit, cursor } = search.into_inner();
    Ok(Json(domain.rooms.public(query.as_deref().unwrap_or_default(), cursor.as_deref(), limit).await?))
}

/// A room as the caller sees it.
#[utoipa::path(tag = "rooms", security(("bearer" = [])), params(("id" = String, Path)), responses(
    (status = 200, body = Room),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 404, body = Problem, description = "ROOM_NOT_FOUND, also for private rooms of others"),
))]
#[get("/api/rooms/{id}")]
pub(super) async fn get_room(domain: Data<Domain>, caller: Caller, id: Path<String>) -> ApiResult<Json<Room>> {
    Ok(Json(domain.rooms.view(&caller.0, parse_room(&id)?).await?))
}

/// Changes what a room is; `type` and `handle` stay as they were made.
#[utoipa::path(tag = "rooms", security(("bearer" = [])), params(("id" = String, Path)), request_body = PatchRoom,
    responses(
        (status = 200, body = Room),
        (status = 400, body = Problem, description = "INVALID_MESSAGE"),
        (status = 401, body = Problem, description = "UNAUTHORIZED"),
        (status = 403, body = Problem, description =
            "NOT_A_MEMBER; FORBIDDEN: not with one's role, a direct room, or showing others what was said before them"),
        (status = 404, body = Problem, description = "ROOM_NOT_FOUND"),
    ))]
#[patch("/api/rooms/{id}")]
pub(super) async fn patch_room(
    domain: Data<Domain>,
    caller: Caller,
    id: Path<String>,
    input: Json<PatchRoom>,
) -> ApiResult<Json<Room>> {
    Ok(Json(domain.rooms.patch(&caller.0, parse_room(&id)?, input.into_inner()).await?))
}

/// Deletes a room with all that is in it; its handle is free.
#[utoipa::path(tag = "rooms", security(("bearer" = [])), params(("id" = String, Path)), responses(
    (status = 204),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 403, body = Problem, description = "NOT_A_MEMBER; FORBIDDEN: not with one's role, or a direct room"),
    (status = 404, body = Problem, description = "ROOM_NOT_FOUND"),
))]
#[delete("/api/rooms/{id}")]
pub(super) async fn delete_room(domain: Data<Domain>, caller: Caller, id: Path<String>) -> ApiResult<HttpResponse> {
    domain.rooms.delete(&caller.0, parse_room(&id)?).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Joins a public room.
#[utoipa::path(tag = "rooms", security(("bearer" = [])), params(("id" = String, Path)), responses(
    (status = 200, body = Room),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 403, body = Problem, description = "FORBIDDEN: banned"),
    (status = 404, body = Problem, description = "ROOM_NOT_FOUND"),
    (status = 409, body = Problem, description = "ALREADY_A_MEMBER, ROOM_FULL"),
))]
#[post("/api/rooms/{id}/join")]
pub(super) async fn join(domain: Data<Domain>, caller: Caller, id: Path<String>) -> ApiResult<Json<Room>> {
    let id = parse_room(&id)?;
    domain.rooms.join(&caller.0, id).await?;
    Ok(Json(domain.rooms.view(&caller.0, id).await?))
}

/// Leaves a room. Where its owner does, it passes on: to the admin who joined first, else to the member who did.
#[utoipa::path(tag = "rooms", security(("bearer" = [])), params(("id" = String, Path)), responses(
    (status = 204),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 403, body = Problem, description = "NOT_A_MEMBER; FORBIDDEN: a direct room"),
    (status = 404, body = Problem, description = "ROOM_NOT_FOUND"),
))]
#[delete("/api/rooms/{id}/leave")]
pub(super) async fn leave(domain: Data<Domain>, caller: Caller, id: Path<String>) -> ApiResult<HttpResponse> {
    domain.rooms.leave(&caller.0, parse_room(&id)?).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The direct room with another user, made if it is not there.
#[utoipa::path(tag = "rooms", security(("bearer" = [])), params(("userId" = String, Path)), responses(
    (status = 200, body = Room),
    (status = 400, body = Problem, description = "INVALID_MESSAGE: oneself"),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 403, body = Problem, description = "FORBIDDEN: a guest and a stranger; BLOCKED: it is not there, and one blocks the other"),
    (status = 404, body = Problem, description = "USER_NOT_FOUND"),
))]
#[put("/api/direct/{userId}")]
pub(super) async fn open_direct(domain: Data<Domain>, caller: Caller, id: Path<String>) -> ApiResult<Json<Room>> {
    let room = domain.rooms.open_direct(&caller.0, parse_user(&id)?).await?;
    Ok(Json(domain.rooms.view(&caller.0, room).await?))
}

/// What is not an id names no room.
pub(super) fn parse_room(id: &str) -> Result<RoomId, DomainError> {
    id.parse().map_err(|_| DomainError::RoomNotFound)
}
