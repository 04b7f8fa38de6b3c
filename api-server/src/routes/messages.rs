//! Messages over REST.

use actix_web::{
    HttpResponse, delete, get, patch, post,
    web::{Data, Json, Path, Query},
};
use domain::{
    Domain, DomainError,
    messages::{HistoryQuery, MessagePage, ReplyPage, SearchPage, SearchQuery},
};
use serde::Deserialize;
use shared::{
    AttachmentId, MessageId, Problem,
    protocol::{
        Message, MessageType,
        command::{EditMessage, SendMessage},
    },
};
use utoipa::{IntoParams, ToSchema};
use web::{ApiResult, Caller, IdempotencyKey};

use super::rooms::parse_room;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Page {
    /// 1 to 200, default 50.
    limit: Option<usize>,
    /// Messages before this `seq`, newest first.
    before: Option<u64>,
    /// Messages after this `seq`, oldest first.
    after: Option<u64>,
    /// Messages around this `seq`, newest first.
    around: Option<u64>,
}

/// A page of a room's history, at most 256 KiB.
#[utoipa::path(tag = "messages", security(("bearer" = [])), params(("id" = String, Path), Page), responses(
    (status = 200, body = MessagePage),
    (status = 400, body = Problem, description = "INVALID_MESSAGE"),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 403, body = Problem, description = "NOT_A_MEMBER"),
    (status = 404, body = Problem, description = "ROOM_NOT_FOUND"),
))]
#[get("/api/rooms/{id}/messages")]
pub(super) async fn history(
    domain: Data<Domain>,
    caller: Caller,
    id: Path<String>,
    page: Query<Page>,
) -> ApiResult<Json<MessagePage>> {
    let Page { limit, before, after, around } = page.into_inner();
    let query = HistoryQuery { before, after, around, limit };
    Ok(Json(domain.messages.history(&caller.0, parse_room(&id)?, query).await?))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct NewMessage {
    /// May be absent where there are attachments.
    #[serde(default)]
    content: String,
    #[serde(rename = "type", default)]
    #[schema(default = "text")]
    kind: MessageType,
    /// Makes a repeat give the first result; the header `Idempotency-Key` does the same.
    client_message_id: Option<String>,
    reply_to: Option<MessageId>,
    /// Uploads of the caller's that no other message has, at most 10.
    #[serde(default)]
    attachments: Vec<AttachmentId>,
}

/// Sends a message; when it is answered, it is stored.
#[utoipa::path(tag = "messages", security(("bearer" = [])), request_body = NewMessage,
    params(("id" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses(
        (status = 201, body = Message),
        (status = 400, body = Problem, description = "INVALID_MESSAGE"),
        (status = 401, body = Problem, description = "UNAUTHORIZED"),
        (status = 403, body = Problem, description = "NOT_A_MEMBER, BLOCKED"),
        (status = 404, body = Problem, description = "ROOM_NOT_FOUND; MESSAGE_NOT_FOUND: what it replies to"),
        (status = 409, body = Problem, description = "IDEMPOTENCY_CONFLICT"),
        (status = 429, body = Problem, description = "RATE_LIMIT_EXCEEDED"),
    ))]
#[post("/api/rooms/{id}/messages")]
pub(super) async fn send(
    domain: Data<Domain>,
    caller: Caller,
    key: IdempotencyKey,
    id: Path<String>,
    input: Json<NewMessage>,
) -> ApiResult<HttpResponse> {
    let input = input.into_inner();
    let input = SendMessage {
        room_id: Some(parse_room(&id)?),
        recipient_id: None,
        content: input.content,
        kind: input.kind,
        client_message_id: merge_keys(input.client_message_id, key.0)?,
        reply_to: input.reply_to,
        attachments: input.attachments,
    };
    Ok(HttpResponse::Created().json(domain.messages.post(&caller.0, input).await?))
}

/// The dedupe key: from the body or from the header, and the same where both are given.
pub(super) fn merge_keys(in_body: Option<String>, in_header: Option<String>) -> Result<Option<String>, DomainError> {
    match (in_body, in_header) {
        (Some(body), Some(header)) if body != header => {
            Err(DomainError::invalid("clientMessageId", "differs from the header Idempotency-Key"))
        }
        (body, header) => Ok(body.or(header)),
    }
}

/// One message.
#[utoipa::path(tag = "messages", security(("bearer" = [])), params(("id" = String, Path)), responses(
    (status = 200, body = Message),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 404, body = Problem, description = "MESSAGE_NOT_FOUND, also in rooms of others"),
))]
#[get("/api/messages/{id}")]
pub(super) async fn get_message(domain: Data<Domain>, caller: Caller, id: Path<String>) -> ApiResult<Json<Message>> {
    Ok(Json(domain.messages.message(&caller.0, parse_message(&id)?).await?))
}

#[derive(Deserialize, ToSchema)]
struct NewContent {
    content: String,
}

/// Gives a message another content: its author may. Whom it names is read anew.
#[utoipa::path(tag = "messages", security(("bearer" = [])), params(("id" = String, Path)), request_body = NewContent,
    responses(
        (status = 200, body = Message),
        (status = 400, body = Problem, description = "INVALID_MESSAGE"),
        (status = 401, body = Problem, description = "UNAUTHORIZED"),
        (status = 403, body = Problem, description = "FORBIDDEN, BLOCKED"),
        (status = 404, body = Problem, description = "MESSAGE_NOT_FOUND, also where it is deleted"),
        (status = 429, body = Problem, description = "RATE_LIMIT_EXCEEDED"),
    ))]
#[patch("/api/messages/{id}")]
pub(super) async fn edit_message(
    domain: Data<Domain>,
    caller: Caller,
    id: Path<String>,
    input: Json<NewContent>,
) -> ApiResult<Json<Message>> {
    let input = EditMessage { message_id: parse_message(&id)?, content: input.into_inner().content };
    Ok(Json(domain.messages.edit(&caller.0, input).await?))
}

/// Removes a message's content: its author may, and admins of the room. Doing it twice is doing it once.
#[utoipa::path(tag = "messages", security(("bearer" = [])), params(("id" = String, Path)), responses(
    (status = 204),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 403, body = Problem, description = "FORBIDDEN"),
    (status = 404, body = Problem, description = "MESSAGE_NOT_FOUND"),
))]
#[delete("/api/messages/{id}")]
pub(super) async fn delete_message(domain: Data<Domain>, caller: Caller, id: Path<String>) -> ApiResult<HttpResponse> {
    domain.messages.delete(&caller.0, parse_message(&id)?).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Replies {
    /// Replies after this `seq`; default: from the first.
    after: Option<u64>,
    /// 1 to 200, default 50.
    limit: Option<usize>,
}

/// Replies to a message, oldest first; deleted ones without content.
#[utoipa::path(tag = "messages", security(("bearer" = [])), params(("id" = String, Path), Replies), responses(
    (status = 200, body = ReplyPage),
    (status = 400, body = Problem, description = "INVALID_MESSAGE"),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 404, body = Problem, description = "MESSAGE_NOT_FOUND"),
))]
#[get("/api/messages/{id}/replies")]
pub(super) async fn replies(
    domain: Data<Domain>,
    caller: Caller,
    id: Path<String>,
    page: Query<Replies>,
) -> ApiResult<Json<ReplyPage>> {
    Ok(Json(domain.messages.replies(&caller.0, parse_message(&id)?, page.after, page.limit).await?))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Search {
    /// Found anywhere in the text, in any case; 1 to 100 characters.
    query: String,
    /// Only messages before this `seq`: `nextBefore` of the call before.
    before: Option<u64>,
    /// 1 to 200, default 50.
    limit: Option<usize>,
}

/// Text messages of a room that hold a text, newest first. One call looks through at most 2,000 messages; while there is
/// a `nextBefore`, there may be more.
#[utoipa::path(tag = "messages", security(("bearer" = [])), params(("id" = String, Path), Search), responses(
    (status = 200, body = SearchPage),
    (status = 400, body = Problem, description = "INVALID_MESSAGE"),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 403, body = Problem, description = "NOT_A_MEMBER"),
    (status = 404, body = Problem, description = "ROOM_NOT_FOUND"),
))]
#[get("/api/rooms/{id}/search")]
pub(super) async fn search_messages(
    domain: Data<Domain>,
    caller: Caller,
    id: Path<String>,
    search: Query<Search>,
) -> ApiResult<Json<SearchPage>> {
    let Search { query, before, limit } = search.into_inner();
    Ok(Json(domain.messages.search(&caller.0, parse_room(&id)?, &SearchQuery { query, before, limit }).await?))
}

pub(super) fn parse_message(id: &str) -> Result<MessageId, DomainError> {
    id.parse().map_err(|_| DomainError::MessageNotFound)
}
