//! What one user, or one address, may do at most, and how large things may be.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Switches the rates off (not the sizes), for benchmarks.
    pub enabled: bool,
    /// Per user, over all instances and REST + sockets.
    pub messages_per_second: u32,
    pub messages_burst: u32,
    /// Per address.
    pub signups_per_minute: u32,
    /// Per address.
    pub logins_per_minute: u32,
    /// Per account, in 15 minutes.
    pub wrong_passwords: u32,
    /// Per address: passwords said to be lost, and tokens of letters that are tried.
    pub resets_per_minute: u32,
    /// Per e-mail address, an account's or nobody's: letters that are asked for.
    pub letters_per_hour: u32,
    /// Per user: searches for people.
    pub searches_per_minute: u32,
    /// Per user: tickets for sockets.
    pub tickets_per_minute: u32,
    /// Per user: files and avatars.
    pub uploads_per_minute: u32,
    /// Per user: asking people to be contacts.
    pub contact_requests_per_minute: u32,
    /// Per user: invites made.
    pub invites_per_minute: u32,
    /// Per user, and per address: codes of invites that are tried, right or wrong.
    pub redeems_per_minute: u32,
    /// Characters of a message.
    pub content_chars: usize,
    /// Bytes of a client's frame.
    pub frame_bytes: usize,
    /// Bytes of a REST body.
    pub body_bytes: usize,
    /// Frames waiting for one socket; more is a slow consumer.
    pub queue_frames: usize,
    /// Bytes waiting for one socket.
    pub queue_bytes: usize,
    /// How long a socket's queue may stay non-empty.
    pub queue_seconds: u64,
    /// Bad frames in a minute before the socket is closed (4400).
    pub bad_frames_per_minute: u32,
    /// From the handshake to the first `AUTHENTICATE`.
    pub authenticate_seconds: u64,
    /// The server pings so often and drops a peer silent for two of them.
    pub heartbeat_seconds: u64,
    pub room_members: u64,
    pub rooms_per_user: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            enabled: true,
            messages_per_second: 20,
            messages_burst: 40,
            signups_per_minute: 20,
            logins_per_minute: 30,
            wrong_passwords: 10,
            resets_per_minute: 10,
            letters_per_hour: 5,
            searches_per_minute: 60,
            tickets_per_minute: 60,
            uploads_per_minute: 60,
            contact_requests_per_minute: 30,
            invites_per_minute: 20,
            redeems_per_minute: 30,
            content_chars: 8000,
            frame_bytes: 64 * 1024,
            body_bytes: 256 * 1024,
            queue_frames: 256,
            queue_bytes: 1024 * 1024,
            queue_seconds: 30,
            bad_frames_per_minute: 100,
            authenticate_seconds: 10,
            heartbeat_seconds: 30,
            room_members: 100_000,
            rooms_per_user: 1000,
        }
    }
}
