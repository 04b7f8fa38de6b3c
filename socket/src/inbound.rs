//! What comes in: the request's payload, guarded, then parsed and put together by actix-ws.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use actix_web::{dev, error::PayloadError, web::Bytes};
use actix_ws::{AggregatedMessage, AggregatedMessageStream, ProtocolError};
use futures_util::Stream;

use crate::payload_guard::{FrameWalk, Violation};

/// The messages of one client, fragments put together.
pub struct Inbound {
    messages: AggregatedMessageStream,
    source: Rc<Source>,
}

/// The bytes of the client, shared with the guard inside the parser.
pub(crate) struct Source {
    payload: RefCell<dev::Payload>,
    violation: Cell<Option<Violation>>,
}

/// Lets bytes through as long as their frame headers are right; then ends.
pub(crate) struct Guarded {
    source: Rc<Source>,
    walk: FrameWalk,
}

impl Source {
    pub(crate) fn new(payload: dev::Payload) -> Rc<Self> {
        Rc::new(Self { payload: RefCell::new(payload), violation: Cell::new(None) })
    }

    fn poll_bytes(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, PayloadError>>> {
        Pin::new(&mut *self.payload.borrow_mut()).poll_next(cx)
    }
}

impl Guarded {
    pub(crate) fn new(source: Rc<Source>, max_message: usize) -> Self {
        Self { source, walk: FrameWalk::new(max_message) }
    }
}

impl Stream for Guarded {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.source.violation.get().is_some() {
            return Poll::Ready(None);
        }
        let Some(bytes) = ready!(self.source.poll_bytes(cx)?) else { return Poll::Ready(None) };
        match self.walk.walk(&bytes) {
            Ok(()) => Poll::Ready(Some(Ok(bytes))),
            Err((good, why)) => {
                self.source.violation.set(Some(why));
                Poll::Ready((good > 0).then(|| Ok(bytes.slice(..good))))
            }
        }
    }
}

impl Inbound {
    pub(crate) fn new(messages: AggregatedMessageStream, source: Rc<Source>) -> Self {
        Self { messages, source }
    }

    /// The next message; `None`: the connection has ended. After `Err` nothing more can be read, only
    /// [discarded](Self::discard). Messages read together with one that is not UTF-8 may be lost with it; those before
    /// a frame the guard refuses are not. Cancel-safe.
    pub async fn next(&mut self) -> Result<Option<AggregatedMessage>, Violation> {
        match self.messages.recv().await {
            Some(Ok(message)) => Ok(Some(message)),
            Some(Err(ProtocolError::Io(e))) if e.kind() == io::ErrorKind::InvalidData => Err(Violation::InvalidUtf8),
            // The transport ended; nobody is left to be told.
            Some(Err(ProtocolError::Io(_))) => Ok(None),
            Some(Err(ProtocolError::Overflow)) => Err(Violation::TooBig),
            Some(Err(_)) => Err(Violation::Protocol),
            None => self.source.violation.get().map_or(Ok(None), Err),
        }
    }

    /// Drops whatever still comes until the peer ends the transport. Reading on lets a peer that is still sending see
    /// our close frame: a socket closed with unread bytes is reset, and a reset overtakes what was sent.
    pub async fn discard(&mut self) {
        while let Some(Ok(_)) = poll_fn(|cx| self.source.poll_bytes(cx)).await {}
    }
}
