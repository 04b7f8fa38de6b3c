//! What a store operation can answer instead of its result.

/// Facts the domain acts on, then the two ways a store itself fails.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("username taken")]
    UsernameTaken,
    #[error("e-mail taken")]
    EmailTaken,
    #[error("handle taken")]
    HandleTaken,
    #[error("no such user")]
    UserNotFound,
    #[error("account banned")]
    AccountBanned,
    #[error("too many people in a list")]
    TooManyPeople,
    #[error("no such room")]
    RoomNotFound,
    #[error("not a member")]
    NotAMember,
    #[error("already a member")]
    AlreadyAMember,
    #[error("room full")]
    RoomFull,
    /// One of a direct room's two members has blocked the other.
    #[error("blocked")]
    Blocked,
    #[error("banned from the room")]
    Banned,
    #[error("too many bans")]
    TooManyBans,
    #[error("no such invite")]
    InviteNotFound,
    #[error("too many invites")]
    TooManyInvites,
    /// Somebody's role is not the one that was decided by: decide anew.
    #[error("roles have changed")]
    RolesChanged,
    #[error("no such message")]
    MessageNotFound,
    #[error("too many different reactions")]
    TooManyReactions,
    /// Never there, of somebody else, in another message, or gone.
    #[error("no such upload")]
    UploadNotFound,
    #[error("too many uploads that no message has")]
    TooManyUploads,
    #[error("dedupe key used with another content")]
    IdempotencyConflict,
    /// The store cannot be reached, is loading, or did not answer in time. What was asked may have been done or not;
    /// retrying with the same key is safe.
    #[error("store unavailable: {0:#}")]
    Unavailable(anyhow::Error),
    /// A defect or corrupt data.
    #[error(transparent)]
    Unexpected(#[from] anyhow::Error),
}

pub type Result<T> = std::result::Result<T, StoreError>;
