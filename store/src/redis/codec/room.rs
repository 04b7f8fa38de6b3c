//! A room's changes, and what crosses its channel.

use shared::{EventId, RoomId};

use super::{fields, from_json, message::emoji, message::message, millis, parse, role};
use crate::{
    BusEvent, Change, ChangeBody, MarkEvent, Marked, Marks, Result, RoomEvent, TypingEvent, redis::connection::corrupt,
};

/// `kind eventId at user seq` and, for a reaction, `emoji given`, for a role its name, for a removal who did it; with what the change points at, as it is now: the
/// message's text, for a reaction how many have given the emoji, for a change of the room its record.
pub(in crate::redis) fn change(room: RoomId, rev: u64, text: &str, now: Option<&str>) -> Result<Change> {
    let words: Vec<&str> = text.split(' ').collect();
    let [kind, event_id, at, user, seq, ref more @ ..] = words[..] else { return Err(corrupt("a change")) };
    let seq = parse(seq, "a seq")?;
    let body = match (kind, more, now) {
        ("m", [], Some(text)) => ChangeBody::Message(message(room, seq, text)?),
        ("e", [], Some(text)) => ChangeBody::Edited(message(room, seq, text)?),
        // Gone by retention: to whoever reads on, it is as if it had been deleted.
        ("m" | "e", [], None) | ("d", [], _) => ChangeBody::Deleted { seq },
        ("r", [name, given], count) => ChangeBody::Reacted {
            seq,
            emoji: emoji(name)?,
            added: *given == "1",
            count: count.map_or(Ok(0), |count| parse(count, "a count"))?,
        },
        ("j", [], _) => ChangeBody::Joined,
        ("l", [], _) => ChangeBody::Left,
        ("x", [], _) => ChangeBody::Ended,
        ("p", [name], _) => ChangeBody::Role { role: role(name)? },
        ("u", [], Some(record)) => ChangeBody::Updated(Box::new(from_json(record)?)),
        ("b", [by], _) => ChangeBody::Removed { by: parse(by, "a user")? },
        _ => return Err(corrupt("a change")),
    };
    let event_id: EventId = parse(event_id, "an event id")?;
    Ok(Change { rev, event_id, at: millis(at)?, user: parse(user, "a user")?, body })
}

/// `kind rev eventId at user seq …` as [`change`] has it, the name (JSON), and what the change points at: each on a line
/// of its own, the last to the end.
fn changed(room: RoomId, text: &str) -> Result<RoomEvent> {
    let what = "an event";
    let lines: Vec<&str> = text.splitn(3, '\n').collect();
    let [head, name, now] = lines[..] else { return Err(corrupt(what)) };
    let (kind, rest) = head.split_once(' ').ok_or_else(|| corrupt(what))?;
    let (rev, rest) = rest.split_once(' ').ok_or_else(|| corrupt(what))?;
    let now = (!now.is_empty()).then_some(now);
    let change = change(room, parse(rev, "a rev")?, &format!("{kind} {rest}"), now)?;
    Ok(RoomEvent { room, change, username: from_json(name)? })
}

/// Delivered and read before, and now.
pub(in crate::redis) fn marked(words: [&str; 4]) -> Result<Marked> {
    let mut marks = [0; 4];
    for (mark, word) in marks.iter_mut().zip(words) {
        *mark = parse(word, "a mark")?;
    }
    let [delivered, read, delivered_now, read_now] = marks;
    Ok(Marked { before: Marks { delivered, read }, now: Marks { delivered: delivered_now, read: read_now } })
}

/// `delivered read`, or nothing yet.
pub(in crate::redis) fn marks(text: Option<&str>) -> Result<Marks> {
    let Some(text) = text else { return Ok(Marks::default()) };
    let [delivered, read] = fields(text, "marks")?;
    Ok(Marks { delivered: parse(delivered, "a mark")?, read: parse(read, "a mark")? })
}

fn mark_event(room: RoomId, words: &str) -> Result<MarkEvent> {
    let [user, members, delivered, read, delivered_now, read_now] = fields(words, "marks")?;
    let Marked { before, now } = marked([delivered, read, delivered_now, read_now])?;
    Ok(MarkEvent { room, user: parse(user, "a user")?, before, now, members: parse(members, "a count")? })
}

/// What is published of somebody typing.
pub(in crate::redis) fn typing(event: &TypingEvent) -> Result<String> {
    Ok(format!("t {}", super::json(event)?))
}

/// What crossed the channel: its first word tells what follows. `k`: marks; `t`: typing (JSON); else a change.
pub(super) fn event(room: RoomId, text: &str) -> Result<BusEvent> {
    Ok(match text.split_once(' ') {
        Some(("k", words)) => BusEvent::Marked(mark_event(room, words)?.into()),
        Some(("t", text)) => BusEvent::Typing(from_json::<TypingEvent>(text).map(Into::into)?),
        _ => BusEvent::Room(changed(room, text)?.into()),
    })
}
