//! Where the links in e-mails lead: one click and there are no more of them (RFC 8058). Without a login.

use actix_web::{
    HttpResponse, get,
    http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY},
    post,
    web::{Data, Query},
};
use domain::Domain;
use serde::Deserialize;
use shared::Problem;
use utoipa::IntoParams;
use web::{ApiResult, CameFrom};

/// Nothing but what is here; the button leads back here.
const POLICY: &str = "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
const ASK: &str = "<p>You get e-mails about what you miss here.</p>\n\
                   <form method=\"post\"><button type=\"submit\">Stop these e-mails</button></form>";
const DONE: &str = "<p>You get no more of these e-mails. In your notification settings you can have them again.</p>";

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Link {
    /// As in the e-mail.
    token: String,
}

/// A page with a button that posts. Programs open links that no person has clicked, so it changes nothing.
#[utoipa::path(tag = "unsubscribe", params(Link), responses(
    (status = 200, content_type = "text/html", body = String),
    (status = 400, body = Problem, description = "the link is not valid"),
    (status = 429, body = Problem),
))]
#[get("/api/notifications/unsubscribe")]
pub async fn ask(domain: Data<Domain>, from: CameFrom, link: Query<Link>) -> ApiResult<HttpResponse> {
    domain.letters.check_unsubscribe(&link.token, &from.0).await?;
    Ok(page(ASK))
}

/// Switches e-mail off for whom the link was sent to, whatever the body says. Again is fine.
#[utoipa::path(tag = "unsubscribe", params(Link), responses(
    (status = 200, content_type = "text/html", body = String),
    (status = 400, body = Problem, description = "the link is not valid"),
    (status = 429, body = Problem),
))]
#[post("/api/notifications/unsubscribe")]
pub async fn stop(domain: Data<Domain>, from: CameFrom, link: Query<Link>) -> ApiResult<HttpResponse> {
    domain.letters.unsubscribe(&link.token, &from.0).await?;
    Ok(page(DONE))
}

fn page(body: &str) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((REFERRER_POLICY, "no-referrer"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(format!(
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>E-mails</title></head><body>\n{body}\n\
             </body></html>\n"
        ))
}
