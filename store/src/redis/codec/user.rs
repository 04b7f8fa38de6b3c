//! A user's own log and channel. An entry is one line and thin: a notification is named, its item is in the inbox.

use shared::{NotificationId, RoomId, Timestamp, UserId};

use super::{fields, from_json, json, parse};
use crate::{InboxItem, Result, UserChange, UserChangeBody, UserEvent, redis::connection::corrupt};

/// An entry's own words, for the scripts that number it.
pub(in crate::redis) fn room_added(room: RoomId) -> String {
    format!("+ {room}")
}

pub(in crate::redis) fn room_removed(room: RoomId) -> String {
    format!("- {room}")
}

pub(in crate::redis) fn read_mark(room: RoomId, seq: u64) -> String {
    format!("r {room} {seq}")
}

pub(in crate::redis) fn contact(user: UserId, added: bool) -> String {
    format!("c {user} {}", u8::from(added))
}

pub(in crate::redis) fn block(user: UserId, added: bool) -> String {
    format!("b {user} {}", u8::from(added))
}

/// On the owner's presence channel: whether this user may watch them may have changed.
pub(in crate::redis) fn access_changed(watcher: UserId) -> String {
    format!("{}{watcher}", super::ACCESS)
}

pub(in crate::redis) fn notification(id: NotificationId) -> String {
    format!("n {id}")
}

/// `m` and the notification that was read, or `*`: all that were there.
pub(in crate::redis) fn notification_read(id: Option<NotificationId>) -> String {
    id.map_or("m *".into(), |id| format!("m {id}"))
}

/// Notification settings were set anew.
pub(in crate::redis) const NOTIFY_SETTINGS: &str = "p";

/// An item as it is kept: when it was read stands apart, so that reading it later need not rewrite it.
pub(in crate::redis) fn stored_item(item: &InboxItem) -> Result<String> {
    json(&InboxItem { read_at: None, ..item.clone() })
}

/// The reverse of [`stored_item`].
pub(in crate::redis) fn item(text: &str, read_at: Option<&str>) -> Result<InboxItem> {
    let read_at: Option<i64> = read_at.filter(|at| !at.is_empty()).map(|at| parse(at, "a time")).transpose()?;
    Ok(InboxItem { read_at: read_at.map(Timestamp::from_millis), ..from_json(text)? })
}

fn body(words: &str, item: Option<InboxItem>) -> Result<UserChangeBody> {
    let what = "a user's change";
    let (kind, rest) = words.split_once(' ').unwrap_or((words, ""));
    Ok(match kind {
        "+" => UserChangeBody::RoomAdded(parse(rest, what)?),
        "-" => UserChangeBody::RoomRemoved(parse(rest, what)?),
        "r" => {
            let [room, seq] = fields(rest, what)?;
            UserChangeBody::ReadMark { room: parse(room, what)?, seq: parse(seq, what)? }
        }
        "c" => {
            let [user, added] = fields(rest, what)?;
            UserChangeBody::Contact { user: parse(user, what)?, added: added == "1" }
        }
        "b" => {
            let [user, added] = fields(rest, what)?;
            UserChangeBody::Block { user: parse(user, what)?, added: added == "1" }
        }
        "q" => {
            let [user, way, pending] = fields(rest, what)?;
            UserChangeBody::Request { user: parse(user, what)?, incoming: way == "i", pending: pending == "1" }
        }
        "m" if rest == "*" => UserChangeBody::NotificationRead(None),
        "m" => UserChangeBody::NotificationRead(Some(parse(rest, what)?)),
        NOTIFY_SETTINGS => UserChangeBody::NotifySettings,
        "n" => item.map_or(UserChangeBody::Nothing, UserChangeBody::Notification),
        _ => return Err(corrupt(what)),
    })
}

/// `eventId`, then the entry's own words.
pub(in crate::redis) fn change(rev: u64, text: &str, item: Option<InboxItem>) -> Result<UserChange> {
    let (event_id, words) = text.split_once(' ').ok_or_else(|| corrupt("a user's change"))?;
    Ok(UserChange { rev, event_id: parse(event_id, "an event id")?, body: body(words, item)? })
}

/// `u rev eventId`, the entry's own words and, for a notification, line ends, when it was read or nothing, and its item;
/// or `s session`: a login that ended; or `x`: the account is gone, as the scripts say it.
pub(super) fn event(text: &str) -> Result<UserEvent> {
    let what = "a user's event";
    if text == "x" {
        return Ok(UserEvent::AccountClosed);
    }
    match text.split_once(' ') {
        Some(("s", session)) => Ok(UserEvent::SessionEnded(parse(session, what)?)),
        Some(("u", rest)) => {
            let mut lines = rest.splitn(3, '\n');
            let (rev, entry) = lines.next().and_then(|line| line.split_once(' ')).ok_or_else(|| corrupt(what))?;
            let item = match (lines.next(), lines.next()) {
                (Some(read_at), Some(text)) => Some(item(text, Some(read_at))?),
                _ => None,
            };
            Ok(UserEvent::Change(change(parse(rev, "a rev")?, entry, item)?))
        }
        _ => Err(corrupt(what)),
    }
}
