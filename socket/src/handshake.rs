//! What is known of a client from its upgrade request: where its page comes from and what it shows for itself.

use actix_web::{HttpRequest, http::header, web};
use shared::protocol::SUBPROTOCOL;

/// Prefix of the subprotocol that carries a token, for browsers: they can set no header.
const BEARER_PROTOCOL: &str = "bearer.";

/// What a client shows to say who it is. Never logged.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// An access token.
    Token(String),
    /// A single-use ticket from `POST /api/ws-ticket`.
    Ticket(String),
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str(match self {
            Self::Token(_) => "Token(…)",
            Self::Ticket(_) => "Ticket(…)",
        })
    }
}

/// The credential of a request: `Authorization: Bearer`, else a `bearer.` subprotocol, else `?ticket=`, else
/// `?token=`. `None`: the client will send `AUTHENTICATE` first.
pub fn credential(req: &HttpRequest) -> Option<Credential> {
    bearer(req)
        .map(|token| Credential::Token(token.to_owned()))
        .or_else(|| bearer_protocol(req))
        .or_else(|| query_credential(req))
}

/// The token of an `Authorization: Bearer` header (RFC 6750 §2.1).
pub fn bearer(req: &HttpRequest) -> Option<&str> {
    let value = req.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn bearer_protocol(req: &HttpRequest) -> Option<Credential> {
    let offered: Vec<&str> = req
        .headers()
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect();
    // Without our own protocol beside it there is none the server may select (RFC 6455 §4.2.2).
    offered.contains(&SUBPROTOCOL).then_some(())?;
    offered.iter().find_map(|p| p.strip_prefix(BEARER_PROTOCOL)).map(|t| Credential::Token(t.to_owned()))
}

fn query_credential(req: &HttpRequest) -> Option<Credential> {
    let query = web::Query::<Vec<(String, String)>>::from_query(req.query_string()).ok()?;
    let value = |name| query.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, v)| v.clone());
    value("ticket").map(Credential::Ticket).or_else(|| value("token").map(Credential::Token))
}

/// Is the request's `Origin` on the allow-list (`*`: any)? One without it is no browser's and passes. Where not, answer
/// 403 and do not upgrade: CORS does not cover WebSockets, so this is what keeps foreign pages out (RFC 6455 §10.2).
pub fn origin_allowed(req: &HttpRequest, allowed: &[String]) -> bool {
    let Some(origin) = req.headers().get(header::ORIGIN) else { return true };
    let origin = origin.as_bytes();
    allowed.iter().any(|a| a == "*" || a.trim_end_matches('/').as_bytes().eq_ignore_ascii_case(origin))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn token(text: &str) -> Option<Credential> {
        Some(Credential::Token(text.into()))
    }

    #[test]
    fn a_credential_is_found_in_all_four_places() {
        let header = TestRequest::default().insert_header(("Authorization", "bearer abc")).to_http_request();
        assert_eq!(credential(&header), token("abc"));
        let query = TestRequest::with_uri("/chat?x=1&token=a%2Bc").to_http_request();
        assert_eq!(credential(&query), token("a+c"));
        let ticket = TestRequest::with_uri("/chat?token=t&ticket=k").to_http_request();
        assert_eq!(credential(&ticket), Some(Credential::Ticket("k".into())));
        let protocol = ("Sec-WebSocket-Protocol", "chatapp.v1, bearer.a.b.c");
        assert_eq!(credential(&TestRequest::default().insert_header(protocol).to_http_request()), token("a.b.c"));
        let alone = ("Sec-WebSocket-Protocol", "bearer.a.b.c");
        assert_eq!(credential(&TestRequest::default().insert_header(alone).to_http_request()), None);
        assert_eq!(credential(&TestRequest::with_uri("/chat?token=").to_http_request()), None);
        let basic = TestRequest::default().insert_header(("Authorization", "Basic abc")).to_http_request();
        assert_eq!(credential(&basic), None);
    }

    #[test]
    fn a_foreign_origin_is_refused_and_none_or_an_allowed_one_is_not() {
        let from = |origin: &str| TestRequest::default().insert_header(("Origin", origin)).to_http_request();
        let allowed = ["https://app.example".to_owned()];
        assert!(origin_allowed(&from("https://app.example"), &allowed));
        assert!(origin_allowed(&TestRequest::default().to_http_request(), &allowed));
        assert!(origin_allowed(&from("https://evil.example"), &["*".to_owned()]));
        for evil in ["https://evil.example", "https://app.example.evil", "null", ""] {
            assert!(!origin_allowed(&from(evil), &allowed), "{evil}");
        }
    }

    #[test]
    fn a_credential_is_never_shown() {
        assert!(!format!("{:?}", Credential::Token("secret".into())).contains("secret"));
    }
}
