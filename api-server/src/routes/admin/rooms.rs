//! Rooms, as administrators see them.

use actix_web::{
    HttpResponse, delete, get,
    web::{Json, Path, Query},
};
use domain::admin::{Listed, RoomDetails, RoomLine};
use shared::Problem;
use web::ApiResult;

use super::{super::rooms::parse_room, Administrator, Search};

/// Public rooms by the beginning of their name, 100 at a time.
#[utoipa::path(tag = "administration", security(("bearer" = [])), params(Search), responses(
    (status = 200, body = Listed<RoomLine>),
    (status = 400, body = Problem, description = "INVALID_MESSAGE"),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 403, body = Problem, description = "FORBIDDEN: no administrator"),
    (status = 404, body = Problem, description = "ROOM_NOT_FOUND: the cursor"),
))]
#[get("/api/admin/rooms")]
pub(super) async fn search_rooms(admin: Administrator, search: Query<Search>) -> ApiResult<Json<Listed<RoomLine>>> {
    let Search { query, cursor } = search.into_inner();
    let after = cursor.as_deref().map(parse_room).transpose()?;
    Ok(Json(admin.0.rooms(query.as_deref().unwrap_or_default(), after).await?))
}

/// One room of any kind, by id or handle, with its first 50 members.
#[utoipa::path(tag = "administration", security(("bearer" = [])), params(("room" = String, Path)), responses(
    (status = 200, body = RoomDetails),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 403, body = Problem, description = "FORBIDDEN: no administrator"),
    (status = 404, body = Problem, description = "ROOM_NOT_FOUND"),
))]
#[get("/api/admin/rooms/{room}")]
pub(super) async fn room_details(admin: Administrator, room: Path<String>) -> ApiResult<Json<RoomDetails>> {
    Ok(Json(admin.0.room(&room).await?))
}

/// Deletes a room of any kind with all that is in it; its members are told by whom.
#[utoipa::path(tag = "administration", security(("bearer" = [])), params(("room" = String, Path)), responses(
    (status = 204),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 403, body = Problem, description = "FORBIDDEN: no administrator"),
    (status = 404, body = Problem, description = "ROOM_NOT_FOUND"),
))]
#[delete("/api/admin/rooms/{room}")]
pub(super) async fn remove_room(admin: Administrator, room: Path<String>) -> ApiResult<HttpResponse> {
    admin.0.delete_room(&room).await?;
    Ok(HttpResponse::NoContent().finish())
}
