//! Resources: what is said in the lobby. Whoever calls is in it from then on. `docs/dialects.md` has the socket.

use actix_web::{
    HttpResponse, delete, get, post,
    web::{Data, Json, Path, Query},
};
use domain::{Domain, DomainError, messages::HistoryQuery};
use serde::Deserialize;
use shared::{
    Problem,
    protocol::{MessageType, command::SendMessage, resources::Resource},
};
use utoipa::{IntoParams, ToSchema};
use web::{ApiResult, Caller, IdempotencyKey};

use super::messages::parse_message;

/// Resources of a page, by default and at most.
const PAGE: usize = 200;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Page {
    /// 1 to 200, default 200.
    limit: Option<usize>,
    /// Those older than this one.
    before: Option<String>,
}

/// Resources: the newest, in the order in which they were said. A page of 256 KiB at most; those that were deleted are
/// not among them.
#[utoipa::path(tag = "resources", security(("bearer" = [])), params(Page), responses(
    (status = 200, body = Vec<Resource>),
    (status = 400, body = Problem, description = "INVALID_MESSAGE"),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 403, body = Problem, description = "FORBIDDEN: banned"),
    (status = 404, body = Problem, description = "MESSAGE_NOT_FOUND: `before` is none"),
    (status = 409, body = Problem, description = "ROOM_FULL"),
))]
#[get("/resources")]
pub(super) async fn list(domain: Data<Domain>, caller: Caller, page: Query<Page>) -> ApiResult<Json<Vec<Resource>>> {
    let before = page.before.as_deref().map(parse_message).transpose()?;
    let room = domain.rooms.enter_lobby(&caller.0).await?;
    if before.is_some_and(|before| before.room != room) {
        return Err(DomainError::MessageNotFound.into());
    }
    let limit = page.limit.or(Some(PAGE));
    let query = HistoryQuery { before: before.map(|before| before.seq), limit, ..HistoryQuery::default() };
    let page = domain.messages.history(&caller.0, room, query).await?;
    let there = page.items.into_iter().rev().filter(|message| message.deleted_at.is_none());
    Ok(Json(there.map(Resource::from).collect()))
}

/// What is to be said: one of the two. Whatever else is in it is not read.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct NewResource {
    message: Option<String>,
    content: Option<String>,
    /// Makes a repeat give the first result; the header `Idempotency-Key` does the same.
    client_message_id: Option<String>,
}

/// Resources: says something, to all who are there.
#[utoipa::path(tag = "resources", security(("bearer" = [])), request_body = NewResource,
    params(("Idempotency-Key" = Option<String>, Header)),
    responses(
        (status = 201, body = Resource),
        (status = 400, body = Problem, description = "INVALID_MESSAGE"),
        (status = 401, body = Problem, description = "UNAUTHORIZED"),
        (status = 403, body = Problem, description = "FORBIDDEN: banned"),
        (status = 409, body = Problem, description = "ROOM_FULL, IDEMPOTENCY_CONFLICT"),
        (status = 429, body = Problem, description = "RATE_LIMIT_EXCEEDED"),
    ))]
#[post("/resources")]
pub(super) async fn add(
    domain: Data<Domain>,
    caller: Caller,
    key: IdempotencyKey,
    input: Json<NewResource>,
) -> ApiResult<HttpResponse> {
    let NewResource { message, content, client_message_id } = input.into_inner();
    let content = match (message, content) {
        (Some(said), None) | (None, Some(said)) => said,
        _ => return Err(DomainError::invalid("content", "give either message or content").into()),
    };
    let message = SendMessage {
        room_id: Some(domain.rooms.enter_lobby(&caller.0).await?),
        recipient_id: None,
        content,
        kind: MessageType::Text,
        client_message_id: super::messages::merge_keys(client_message_id, key.0)?,
        reply_to: None,
        attachments: Vec::new(),
    };
    let said = domain.messages.post(&caller.0, message).await?;
    Ok(HttpResponse::Created().json(Resource::from(said)))
}

/// Resources: takes back what the caller said. Doing it twice is doing it once.
#[utoipa::path(tag = "resources", security(("bearer" = [])), params(("id" = String, Path)), responses(
    (status = 204),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 403, body = Problem, description = "FORBIDDEN: another's; banned"),
    (status = 404, body = Problem, description = "MESSAGE_NOT_FOUND"),
    (status = 409, body = Problem, description = "ROOM_FULL"),
))]
#[delete("/resources/{id}")]
pub(super) async fn remove(domain: Data<Domain>, caller: Caller, id: Path<String>) -> ApiResult<HttpResponse> {
    let id = parse_message(&id)?;
    if id.room != domain.rooms.enter_lobby(&caller.0).await? {
        return Err(DomainError::MessageNotFound.into());
    }
    domain.messages.delete(&caller.0, id).await?;
    Ok(HttpResponse::NoContent().finish())
}
