//! Where to connect: the least-loaded live instance of a socket service.

use actix_web::{
    get,
    web::{Data, Json, Path},
};
use domain::DomainError;
use serde::Serialize;
use shared::{InstanceId, Problem};
use store::Service;
use utoipa::ToSchema;
use web::{ApiResult, Caller};

use crate::directory::Directory;

#[derive(Serialize, ToSchema)]
struct Found {
    /// Connect to `{url}/chat` or `{url}/presence`.
    url: String,
    instance: InstanceId,
    /// Its open connections, as it last told, and those that were sent there since.
    load: u64,
}

/// The least-loaded instance of `chat` or `presence`; never one that is dead or stopping.
#[utoipa::path(tag = "sockets", security(("bearer" = [])), params(("service" = String, Path)), responses(
    (status = 200, body = Found),
    (status = 401, body = Problem, description = "UNAUTHORIZED"),
    (status = 404, body = Problem, description = "NOT_FOUND: no such service"),
    (status = 503, body = Problem, description = "UNAVAILABLE: no instance lives"),
))]
#[get("/api/registry/{service}")]
pub(super) async fn least_loaded(
    directory: Data<Directory>,
    _: Caller,
    service: Path<String>,
) -> ApiResult<Json<Found>> {
    let service = match service.as_str() {
        "chat" => Service::Chat,
        "presence" => Service::Presence,
        _ => return Err(DomainError::NotFound("there is a registry of chat and of presence").into()),
    };
    let missing = || DomainError::Unavailable(anyhow::anyhow!("no live instance of {}", service.as_str()));
    let found = directory.least_loaded(service).await?.ok_or_else(missing)?;
    Ok(Json(Found { url: found.url, instance: found.id, load: found.load }))
}
