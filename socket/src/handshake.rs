//! What is known of a client from its upgrade request: where its page comes from and what it shows for itself.

use actix_http::{RequestHead, header};
use shared::protocol::SUBPROTOCOL;
use url::form_urlencoded;

use crate::upgrade::subprotocols;

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
pub fn credential(head: &RequestHead) -> Option<Credential> {
    bearer(head)
        .map(|token| Credential::Token(token.to_owned()))
        .or_else(|| bearer_protocol(head))
        .or_else(|| query_credential(head))
}

/// The token of an `Authorization: Bearer` header (RFC 6750 §2.1).
pub fn bearer(head: &RequestHead) -> Option<&str> {
    let value = head.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn bearer_protocol(head: &RequestHead) -> Option<Credential> {
    // Without our own protocol beside it there is none the server may select (RFC 6455 §4.2.2).
    subprotocols(head).any(|p| p == SUBPROTOCOL).then_some(())?;
    subprotocols(head).find_map(|p| p.strip_prefix(BEARER_PROTOCOL)).map(|t| Credential::Token(t.to_owned()))
}

fn query_credential(head: &RequestHead) -> Option<Credential> {
    let query = head.uri.query()?.as_bytes();
    let value = |name| {
        let mut pairs = form_urlencoded::parse(query);
        pairs.find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.into_owned())
    };
    value("ticket").map(Credential::Ticket).or_else(|| value("token").map(Credential::Token))
}

/// Is the request's `Origin` on the allow-list (`*`: any)? Both are written as RFC 6454 §6.2 has it, so they are compared
/// as they are, as CORS does. One without it is no browser's and passes. Where not, answer
/// 403 and do not upgrade: CORS does not cover WebSockets, so this is what keeps foreign pages out (RFC 6455 §10.2).
pub fn origin_allowed(head: &RequestHead, allowed: &[String]) -> bool {
    let Some(origin) = head.headers().get(header::ORIGIN) else { return true };
    let origin = origin.as_bytes();
    allowed.iter().any(|a| a == "*" || a.as_bytes() == origin)
}

#[cfg(test)]
mod tests {
    use actix_http::test::TestRequest;

    use super::*;

    fn with_uri(uri: &str) -> TestRequest {
        TestRequest::default().uri(uri).take()
    }

    fn token(text: &str) -> Option<Credential> {
        Some(Credential::Token(text.into()))
    }

    #[test]
    fn a_credential_is_found_in_all_four_places() {
        let header = TestRequest::default().insert_header(("Authorization", "bearer abc")).finish();
        assert_eq!(credential(header.head()), token("abc"));
        let query = with_uri("/chat?x=1&token=a%2Bc").finish();
        assert_eq!(credential(query.head()), token("a+c"));
        let ticket = with_uri("/chat?token=t&ticket=k").finish();
        assert_eq!(credential(ticket.head()), Some(Credential::Ticket("k".into())));
        let protocol = ("Sec-WebSocket-Protocol", "chatapp.v1, bearer.a.b.c");
        assert_eq!(credential(TestRequest::default().insert_header(protocol).finish().head()), token("a.b.c"));
        let alone = ("Sec-WebSocket-Protocol", "bearer.a.b.c");
        assert_eq!(credential(TestRequest::default().insert_header(alone).finish().head()), None);
        assert_eq!(credential(with_uri("/chat?token=").finish().head()), None);
        let basic = TestRequest::default().insert_header(("Authorization", "Basic abc")).finish();
        assert_eq!(credential(basic.head()), None);
    }

    #[test]
    fn a_foreign_origin_is_refused_and_none_or_an_allowed_one_is_not() {
        let from = |origin: &str| TestRequest::default().insert_header(("Origin", origin)).finish();
        let allowed = ["https://app.example".to_owned()];
        assert!(origin_allowed(from("https://app.example").head(), &allowed));
        assert!(origin_allowed(TestRequest::default().finish().head(), &allowed));
        assert!(origin_allowed(from("https://evil.example").head(), &["*".to_owned()]));
        for evil in ["https://evil.example", "https://app.example.evil", "null", ""] {
            assert!(!origin_allowed(from(evil).head(), &allowed), "{evil}");
        }
    }

    #[test]
    fn a_credential_is_never_shown() {
        assert!(!format!("{:?}", Credential::Token("secret".into())).contains("secret"));
    }
}
