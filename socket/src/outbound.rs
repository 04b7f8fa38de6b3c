//! What goes out: a bounded queue of ready-made frames for each connection, written by whoever wakes it.
//!
//! Nobody awaits a socket: whoever has a frame pushes it (a refcount, no copy), and wakes the socket once when done. That
//! writes what is queued at once, in one call of the kernel, on the thread of the caller; no task is scheduled. Only what
//! the kernel does not take waits for the connection's task. A queue over its limits is dropped at once; the connection
//! is told and ends with 4408 if it can still be written.

mod cork;
mod replay;

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    future::poll_fn,
    io::{self, IoSlice},
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::{
    net::tcp::OwnedWriteHalf,
    time::{Instant, timeout_at},
};

pub use self::{cork::Cork, replay::Replay};
use crate::CloseCode;

/// Frames given to the kernel in one call.
const AT_ONCE: usize = 64;

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
    /// A limit was broken; 4408 is all that is queued, after the rest of a frame that had begun to go out.
    Overflowed,
    /// The transport has ended, or ends with what is queued.
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
    /// `None`: not connected to a socket yet, or no more.
    transport: RefCell<Option<OwnedWriteHalf>>,
    /// The connection's task, unless it has been woken since it last ran.
    task: Cell<Option<Waker>>,
    /// Did the peer send anything since the pulse last looked?
    pub(crate) heard: Cell<bool>,
    /// Heartbeats in a row without a sign of the peer.
    pub(crate) silent: Cell<u8>,
    /// The server stops; the connection is to say so and close.
    draining: Cell<bool>,
    /// A [`Replay`] is under way: what counts is progress.
    replaying: Cell<bool>,
    /// [`Cork`]s that live.
    corks: Cell<u16>,
}

impl Inner {
    /// Is half the queue free?
    fn is_roomy(&self, queue: &Queue) -> bool {
        queue.frames.len() * 2 <= self.limits.frames && queue.bytes * 2 <= self.limits.bytes
    }

    /// A queue is dropped whole: after a gap the rest would be worth nothing. But a frame is never cut.
    fn overflow(&self, queue: &mut Queue) {
        queue.frames.truncate(usize::from(queue.cut));
        queue.frames.push_back(close_frame(CloseCode::SlowConsumer));
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

    /// Gives the kernel what is queued, as far as it takes it. One call for up to [`AT_ONCE`] frames.
    fn flush(&self) {
        let mut queue = self.queue.borrow_mut();
        queue.touched = false;
        let transport = self.transport.borrow();
        while let (false, Some(transport)) = (queue.blocked || queue.frames.is_empty(), &*transport) {
            match queue.write_to(transport) {
                Ok(written) => self.sent(&mut queue, written),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    queue.blocked = true;
                    self.wake_task();
                }
                Err(_) => {
                    queue.frames.clear();
                    queue.stage = Stage::Ended;
                    self.wake_task();
                }
            }
        }
        if queue.frames.is_empty() {
            queue.since = None;
            // Idle connections are the many: what a burst needed is not kept.
            if queue.frames.capacity() > 8 {
                queue.frames = VecDeque::new();
            }
        } else if queue.since.is_none() {
            queue.since = Some(Instant::now());
        }
    }

    /// So many bytes have gone.
    fn sent(&self, queue: &mut Queue, written: usize) {
        queue.advance(written);
        if self.replaying.get() {
            // A peer that takes what is sent is there, though what it says is not read meanwhile.
            self.heard.set(true);
            queue.since = Some(Instant::now());
        }
        if queue.wants_room && self.is_roomy(queue) {
            queue.wants_room = false;
            self.wake_task();
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
    /// Since when the kernel has not taken all; during a replay, since when it took nothing.
    since: Option<Instant>,
    stage: Stage,
    /// Frames were pushed since the last wake.
    touched: bool,
    /// Part of the first frame has been written.
    cut: bool,
    /// The kernel takes no more; the connection's task waits until it does.
    blocked: bool,
    /// The connection's task waits for room.
    wants_room: bool,
}

impl Queue {
    fn write_to(&self, transport: &OwnedWriteHalf) -> io::Result<usize> {
        let [first] = self.frames.as_slices().0 else {
            let mut slices = [IoSlice::new(&[]); AT_ONCE];
            let mut count = 0;
            for (slice, frame) in slices.iter_mut().zip(&self.frames) {
                *slice = IoSlice::new(frame);
                count += 1;
            }
            return transport.try_write_vectored(&slices[..count]);
        };
        transport.try_write(first)
    }

    /// Takes so many bytes from the front.
    fn advance(&mut self, mut bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
        while let Some(first) = self.frames.front_mut() {
            if bytes < first.len() {
                first.advance(bytes);
                self.cut |= bytes > 0;
                return;
            }
            bytes -= first.len();
            self.frames.pop_front();
            self.cut = false;
        }
    }
}

impl Outbound {
    /// An empty queue, bounded by `limits`: a frame is queued only while all three hold. What is queued waits until it is
    /// [connected](Self::connect).
    pub fn new(limits: QueueLimits) -> Self {
        let queue = Queue {
            frames: VecDeque::new(),
            bytes: 0,
            since: None,
            stage: Stage::Open,
            touched: false,
            cut: false,
            blocked: false,
            wants_room: false,
        };
        let inner = Inner {
            queue: RefCell::new(queue),
            limits,
            transport: RefCell::new(None),
            task: Cell::new(None),
            heard: Cell::new(true),
            silent: Cell::new(0),
            draining: Cell::new(false),
            replaying: Cell::new(false),
            corks: Cell::new(0),
        };
        Self { inner: Rc::new(inner) }
    }

    /// From now on what is queued goes out here, with the next [`wake`](Self::wake).
    pub(crate) fn connect(&self, transport: OwnedWriteHalf) {
        *self.inner.transport.borrow_mut() = Some(transport);
    }

    /// For each time the connection's task runs: it is the one to be woken, and waits here until the kernel takes more.
    pub(crate) fn attend(&self, cx: &mut Context<'_>) {
        self.inner.task.set(Some(cx.waker().clone()));
        if !self.inner.queue.borrow().blocked {
            return;
        }
        let ready = match &*self.inner.transport.borrow() {
            Some(transport) => transport.as_ref().poll_write_ready(cx).is_ready(),
            None => false,
        };
        if ready {
            // An error shows itself in the next write.
            self.inner.queue.borrow_mut().blocked = false;
            self.inner.flush();
        }
    }

    /// Queues a ready-made frame; O(1), sends nothing.
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
        queue.bytes += frame.len();
        queue.frames.push_back(frame);
        if std::mem::replace(&mut queue.touched, true) { Pushed::More } else { Pushed::First }
    }

    /// Sends what is queued, one call of the kernel as a rule; behind a [cork](Self::cork) only where it is much.
    pub fn wake(&self) {
        {
            let mut queue = self.inner.queue.borrow_mut();
            if self.inner.corks.get() > 0 && queue.stage == Stage::Open && self.inner.is_roomy(&queue) {
                queue.touched = false;
                return;
            }
        }
        self.inner.flush();
    }

    /// Sends what is queued, corked or not.
    pub fn flush(&self) {
        self.inner.flush();
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

    /// Nothing more is taken; the connection's task ends the transport once what is queued has gone.
    pub fn end(&self) {
        self.inner.queue.borrow_mut().stage = Stage::Ended;
        self.inner.wake_task();
        self.wake();
    }

    /// Ends the transport, when what is queued has gone or `most` is over. For the connection's task alone.
    pub(crate) async fn finish(&self, most: Duration) {
        self.end();
        let gone = poll_fn(|_| match self.inner.queue.borrow().frames.is_empty() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        });
        let _ = timeout_at(Instant::now() + most, gone).await;
        self.disconnect();
    }

    /// What is queued is worth nothing any more.
    pub(crate) fn disconnect(&self) {
        let mut queue = self.inner.queue.borrow_mut();
        queue.stage = Stage::Ended;
        queue.frames = VecDeque::new();
        *self.inner.transport.borrow_mut() = None;
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
        poll_fn(|_| match self.stage() {
            Stage::Open if self.inner.draining.get() => Poll::Ready(Interrupt::Drain),
            Stage::Open => Poll::Pending,
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
        poll_fn(|_| {
            let mut queue = self.inner.queue.borrow_mut();
            queue.wants_room = !self.inner.is_roomy(&queue) && queue.stage == Stage::Open;
            if queue.wants_room { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
    }

    /// Begins to send more than the queue holds, at the pace of the peer. For the connection's task alone.
    pub fn replay(&self) -> Replay {
        Replay::begin(self.clone())
    }

    /// What is sent meanwhile goes out with the reply that is about to come, in one call of the kernel. For a short wait.
    pub fn cork(&self) -> Cork {
        Cork::new(self.clone())
    }

    /// Must the connection end? It has been closed, the transport has ended, or the server stops.
    pub fn is_ending(&self) -> bool {
        self.inner.draining.get() || self.stage() != Stage::Open
    }

    /// Is half the queue free?
    pub fn is_roomy(&self) -> bool {
        self.inner.is_roomy(&self.inner.queue.borrow())
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

const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;

/// A whole text frame, unmasked as a server's are (RFC 6455 §5.1).
pub fn text_frame(text: impl AsRef<[u8]>) -> Bytes {
    frame(TEXT, text.as_ref())
}

/// A whole binary frame.
pub fn binary_frame(data: &[u8]) -> Bytes {
    frame(BINARY, data)
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
