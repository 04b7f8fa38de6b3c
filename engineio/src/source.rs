//! What a session hears: messages that come in requests, then by a socket, and the beat of its heart.

use std::{
    collections::VecDeque,
    future::{pending, poll_fn},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use socket::{
    AggregatedMessage, CloseCode, Detached, Inbound, Input, Outbound, Violation, outbound::Stage, text_frame,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until, timeout},
};

use crate::{
    Allowance, Config, Fault,
    engine::Listed,
    packet::{Malformed, Packet},
    polled::{Answer, Polled},
};

/// How long a socket may take to take the place of requests; then it is ended, and requests go on.
const PROBING: Duration = Duration::from_secs(10);

/// How long a socket that is turned away may take to be told.
const LEAVING: Duration = Duration::from_secs(1);

const CLOSE: &str = "1";
const PING: &str = "2";
const PROBED: &str = "3probe";
const NOOP: &str = "6";

/// What requests bring to a session.
pub(crate) enum Letter {
    /// Waits for what is to be sent.
    Poll(Answer),
    /// Would take the place of requests.
    Socket(Box<Detached>),
}

/// A request that brings messages.
pub(crate) struct Post {
    pub packets: Result<VecDeque<Packet>, Malformed>,
    /// They were taken.
    pub answer: oneshot::Sender<Result<(), Fault>>,
}

/// Where a session takes requests; bounded.
pub(crate) struct Mailbox {
    pub letters: mpsc::Receiver<Letter>,
    pub posts: mpsc::Receiver<Post>,
    /// `None`: it is found no more.
    pub listed: Option<Listed>,
}

/// The input of a session's connection.
pub struct Source {
    config: Arc<Config>,
    allowance: Allowance,
    /// `None`: it began with its socket, and no request can name it.
    mailbox: Option<Mailbox>,
    transport: Transport,
    /// Packets of the last request that are to be gone through.
    packets: VecDeque<Packet>,
    heart: Heart,
}

enum Transport {
    Requests { polled: Polled, probe: Option<Box<Probe>> },
    Socket(Box<Inbound>),
}

/// A socket that would take the place of requests.
struct Probe {
    outbound: Outbound,
    inbound: Inbound,
    /// It has been answered: polls do not wait any more, so that the client can change over.
    answered: bool,
    until: Instant,
}

/// When the next ping goes out, or the answer to the last one must have come.
struct Heart {
    at: Instant,
    asked: bool,
}

impl Heart {
    /// The last ping was not answered in time.
    fn is_over(&self) -> bool {
        self.asked && self.at <= Instant::now()
    }
}

/// What comes next.
enum News {
    Frame(Result<Option<AggregatedMessage>, Violation>),
    Probe(Result<Option<AggregatedMessage>, Violation>),
    Letter(Letter),
    Post(Post),
    Time,
}

impl Source {
    pub(crate) fn polled(
        mailbox: Mailbox,
        first: Answer,
        outbound: &Outbound,
        allowance: Allowance,
        config: Arc<Config>,
    ) -> Self {
        let polled = Polled::new(config.max_payload);
        outbound.hand_to(polled.clone());
        // There is none yet that it could be the second to.
        let _ = polled.wait(first);
        outbound.flush();
        Self::new(Some(mailbox), Transport::Requests { polled, probe: None }, allowance, config)
    }

    pub(crate) fn socket(inbound: Inbound, allowance: Allowance, config: Arc<Config>) -> Self {
        Self::new(None, Transport::Socket(Box::new(inbound)), allowance, config)
    }

    fn new(mailbox: Option<Mailbox>, transport: Transport, allowance: Allowance, config: Arc<Config>) -> Self {
        let heart = Heart { at: Instant::now() + config.ping_interval, asked: false };
        Self { config, allowance, mailbox, transport, packets: VecDeque::new(), heart }
    }

    /// No request finds it any more.
    fn unlist(&mut self) {
        if let Some(mailbox) = &mut self.mailbox {
            mailbox.listed = None;
        }
    }

    /// Waits for what comes next. Signs of life before the clock: a session is not ended for what waits to be read.
    async fn news(&mut self, outbound: &Outbound) -> News {
        let sizes = self.allowance.sizes(&self.config);
        let (frames, probe) = match &mut self.transport {
            Transport::Socket(inbound) => (Some(inbound), None),
            Transport::Requests { probe, .. } => (None, probe.as_mut()),
        };
        let time = probe.as_ref().map_or(self.heart.at, |probe| probe.until.min(self.heart.at));
        let (letters, posts) = match &mut self.mailbox {
            Some(Mailbox { letters, posts, .. }) => (Some(letters), Some(posts)),
            None => (None, None),
        };
        tokio::select! {
            biased;
            frame = next_probed(probe) => News::Probe(frame),
            frame = async {
                outbound.room().await;
                let inbound = frames.map(|inbound| {
                    inbound.set_limit(sizes.binary.max(sizes.text));
                    &mut **inbound
                });
                next_frame(inbound).await
            } => News::Frame(frame),
            letter = next_of(letters) => News::Letter(letter),
            post = async {
                outbound.room().await;
                next_of(posts).await
            } => News::Post(post),
            () = sleep_until(time) => News::Time,
        }
    }

    /// A packet of the session. `None`: there is nothing to tell of it.
    fn take(&mut self, packet: Packet) -> Result<Option<AggregatedMessage>, Violation> {
        match packet {
            Packet::Text(text) if text.len() > self.config.most.text => Err(Violation::TooBig),
            Packet::Text(text) => Ok(Some(AggregatedMessage::Text(text))),
            Packet::Binary(bytes) => Ok(Some(AggregatedMessage::Binary(bytes))),
            Packet::Pong => {
                if std::mem::take(&mut self.heart.asked) {
                    self.heart.at = Instant::now() + self.config.ping_interval;
                }
                Ok(None)
            }
            Packet::Close => {
                self.unlist();
                if let Transport::Requests { polled, .. } = &self.transport {
                    polled.end(NOOP);
                }
                Ok(Some(AggregatedMessage::Close(None)))
            }
            Packet::Noop => Ok(None),
            Packet::Probe | Packet::Upgrade => Err(Violation::Protocol),
        }
    }

    fn take_frame(&mut self, frame: AggregatedMessage) -> Result<Option<AggregatedMessage>, Violation> {
        match frame {
            AggregatedMessage::Text(text) => {
                let packet = Packet::from_text(&text).map_err(|Malformed| Violation::Protocol)?;
                self.take(packet)
            }
            other => Ok(Some(other)),
        }
    }

    fn take_letter(&mut self, letter: Letter, outbound: &Outbound) -> Result<(), Violation> {
        match (letter, &mut self.transport) {
            (Letter::Poll(answer), Transport::Socket(_)) => {
                let _ = answer.send(Err(Fault::BadRequest));
            }
            (Letter::Poll(answer), Transport::Requests { .. }) if self.heart.is_over() => {
                let _ = answer.send(Err(Fault::UnknownSession));
            }
            (Letter::Poll(answer), Transport::Requests { polled, probe }) => {
                if let Err(second) = polled.wait(answer) {
                    let _ = second.send(Err(Fault::BadRequest));
                    polled.end(CLOSE);
                    self.unlist();
                    return Err(Violation::Protocol);
                }
                outbound.flush();
                if probe.as_ref().is_some_and(|probe| probe.answered) {
                    polled.end(NOOP);
                }
            }
            (Letter::Socket(detached), transport) => {
                let Ok((outbound, inbound)) = detached.attach(self.config.most.text, self.config.queue) else {
                    return Ok(());
                };
                match transport {
                    Transport::Requests { probe: probe @ None, .. } if outbound.stage() == Stage::Open => {
                        outbound.wake();
                        let until = Instant::now() + PROBING;
                        *probe = Some(Box::new(Probe { outbound, inbound, answered: false, until }));
                    }
                    _ => turn_away(outbound, inbound),
                }
            }
        }
        Ok(())
    }

    fn take_probe(&mut self, frame: Result<Option<AggregatedMessage>, Violation>, outbound: &Outbound) {
        let Transport::Requests { polled, probe } = &mut self.transport else { return };
        let Some(mut probed) = probe.take() else { return };
        let packet = match frame {
            Ok(Some(AggregatedMessage::Text(text))) => Packet::from_text(&text),
            _ => Err(Malformed),
        };
        match packet {
            Ok(Packet::Probe) => {
                probed.outbound.send(text_frame(PROBED));
                probed.answered = true;
                *probe = Some(probed);
                polled.end(NOOP);
            }
            Ok(Packet::Upgrade) if probed.answered => {
                polled.end(NOOP);
                let Probe { outbound: socket, inbound, .. } = *probed;
                outbound.take_over(&socket);
                self.transport = Transport::Socket(Box::new(inbound));
            }
            // It is no use; requests go on.
            _ => turn_away(probed.outbound, probed.inbound),
        }
    }

    /// `Err`: the peer has not answered in time.
    fn beat(&mut self, outbound: &Outbound) -> Result<(), ()> {
        let now = Instant::now();
        if let Transport::Requests { probe, .. } = &mut self.transport
            && let Some(probed) = probe.take_if(|probe| probe.until <= now)
        {
            turn_away(probed.outbound, probed.inbound);
        }
        if self.heart.is_over() {
            return Err(());
        }
        if now >= self.heart.at {
            outbound.send(text_frame(PING));
            // On the dot, unless a message held it up.
            let late = now - self.heart.at > self.config.ping_timeout / 4;
            let from = if late { now } else { self.heart.at };
            self.heart = Heart { at: from + self.config.ping_timeout, asked: true };
        }
        Ok(())
    }

    /// It has been told that it ends, and nobody is left to hear more.
    fn has_ended(&self, outbound: &Outbound) -> bool {
        let requests = matches!(self.transport, Transport::Requests { .. });
        requests && outbound.stage() != Stage::Open && outbound.waiting() == 0
    }
}

impl Input for Source {
    const PINGED: bool = false;

    async fn next(&mut self, outbound: &Outbound) -> Result<Option<AggregatedMessage>, Violation> {
        loop {
            let message = match self.packets.pop_front() {
                Some(packet) => self.take(packet),
                None if self.has_ended(outbound) => return Ok(None),
                None => match self.news(outbound).await {
                    News::Frame(frame) => match frame {
                        Ok(Some(frame)) => self.take_frame(frame),
                        Ok(None) => return Ok(None),
                        Err(violation) => Err(violation),
                    },
                    News::Probe(frame) => {
                        self.take_probe(frame, outbound);
                        Ok(None)
                    }
                    News::Letter(letter) => self.take_letter(letter, outbound).map(|()| None),
                    News::Post(Post { packets, answer }) => self.take_post(packets, answer).map(|()| None),
                    News::Time => match self.beat(outbound) {
                        Ok(()) => Ok(None),
                        Err(()) => {
                            self.unlist();
                            return Ok(None);
                        }
                    },
                },
            };
            if let Some(message) = message.inspect_err(|_| self.unlist())? {
                return Ok(Some(message));
            }
        }
    }

    async fn discard(&mut self) {
        self.unlist();
        match &mut self.transport {
            Transport::Socket(inbound) => inbound.discard().await,
            // There is nothing to read on.
            Transport::Requests { .. } => {}
        }
    }
}

impl Source {
    fn take_post(
        &mut self,
        packets: Result<VecDeque<Packet>, Malformed>,
        answer: oneshot::Sender<Result<(), Fault>>,
    ) -> Result<(), Violation> {
        let taken = match (&self.transport, packets) {
            (Transport::Socket(_), _) => Err(Fault::BadRequest),
            (Transport::Requests { polled, .. }, Err(Malformed)) => {
                polled.end(CLOSE);
                let _ = answer.send(Err(Fault::BadRequest));
                return Err(Violation::Protocol);
            }
            (Transport::Requests { .. }, Ok(packets)) => {
                self.packets = packets;
                Ok(())
            }
        };
        // Whoever did not wait for it needs none.
        let _ = answer.send(taken);
        Ok(())
    }
}

async fn next_frame(inbound: Option<&mut Inbound>) -> Result<Option<AggregatedMessage>, Violation> {
    match inbound {
        Some(inbound) => inbound.next().await,
        None => pending().await,
    }
}

/// What a socket says that would take the place of requests; what it is told goes out meanwhile.
async fn next_probed(probe: Option<&mut Box<Probe>>) -> Result<Option<AggregatedMessage>, Violation> {
    let Some(Probe { outbound, inbound, .. }) = probe.map(|probe| &mut **probe) else { return pending().await };
    let mut next = pin!(inbound.next());
    poll_fn(|cx| {
        outbound.attend(cx);
        next.as_mut().poll(cx)
    })
    .await
}

/// Ends a socket that is no use, politely: it is told, within [`LEAVING`].
fn turn_away(outbound: Outbound, mut inbound: Inbound) {
    tokio::task::spawn_local(async move {
        outbound.close(CloseCode::Policy);
        let mut left = pin!(inbound.discard());
        let told = poll_fn(|cx| {
            outbound.attend(cx);
            left.as_mut().poll(cx)
        });
        let _ = timeout(LEAVING, told).await;
    });
}

/// The next letter; never, where none can come any more.
async fn next_of<T>(letters: Option<&mut mpsc::Receiver<T>>) -> T {
    let next = match letters {
        Some(letters) => letters.recv().await,
        None => None,
    };
    match next {
        Some(letter) => letter,
        None => pending().await,
    }
}
