//! The operator's page: `/operator` and its modules, served from the binary. What it shows comes from `/api/admin`, with the
//! token of who logs in there.

use actix_web::{
    HttpResponse,
    http::header,
    web::{Path, Redirect, ServiceConfig, get},
};
use rust_embed::{EmbeddedFile, RustEmbed};
use shared::{ErrorCode, Problem};

#[derive(RustEmbed)]
#[folder = "operator"]
struct Page;

/// Nothing from elsewhere, and nothing inline.
const POLICY: &str =
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(super) fn configure(cfg: &mut ServiceConfig) -> &mut ServiceConfig {
    cfg.route("/operator", get().to(|| async { Redirect::to("/operator/").permanent() }));
    cfg.route("/operator/", get().to(|| async { answer("index.html", Page::get("index.html")) }));
    cfg.route("/operator/{file:.*}", get().to(|path: Path<String>| async move { answer(&path, Page::get(&path)) }))
}

fn answer(path: &str, file: Option<EmbeddedFile>) -> HttpResponse {
    let Some(file) = file else {
        return web::error::problem_response(Problem::new(ErrorCode::NotFound, "there is no such path"));
    };
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, media_type(path)))
        // A new version is a new page at once.
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .body(file.data)
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        _ => "application/octet-stream",
    }
}
