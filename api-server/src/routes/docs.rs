//! `/docs`: Swagger UI over `/openapi.json`, served from the binary.

use actix_web::web::{Redirect, ServiceConfig, get};
use utoipa_swagger_ui::{Config, SwaggerUi};

pub(super) fn configure(cfg: &mut ServiceConfig) -> &mut ServiceConfig {
    cfg.route("/docs", get().to(|| async { Redirect::to("/docs/").permanent() }));
    cfg.service(SwaggerUi::new("/docs/{_:.*}").config(Config::from("/openapi.json")))
}
