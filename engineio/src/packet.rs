//! How packets are spelt: a digit and what it carries; over HTTP several in one payload, binary ones as base64.
//!
//! Own code rather than a crate's: those there are come with a server's body types, and take `2anything` for a ping.

use std::collections::VecDeque;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use bytestring::ByteString;
use socket::{binary_frame, text_frame};

/// Between the packets of a payload.
const SEPARATOR: char = '\x1e';
/// Packets of one payload; each costs some memory of its own.
const MAX_PACKETS: usize = 1024;

/// What a client may send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    Close,
    Pong,
    /// Is this socket one to go on with?
    Probe,
    /// It is gone on with.
    Upgrade,
    Noop,
    Text(ByteString),
    Binary(Bytes),
}

/// It is none of the above.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// The most bytes a message may have.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    pub text: usize,
    pub binary: usize,
}

impl Packet {
    /// A text frame of a socket. O(1).
    pub fn from_text(text: &ByteString) -> Result<Self, Malformed> {
        Ok(match &**text {
            "1" => Self::Close,
            "2probe" => Self::Probe,
            "3" => Self::Pong,
            "5" => Self::Upgrade,
            "6" => Self::Noop,
            message => Self::Text(text.slice_ref(message.strip_prefix('4').ok_or(Malformed)?)),
        })
    }
}

/// The packets of a request's body, all or none.
pub fn payload(body: Bytes, most: Sizes) -> Result<VecDeque<Packet>, Malformed> {
    let body = ByteString::try_from(body).map_err(|_| Malformed)?;
    let mut packets = VecDeque::new();
    for part in body.split(SEPARATOR) {
        let packet = match part.strip_prefix('b') {
            Some(encoded) => Packet::Binary(STANDARD.decode(encoded).map_err(|_| Malformed)?.into()),
            None => Packet::from_text(&body.slice_ref(part))?,
        };
        let fits = match &packet {
            Packet::Text(text) => text.len() <= most.text,
            Packet::Binary(bytes) => bytes.len() <= most.binary,
            // There is no socket here that could be probed.
            Packet::Probe | Packet::Upgrade => false,
            Packet::Close | Packet::Pong | Packet::Noop => true,
        };
        if !fits || packets.len() == MAX_PACKETS {
            return Err(Malformed);
        }
        packets.push_back(packet);
    }
    Ok(packets)
}

/// The bytes of the body that holds one message of these sizes.
pub const fn body_bytes(most: Sizes) -> usize {
    // An event, its separator, and its binary part in base64 with its letter.
    most.text + 2 + most.binary.div_ceil(3) * 4 + 1
}

/// A message as the frame a socket is sent; over HTTP a poll takes it from there.
pub fn text(message: &str) -> Bytes {
    text_frame(format!("4{message}"))
}

/// The same for a binary one.
pub fn binary(message: &[u8]) -> Bytes {
    binary_frame(message)
}

/// The first packet of a session.
pub fn open(sid: &str, upgrades: &[&str], config: &crate::Config) -> Bytes {
    let millis = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let about = serde_json::json!({
        "sid": sid,
        "upgrades": upgrades,
        "pingInterval": millis(config.ping_interval),
        "pingTimeout": millis(config.ping_timeout),
        "maxPayload": config.max_payload,
    });
    text_frame(format!("0{about}"))
}

/// The frames in front as the body of an answer, and how many of them it has: those that fit, but one at least. Empty
/// where none of them is for a client that has no socket.
pub fn body(frames: &VecDeque<Bytes>, most: usize) -> (Vec<u8>, usize) {
    let (mut body, mut taken) = (Vec::new(), 0);
    for frame in frames {
        let (opcode, payload) = split(frame);
        let length = match opcode {
            2 => payload.len().div_ceil(3) * 4 + 1,
            1 => payload.len(),
            _ => 1,
        };
        if !body.is_empty() && body.len() + 1 + length > most {
            break;
        }
        taken += 1;
        if !matches!(opcode, 1 | 2 | 8) {
            continue;
        }
        if !body.is_empty() {
            body.push(SEPARATOR as u8);
        }
        match opcode {
            1 => body.extend_from_slice(payload),
            2 => {
                body.push(b'b');
                body.extend_from_slice(STANDARD.encode(payload).as_bytes());
            }
            _ => body.push(b'1'),
        }
    }
    (body, taken)
}

/// Opcode and payload of a whole frame of ours (RFC 6455 §5.2): unmasked, in one piece.
fn split(frame: &[u8]) -> (u8, &[u8]) {
    let (Some(first), Some(second)) = (frame.first(), frame.get(1)) else { return (0, &[]) };
    let header = match second & 0x7f {
        126 => 4,
        127 => 10,
        _ => 2,
    };
    (first & 0x0f, frame.get(header..).unwrap_or_default())
}

#[cfg(test)]
mod tests;
