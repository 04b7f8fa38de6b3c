//! The whole URL table (beside `/health`, `/ready`, `/metrics` and `/openapi.json`, which every service has).

mod inbox;
mod notify;
mod push;
mod unsubscribe;

use std::sync::Arc;

use actix_web::web::Data;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{auth::ApiKeys, channel::WebPush};

pub fn configure(cfg: &mut ServiceConfig, keys: &Data<ApiKeys>, web_push: &Data<Option<Arc<WebPush>>>) {
    cfg.app_data(keys.clone())
        .app_data(web_push.clone())
        // For services
        .service(notify::notify) //        POST /notify
        .service(notify::show_state) //    GET  /notify/{id}
        // For users
        .service(inbox::list) //           GET  /api/notifications
        .service(inbox::mark_all_read) //  PUT  /api/notifications/read-all
        .service(inbox::mark_read) //      PUT  /api/notifications/{id}/read
        .service(inbox::settings) //       GET  /api/notifications/settings
        .service(inbox::set_settings) //   PUT  /api/notifications/settings
        // For whoever has an e-mail
        .service(unsubscribe::ask) //      GET  /api/notifications/unsubscribe
        .service(unsubscribe::stop) //     POST /api/notifications/unsubscribe
        // For devices
        .service(push::vapid_key) //       GET  /api/push/vapid-key
        .service(push::subscribe) //       POST /api/push/subscriptions
        .service(push::subscriptions) //   GET  /api/push/subscriptions
        .service(push::unsubscribe); //    DELETE /api/push/subscriptions
}
