//! The texts that scripts compose and this engine reads: memberships, messages, changes, events.
//!
//! Scripts only cut and join them at spaces and line ends; they never decode. A JSON line holds no raw line end.

pub(super) mod message;
pub(super) mod room;
pub(super) mod user;

use std::{str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};
use shared::{
    Timestamp, UserId,
    protocol::{Position, Role},
};

use super::connection::corrupt;
use crate::{BusEvent, Joined, Membership, Result, Topic, presence::PresenceEvent};

/// What begins the text of who may watch having changed, among those of presence, which are JSON.
const ACCESS: &str = "a ";
/// What follows it where it is not about one watcher.
const ANYBODY: &str = "*";

/// JSON of one of our own types.
pub(super) fn json<T: Serialize>(value: &T) -> Result<String> {
    Ok(serde_json::to_string(value).map_err(|e| anyhow::Error::new(e).context("encode for Redis"))?)
}

/// The reverse of [`json`].
pub(super) fn from_json<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T> {
    Ok(serde_json::from_str(text).map_err(|e| anyhow::Error::new(e).context("decode from Redis"))?)
}

pub(super) fn hex(bytes: &[u8; 32]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(64), |mut out, byte| {
        // Writing into a string cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

pub(super) fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut out = [0; 32];
    if text.len() != 64 {
        return None;
    }
    for (byte, pair) in out.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(out)
}

pub(super) fn parse<T: FromStr>(text: &str, what: &'static str) -> Result<T> {
    text.parse().map_err(|_| corrupt(what))
}

fn millis(text: &str) -> Result<Timestamp> {
    Ok(Timestamp::from_millis(parse(text, "a time")?))
}

pub(super) fn fields<'a, const N: usize>(text: &'a str, what: &'static str) -> Result<[&'a str; N]> {
    let fields: Vec<&str> = text.split(' ').collect();
    fields.try_into().map_err(|_| corrupt(what))
}

/// `rev` and event id, as scripts give them.
pub(super) fn position(fields: &[Option<String>]) -> Result<Position> {
    let [Some(rev), Some(event_id)] = fields else { return Err(corrupt("a position")) };
    Ok(Position { rev: parse(rev, "a rev")?, event_id: parse(event_id, "an event id")? })
}

/// A role as scripts carry it.
pub(super) const fn role_text(role: Role) -> &'static str {
    match role {
        Role::Member => "member",
        Role::Admin => "admin",
        Role::Owner => "owner",
    }
}

pub(super) fn role(text: &str) -> Result<Role> {
    match text {
        "member" => Ok(Role::Member),
        "admin" => Ok(Role::Admin),
        "owner" => Ok(Role::Owner),
        _ => Err(corrupt("a role")),
    }
}

/// `role joinedSeq joinedRev joinedAt eventId`: the membership, and the position just after the join.
pub(super) fn joined(user: UserId, text: &str) -> Result<Joined> {
    let [role_name, seq, rev, at, event_id] = fields(text, "a membership")?;
    let membership = Membership {
        user,
        role: role(role_name)?,
        joined_seq: parse(seq, "a seq")?,
        joined_rev: parse(rev, "a rev")?,
        joined_at: millis(at)?,
    };
    let position = Position { rev: membership.joined_rev, event_id: parse(event_id, "an event id")? };
    Ok(Joined { membership, position })
}

/// What came over a topic's channel.
pub(super) fn bus_event(topic: Topic, text: &str) -> Result<BusEvent> {
    Ok(match topic {
        Topic::Room(id) => room::event(id, text)?,
        Topic::User(id) => BusEvent::User(id, Arc::new(user::event(text)?)),
        Topic::Presence(id) => match text.strip_prefix(ACCESS) {
            Some(ANYBODY) => BusEvent::AccessChanged { user: id, watcher: None },
            Some(watcher) => BusEvent::AccessChanged { user: id, watcher: Some(parse(watcher, "a watcher")?) },
            None => BusEvent::Presence(Arc::new(from_json::<PresenceEvent>(text)?)),
        },
    })
}

#[cfg(test)]
mod tests {
    use shared::RoomId;

    use super::*;

    #[test]
    fn what_is_not_ours_is_an_error_and_no_panic() {
        let id = RoomId::new();
        let texts = [
            "",
            "\n",
            "1 -\n{}\n",
            "x -\n\n",
            "1 2 3\n\n",
            "m 1 2\n\n\n",
            "1 - - 0 0\n\n\n\n",
            "k 1 2 3",
            "t {",
            "u 1",
            "s x",
            "a x",
            "r 1 2 3 4 5\n\n",
            "p 1 - 0 - 0 king\n\n",
        ];
        for text in texts {
            assert!(message::message(id, 1, text).is_err(), "{text:?}");
            assert!(bus_event(Topic::Room(id), text).is_err(), "{text:?}");
            assert!(bus_event(Topic::User(UserId::new()), text).is_err(), "{text:?}");
            assert!(bus_event(Topic::Presence(UserId::new()), text).is_err(), "{text:?}");
            assert!(room::change(id, 1, text, None).is_err(), "{text:?}");
            assert!(joined(UserId::new(), text).is_err(), "{text:?}");
        }
    }
}
