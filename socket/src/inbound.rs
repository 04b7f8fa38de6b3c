//! What comes in: the bytes of the socket, guarded, parsed by actix-http, fragments put together.

use std::{
    future::poll_fn,
    io,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
};

use actix_http::ws::{OpCode, Parser};
use actix_ws::AggregatedMessage;
use bytes::BytesMut;
use bytestring::ByteString;
use tokio::{
    io::{AsyncRead, ReadBuf},
    net::tcp::OwnedReadHalf,
};

use crate::payload_guard::{FrameWalk, Violation};

/// Bytes taken from the kernel in one call. On the stack: an idle connection has no buffer.
const READ: usize = 16 * 1024;

/// The messages of one client. What it holds is bounded by the largest message allowed and one read.
pub struct Inbound {
    transport: OwnedReadHalf,
    /// Read, let through, not parsed yet.
    buffer: BytesMut,
    walk: FrameWalk,
    limit: usize,
    /// The fragments so far of a message under way; boxed, because there is hardly ever one.
    fragments: Option<Box<Fragments>>,
    /// Why nothing more is let through.
    violation: Option<Violation>,
}

struct Fragments {
    is_text: bool,
    bytes: BytesMut,
}

impl Inbound {
    /// `early` came behind the request. `limit`: the most payload bytes of one message.
    pub(crate) fn new(transport: OwnedReadHalf, early: &[u8], limit: usize) -> Self {
        let walk = FrameWalk::new(limit);
        let mut inbound = Self { transport, buffer: BytesMut::new(), walk, limit, fragments: None, violation: None };
        inbound.let_through(early);
        inbound
    }

    /// The next message (of a close, not its reason); `None`: the connection has ended. After `Err` nothing more can be read, only
    /// [discarded](Self::discard); every message before it has been given. Cancel-safe.
    pub async fn next(&mut self) -> Result<Option<AggregatedMessage>, Violation> {
        loop {
            if let Some(message) = self.parse()? {
                return Ok(Some(message));
            }
            if let Some(violation) = self.violation {
                return Err(violation);
            }
            if !poll_fn(|cx| self.poll_read(cx)).await {
                return Ok(None);
            }
        }
    }

    /// Drops whatever still comes until the peer ends the transport. Reading on lets a peer that is still sending see
    /// our close frame: a socket closed with unread bytes is reset, and a reset overtakes what was sent.
    pub async fn discard(&mut self) {
        self.violation = Some(Violation::Protocol);
        while poll_fn(|cx| self.poll_read(cx)).await {}
    }

    /// Reads what is there. `false`: the transport has ended.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let mut space = [MaybeUninit::uninit(); READ];
        let mut read = ReadBuf::uninit(&mut space);
        let outcome: io::Result<()> = ready!(Pin::new(&mut self.transport).poll_read(cx, &mut read));
        let bytes = read.filled();
        self.let_through(bytes);
        Poll::Ready(outcome.is_ok() && !bytes.is_empty())
    }

    /// Keeps the bytes in front of the first frame that breaks a rule.
    fn let_through(&mut self, bytes: &[u8]) {
        if self.violation.is_some() {
            return;
        }
        let good = match self.walk.walk(bytes) {
            Ok(()) => bytes.len(),
            Err((good, why)) => {
                self.violation = Some(why);
                good
            }
        };
        self.buffer.extend_from_slice(&bytes[..good]);
    }

    /// The next whole message of the buffer.
    fn parse(&mut self) -> Result<Option<AggregatedMessage>, Violation> {
        while !self.buffer.is_empty() {
            let Ok(frame) = Parser::parse(&mut self.buffer, true, self.limit) else {
                return Err(self.break_off(Violation::Protocol));
            };
            let Some((is_last, opcode, payload)) = frame else { return Ok(None) };
            if self.buffer.is_empty() {
                self.buffer = BytesMut::new();
            }
            let payload = payload.unwrap_or_default();
            let message = match (opcode, is_last) {
                (OpCode::Text | OpCode::Binary, true) => self.whole(opcode == OpCode::Text, payload)?,
                (OpCode::Text | OpCode::Binary, false) => {
                    let is_text = opcode == OpCode::Text;
                    self.fragments = Some(Box::new(Fragments { is_text, bytes: payload }));
                    continue;
                }
                (OpCode::Continue, _) => match self.put_together(&payload, is_last)? {
                    Some(message) => message,
                    None => continue,
                },
                (OpCode::Ping, _) => AggregatedMessage::Ping(payload.freeze()),
                (OpCode::Pong, _) => AggregatedMessage::Pong(payload.freeze()),
                (OpCode::Close, _) => match judge_close(&payload) {
                    Ok(()) => AggregatedMessage::Close(None),
                    Err(why) => return Err(self.break_off(why)),
                },
                (OpCode::Bad, _) => return Err(self.break_off(Violation::Protocol)),
            };
            return Ok(Some(message));
        }
        Ok(None)
    }

    fn put_together(&mut self, payload: &[u8], is_last: bool) -> Result<Option<AggregatedMessage>, Violation> {
        // The guard has seen that there is one, and that together they are not too long.
        let Some(mut fragments) = self.fragments.take() else { return Err(self.break_off(Violation::Protocol)) };
        fragments.bytes.extend_from_slice(payload);
        if is_last {
            return self.whole(fragments.is_text, fragments.bytes).map(Some);
        }
        self.fragments = Some(fragments);
        Ok(None)
    }

    fn whole(&mut self, is_text: bool, payload: BytesMut) -> Result<AggregatedMessage, Violation> {
        if !is_text {
            return Ok(AggregatedMessage::Binary(payload.freeze()));
        }
        ByteString::try_from(payload).map(AggregatedMessage::Text).map_err(|_| self.break_off(Violation::InvalidUtf8))
    }

    fn break_off(&mut self, why: Violation) -> Violation {
        self.buffer = BytesMut::new();
        *self.violation.insert(why)
    }
}

/// A close says nothing, or a code that may be sent and a reason in UTF-8 (RFC 6455 §5.5.1 and §7.4; of 1000 to 2999,
/// those that are registered).
fn judge_close(payload: &[u8]) -> Result<(), Violation> {
    let Some((code, reason)) = payload.split_first_chunk() else {
        return if payload.is_empty() { Ok(()) } else { Err(Violation::Protocol) };
    };
    match u16::from_be_bytes(*code) {
        1000..=1003 | 1007..=1014 | 3000..=4999 => {}
        _ => return Err(Violation::Protocol),
    }
    str::from_utf8(reason).map(drop).map_err(|_| Violation::InvalidUtf8)
}
