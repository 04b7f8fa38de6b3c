//! The web chat: `/`, its modules under `/web/`, and the JavaScript client they use under `/client/`. Served from the
//! binary; a debug build reads the sources, so that a change of a page needs no build.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, EntityTag, Header, IfNoneMatch},
    middleware::Compress,
    web::{Path, ServiceConfig, get, resource},
};
use rust_embed::{EmbeddedFile, RustEmbed};
use shared::{ErrorCode, Problem};

#[derive(RustEmbed)]
#[folder = "web"]
struct Page;

#[derive(RustEmbed)]
#[folder = "../clients/js"]
#[include = "chatapp.js"]
#[include = "src/*.js"]
struct Client;

/// Nothing from elsewhere, nothing inline, no markup made of text. Sockets are on other ports or hosts, which the
/// registry names. Pictures that need a token are fetched and shown as blobs.
const POLICY: &str = "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' blob:; media-src 'self' blob:; \
                      object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types chatapp";

pub(super) fn configure(cfg: &mut ServiceConfig) -> &mut ServiceConfig {
    let index = |request: HttpRequest| async move { answer(&request, "index.html", Page::get("index.html")) };
    let page = |request: HttpRequest, path: Path<String>| async move { answer(&request, &path, Page::get(&path)) };
    let client = |request: HttpRequest, path: Path<String>| async move { answer(&request, &path, Client::get(&path)) };
    cfg.service(resource("/").wrap(Compress::default()).route(get().to(index)));
    cfg.service(resource("/web/{file:.*}").wrap(Compress::default()).route(get().to(page)));
    cfg.service(resource("/client/{file:.*}").wrap(Compress::default()).route(get().to(client)))
}

/// The file, or 304 where the browser has it: it asks each time, so that a new version is a new page at once.
pub(super) fn answer(request: &HttpRequest, path: &str, file: Option<EmbeddedFile>) -> HttpResponse {
    let Some(file) = file else {
        return web::error::problem_response(Problem::new(ErrorCode::NotFound, "there is no such path"));
    };
    let tag = tag_of(&file);
    let is_known = IfNoneMatch::parse(request).is_ok_and(|known| matches(&known, &tag));
    let mut response = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response
        .insert_header((header::CONTENT_TYPE, media_type(path)))
        .insert_header((header::ETAG, header::ETag(tag)))
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .insert_header(("cross-origin-opener-policy", "same-origin"))
        .insert_header(("permissions-policy", "camera=(), microphone=(), geolocation=()"));
    // An empty body that has a length is no 304 (RFC 9110 §15.4.5): browsers give up on it.
    if is_known { response.finish() } else { response.body(file.data) }
}

/// Weak: the same file may be sent compressed.
fn tag_of(file: &EmbeddedFile) -> EntityTag {
    let hash = file.metadata.sha256_hash();
    EntityTag::new_weak(hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect())
}

fn matches(known: &IfNoneMatch, tag: &EntityTag) -> bool {
    match known {
        IfNoneMatch::Any => true,
        IfNoneMatch::Items(tags) => tags.iter().any(|one| one.weak_eq(tag)),
    }
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "webmanifest" => "application/manifest+json",
        _ => "application/octet-stream",
    }
}
