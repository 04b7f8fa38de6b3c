//! Why a connection ended, and what that asks of the client: the close-code policy.

use std::fmt;

/// How a connection, or the attempt at one, ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Disconnect {
    /// The server closed it with this code (RFC 6455 §7.4; 4000–4999 are the protocol's own).
    Closed { code: u16, reason: String },
    /// It ended without a close frame (1006).
    Lost(String),
    /// The server was silent for two heartbeats.
    Silent,
    /// The server asked the client to connect elsewhere or anew (`RECONNECT`).
    Moved,
    /// The application took no events for too long; the next connection goes on from the last it took.
    Behind,
    /// The upgrade, or the question where to connect, was answered with this HTTP status.
    Handshake { status: u16 },
    /// There is no valid token to connect with.
    Token(String),
    /// The application closed it.
    Finished,
}

impl fmt::Display for Disconnect {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Closed { code, reason } if reason.is_empty() => write!(f, "closed by the server with {code}"),
            Self::Closed { code, reason } => write!(f, "closed by the server with {code} ({reason})"),
            Self::Lost(why) => write!(f, "lost: {why}"),
            Self::Silent => f.write_str("the server was silent for two heartbeats"),
            Self::Moved => f.write_str("the server asked to connect anew"),
            Self::Behind => f.write_str("the application took no events for too long"),
            Self::Handshake { status } => write!(f, "the upgrade was answered with HTTP {status}"),
            Self::Token(why) => write!(f, "no valid token: {why}"),
            Self::Finished => f.write_str("closed by the application"),
        }
    }
}

/// What to do about a [`Disconnect`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Connect again and repeat what had no reply.
    Reconnect,
    /// Connect again, but repeat nothing: what was sent is the likely cause.
    ReconnectAfresh,
    /// Get a fresh token, then connect again.
    Refresh,
    /// It would end the same way again.
    GiveUp,
}

impl Disconnect {
    /// The policy of the protocol: 1006, 1012 and 4000–4499 mean connect again, 4500–4999 do not; 4401 needs another
    /// token. The standard codes it does not name are treated by their meaning in the registry of RFC 6455 §11.7.
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::Closed { code, .. } => close_verdict(*code),
            Self::Lost(_) | Self::Silent | Self::Moved | Self::Behind => Verdict::Reconnect,
            Self::Handshake { status: 401 } => Verdict::Refresh,
            Self::Handshake { status: 408 | 425 | 429 | 500..=599 } => Verdict::Reconnect,
            Self::Handshake { .. } | Self::Token(_) | Self::Finished => Verdict::GiveUp,
        }
    }
}

fn close_verdict(code: u16) -> Verdict {
    match code {
        4401 => Verdict::Refresh,
        4000..=4499 => Verdict::Reconnect,
        // Too large for this server, though not for the client's own check.
        1009 => Verdict::ReconnectAfresh,
        // Protocol error, unacceptable data, bad text, policy, missing extension: ours to mend, not to repeat.
        1002 | 1003 | 1007 | 1008 | 1010 => Verdict::GiveUp,
        // Normal ends, going away, restarts, overload, a proxy's failure.
        1000..=1999 => Verdict::Reconnect,
        _ => Verdict::GiveUp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed(code: u16) -> Verdict {
        Disconnect::Closed { code, reason: String::new() }.verdict()
    }

    #[test]
    fn the_codes_of_the_protocol_mean_what_it_says() {
        for code in [1006, 1012, 4000, 4400, 4408, 4499] {
            assert_eq!(closed(code), Verdict::Reconnect, "{code}");
        }
        for code in [4500, 4503, 4999] {
            assert_eq!(closed(code), Verdict::GiveUp, "{code}");
        }
        assert_eq!(closed(4401), Verdict::Refresh);
    }

    #[test]
    fn the_standard_codes_follow_their_meaning() {
        for code in [1000, 1001, 1005, 1011, 1013, 1014] {
            assert_eq!(closed(code), Verdict::Reconnect, "{code}");
        }
        for code in [1002, 1003, 1007, 1008, 1010, 3000, 5000] {
            assert_eq!(closed(code), Verdict::GiveUp, "{code}");
        }
        assert_eq!(closed(1009), Verdict::ReconnectAfresh);
    }

    #[test]
    fn a_refused_upgrade_is_repeated_only_where_that_can_help() {
        let refused = |status| Disconnect::Handshake { status }.verdict();
        assert_eq!(refused(401), Verdict::Refresh);
        assert_eq!(refused(429), Verdict::Reconnect);
        assert_eq!(refused(503), Verdict::Reconnect);
        assert_eq!(refused(403), Verdict::GiveUp);
        assert_eq!(refused(404), Verdict::GiveUp);
        assert_eq!(Disconnect::Lost("refused".into()).verdict(), Verdict::Reconnect);
        assert_eq!(Disconnect::Silent.verdict(), Verdict::Reconnect);
        assert_eq!(Disconnect::Finished.verdict(), Verdict::GiveUp);
    }
}
