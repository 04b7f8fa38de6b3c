//! Where the caller's devices are pushed to.

use std::sync::Arc;

use actix_web::{
    HttpResponse, delete, get, post,
    web::{Data, Json},
};
use domain::{
    Domain, DomainError,
    notifications::{Subscribe, Subscription, SubscriptionList, Unsubscribe},
};
use serde::Serialize;
use shared::Problem;
use utoipa::ToSchema;
use web::{ApiResult, Caller};

use crate::channel::WebPush;

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct VapidKey {
    /// P-256, uncompressed, base64url: what `PushManager.subscribe()` takes as `applicationServerKey`.
    public_key: String,
}

/// The key that browsers subscribe with; the same for the life of the deployment.
#[utoipa::path(tag = "push", responses(
    (status = 200, body = VapidKey),
    (status = 404, body = Problem, description = "Web Push is not configured"),
))]
#[get("/api/push/vapid-key")]
pub async fn vapid_key(web_push: Data<Option<Arc<WebPush>>>) -> ApiResult<HttpResponse> {
    let Some(web_push) = web_push.as_ref() else {
        return Err(DomainError::NotFound("web push is not configured here").into());
    };
    let public_key = web_push.public_key().await?.to_owned();
    Ok(HttpResponse::Ok().json(VapidKey { public_key }))
}

/// From now on the caller's notifications go there too, until their login ends. At most 20 each; the same endpoint again
/// replaces what was there, also another user's.
#[utoipa::path(tag = "push", security(("bearer" = [])), responses(
    (status = 201, body = Subscription),
    (status = 400, body = Problem), (status = 401, body = Problem),
    (status = 403, body = Problem, description = "this kind is not configured"),
))]
#[post("/api/push/subscriptions")]
pub async fn subscribe(caller: Caller, domain: Data<Domain>, input: Json<Subscribe>) -> ApiResult<HttpResponse> {
    let subscription = domain.notifications.subscribe(&caller.0, input.into_inner()).await?;
    Ok(HttpResponse::Created().json(subscription))
}

/// Where the caller's notifications go.
#[utoipa::path(tag = "push", security(("bearer" = [])), responses(
    (status = 200, body = SubscriptionList), (status = 401, body = Problem),
))]
#[get("/api/push/subscriptions")]
pub async fn subscriptions(caller: Caller, domain: Data<Domain>) -> ApiResult<HttpResponse> {
    Ok(HttpResponse::Ok().json(domain.notifications.subscriptions(&caller.0).await?))
}

/// Ends one; one that is not there (any more) is fine.
#[utoipa::path(tag = "push", security(("bearer" = [])), responses(
    (status = 204), (status = 400, body = Problem), (status = 401, body = Problem),
))]
#[delete("/api/push/subscriptions")]
pub async fn unsubscribe(caller: Caller, domain: Data<Domain>, input: Json<Unsubscribe>) -> ApiResult<HttpResponse> {
    domain.notifications.unsubscribe(&caller.0, input.into_inner()).await?;
    Ok(HttpResponse::NoContent().finish())
}
