//! The whole URL table (beside `/health`, `/ready`, `/metrics` and `/openapi.json`, which every service has).

mod inbox;
mod notify;

use actix_web::web::Data;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::auth::ApiKeys;

pub fn configure(cfg: &mut ServiceConfig, keys: Data<ApiKeys>) {
    cfg.app_data(keys)
        // For services
        .service(notify::notify) //        POST /notify
        .service(notify::show_state) //    GET  /notify/{id}
        // For users
        .service(inbox::list) //           GET  /api/notifications
        .service(inbox::mark_all_read) //  PUT  /api/notifications/read-all
        .service(inbox::mark_read); //     PUT  /api/notifications/{id}/read
}
