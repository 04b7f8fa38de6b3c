//! What goes out: a bounded queue of ready-made frames for each connection, drained by the response's body.
//!
//! Nobody awaits a socket: whoever has a frame pushes it (a refcount, no copy), and wakes the socket once when done.
//! A queue over its limits is dropped at once; the connection is told and ends with 4408 if it can still be written.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    convert::Infallible,
    future::poll_fn,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use actix_http::body::{BodySize, BoxBody, MessageBody};
use bytes::{BufMut, Bytes, BytesMut};
use tokio::time::{Instant, timeout_at};

use crate::CloseCode;

/// What bounds a queue.
#[derive(Debug, Clone, Copy)]
pub struct QueueLimits {
    pub frames: usize,
    pub bytes: usize,
    /// How long it may stay non-empty.
    pub time: Duration,
}

/// What came of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// The first since the socket was last woken: [`Outbound::wake`] it when done.
    First,
    /// It will be woken already.
    More,
    /// This push broke a limit: the queue is gone, the connection is about to end. Told once.
    Overflowed,
    /// It is closing; the frame was dropped.
    Closed,
}

/// Where a queue stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Open,
    /// A close frame is queued behind what was there; nothing more is taken.
    Closing,
    /// A limit was broken; 4408 is all that is queued.
    Overflowed,
    /// The body ends as soon as it is polled, or has gone: the transport ended.
    Ended,
}

/// The sending half of a socket. Clones share it; on one thread.
#[derive(Clone)]
pub struct Outbound {
    inner: Rc<Inner>,
}

pub(crate) struct Inner {
    queue: RefCell<Queue>,
    limits: QueueLimits,
    /// The connection's task, while it waits for an interrupt or for room.
    task: Cell<Option<Waker>>,
    /// Did the peer send anything since the pulse last looked?
    pub(crate) heard: Cell<bool>,
    /// Heartbeats in a row without a sign of the peer.
    pub(crate) silent: Cell<u8>,
    /// The server stops; the connection is to say so and close.
    draining: Cell<bool>,
    /// A [`Replay`] is under way: what counts is progress.
    replaying: Cell<bool>,
}

impl Inner {
    /// One slot is enough: all who wait are futures of one task.
    fn wait<T>(&self, cx: &Context<'_>) -> Poll<T> {
        self.task.set(Some(cx.waker().clone()));
        Poll::Pending
    }

    /// Is half the queue free?
    fn is_roomy(&self, queue: &Queue) -> bool {
        queue.frames.len() * 2 <= self.limits.frames && queue.bytes * 2 <= self.limits.bytes
    }

    /// A queue is dropped whole: after a gap the rest would be worth nothing.
    fn overflow(&self, queue: &mut Queue) {
        queue.frames = VecDeque::from([close_frame(CloseCode::SlowConsumer)]);
        queue.bytes = 0;
        queue.stage = Stage::Overflowed;
        self.wake_task();
        metrics::counter!("chatapp_slow_consumers_total").increment(1);
    }

    fn wake_task(&self) {
        if let Some(waker) = self.task.take() {
            waker.wake();
        }
    }
}

/// What a connection's task must react to besides the client's messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interrupt {
    /// The server stops.
    Drain,
    /// The queue has left [`Stage::Open`].
    Stage(Stage),
}

struct Queue {
    frames: VecDeque<Bytes>,
    bytes: usize,
    /// Since when it has not been empty; during a replay, since when nothing was taken from it.
    since: Option<Instant>,
    stage: Stage,
    /// Frames were pushed since the last wake.
    touched: bool,
    /// The connection's task waits for room.
    wants_room: bool,
    /// The body's task, when it found nothing to send.
    waker: Option<Waker>,
}

impl Outbound {
    /// An empty queue. Bounded by `limits`; a frame is queued only while all three hold.
    pub fn new(limits: QueueLimits) -> Self {
        let queue = Queue {
            frames: VecDeque::new(),
            bytes: 0,
            since: None,
            stage: Stage::Open,
            touched: false,
            wants_room: false,
            waker: None,
        };
        let inner = Inner {
            queue: RefCell::new(queue),
            limits,
            task: Cell::new(None),
            heard: Cell::new(true),
            silent: Cell::new(0),
            draining: Cell::new(false),
            replaying: Cell::new(false),
        };
        Self { inner: Rc::new(inner) }
    }

    /// Queues a ready-made frame; O(1), wakes nobody.
    pub fn push(&self, frame: Bytes) -> Pushed {
        let mut queue = self.inner.queue.borrow_mut();
        if queue.stage != Stage::Open {
            return Pushed::Closed;
        }
        let limits = &self.inner.limits;
        let too_long = queue.since.is_some_and(|since| since.elapsed() > limits.time);
        if too_long || queue.frames.len() >= limits.frames || queue.bytes + frame.len() > limits.bytes {
            self.inner.overflow(&mut queue);
            return Pushed::Overflowed;
        }
        queue.since.get_or_insert_with(Instant::now);
        queue.bytes += frame.len();
        queue.frames.push_back(frame);
        if std::mem::replace(&mut queue.touched, true) { Pushed::More } else { Pushed::First }
    }

    /// Lets the socket's task send what is queued.
    pub fn wake(&self) {
        let mut queue = self.inner.queue.borrow_mut();
        queue.touched = false;
        let waker = queue.waker.take();
        drop(queue);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Queues a frame and lets it be sent.
    pub fn send(&self, frame: Bytes) -> Pushed {
        let pushed = self.push(frame);
        self.wake();
        pushed
    }

    /// Closes after what is queued: RFC 6455 §5.5.1. The transport stays until [`end`](Self::end).
    pub fn close(&self, code: CloseCode) {
        {
            let mut queue = self.inner.queue.borrow_mut();
            if queue.stage != Stage::Open {
                return;
            }
            queue.stage = Stage::Closing;
            queue.frames.push_back(close_frame(code));
        }
        self.inner.wake_task();
        self.wake();
    }

    /// Ends the transport once what is queued has been handed over.
    pub fn end(&self) {
        let mut queue = self.inner.queue.borrow_mut();
        queue.stage = Stage::Ended;
        drop(queue);
        self.inner.wake_task();
        self.wake();
    }

    pub fn stage(&self) -> Stage {
        self.inner.queue.borrow().stage
    }

    /// Frames that wait.
    pub fn waiting(&self) -> usize {
        self.inner.queue.borrow().frames.len()
    }

    /// Waits until the connection must react. For its own task alone. Cancel-safe.
    pub(crate) async fn interrupt(&self) -> Interrupt {
        poll_fn(|cx| match self.stage() {
            Stage::Open if self.inner.draining.get() => Poll::Ready(Interrupt::Drain),
            Stage::Open => self.inner.wait(cx),
            other => Poll::Ready(Interrupt::Stage(other)),
        })
        .await
    }

    /// Tells the connection's task that the server stops.
    pub(crate) fn drain(&self) {
        self.inner.draining.set(true);
        self.inner.wake_task();
    }

    /// Waits until half the queue is free, so that one's own replies cannot overflow it: a client that does not read
    /// its replies is not read from. For the connection's task alone. Cancel-safe.
    pub async fn room(&self) {
        poll_fn(|cx| {
            let mut queue = self.inner.queue.borrow_mut();
            queue.wants_room = !self.inner.is_roomy(&queue) && queue.stage == Stage::Open;
            if queue.wants_room { self.inner.wait(cx) } else { Poll::Ready(()) }
        })
        .await;
    }

    /// Begins to send more than the queue holds, at the pace of the peer. For the connection's task alone.
    pub fn replay(&self) -> Replay {
        self.inner.replaying.set(true);
        Replay { outbound: self.clone() }
    }

    /// Must the connection end? It has been closed, the transport has ended, or the server stops.
    pub fn is_ending(&self) -> bool {
        self.inner.draining.get() || self.stage() != Stage::Open
    }

    /// The same connection?
    pub fn is(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.inner, &other.inner)
    }

    /// The peer gave a sign of life.
    pub(crate) fn heard(&self) {
        self.inner.heard.set(true);
    }

    pub(crate) fn downgrade(&self) -> std::rc::Weak<Inner> {
        Rc::downgrade(&self.inner)
    }

    pub(crate) fn upgrade(inner: &std::rc::Weak<Inner>) -> Option<Self> {
        inner.upgrade().map(|inner| Self { inner })
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.inner
    }
}

/// While it lives, what goes out is pulled by the peer: a frame is pushed when half the queue is free, so that together
/// they may be more than the queue holds; the limit of time counts from the last progress, and progress is a sign of
/// life. Nothing is read from the peer meanwhile, since it is the connection's task that waits here.
pub struct Replay {
    outbound: Outbound,
}

impl Replay {
    /// Pushes a frame of at most half the queue's bytes as soon as there is room. `false`: the connection is about to
    /// end, or the peer took nothing for the limit of time and is closed as a slow consumer. Cancel-safe.
    pub async fn push(&self, frame: Bytes) -> bool {
        self.room().await && !matches!(self.outbound.push(frame), Pushed::Overflowed | Pushed::Closed)
    }

    /// Lets the socket send what has been pushed.
    pub fn flush(&self) {
        self.outbound.wake();
    }

    async fn room(&self) -> bool {
        let inner = &self.outbound.inner;
        loop {
            let stuck_at = {
                let mut queue = inner.queue.borrow_mut();
                if queue.stage != Stage::Open || inner.draining.get() {
                    return false;
                }
                if inner.is_roomy(&queue) {
                    return true;
                }
                queue.wants_room = true;
                queue.since.unwrap_or_else(Instant::now) + inner.limits.time
            };
            if stuck_at <= Instant::now() {
                inner.overflow(&mut inner.queue.borrow_mut());
                self.flush();
                return false;
            }
            self.flush();
            let woken = poll_fn(|cx| {
                let queue = inner.queue.borrow();
                let go_on = !queue.wants_room || queue.stage != Stage::Open || inner.draining.get();
                if go_on { Poll::Ready(()) } else { inner.wait(cx) }
            });
            // Out of time: the peer may have taken something meanwhile, which the next round sees.
            let _ = timeout_at(stuck_at, woken).await;
        }
    }
}

impl Drop for Replay {
    fn drop(&mut self) {
        self.outbound.inner.replaying.set(false);
        self.flush();
    }
}

/// The response's body. actix's HTTP/1 dispatcher takes frames until its write buffer is full (32 KiB), then writes
/// them all at once: giving them one by one costs one copy, putting them together here would cost two.
pub(crate) struct OutboundBody {
    outbound: Outbound,
    /// actix-ws' own body; the inbound stream ends when it is dropped.
    _inner: BoxBody,
}

impl OutboundBody {
    pub(crate) fn new(outbound: Outbound, inner: BoxBody) -> Self {
        Self { outbound, _inner: inner }
    }
}

impl MessageBody for OutboundBody {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        let inner = &self.outbound.inner;
        let mut queue = inner.queue.borrow_mut();
        let Some(frame) = queue.frames.pop_front() else {
            return match queue.stage {
                Stage::Ended => Poll::Ready(None),
                Stage::Open | Stage::Closing | Stage::Overflowed => {
                    queue.waker = Some(cx.waker().clone());
                    Poll::Pending
                }
            };
        };
        queue.bytes = queue.bytes.saturating_sub(frame.len());
        if inner.replaying.get() {
            // A peer that takes what is sent is there, though what it says is not read meanwhile.
            inner.heard.set(true);
            queue.since = Some(Instant::now());
        }
        if queue.frames.is_empty() {
            queue.since = None;
            // Idle connections are the many: what a burst needed is not kept.
            if queue.frames.capacity() > 8 {
                queue.frames = VecDeque::new();
            }
        }
        if queue.wants_room && inner.is_roomy(&queue) {
            queue.wants_room = false;
            inner.wake_task();
        }
        Poll::Ready(Some(Ok(frame)))
    }
}

impl Drop for OutboundBody {
    fn drop(&mut self) {
        self.outbound.inner.queue.borrow_mut().frames.clear();
        self.outbound.end();
    }
}

const TEXT: u8 = 0x1;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;

/// A whole text frame, unmasked as a server's are (RFC 6455 §5.1).
pub fn text_frame(text: impl AsRef<[u8]>) -> Bytes {
    frame(TEXT, text.as_ref())
}

/// A ping; payloads over 125 bytes are cut.
pub fn ping_frame(payload: &[u8]) -> Bytes {
    frame(PING, &payload[..payload.len().min(125)])
}

/// The answer to a ping: its own payload.
pub fn pong_frame(payload: &[u8]) -> Bytes {
    frame(PONG, &payload[..payload.len().min(125)])
}

/// A close frame with code and reason.
pub fn close_frame(code: CloseCode) -> Bytes {
    let mut payload = code.as_u16().to_be_bytes().to_vec();
    payload.extend(code.reason().as_bytes());
    frame(CLOSE, &payload)
}

fn frame(opcode: u8, payload: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(payload.len() + 10);
    out.put_u8(0x80 | opcode);
    match payload.len() {
        short @ 0..=125 => out.put_u8(short as u8),
        medium @ 126..=0xffff => {
            out.put_u8(126);
            out.put_u16(medium as u16);
        }
        long => {
            out.put_u8(127);
            out.put_u64(long as u64);
        }
    }
    out.put_slice(payload);
    out.freeze()
}

#[cfg(test)]
mod tests;
