//! Messages: sent, read, and what is unread.

use actix_web::{
    HttpResponse, get,
    middleware::from_fn,
    post, put,
    web::{Data, Json, Path, Query},
};
use domain::{
    Domain, DomainError, Viewer,
    messages::{OffsetPage, Tracked},
};
use serde::{Deserialize, Serialize};
use shared::{
    MessageId, Problem,
    protocol::{
        command::Mark,
        messaging::{Message, NewMessage},
    },
};
use utoipa::{IntoParams, ToSchema};
use web::{ApiResult, Caller, IdempotencyKey, error::with_success};

use super::{
    super::messages::{merge_keys, parse_message},
    Answer,
};

fn shown(tracked: Tracked) -> Message {
    let Tracked { message, recipient, direct, delivered, read } = tracked;
    Message { delivered, read, ..Message::new(message, direct.then_some(recipient)) }
}

/// Messaging API: sends a message to a user or a group; when it is answered, it is stored.
#[utoipa::path(tag = "messaging API", security(("bearer" = [])), request_body = NewMessage,
    params(("Idempotency-Key" = Option<String>, Header)),
    responses(
        (status = 201, body = Answer<Message>),
        (status = 400, body = Problem, description = "INVALID_MESSAGE"),
        (status = 401, body = Problem, description = "UNAUTHORIZED"),
        (status = 403, body = Problem,
            description = "FORBIDDEN: `senderID` is not the caller, or a guest and a stranger; NOT_A_MEMBER, BLOCKED"),
        (status = 404, body = Problem, description = "ROOM_NOT_FOUND, USER_NOT_FOUND"),
        (status = 409, body = Problem, description = "IDEMPOTENCY_CONFLICT"),
        (status = 429, body = Problem, description = "RATE_LIMIT_EXCEEDED"),
    ))]
#[post("/api/messages/send", wrap = "from_fn(with_success)")]
pub(super) async fn send_to(
    domain: Data<Domain>,
    caller: Caller,
    key: IdempotencyKey,
    input: Json<NewMessage>,
) -> ApiResult<HttpResponse> {
    let mut input = input.into_inner();
    if input.is_anothers(caller.0.user) {
        return Err(DomainError::Forbidden("senderID is not you").into());
    }
    input.client_message_id = merge_keys(input.client_message_id, key.0)?;
    let sent = domain.messages.post_tracked(&caller.0, input.into_command()).await?;
    Ok(HttpResponse::Created().json(Answer::of(shown(sent))))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Offset {
    /// 1 to 200, default 50.
    limit: Option<usize>,
    /// Newer messages that are passed over, default 0.
    offset: Option<u64>,
}

/// Where a page stands.
#[derive(Debug, Serialize, ToSchema)]
struct Pagination {
    limit: usize,
    offset: u64,
    /// All that the caller may see, deleted ones too.
    total: u64,
}

#[derive(Debug, Serialize, ToSchema)]
struct Conversation {
    success: bool,
    data: Vec<Message>,
    pagination: Pagination,
}

/// Messaging API: a conversation, newest first. It is named by a group's id or, where it is a direct one, by the other
/// user's.
#[utoipa::path(tag = "messaging API", security(("bearer" = [])), params(("conversationID" = String, Path), Offset),
    responses(
        (status = 200, body = Conversation),
        (status = 400, body = Problem, description = "INVALID_MESSAGE"),
        (status = 401, body = Problem, description = "UNAUTHORIZED"),
        (status = 403, body = Problem, description = "NOT_A_MEMBER"),
        (status = 404, body = Problem, description = "ROOM_NOT_FOUND: it is neither"),
    ))]
#[get("/api/messages/history/{conversationID}", wrap = "from_fn(with_success)")]
pub(super) async fn conversation(
    domain: Data<Domain>,
    caller: Caller,
    id: Path<String>,
    page: Query<Offset>,
) -> ApiResult<Json<Conversation>> {
    let page = domain.messages.history_from(&caller.0, &id, page.offset.unwrap_or(0), page.limit).await?;
    let OffsetPage { items, limit, offset, total } = page;
    let data = items.into_iter().map(shown).collect();
    Ok(Json(Conversation { success: true, data, pagination: Pagination { limit, offset, total } }))
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct UnreadCount {
    unread_count: u64,
}

async fn count_unread(domain: &Domain, viewer: &Viewer) -> ApiResult<Json<Answer<UnreadCount>>> {
    let unread_count = domain.rooms.unread(viewer).await?.total;
    Ok(Json(Answer::of(UnreadCount { unread_count })))
}

/// Messaging API: how many messages the caller has not read, in all conversations.
#[utoipa::path(tag = "messaging API", security(("bearer" = [])), responses(
    (status = 200, body = Answer<UnreadCount>),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
))]
#[get("/api/messages/unread", wrap = "from_fn(with_success)")]
pub(super) async fn unread_total(domain: Data<Domain>, caller: Caller) -> ApiResult<Json<Answer<UnreadCount>>> {
    count_unread(&domain, &caller.0).await
}

/// Messaging API: the same by the caller's own id.
#[utoipa::path(tag = "messaging API", security(("bearer" = [])), params(("userID" = String, Path)), responses(
    (status = 200, body = Answer<UnreadCount>),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 403, body = Problem, description = "FORBIDDEN: another's id"),
))]
#[get("/api/messages/unread/{userID}", wrap = "from_fn(with_success)")]
pub(super) async fn unread_total_of(
    domain: Data<Domain>,
    caller: Caller,
    id: Path<String>,
) -> ApiResult<Json<Answer<UnreadCount>>> {
    if *id != caller.0.user.to_string() {
        return Err(DomainError::Forbidden("what others have not read is theirs to know").into());
    }
    count_unread(&domain, &caller.0).await
}

/// The message that is read, with all before it.
#[derive(Debug, Serialize, ToSchema)]
struct ReadMessage {
    #[serde(rename = "messageID")]
    message_id: MessageId,
    read: bool,
}

/// Messaging API: the caller has read a message, and with it all before it in its conversation.
#[utoipa::path(tag = "messaging API", security(("bearer" = [])), params(("messageID" = String, Path)), responses(
    (status = 200, body = Answer<ReadMessage>),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 404, body = Problem, description = "MESSAGE_NOT_FOUND, also in rooms of others"),
))]
#[put("/api/messages/{messageID}/read", wrap = "from_fn(with_success)")]
pub(super) async fn read_message(
    domain: Data<Domain>,
    caller: Caller,
    id: Path<String>,
) -> ApiResult<Json<Answer<ReadMessage>>> {
    let message_id = parse_message(&id)?;
    domain.messages.message(&caller.0, message_id).await?;
    let mark = Mark { room_id: message_id.room, seq: message_id.seq };
    domain.messages.mark_read(&caller.0, &mark).await?;
    Ok(Json(Answer::of(ReadMessage { message_id, read: true })))
}
