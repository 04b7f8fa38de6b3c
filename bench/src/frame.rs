//! What the tool writes into messages and reads out of frames. A delivery is scanned, never parsed: with thousands of
//! them for each message, parsing would be most of what this tool does.

use std::borrow::Cow;

use memchr::memmem::{self, Finder};
use serde::Deserialize;
use serde_json::value::RawValue;
use shared::{EventId, RoomId, protocol::Position};

/// How a delivery begins, as this server spells it; others are recognised too, at the price of parsing them.
const DELIVERY: &str = r#"{"type":"NEW_MESSAGE","#;
/// Digits of a message's number in its text.
const DIGITS: usize = 12;
/// The shortest text that holds a mark.
pub const MIN_PAYLOAD: usize = 3 + 8 + DIGITS + 1;

/// Recognises the messages of one run.
pub struct Scanner {
    /// The mark up to the number.
    mark: String,
    find_mark: Finder<'static>,
    find_seq: Finder<'static>,
}

/// A frame of a server, as far as this tool wants to know it.
#[derive(Debug, PartialEq)]
pub enum Frame<'a> {
    Delivery(Delivery),
    /// Anything else.
    Other(Envelope<'a>),
    /// Not what the protocol says.
    Unreadable,
}

/// A message at a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// Its number in this run; `None`: not of this run.
    pub number: Option<u64>,
    /// Its number in its room.
    pub seq: u64,
}

/// What all frames have in common.
#[derive(Debug, Deserialize)]
pub struct Envelope<'a> {
    #[serde(rename = "type", borrow)]
    pub kind: Cow<'a, str>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
    #[serde(rename = "requestId", borrow)]
    pub request_id: Option<Cow<'a, str>>,
}

impl PartialEq for Envelope<'_> {
    fn eq(&self, other: &Self) -> bool {
        (&self.kind, self.payload(), &self.request_id) == (&other.kind, other.payload(), &other.request_id)
    }
}

impl<'a> Envelope<'a> {
    /// The JSON of the payload; `null` where there is none.
    pub fn payload(&self) -> &'a str {
        self.payload.map_or("null", RawValue::get)
    }

    /// The number of the command this answers, where it is one of ours.
    pub fn number(&self) -> Option<u64> {
        u64::from_str_radix(self.request_id.as_deref()?, 16).ok()
    }
}

impl Scanner {
    /// `run` tells this run's messages from those of others.
    pub fn new(run: u32) -> Self {
        let mark = format!("m:{run:08x}:");
        Self { find_mark: Finder::new(&mark).into_owned(), find_seq: Finder::new(r#""seq":"#).into_owned(), mark }
    }

    /// The text of a message: its mark, filled up to `length` bytes.
    pub fn content(&self, number: u64, length: usize) -> String {
        let mut text = format!("{}{number:012x}:", self.mark);
        text.extend(std::iter::repeat_n('x', length.saturating_sub(text.len())));
        text
    }

    /// What a frame is.
    pub fn read<'a>(&self, text: &'a str) -> Frame<'a> {
        if text.starts_with(DELIVERY) {
            return self.delivery(text);
        }
        match serde_json::from_str::<Envelope>(text) {
            Ok(envelope) if envelope.kind == "NEW_MESSAGE" => self.delivery(text),
            Ok(envelope) => Frame::Other(envelope),
            Err(_) => Frame::Unreadable,
        }
    }

    fn delivery<'a>(&self, text: &'a str) -> Frame<'a> {
        let Some(seq) = self.find_seq.find(text.as_bytes()).and_then(|at| leading_number(&text[at + 6..])) else {
            return Frame::Unreadable;
        };
        Frame::Delivery(Delivery { number: self.number(text), seq })
    }

    /// The number of the message whose text is in here.
    fn number(&self, text: &str) -> Option<u64> {
        let at = self.find_mark.find(text.as_bytes())? + self.mark.len();
        u64::from_str_radix(text.get(at..at + DIGITS)?, 16).ok()
    }
}

/// The room of a delivery.
pub fn room(text: &str) -> Option<RoomId> {
    let at = memmem::find(text.as_bytes(), br#""roomId":""#)? + 10;
    text.get(at..at + 36)?.parse().ok()
}

/// Where a delivery stands in its room's log.
pub fn position(text: &str) -> Option<Position> {
    let rev = text.rfind(r#""rev":"#).and_then(|at| leading_number(&text[at + 6..]))?;
    let at = memmem::rfind(text.as_bytes(), br#""eventId":""#)? + 11;
    let event_id: EventId = text.get(at..at + 16)?.parse().ok()?;
    Some(Position { rev, event_id })
}

fn leading_number(text: &str) -> Option<u64> {
    let end = text.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use shared::{
        MessageId, Timestamp, UserId,
        protocol::{Message, MessageType, ServerFrame, encode_frame},
    };

    use super::*;

    fn frame(room: RoomId, content: String) -> String {
        let message = Message {
            id: MessageId { room, seq: 41 },
            room_id: room,
            seq: 41,
            user_id: UserId::new(),
            username: "seq".into(),
            content,
            kind: MessageType::Text,
            timestamp: Timestamp::now(),
            client_message_id: None,
            reply_to: None,
            reply_count: 0,
            mentions: vec![],
            mention_all: false,
            attachments: Vec::new(),
            reactions: vec![],
            edited_at: None,
            deleted_at: None,
        };
        encode_frame(&ServerFrame::NewMessage { message, rev: 57, event_id: EventId::from_bits(0xabc) }, None)
    }

    #[test]
    fn a_message_is_recognised_in_the_frame_the_server_makes_of_it() {
        let scanner = Scanner::new(7);
        let id = RoomId::new();
        let text = frame(id, scanner.content(0x1234, 120));
        assert_eq!(scanner.read(&text), Frame::Delivery(Delivery { number: Some(0x1234), seq: 41 }));
        assert_eq!(room(&text), Some(id));
        assert_eq!(position(&text), Some(Position { rev: 57, event_id: EventId::from_bits(0xabc) }));
    }

    #[test]
    fn a_message_of_another_run_has_no_number() {
        let text = frame(RoomId::new(), Scanner::new(8).content(1, 120));
        assert_eq!(Scanner::new(7).read(&text), Frame::Delivery(Delivery { number: None, seq: 41 }));
    }

    #[test]
    fn a_frame_with_its_fields_in_another_order_is_understood_too() {
        let scanner = Scanner::new(7);
        let text = format!(r#"{{"payload":{{"seq":9,"content":"{}"}},"type":"NEW_MESSAGE"}}"#, scanner.content(3, 0));
        assert_eq!(scanner.read(&text), Frame::Delivery(Delivery { number: Some(3), seq: 9 }));
    }

    #[test]
    fn a_reply_tells_which_command_it_answers() {
        let scanner = Scanner::new(7);
        let Frame::Other(reply) = scanner.read(r#"{"type":"PONG","payload":{"a":1},"requestId":"1f"}"#) else {
            panic!()
        };
        assert_eq!((reply.number(), reply.payload()), (Some(31), r#"{"a":1}"#));
        assert_eq!(scanner.read("?"), Frame::Unreadable);
    }

    #[test]
    fn a_text_has_the_length_asked_for() {
        let scanner = Scanner::new(u32::MAX);
        assert_eq!(scanner.content(1, 120).len(), 120);
        assert_eq!(scanner.content(1, 0).len(), MIN_PAYLOAD);
    }
}
