//! The loop of one socket: I/O only. What a text means, a [`Handshake`] and then a [`Session`] say.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    rc::Rc,
    time::Duration,
};

use actix_ws::AggregatedMessage;
use bytes::Bytes;
use tokio::{
    task::consume_budget,
    time::{Instant, timeout, timeout_at},
};

use crate::{
    CloseCode, Credential, Inbound, Outbound, Pulse,
    outbound::{Interrupt, Stage, pong_frame},
    payload_guard::Violation,
};

/// How long a peer may take to answer our close.
const CLOSE_WAIT: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// How the socket goes on after a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    Continue,
    /// The frame could not be understood (the client has been told); counts towards the budget.
    Bad,
    Close(CloseCode),
}

/// What came of a credential or of a message before authentication.
pub enum Step<S> {
    /// The user is known and attached; the first frame has been pushed.
    Done(S),
    /// Not yet; the client has been told why.
    Again,
    Close(CloseCode),
}

/// A socket whose user is not known yet. Frames for the client are pushed to the connection's [`Outbound`], which the
/// implementation holds; the loop wakes it after each call.
pub trait Handshake {
    type Session: Session;
    /// No credential came with the request. [`Step::Again`]: it is to come in a text.
    fn on_open(&mut self) -> impl Future<Output = Step<Self::Session>> {
        std::future::ready(Step::Again)
    }
    /// The credential that came with the request.
    fn on_credential(&mut self, credential: Credential) -> impl Future<Output = Step<Self::Session>>;
    /// A text before authentication: `AUTHENTICATE`, or an error.
    fn on_text(&mut self, text: &str) -> impl Future<Output = Step<Self::Session>>;
    /// A binary message; the client is told that there are none.
    fn on_binary(&mut self);
}

/// An authenticated user on a connection.
pub trait Session {
    /// A text message; the next one is read when this is done. What it leaves [under way](Self::under_way) goes on.
    fn on_text(&mut self, text: &str) -> impl Future<Output = Flow>;
    /// Goes on with what texts left under way; returns when some of it is done, its replies pushed. Never, where there
    /// is nothing. Cancel-safe.
    fn under_way(&mut self) -> impl Future<Output = ()> {
        std::future::pending()
    }
    /// Ends what is under way: the socket is about to close, and its replies may still be told.
    fn finish(&mut self) -> impl Future<Output = ()> {
        std::future::ready(())
    }
    /// Is so much under way that nothing is to be read?
    fn is_full(&self) -> bool {
        false
    }
    /// A binary message: what it means, or that there are none.
    fn on_binary(&mut self, data: Bytes) -> impl Future<Output = Flow>;
    /// The server stops: the last frame before close 1012.
    fn on_drain(&mut self);
    /// The socket has ended or is closing. What must be done before the server may stop is done here; the transport
    /// stays for so long. When the worker dies, only `Drop` runs.
    fn on_end(&mut self) -> impl Future<Output = ()>;
}

/// Times and budgets of one socket.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// From the upgrade to the first `AUTHENTICATE` that succeeds.
    pub authenticate: Duration,
    pub bad_frames_per_minute: u32,
}

/// One open socket.
pub struct Connection {
    outbound: Outbound,
    inbound: Inbound,
    limits: Limits,
    bad: BadFrames,
}

/// What ends the loop.
enum End {
    /// We close, and wait for the peer to close too.
    Close(CloseCode),
    /// The peer broke a rule: we say so and end our half at once, because what it sends is understood no more
    /// (RFC 6455 §7.1.7).
    Fail(CloseCode),
    /// The peer has closed; we answer that.
    PeerClosed,
    /// The transport has ended.
    Gone,
}

/// Bad frames in the current minute.
struct BadFrames {
    since: Instant,
    count: u32,
}

impl Connection {
    /// The parts of an [accepted](crate::Upgrade::accept) socket; it is pinged, and drained, by the pulse from now on.
    pub fn new(outbound: Outbound, inbound: Inbound, limits: Limits, pulse: &Rc<Pulse>) -> Self {
        pulse.watch(&outbound);
        let bad = BadFrames { since: Instant::now(), count: 0 };
        Self { outbound, inbound, limits, bad }
    }

    /// Serves the socket to its end. The future is large: box it.
    pub async fn run<H: Handshake>(self, handshake: H, credential: Option<Credential>) {
        let gone = Gone(self.outbound.clone());
        let mut served = pin!(self.serve_to_end(handshake, credential));
        poll_fn(|cx| {
            gone.0.attend(cx);
            served.as_mut().poll(cx)
        })
        .await;
    }

    async fn serve_to_end<H: Handshake>(mut self, handshake: H, credential: Option<Credential>) {
        // Boxed: what a connection needs only while it begins is not kept for its life.
        let end = match Box::pin(self.shake_hands(handshake, credential)).await {
            Ok(mut session) => {
                let end = self.serve(&mut session).await;
                session.finish().await;
                if matches!(end, End::Close(CloseCode::Restart)) {
                    session.on_drain();
                }
                self.close(&end);
                session.on_end().await;
                end
            }
            Err(end) => end,
        };
        self.close(&end);
        if let End::Close(_) = end {
            // Also when the queue overflowed: 4408 is in it.
            let _ = timeout(CLOSE_WAIT, self.wait_for_close()).await;
        }
        self.outbound.finish(CLOSE_WAIT).await;
        if let End::Fail(_) = end {
            let _ = timeout(CLOSE_WAIT, self.inbound.discard()).await;
        }
    }

    /// Says how it ends, where the peer is to be told.
    fn close(&self, end: &End) {
        match end {
            End::Close(code) | End::Fail(code) => self.outbound.close(*code),
            End::PeerClosed => self.outbound.close(CloseCode::Normal),
            End::Gone => {}
        }
    }

    async fn shake_hands<H: Handshake>(
        &mut self,
        mut handshake: H,
        credential: Option<Credential>,
    ) -> Result<H::Session, End> {
        let deadline = Instant::now() + self.limits.authenticate;
        let mut credential = credential;
        if credential.is_none() {
            // The answer to the upgrade; else it goes out with the first frame.
            self.outbound.wake();
            let opened = timeout_at(deadline, handshake.on_open()).await;
            self.outbound.wake();
            match opened.unwrap_or(Step::Close(CloseCode::Unauthorized)) {
                Step::Done(session) => return Ok(session),
                Step::Close(code) => return Err(End::Close(code)),
                Step::Again => {}
            }
        }
        loop {
            let step = async {
                match credential.take() {
                    Some(credential) => Ok(handshake.on_credential(credential).await),
                    None => match self.next().await? {
                        AggregatedMessage::Text(text) => Ok(handshake.on_text(&text).await),
                        _ => {
                            handshake.on_binary();
                            Ok(Step::Again)
                        }
                    },
                }
            };
            let step = timeout_at(deadline, step).await.unwrap_or(Ok(Step::Close(CloseCode::Unauthorized)));
            self.outbound.wake();
            match step? {
                Step::Done(session) => return Ok(session),
                Step::Close(code) => return Err(End::Close(code)),
                Step::Again => self.count_bad()?,
            }
        }
    }

    async fn serve<S: Session>(&mut self, session: &mut S) -> End {
        loop {
            let full = session.is_full();
            let next = tokio::select! {
                biased;
                () = session.under_way() => {
                    self.outbound.flush();
                    continue;
                }
                next = self.next(), if !full => next,
            };
            let flow = match next {
                Ok(AggregatedMessage::Text(text)) => session.on_text(&text).await,
                Ok(AggregatedMessage::Binary(data)) => session.on_binary(data).await,
                // Control frames are answered in `next`.
                Ok(_) => Flow::Continue,
                Err(end) => return end,
            };
            self.outbound.wake();
            match flow {
                Flow::Continue => {}
                Flow::Close(code) => return End::Close(code),
                Flow::Bad => {
                    if let Err(end) = self.count_bad() {
                        return end;
                    }
                }
            }
        }
    }

    /// The next text or binary message; control frames are answered here.
    async fn next(&mut self) -> Result<AggregatedMessage, End> {
        loop {
            // Other sockets have their turn, however much this one is sent.
            consume_budget().await;
            let message = tokio::select! {
                biased;
                interrupt = self.outbound.interrupt() => return Err(match interrupt {
                    Interrupt::Drain => End::Close(CloseCode::Restart),
                    Interrupt::Stage(Stage::Overflowed) => End::Close(CloseCode::SlowConsumer),
                    // Somebody else closed it, with a code of theirs.
                    Interrupt::Stage(Stage::Closing) => End::Close(CloseCode::Normal),
                    Interrupt::Stage(Stage::Open | Stage::Ended) => End::Gone,
                }),
                message = read(&self.outbound, &mut self.inbound) => message,
            };
            match message {
                Ok(Some(message @ (AggregatedMessage::Text(_) | AggregatedMessage::Binary(_)))) => return Ok(message),
                Ok(Some(AggregatedMessage::Ping(payload))) => {
                    self.outbound.send(pong_frame(&payload));
                }
                Ok(Some(AggregatedMessage::Pong(_))) => {}
                Ok(Some(AggregatedMessage::Close(_))) => return Err(End::PeerClosed),
                Ok(None) => return Err(End::Gone),
                Err(violation) => return Err(End::Fail(violation.close_code())),
            }
        }
    }

    /// One more bad frame; `Err` when that was one too many.
    fn count_bad(&mut self) -> Result<(), End> {
        metrics::counter!("chatapp_bad_frames_total").increment(1);
        if self.bad.since.elapsed() >= MINUTE {
            self.bad = BadFrames { since: Instant::now(), count: 0 };
        }
        self.bad.count += 1;
        if self.bad.count < self.limits.bad_frames_per_minute { Ok(()) } else { Err(End::Close(CloseCode::BadFrames)) }
    }

    /// Until the peer has closed or the transport has ended; what else comes is dropped.
    async fn wait_for_close(&mut self) {
        loop {
            match self.inbound.next().await {
                Ok(Some(AggregatedMessage::Close(_)) | None) => return,
                Ok(Some(_)) => {}
                Err(_) => return self.inbound.discard().await,
            }
        }
    }
}

/// However the connection's future ends, nothing is left in its queue, and its transport is closed.
struct Gone(Outbound);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.disconnect();
    }
}

async fn read(outbound: &Outbound, inbound: &mut Inbound) -> Result<Option<AggregatedMessage>, Violation> {
    outbound.room().await;
    let message = inbound.next().await;
    outbound.heard();
    message
}
