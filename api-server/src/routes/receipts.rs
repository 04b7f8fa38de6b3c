//! Marks: what members have got and read, what is unread, what became of a message.

use actix_web::{
    get, put,
    web::{Data, Json, Path, Query},
};
use domain::{
    Domain,
    messages::{DeliveryPage, ReceiptPage},
    rooms::Unread,
};
use serde::{Deserialize, Serialize};
use shared::{Problem, protocol::command::Mark};
use utoipa::{IntoParams, ToSchema};
use web::{ApiResult, Caller};

use super::{messages::parse_message, rooms::parse_room};

/// Messages up to this `seq` are read, or delivered.
#[derive(Serialize, Deserialize, ToSchema)]
struct SeqMark {
    seq: u64,
}

/// Moves the caller's read mark, and with it the delivered one, only forward; answers where it stands.
#[utoipa::path(tag = "receipts", security(("bearer" = [])), params(("id" = String, Path)), request_body = SeqMark,
    responses(
        (status = 200, body = SeqMark),
        (status = 400, body = Problem, description = "INVALID_MESSAGE"),
        (status = 401, body = Problem, description = "UNAUTHORIZED"),
        (status = 403, body = Problem, description = "NOT_A_MEMBER"),
        (status = 404, body = Problem, description = "ROOM_NOT_FOUND"),
    ))]
#[put("/api/rooms/{id}/read")]
pub(super) async fn mark_read(
    domain: Data<Domain>,
    caller: Caller,
    id: Path<String>,
    mark: Json<SeqMark>,
) -> ApiResult<Json<SeqMark>> {
    let input = Mark { room_id: parse_room(&id)?, seq: mark.seq };
    Ok(Json(SeqMark { seq: domain.messages.mark_read(&caller.0, &input).await?.now.read }))
}

/// Moves the caller's delivered mark, only forward; answers where it stands.
#[utoipa::path(tag = "receipts", security(("bearer" = [])), params(("id" = String, Path)), request_body = SeqMark,
    responses(
        (status = 200, body = SeqMark),
        (status = 400, body = Problem, description = "INVALID_MESSAGE"),
        (status = 401, body = Problem, description = "UNAUTHORIZED"),
        (status = 403, body = Problem, description = "NOT_A_MEMBER"),
        (status = 404, body = Problem, description = "ROOM_NOT_FOUND"),
    ))]
#[put("/api/rooms/{id}/delivered")]
pub(super) async fn mark_delivered(
    domain: Data<Domain>,
    caller: Caller,
    id: Path<String>,
    mark: Json<SeqMark>,
) -> ApiResult<Json<SeqMark>> {
    let input = Mark { room_id: parse_room(&id)?, seq: mark.seq };
    Ok(Json(SeqMark { seq: domain.messages.mark_delivered(&caller.0, &input).await?.now.delivered }))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Page {
    /// 1 to 200, default 50.
    limit: Option<usize>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// How far each member has come, in order of joining.
#[utoipa::path(tag = "receipts", security(("bearer" = [])), params(("id" = String, Path), Page), responses(
    (status = 200, body = ReceiptPage),
    (status = 400, body = Problem, description = "INVALID_MESSAGE"),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 403, body = Problem, description = "NOT_A_MEMBER"),
    (status = 404, body = Problem, description = "ROOM_NOT_FOUND"),
))]
#[get("/api/rooms/{id}/receipts")]
pub(super) async fn receipts(
    domain: Data<Domain>,
    caller: Caller,
    id: Path<String>,
    page: Query<Page>,
) -> ApiResult<Json<ReceiptPage>> {
    let Page { limit, cursor } = page.into_inner();
    Ok(Json(domain.messages.receipts(&caller.0, parse_room(&id)?, cursor.as_deref(), limit).await?))
}

/// What the caller has not read.
#[utoipa::path(tag = "receipts", security(("bearer" = [])), responses(
    (status = 200, body = Unread),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
))]
#[get("/api/unread")]
pub(super) async fn unread(domain: Data<Domain>, caller: Caller) -> ApiResult<Json<Unread>> {
    Ok(Json(domain.rooms.unread(&caller.0).await?))
}

/// What became of one of the caller's messages, for each other member who may see it, in order of joining.
#[utoipa::path(tag = "receipts", security(("bearer" = [])), params(("id" = String, Path), Page), responses(
    (status = 200, body = DeliveryPage),
    (status = 400, body = Problem, description = "INVALID_MESSAGE"),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 403, body = Problem, description = "FORBIDDEN: a message of somebody else"),
    (status = 404, body = Problem, description = "MESSAGE_NOT_FOUND"),
))]
#[get("/api/messages/{id}/delivery")]
pub(super) async fn delivery(
    domain: Data<Domain>,
    caller: Caller,
    id: Path<String>,
    page: Query<Page>,
) -> ApiResult<Json<DeliveryPage>> {
    let Page { limit, cursor } = page.into_inner();
    Ok(Json(domain.messages.delivery(&caller.0, parse_message(&id)?, cursor.as_deref(), limit).await?))
}
