//! What a request is refused for, as the protocol numbers it.

use actix_web::http::StatusCode;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    UnknownTransport,
    UnknownSession,
    /// A session is opened by GET.
    HandshakeMethod,
    BadRequest,
    /// The page's origin may not.
    Forbidden,
    /// Only version 4 is spoken.
    UnsupportedVersion,
    TooLarge,
    /// As many sessions as there may be, or no worker that takes one.
    Overload,
}

impl Fault {
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Overload => StatusCode::SERVICE_UNAVAILABLE,
            Self::UnknownTransport | Self::UnknownSession | Self::HandshakeMethod => StatusCode::BAD_REQUEST,
            Self::BadRequest | Self::UnsupportedVersion => StatusCode::BAD_REQUEST,
        }
    }

    /// The constant body; the reference server's words, which clients show.
    pub const fn body(self) -> &'static str {
        match self {
            Self::UnknownTransport => r#"{"code":0,"message":"Transport unknown"}"#,
            Self::UnknownSession => r#"{"code":1,"message":"Session ID unknown"}"#,
            Self::HandshakeMethod => r#"{"code":2,"message":"Bad handshake method"}"#,
            Self::BadRequest => r#"{"code":3,"message":"Bad request"}"#,
            Self::Forbidden => r#"{"code":4,"message":"Forbidden"}"#,
            Self::UnsupportedVersion => r#"{"code":5,"message":"Unsupported protocol version"}"#,
            Self::TooLarge => r#"{"code":3,"message":"Payload too large"}"#,
            Self::Overload => r#"{"code":3,"message":"Too many sessions"}"#,
        }
    }
}
