//! Every code a server closes a socket with (RFC 6455 §7.4 and our own 4000–4999), and what it says.

/// Why the server ends a socket. 1012 and 4000–4499 mean: reconnect and resume; 4500–4999: do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloseCode {
    /// The peer closed, or everything is done.
    Normal,
    /// The service goes away for good.
    GoingAway,
    /// Reserved bits, unknown opcodes, unmasked frames, fragments out of turn.
    ProtocolError,
    /// A text that is not UTF-8.
    InvalidUtf8,
    /// The peer breaks a rule that has no code of its own.
    Policy,
    /// A frame or message over the size limit.
    TooBig,
    /// A defect of the server.
    InternalError,
    /// The server drains, or cannot serve now: another instance or a moment later will do.
    Restart,
    /// Too many frames that could not be understood.
    BadFrames,
    /// Not authenticated in time, credential refused, or session revoked.
    Unauthorized,
    /// The peer does not read what it is sent.
    SlowConsumer,
    /// The peer said it would resume, and did not in time.
    NotResumed,
    /// The account is deleted or banned.
    AccountClosed,
}

impl CloseCode {
    /// As it is sent.
    pub const fn as_u16(self) -> u16 {
        match self {
            Self::Normal => 1000,
            Self::GoingAway => 1001,
            Self::ProtocolError => 1002,
            Self::InvalidUtf8 => 1007,
            Self::Policy => 1008,
            Self::TooBig => 1009,
            Self::InternalError => 1011,
            Self::Restart => 1012,
            Self::BadFrames => 4400,
            Self::Unauthorized => 4401,
            Self::SlowConsumer => 4408,
            Self::NotResumed => 4409,
            Self::AccountClosed => 4503,
        }
    }

    /// The constant sentence beside it; at most 123 bytes (RFC 6455 §5.5).
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Normal => "",
            Self::GoingAway => "going away",
            Self::ProtocolError => "protocol error",
            Self::InvalidUtf8 => "text is not UTF-8",
            Self::Policy => "not allowed",
            Self::TooBig => "frame over the size limit",
            Self::InternalError => "internal error",
            Self::Restart => "server restarts, connect again",
            Self::BadFrames => "too many bad frames",
            Self::Unauthorized => "not authenticated",
            Self::SlowConsumer => "too slow, connect again and resume",
            Self::NotResumed => "not resumed in time, connect again",
            Self::AccountClosed => "account closed",
        }
    }
}
