//! What a rule answers when it does not let something happen; its public code is decided here, once.

use std::time::Duration;

use shared::{ErrorCode, FieldProblem};
use store::StoreError;

#[derive(Debug, thiserror::Error)]
pub enum DomainError {
    #[error("{0}")]
    Unauthorized(&'static str),
    /// As [`Self::Unauthorized`], for good.
    #[error("the account is gone")]
    AccountClosed,
    #[error("the account is banned")]
    AccountBanned,
    #[error("{0}")]
    Forbidden(&'static str),
    #[error("you are not a member of this room")]
    NotAMember,
    #[error("one of you two has blocked the other")]
    Blocked,
    #[error("there is no such user")]
    UserNotFound,
    #[error("there is no such room")]
    RoomNotFound,
    #[error("there is no such message")]
    MessageNotFound,
    #[error("{0}")]
    NotFound(&'static str),
    #[error("{}", summary(.0))]
    Invalid(Vec<FieldProblem>),
    #[error("the username is taken")]
    UsernameTaken,
    #[error("the e-mail address is taken")]
    EmailTaken,
    #[error("the handle is taken")]
    HandleTaken,
    #[error("already a member of this room")]
    AlreadyAMember,
    #[error("{0}")]
    RoomFull(&'static str),
    #[error("this key was used before with another content")]
    IdempotencyConflict,
    #[error("it is the last instance of {} that serves: start another one first", .0.as_str())]
    LastInstance(store::Service),
    /// How much it may be.
    #[error("{0}")]
    TooLarge(String),
    #[error("too many uploads that no message has; send them, or wait until they are removed")]
    TooManyUploads,
    #[error("too many requests; try again in {} s", .retry_after.as_secs_f32().ceil())]
    RateLimited { retry_after: Duration },
    /// The store is away or this process is overloaded; the cause is for the log.
    #[error("temporarily unavailable; try again")]
    Unavailable(#[source] anyhow::Error),
    #[error("internal error")]
    Unexpected(#[from] anyhow::Error),
}

fn summary(details: &[FieldProblem]) -> String {
    let each: Vec<String> = details.iter().map(|d| format!("{}: {}", d.field, d.problem)).collect();
    each.join("; ")
}

impl DomainError {
    /// One field of the input is wrong.
    pub fn invalid(field: &str, problem: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldProblem { field: field.into(), problem: problem.into() }])
    }

    /// The public code.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Unauthorized(_) | Self::AccountClosed => ErrorCode::Unauthorized,
            Self::Forbidden(_) | Self::AccountBanned => ErrorCode::Forbidden,
            Self::NotAMember => ErrorCode::NotAMember,
            Self::Blocked => ErrorCode::Blocked,
            Self::UserNotFound => ErrorCode::UserNotFound,
            Self::RoomNotFound => ErrorCode::RoomNotFound,
            Self::MessageNotFound => ErrorCode::MessageNotFound,
            Self::NotFound(_) => ErrorCode::NotFound,
            Self::Invalid(_) => ErrorCode::InvalidMessage,
            Self::UsernameTaken => ErrorCode::UsernameTaken,
            Self::EmailTaken => ErrorCode::EmailTaken,
            Self::HandleTaken => ErrorCode::HandleTaken,
            Self::AlreadyAMember => ErrorCode::AlreadyAMember,
            Self::RoomFull(_) => ErrorCode::RoomFull,
            Self::IdempotencyConflict => ErrorCode::IdempotencyConflict,
            Self::LastInstance(_) => ErrorCode::LastInstance,
            Self::TooLarge(_) => ErrorCode::PayloadTooLarge,
            Self::RateLimited { .. } | Self::TooManyUploads => ErrorCode::RateLimitExceeded,
            Self::Unavailable(_) => ErrorCode::Unavailable,
            Self::Unexpected(_) => ErrorCode::ServerError,
        }
    }

    /// The fields at fault.
    pub fn details(&self) -> &[FieldProblem] {
        match self {
            Self::Invalid(details) => details,
            _ => &[],
        }
    }

    /// With [`ErrorCode::RateLimitExceeded`]: when to try again.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after } => Some(*retry_after),
            // Sending one is enough; they are removed after hours.
            Self::TooManyUploads => Some(Duration::from_secs(60)),
            _ => None,
        }
    }

    /// Writes to the log what the client is not told; call once, where the error is turned into an answer.
    pub fn log(&self) {
        match self {
            Self::Unavailable(cause) => tracing::warn!("unavailable: {cause:#}"),
            Self::Unexpected(cause) => tracing::error!("unexpected: {cause:#}"),
            _ => {}
        }
    }
}

impl From<StoreError> for DomainError {
    fn from(e: StoreError) -> Self {
        match e {
            StoreError::UsernameTaken => Self::UsernameTaken,
            StoreError::EmailTaken => Self::EmailTaken,
            StoreError::HandleTaken => Self::HandleTaken,
            StoreError::UserNotFound => Self::UserNotFound,
            StoreError::AccountBanned => Self::AccountBanned,
            StoreError::TooManyPeople => Self::invalid("userId", "the list has as many people as it may"),
            StoreError::RoomNotFound => Self::RoomNotFound,
            StoreError::NotAMember => Self::NotAMember,
            StoreError::Blocked => Self::Blocked,
            StoreError::AlreadyAMember => Self::AlreadyAMember,
            StoreError::RoomFull => Self::RoomFull("the room has as many members as it may"),
            StoreError::Banned => Self::Forbidden("you are banned from this room"),
            StoreError::InviteNotFound => Self::NotFound("there is no such invite"),
            StoreError::TooManyInvites => Self::RoomFull("the room has as many invites as it may"),
            StoreError::TooManyBans => Self::RoomFull("the room has as many bans as it may"),
            e @ StoreError::RolesChanged => Self::Unavailable(e.into()),
            StoreError::MessageNotFound => Self::MessageNotFound,
            StoreError::TooManyReactions => {
                Self::invalid("emoji", "the message has as many different reactions as it may")
            }
            StoreError::UploadNotFound => {
                Self::invalid("attachments", "one is no upload of yours that no other message has")
            }
            StoreError::TooManyUploads => Self::TooManyUploads,
            StoreError::IdempotencyConflict => Self::IdempotencyConflict,
            StoreError::Unavailable(cause) => Self::Unavailable(cause),
            StoreError::Unexpected(cause) => Self::Unexpected(cause),
        }
    }
}
