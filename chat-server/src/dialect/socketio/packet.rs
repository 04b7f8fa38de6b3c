//! Packets of Socket.IO 5 as clients send them: a text, and the binary messages that belong to it.
//!
//! Own code rather than a crate's: those there are belong to a server (locks around what one connection alone has, its
//! body types), and take an acknowledgement's number that is none for no number.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Binary parts of one packet.
const MAX_ATTACHMENTS: usize = 10;

/// A whole packet of a client.
#[derive(Debug)]
pub enum Packet {
    /// With what it shows for itself, a JSON object.
    Connect(Option<String>),
    Disconnect,
    Event(Event),
    /// Nothing of ours asks for an acknowledgement.
    Ack,
    /// For a namespace there is not.
    Elsewhere {
        namespace: String,
        connects: bool,
    },
}

#[derive(Debug)]
pub struct Event {
    pub name: String,
    /// The first argument, JSON.
    pub argument: Option<Box<RawValue>>,
    /// The number of the acknowledgement that is asked for.
    pub ack: Option<String>,
    pub attachments: Vec<Bytes>,
}

/// It is none: the connection cannot be gone on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// Puts packets together. Holds one at most, of `bytes` in all its binary parts.
#[derive(Debug)]
pub struct Decoder {
    bytes: usize,
    partial: Option<Box<Partial>>,
}

#[derive(Debug)]
struct Partial {
    packet: Packet,
    wanted: usize,
    parts: Vec<Bytes>,
}

impl Decoder {
    /// `bytes`: the most all binary parts of a packet may have.
    pub fn new(bytes: usize) -> Self {
        Self { bytes, partial: None }
    }

    /// `None`: binary parts are to follow.
    pub fn text(&mut self, text: &str) -> Result<Option<Packet>, Malformed> {
        if self.partial.is_some() {
            return Err(Malformed);
        }
        let (packet, wanted) = parse(text)?;
        if wanted == 0 {
            return Ok(Some(packet));
        }
        self.partial = Some(Box::new(Partial { packet, wanted, parts: Vec::new() }));
        Ok(None)
    }

    /// The next part of what was begun.
    pub fn binary(&mut self, bytes: Bytes) -> Result<Option<Packet>, Malformed> {
        let mut partial = self.partial.take().ok_or(Malformed)?;
        let held: usize = partial.parts.iter().map(Bytes::len).sum();
        if held + bytes.len() > self.bytes {
            return Err(Malformed);
        }
        partial.parts.push(bytes);
        if partial.parts.len() < partial.wanted {
            self.partial = Some(partial);
            return Ok(None);
        }
        let Partial { mut packet, parts, .. } = *partial;
        if let Packet::Event(event) = &mut packet {
            event.attachments = parts;
        }
        Ok(Some(packet))
    }
}

/// `<type>[<parts>-][<namespace>,][<ack>][JSON]`; gives how many binary parts follow.
fn parse(text: &str) -> Result<(Packet, usize), Malformed> {
    let (kind, rest) = text.split_at_checked(1).ok_or(Malformed)?;
    let (parts, rest) = match kind {
        "5" | "6" => {
            let (count, rest) = rest.split_once('-').ok_or(Malformed)?;
            let count = number(count).and_then(|count| usize::try_from(count).ok()).ok_or(Malformed)?;
            if !(1..=MAX_ATTACHMENTS).contains(&count) {
                return Err(Malformed);
            }
            (count, rest)
        }
        _ => (0, rest),
    };
    let (namespace, rest) = match rest.starts_with('/') {
        true => rest.split_once(',').unwrap_or((rest, "")),
        false => ("/", rest),
    };
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (ack, json) = rest.split_at(digits);
    let ack = match ack {
        "" => None,
        digits => Some(number(digits).ok_or(Malformed)?.to_string()),
    };
    let packet = match (kind, ack) {
        ("0", None) if json.is_empty() => Packet::Connect(None),
        ("0", None) => Packet::Connect(Some(object(json)?)),
        ("1", None) if json.is_empty() => Packet::Disconnect,
        ("2" | "5", ack) => Packet::Event(event(json, ack)?),
        ("3" | "6", Some(_)) => {
            serde_json::from_str::<Vec<&RawValue>>(json).map(|_| Packet::Ack).map_err(|_| Malformed)?
        }
        _ => return Err(Malformed),
    };
    if namespace == "/" {
        return Ok((packet, parts));
    }
    let connects = matches!(packet, Packet::Connect(_));
    Ok((Packet::Elsewhere { namespace: namespace.into(), connects }, parts))
}

/// Digits as JavaScript counts exactly.
fn number(digits: &str) -> Option<u64> {
    let plain = (1..=16).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

fn object(json: &str) -> Result<String, Malformed> {
    #[derive(Deserialize)]
    struct Object {}
    serde_json::from_str::<Object>(json).map_err(|_| Malformed)?;
    json.trim_start().starts_with('{').then(|| json.to_owned()).ok_or(Malformed)
}

fn event(json: &str, ack: Option<String>) -> Result<Event, Malformed> {
    let mut arguments = serde_json::from_str::<Vec<&RawValue>>(json).map_err(|_| Malformed)?.into_iter();
    let name = arguments.next().and_then(|name| serde_json::from_str(name.get()).ok()).ok_or(Malformed)?;
    Ok(Event { name, argument: arguments.next().map(ToOwned::to_owned), ack, attachments: Vec::new() })
}

#[cfg(test)]
mod tests;
