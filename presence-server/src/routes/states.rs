//! Presence asked for once, and set without a socket. Clients reach these through api-server too.

use std::collections::BTreeSet;

use actix_web::{
    get, put,
    web::{Data, Json, Query},
};
use domain::{
    Domain, DomainError,
    presence::{OwnPresence, SeenUsers},
};
use serde::Deserialize;
use shared::{Problem, UserId, protocol::command::SetStatus};
use utoipa::IntoParams;
use web::{ApiResult, Caller};

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
struct Whom {
    /// Comma-separated ids; default: the caller's contacts.
    user_ids: Option<String>,
}

/// How users stand now. Who may not be watched looks offline, as the unknown do.
#[utoipa::path(tag = "presence", security(("bearer" = [])), params(Whom), responses(
    (status = 200, body = SeenUsers),
    (status = 400, body = Problem, description = "INVALID_MESSAGE: not ids, or too many"),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 503, body = Problem, description = "UNAVAILABLE"),
))]
#[get("/api/presence")]
pub(super) async fn seen(domain: Data<Domain>, caller: Caller, whom: Query<Whom>) -> ApiResult<Json<SeenUsers>> {
    let named = whom.user_ids.as_deref().map(parse_users).transpose()?;
    let users = domain.presence.watched(&caller.0, named).await?;
    Ok(Json(SeenUsers { users: domain.presence.seen_by(&caller.0, &users).await? }))
}

/// What the caller chose to show, and what others see of it.
#[utoipa::path(tag = "presence", security(("bearer" = [])), responses(
    (status = 200, body = OwnPresence),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 503, body = Problem, description = "UNAVAILABLE"),
))]
#[get("/api/presence/me")]
pub(super) async fn mine(domain: Data<Domain>, caller: Caller) -> ApiResult<Json<OwnPresence>> {
    Ok(Json(domain.presence.chosen(caller.0.user).await?))
}

/// Sets what the caller shows while connected, on all devices, as `SET_STATUS` does.
#[utoipa::path(operation_id = "set_mine", tag = "presence", security(("bearer" = [])), request_body = SetStatus, responses(
    (status = 200, body = OwnPresence),
    (status = 400, body = Problem, description = "INVALID_MESSAGE"),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 503, body = Problem, description = "UNAVAILABLE"),
))]
#[put("/api/presence/me")]
pub(super) async fn set_mine(
    domain: Data<Domain>,
    caller: Caller,
    input: Json<SetStatus>,
) -> ApiResult<Json<OwnPresence>> {
    domain.presence.choose(&caller.0, &input).await?;
    Ok(Json(domain.presence.chosen(caller.0.user).await?))
}

/// Each once, however often it is named.
fn parse_users(text: &str) -> Result<Vec<UserId>, DomainError> {
    let ids: Result<BTreeSet<UserId>, _> = text.split(',').map(str::parse).collect();
    let ids = ids.map_err(|_| DomainError::invalid("userIds", "give ids, separated by commas"))?;
    Ok(ids.into_iter().collect())
}
