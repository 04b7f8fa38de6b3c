//! The texts that scripts compose and this engine reads: memberships, messages, changes, events.
//!
//! Scripts only cut and join them at spaces and line ends; they never decode. A JSON line holds no raw line end, and
//! a message's content comes last, so that it may hold anything.

pub(super) mod user;

use std::{str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};
use shared::{
    EventId, MessageId, RoomId, Timestamp, UserId,
    protocol::{MessageType, Position, Role},
};

use super::connection::corrupt;
use crate::{
    BusEvent, Change, ChangeBody, Joined, Membership, NewMessage, Result, RoomEvent, StoredMessage, Topic,
    presence::PresenceEvent,
};

/// What of a message stays when it is deleted: the second line of its text.
#[derive(Serialize, Deserialize)]
struct Meta {
    #[serde(rename = "a")]
    author: UserId,
    #[serde(rename = "k")]
    kind: MessageType,
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    client_message_id: Option<String>,
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    reply_to: Option<MessageId>,
}

/// JSON of one of our own types.
pub(super) fn json<T: Serialize>(value: &T) -> Result<String> {
    Ok(serde_json::to_string(value).map_err(|e| anyhow::Error::new(e).context("encode for Redis"))?)
}

/// The reverse of [`json`].
pub(super) fn from_json<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T> {
    Ok(serde_json::from_str(text).map_err(|e| anyhow::Error::new(e).context("decode from Redis"))?)
}

pub(super) fn parse<T: FromStr>(text: &str, what: &'static str) -> Result<T> {
    text.parse().map_err(|_| corrupt(what))
}

fn millis(text: &str) -> Result<Timestamp> {
    Ok(Timestamp::from_millis(parse(text, "a time")?))
}

fn fields<'a, const N: usize>(text: &'a str, what: &'static str) -> Result<[&'a str; N]> {
    let fields: Vec<&str> = text.split(' ').collect();
    fields.try_into().map_err(|_| corrupt(what))
}

/// A role as scripts carry it.
pub(super) const fn role_text(role: Role) -> &'static str {
    match role {
        Role::Member => "member",
        Role::Admin => "admin",
        Role::Owner => "owner",
    }
}

fn role(text: &str) -> Result<Role> {
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

/// The second line of a message's text.
pub(super) fn meta(message: &NewMessage) -> Result<String> {
    json(&Meta {
        author: message.author.id,
        kind: message.kind,
        client_message_id: message.client_message_id.clone(),
        reply_to: message.reply_to,
    })
}

/// `at deletedAt|-`, line end, meta, line end, content.
pub(super) fn message(room: RoomId, seq: u64, text: &str) -> Result<StoredMessage> {
    let mut lines = text.splitn(3, '\n');
    let (Some(times), Some(meta), Some(content)) = (lines.next(), lines.next(), lines.next()) else {
        return Err(corrupt("a message"));
    };
    let [at, deleted_at] = fields(times, "a message's times")?;
    let deleted_at = if deleted_at == "-" { None } else { Some(millis(deleted_at)?) };
    let meta: Meta = from_json(meta)?;
    Ok(StoredMessage {
        room,
        seq,
        author: meta.author,
        kind: meta.kind,
        content: content.to_owned(),
        at: millis(at)?,
        client_message_id: meta.client_message_id,
        reply_to: meta.reply_to,
        replies: 0,
        mentions: crate::Mentions::default(),
        reactions: Vec::new(),
        edited_at: None,
        deleted_at,
    })
}

/// `kind eventId at user seq` and, for a message, its text.
pub(super) fn change(room: RoomId, rev: u64, text: &str, message_text: Option<&str>) -> Result<Change> {
    let [kind, event_id, at, user, seq] = fields(text, "a change")?;
    let seq = parse(seq, "a seq")?;
    let body = match (kind, message_text) {
        ("m", Some(text)) => ChangeBody::Message(message(room, seq, text)?),
        // Gone by retention: to whoever reads on, it is as if it had been deleted.
        ("m", None) | ("d", _) => ChangeBody::Deleted { seq },
        ("j", _) => ChangeBody::Joined,
        ("l", _) => ChangeBody::Left,
        _ => return Err(corrupt("a change")),
    };
    let event_id: EventId = parse(event_id, "an event id")?;
    Ok(Change { rev, event_id, at: millis(at)?, user: parse(user, "a user")?, body })
}

/// `kind rev eventId at user seq`, then on lines of their own: name (JSON), meta, content.
fn room_event(room: RoomId, text: &str) -> Result<RoomEvent> {
    let mut lines = text.splitn(4, '\n');
    let (Some(head), Some(name), Some(meta), Some(content)) = (lines.next(), lines.next(), lines.next(), lines.next())
    else {
        return Err(corrupt("an event"));
    };
    let [kind, rev, event_id, at, user, seq] = fields(head, "an event")?;
    let text = (kind == "m").then(|| format!("{at} -\n{meta}\n{content}"));
    let change = change(room, parse(rev, "a rev")?, &format!("{kind} {event_id} {at} {user} {seq}"), text.as_deref())?;
    Ok(RoomEvent { room, change, username: from_json(name)? })
}

/// What came over a topic's channel.
pub(super) fn bus_event(topic: Topic, text: &str) -> Result<BusEvent> {
    Ok(match topic {
        Topic::Room(room) => BusEvent::Room(Arc::new(room_event(room, text)?)),
        Topic::User(id) => BusEvent::User(id, Arc::new(user::event(text)?)),
        Topic::Presence(_) => BusEvent::Presence(Arc::new(from_json::<PresenceEvent>(text)?)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_with_line_ends_and_spaces_is_read_as_it_was() {
        let (room, user) = (RoomId::new(), UserId::new());
        let meta = json(&Meta { author: user, kind: MessageType::Text, client_message_id: None, reply_to: None });
        let text = format!("1700000000123 -\n{}\na b\n\nc\n", meta.unwrap());
        let read = message(room, 7, &text).unwrap();
        assert_eq!((read.content.as_str(), read.seq, read.at.as_millis()), ("a b\n\nc\n", 7, 1_700_000_000_123));
        assert_eq!(read.deleted_at, None);
    }

    #[test]
    fn what_is_not_ours_is_an_error_and_no_panic() {
        let room = RoomId::new();
        for text in ["", "\n", "1 -\n{}\n", "x -\n\n", "1 2 3\n\n", "m 1 2\n\n\n"] {
            assert!(message(room, 1, text).is_err(), "{text:?}");
            assert!(bus_event(Topic::Room(room), text).is_err(), "{text:?}");
            assert!(change(room, 1, text, None).is_err(), "{text:?}");
            assert!(joined(UserId::new(), text).is_err(), "{text:?}");
        }
    }
}
