//! A message's text: what scripts change stands on lines of its own, so that they need not read the rest.
//!
//! `at deletedAt|- editedAt|- replies parent` (of whose replies it is one; 0: none), then the JSON of what never changes
//! and, each after a tab, which JSON does not hold, that of the attachments; the mentions, the tallies, and the content,
//! which comes last, so that it may hold anything.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use shared::{MessageId, RoomId, UserId, protocol::MessageType};

use super::{fields, from_json, json, millis, parse};
use crate::{Mentions, NewMessage, Result, StoredMessage, Tally, redis::connection::corrupt};

/// What never changes of a message; it stays when the message is deleted.
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

/// The second line of a message's text.
pub(in crate::redis) fn meta(message: &NewMessage) -> Result<String> {
    let mut line = json(&Meta {
        author: message.author.id,
        kind: message.kind,
        client_message_id: message.client_message_id.clone(),
        reply_to: message.reply_to,
    })?;
    for file in &message.attachments {
        line.push('\t');
        line.push_str(&json(file)?);
    }
    Ok(line)
}

/// `*` for everybody, and users, each once, a space between two.
pub(in crate::redis) fn mentions(mentions: &Mentions) -> String {
    let mut named = HashSet::new();
    let users = mentions.users.iter().filter(|user| named.insert(**user)).map(ToString::to_string);
    mentions.all.then(|| "*".to_owned()).into_iter().chain(users).collect::<Vec<_>>().join(" ")
}

fn read_mentions(line: &str) -> Result<Mentions> {
    let (all, users): (Vec<&str>, Vec<&str>) = line.split_terminator(' ').partition(|word| *word == "*");
    let users = users.into_iter().map(|user| parse(user, "a mention")).collect::<Result<_>>()?;
    Ok(Mentions { all: !all.is_empty(), users })
}

/// An emoji as scripts carry it: hex digits sort as the bytes do, and hold no space.
pub(in crate::redis) fn emoji_text(emoji: &str) -> String {
    emoji.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// The reverse of [`emoji_text`].
pub(in crate::redis) fn emoji(text: &str) -> Result<String> {
    let bytes: Option<Vec<u8>> = (0..text.len())
        .step_by(2)
        .map(|at| text.get(at..at + 2).and_then(|digits| u8::from_str_radix(digits, 16).ok()))
        .collect();
    bytes.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(|| corrupt("an emoji"))
}

/// A space before each: `emoji:count:user,user`.
fn tallies(line: &str) -> Result<Vec<Tally>> {
    let tally = |text: &str| {
        let mut parts = text.split(':');
        let (Some(name), Some(count), Some(users), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(corrupt("a tally"));
        };
        let users = users.split_terminator(',').map(|user| parse(user, "a tally's user")).collect::<Result<_>>()?;
        Ok(Tally { emoji: emoji(name)?, count: parse(count, "a tally's count")?, users })
    };
    line.split(' ').skip(1).map(tally).collect()
}

/// Reads a message's text.
pub(in crate::redis) fn message(room: RoomId, seq: u64, text: &str) -> Result<StoredMessage> {
    let what = "a message";
    let lines: Vec<&str> = text.splitn(5, '\n').collect();
    let [numbers, meta, mentions, reactions, content] = lines[..] else { return Err(corrupt(what)) };
    let [at, deleted_at, edited_at, replies, _parent] = fields(numbers, what)?;
    let sometime = |text: &str| if text == "-" { Ok(None) } else { millis(text).map(Some) };
    let mut metas = meta.split('\t');
    let meta: Meta = from_json(metas.next().unwrap_or_default())?;
    Ok(StoredMessage {
        room,
        seq,
        author: meta.author,
        kind: meta.kind,
        content: content.to_owned(),
        at: millis(at)?,
        client_message_id: meta.client_message_id,
        reply_to: meta.reply_to,
        replies: parse(replies, what)?,
        mentions: read_mentions(mentions)?,
        attachments: metas.map(from_json).collect::<Result<_>>()?,
        reactions: tallies(reactions)?,
        edited_at: sometime(edited_at)?,
        deleted_at: sometime(deleted_at)?,
    })
}

/// A `seq` as it stands in the indexes that are ordered by their text.
pub(in crate::redis) fn padded(seq: u64) -> String {
    const LARGEST: u64 = 9_999_999_999_999_999;
    format!("{:016}", seq.min(LARGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_with_line_ends_and_spaces_is_read_as_it_was() {
        let (room, user) = (RoomId::new(), UserId::new());
        let reply_to = Some(MessageId { room, seq: 3 });
        let meta = json(&Meta { author: user, kind: MessageType::Text, client_message_id: None, reply_to }).unwrap();
        let text = format!("1700000000123 - 1700000000124 2 3\n{meta}\n* {user}\n f09f9180:2:{user}\na b\n\nc\n");
        let read = message(room, 7, &text).unwrap();
        assert_eq!((read.content.as_str(), read.seq, read.at.as_millis()), ("a b\n\nc\n", 7, 1_700_000_000_123));
        assert_eq!((read.deleted_at, read.edited_at.unwrap().as_millis()), (None, 1_700_000_000_124));
        assert_eq!((read.replies, read.reply_to), (2, reply_to));
        assert_eq!(read.mentions, Mentions { all: true, users: vec![user] });
        assert_eq!(read.reactions, [Tally { emoji: "👀".into(), count: 2, users: vec![user] }]);
    }

    #[test]
    fn an_emoji_survives_its_text_and_what_is_no_emojis_text_is_refused() {
        for text in ["👀", "", "a b", "é:,\n"] {
            assert_eq!(emoji(&emoji_text(text)).unwrap(), text);
        }
        for text in ["f", "zz", "ff", "é"] {
            assert!(emoji(text).is_err(), "{text}");
        }
    }
}
