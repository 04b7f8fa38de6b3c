//! The public vocabulary of errors: one enum, its two exhaustive mappings side by side, and RFC 9457 problem details.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What went wrong, as REST bodies and socket frames spell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorCode {
    Unauthorized,
    Forbidden,
    NotAMember,
    Blocked,
    UserNotFound,
    RoomNotFound,
    MessageNotFound,
    NotFound,
    InvalidMessage,
    UsernameTaken,
    EmailTaken,
    HandleTaken,
    AlreadyAMember,
    RoomFull,
    IdempotencyConflict,
    PayloadTooLarge,
    RateLimitExceeded,
    ServerError,
    Unavailable,
}

impl ErrorCode {
    /// The HTTP status (RFC 9110).
    pub const fn http_status(self) -> u16 {
        match self {
            Self::InvalidMessage => 400,
            Self::Unauthorized => 401,
            Self::Forbidden | Self::NotAMember | Self::Blocked => 403,
            Self::UserNotFound | Self::RoomNotFound | Self::MessageNotFound | Self::NotFound => 404,
            Self::UsernameTaken | Self::EmailTaken | Self::HandleTaken => 409,
            Self::AlreadyAMember | Self::RoomFull | Self::IdempotencyConflict => 409,
            Self::PayloadTooLarge => 413,
            Self::RateLimitExceeded => 429,
            Self::ServerError => 500,
            Self::Unavailable => 503,
        }
    }

    /// The WebSocket close code (RFC 6455 §7.4) where this error ends the socket; `None` where the socket goes on.
    pub const fn close_code(self) -> Option<u16> {
        match self {
            Self::Unauthorized => Some(4401),
            Self::PayloadTooLarge => Some(1009),
            Self::Forbidden | Self::NotAMember | Self::Blocked => None,
            Self::UserNotFound | Self::RoomNotFound | Self::MessageNotFound | Self::NotFound => None,
            Self::InvalidMessage => None,
            Self::UsernameTaken | Self::EmailTaken | Self::HandleTaken => None,
            Self::AlreadyAMember | Self::RoomFull | Self::IdempotencyConflict => None,
            Self::RateLimitExceeded | Self::ServerError | Self::Unavailable => None,
        }
    }

    /// A constant title, the same for every occurrence (RFC 9457 §3.1.3).
    pub const fn title(self) -> &'static str {
        match self {
            Self::Unauthorized => "Authentication is needed",
            Self::Forbidden => "Not allowed",
            Self::NotAMember => "Not a member of the room",
            Self::Blocked => "Blocked",
            Self::UserNotFound => "No such user",
            Self::RoomNotFound => "No such room",
            Self::MessageNotFound => "No such message",
            Self::NotFound => "Not found",
            Self::InvalidMessage => "Invalid input",
            Self::UsernameTaken => "The username is taken",
            Self::EmailTaken => "The e-mail address is taken",
            Self::HandleTaken => "The handle is taken",
            Self::AlreadyAMember => "Already a member",
            Self::RoomFull => "The room is full",
            Self::IdempotencyConflict => "The key was used with another content",
            Self::PayloadTooLarge => "Too large",
            Self::RateLimitExceeded => "Too many requests",
            Self::ServerError => "Internal error",
            Self::Unavailable => "Temporarily unavailable",
        }
    }

    /// As it is spelt on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unauthorized => "UNAUTHORIZED",
            Self::Forbidden => "FORBIDDEN",
            Self::NotAMember => "NOT_A_MEMBER",
            Self::Blocked => "BLOCKED",
            Self::UserNotFound => "USER_NOT_FOUND",
            Self::RoomNotFound => "ROOM_NOT_FOUND",
            Self::MessageNotFound => "MESSAGE_NOT_FOUND",
            Self::NotFound => "NOT_FOUND",
            Self::InvalidMessage => "INVALID_MESSAGE",
            Self::UsernameTaken => "USERNAME_TAKEN",
            Self::EmailTaken => "EMAIL_TAKEN",
            Self::HandleTaken => "HANDLE_TAKEN",
            Self::AlreadyAMember => "ALREADY_A_MEMBER",
            Self::RoomFull => "ROOM_FULL",
            Self::IdempotencyConflict => "IDEMPOTENCY_CONFLICT",
            Self::PayloadTooLarge => "PAYLOAD_TOO_LARGE",
            Self::RateLimitExceeded => "RATE_LIMIT_EXCEEDED",
            Self::ServerError => "SERVER_ERROR",
            Self::Unavailable => "UNAVAILABLE",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One field of the input and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldProblem {
    /// The field's path in the input, as `payload.content`.
    pub field: String,
    /// A sentence for people.
    pub problem: String,
}

/// The body of a REST error: `application/problem+json` (RFC 9457) with our extension members.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// `about:blank`: the title and the code say what kind it is (RFC 9457 §4.2.1).
    #[serde(rename = "type")]
    pub kind: String,
    pub title: String,
    pub status: u16,
    pub detail: String,
    pub code: ErrorCode,
    /// Repeats `detail`; clients of the Messaging API read it.
    pub error: String,
    /// `false`, on the paths of the Messaging API alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub success: Option<bool>,
    /// Names this request in the logs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<FieldProblem>,
}

impl Problem {
    /// A problem with this code and sentence.
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self {
            kind: "about:blank".into(),
            title: code.title().into(),
            status: code.http_status(),
            error: detail.clone(),
            success: None,
            detail,
            code,
            request_id: None,
            details: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_code_is_its_serialised_form() {
        for code in [ErrorCode::NotAMember, ErrorCode::RateLimitExceeded, ErrorCode::IdempotencyConflict] {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }
}
