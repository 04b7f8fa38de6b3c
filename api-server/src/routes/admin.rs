//! `/api/admin`: what administrators look after. Each request reads the caller's account, which says that they may.

mod instances;
mod rooms;
mod users;

use std::{future::Future, pin::Pin};

use actix_web::{FromRequest, HttpRequest, dev::Payload, web::Data};
use domain::{Domain, admin::Admin};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_actix_web::service_config::ServiceConfig;
use web::{Caller, WebError};

/// Adds its routes.
pub(super) fn configure(cfg: &mut ServiceConfig) {
    cfg.service(users::search_accounts) // GET /api/admin/users
        .service(users::account_details) // GET /api/admin/users/{user}
        .service(users::remove_account) // DELETE /api/admin/users/{user}
        .service(users::ban_account) // PUT /api/admin/users/{user}/ban
        .service(users::unban_account) // DELETE /api/admin/users/{user}/ban
        .service(users::account_sessions) // GET /api/admin/users/{user}/sessions
        .service(users::revoke_all) // DELETE /api/admin/users/{user}/sessions
        .service(users::revoke_one); // DELETE /api/admin/users/{user}/sessions/{session}

    cfg.service(rooms::search_rooms) // GET /api/admin/rooms
        .service(rooms::room_details) // GET /api/admin/rooms/{room}
        .service(rooms::remove_room); // DELETE /api/admin/rooms/{room}

    cfg.service(instances::deployment_stats) // GET /api/admin/stats
        .service(instances::instances) // GET /api/admin/instances
        .service(instances::drain_instance) // POST /api/admin/instances/{id}/drain
        .service(instances::instance_metrics) // GET /api/admin/instances/{id}/metrics
        .service(instances::explain); // GET /api/admin/explain/{id}
}

/// The caller, who is an administrator; others are answered 403.
struct Administrator(Admin);

impl FromRequest for Administrator {
    type Error = WebError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, WebError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let caller = Caller::from_request(request, payload);
        let domain = request.app_data::<Data<Domain>>().cloned();
        Box::pin(async move {
            let domain = domain.ok_or_else(|| anyhow::anyhow!("the service has no domain"))?;
            Ok(Self(Admin::of(domain.store.clone(), &caller.await?.0).await?))
        })
    }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Search {
    /// The beginning of a name, in any case; default: all. Of users also a whole address, or an id.
    query: Option<String>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}
