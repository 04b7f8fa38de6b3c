//! What can go wrong for a caller, of REST and of sockets alike.

use std::time::Duration;

use shared::{ErrorCode, FieldProblem};

use crate::Disconnect;

/// The outcome of a call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server said no: problem+json (RFC 9457) of REST, or an `ERROR` frame.
    #[error("{code}: {detail}")]
    Api {
        code: ErrorCode,
        /// HTTP; for a frame, the status REST would have given it.
        status: u16,
        detail: String,
        /// When to try again, where the server says so.
        retry_after: Option<Duration>,
        /// The fields that were wrong, where it is about fields.
        details: Vec<FieldProblem>,
    },
    /// No reply came in time. Whether the command was carried out is not known; a message may be sent again as it is
    /// (its `clientMessageId` makes that safe).
    #[error("no reply within {0:?}")]
    Timeout(Duration),
    /// The connection was lost between the command and its reply, and the command is not one that may be repeated
    /// blindly. Whether it was carried out is not known.
    #[error("the connection was lost before the reply came")]
    Interrupted,
    /// The connection is closed and will not come back.
    #[error("the connection is closed: {0}")]
    Closed(Disconnect),
    /// The first connection failed.
    #[error("cannot connect: {0}")]
    Connect(Disconnect),
    /// There is no fresh token to be had.
    #[error("no valid token: {0}")]
    Token(String),
    /// The server answered with something else than the protocol says.
    #[error("unexpected answer: {0}")]
    Unexpected(String),
    /// Not a URL this client can use.
    #[error("not a usable URL: {0}")]
    Url(String),
    /// HTTP itself failed.
    #[error(transparent)]
    Http(#[from] reqwest::Error),
}

impl Error {
    /// The server's code, if the server answered.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Api { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// The same call may succeed a moment later.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Api { code, .. } => {
                matches!(code, ErrorCode::Unavailable | ErrorCode::ServerError | ErrorCode::RateLimitExceeded)
            }
            Self::Http(_) | Self::Timeout(_) | Self::Interrupted => true,
            Self::Closed(_) | Self::Connect(_) | Self::Token(_) | Self::Unexpected(_) | Self::Url(_) => false,
        }
    }
}
