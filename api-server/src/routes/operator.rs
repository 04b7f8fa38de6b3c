//! The operator's page: `/operator` and its modules, served from the binary as the web chat is. What it shows comes from
//! `/api/admin`, with the token of who logs in there.

use actix_web::{
    HttpRequest,
    middleware::Compress,
    web::{Path, Redirect, ServiceConfig, get, resource},
};
use rust_embed::RustEmbed;

use super::page::answer;

#[derive(RustEmbed)]
#[folder = "operator"]
struct Page;

pub(super) fn configure(cfg: &mut ServiceConfig) -> &mut ServiceConfig {
    let index = |request: HttpRequest| async move { answer(&request, "index.html", Page::get("index.html")) };
    let file = |request: HttpRequest, path: Path<String>| async move { answer(&request, &path, Page::get(&path)) };
    cfg.route("/operator", get().to(|| async { Redirect::to("/operator/").permanent() }));
    cfg.service(resource("/operator/").wrap(Compress::default()).route(get().to(index)));
    cfg.service(resource("/operator/{file:.+}").wrap(Compress::default()).route(get().to(file)))
}
