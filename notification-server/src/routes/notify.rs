//! Queueing notifications and seeing how they stand; for services, not for users.

use actix_web::{
    HttpResponse, get, post,
    web::{Data, Json, Path},
};
use domain::{
    Domain,
    notifications::{NotifyRequest, NotifyState},
};
use serde::Serialize;
use shared::{NotificationId, Problem};
use utoipa::ToSchema;
use web::{ApiResult, IdempotencyKey};

use crate::auth::Sender;

#[derive(Serialize, ToSchema)]
struct Queued {
    id: NotificationId,
    /// `queued`: stored, and delivered from now on.
    status: &'static str,
}

#[derive(Serialize, ToSchema)]
struct States {
    id: NotificationId,
    recipients: Vec<NotifyState>,
}

/// Queues a notification for one or more users. With an `Idempotency-Key`, the sender's own, a repeat answers the first
/// id and queues nothing, for 7 days after the last change of its state.
#[utoipa::path(tag = "notify", security(("bearer" = [])), params(("Idempotency-Key" = Option<String>, Header)), responses(
    (status = 202, body = Queued),
    (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem),
    (status = 404, body = Problem, description = "one of the users does not exist; nothing is queued"),
    (status = 409, body = Problem, description = "IDEMPOTENCY_CONFLICT"),
))]
#[post("/notify")]
pub async fn notify(
    sender: Sender,
    domain: Data<Domain>,
    key: IdempotencyKey,
    request: Json<NotifyRequest>,
) -> ApiResult<HttpResponse> {
    let id = domain.notifications.notify(sender.id, key.0.as_deref(), request.into_inner()).await?;
    Ok(HttpResponse::Accepted().json(Queued { id, status: "queued" }))
}

/// How a notification stands, for each recipient and channel; known for 7 days.
#[utoipa::path(tag = "notify", security(("bearer" = [])), params(("id" = String, Path)), responses(
    (status = 200, body = States),
    (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem),
))]
#[get("/notify/{id}")]
pub async fn show_state(_: Sender, domain: Data<Domain>, id: Path<NotificationId>) -> ApiResult<HttpResponse> {
    let id = id.into_inner();
    let recipients = domain.notifications.state(id).await?;
    Ok(HttpResponse::Ok().json(States { id, recipients }))
}
