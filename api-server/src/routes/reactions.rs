//! Reactions: an emoji given to a message, or taken back.

use actix_web::{
    delete, put,
    web::{Data, Json, Path},
};
use domain::Domain;
use serde::Serialize;
use shared::{MessageId, Problem, protocol::command::React};
use utoipa::ToSchema;
use web::{ApiResult, Caller};

use super::messages::parse_message;

/// How many have given this emoji to the message now.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Reacted {
    message_id: MessageId,
    emoji: String,
    count: u64,
}

/// Gives a message an emoji (1 to 64 bytes without white space, percent-encoded). Doing it twice is doing it once.
#[utoipa::path(tag = "messages", security(("bearer" = [])),
    params(("id" = String, Path), ("emoji" = String, Path)),
    responses(
        (status = 200, body = Reacted),
        (status = 400, body = Problem, description = "INVALID_MESSAGE: also beyond 20 different emojis"),
        (status = 401, body = Problem, description = "UNAUTHORIZED"),
        (status = 404, body = Problem, description = "MESSAGE_NOT_FOUND"),
        (status = 429, body = Problem, description = "RATE_LIMIT_EXCEEDED"),
    ))]
#[put("/api/messages/{id}/reactions/{emoji}")]
pub(super) async fn give(
    domain: Data<Domain>,
    caller: Caller,
    path: Path<(String, String)>,
) -> ApiResult<Json<Reacted>> {
    react(&domain, &caller, path.into_inner(), true).await
}

/// Takes an emoji back. Doing it twice is doing it once.
#[utoipa::path(tag = "messages", security(("bearer" = [])),
    params(("id" = String, Path), ("emoji" = String, Path)),
    responses(
        (status = 200, body = Reacted),
        (status = 400, body = Problem, description = "INVALID_MESSAGE"),
        (status = 401, body = Problem, description = "UNAUTHORIZED"),
        (status = 404, body = Problem, description = "MESSAGE_NOT_FOUND"),
        (status = 429, body = Problem, description = "RATE_LIMIT_EXCEEDED"),
    ))]
#[delete("/api/messages/{id}/reactions/{emoji}")]
pub(super) async fn take_back(
    domain: Data<Domain>,
    caller: Caller,
    path: Path<(String, String)>,
) -> ApiResult<Json<Reacted>> {
    react(&domain, &caller, path.into_inner(), false).await
}

async fn react(
    domain: &Domain,
    caller: &Caller,
    (message, emoji): (String, String),
    add: bool,
) -> ApiResult<Json<Reacted>> {
    let message_id = parse_message(&message)?;
    let count = domain.messages.react(&caller.0, React { message_id, emoji: emoji.clone(), add }).await?;
    Ok(Json(Reacted { message_id, emoji, count }))
}
