//! A client on a socket: first unknown ([`Handshake`]), then a user ([`Session`]).

pub mod on_client_frame;
pub mod on_event;
mod resume;
mod sends;
mod typing;

use std::{cell::RefCell, future::poll_fn, rc::Rc, task::Poll, time::Duration};

use bytes::Bytes;
use domain::{
    DomainError, Result, Viewer,
    accounts::{Guest, Source, Tokens},
};
use sends::Sends;
use shared::{
    RoomId,
    protocol::{ChatCommand, ServerFrame, Status, command::TypingStatus},
};
use socket::{Credential, Flow, Outbound, Step};
use store::SocketKind;
use tokio::time::Instant;
use typing::Said;
use web::{
    Announced, Expiry, Sockets,
    sockets::{self, bad_frame, error_frame, no_binary, refusal},
};

use crate::{
    dialect::{Dialect, native},
    hub::{Hub, Peer, Pins},
};

/// Times the list of a user's rooms is read again because it changed while it was being attached.
const ATTACH_TRIES: usize = 3;

/// Authenticated sockets of this process.
pub static SOCKETS: Sockets = Sockets::new("chat");

/// A socket whose user is not known yet.
pub struct Handshake {
    hub: Rc<Hub>,
    outbound: Outbound,
    dialect: Dialect,
    /// The client will resume: it said so in its request, or says so in `AUTHENTICATE`.
    hold: bool,
    /// Who shows nothing is a guest, from there.
    guests: Option<Source>,
}

/// A user on a connection: attached to their rooms, announced to presence.
pub struct Session {
    pub(crate) hub: Rc<Hub>,
    pub(crate) peer: Rc<Peer>,
    presence: Announced,
    typing: RefCell<Said>,
    sends: Sends,
    expiry: Expiry,
}

impl Handshake {
    /// `hold`: the client will resume.
    pub fn new(hub: Rc<Hub>, outbound: Outbound, dialect: Dialect, hold: bool) -> Self {
        Self { hub, outbound, dialect, hold, guests: None }
    }

    /// Of a client that is made a guest where it shows nothing.
    pub fn with_guests(self, from: Source) -> Self {
        Self { guests: Some(from), ..self }
    }

    /// Those who speak of one room alone are put into it.
    async fn enter(&mut self, viewer: &Viewer) -> Result<()> {
        if let Dialect::Resources(room) = &mut self.dialect {
            let domain = &self.hub.domain;
            // Whose login has ended enters nothing.
            domain.identity.check_login(viewer).await?;
            *room = Some(domain.rooms.enter_lobby(viewer).await?);
        }
        Ok(())
    }

    async fn authenticate(&mut self, credential: Credential, request_id: Option<&str>) -> Step<Session> {
        // Boxed: what a connection needs only while it begins is not kept for its life.
        let session = Box::pin(async {
            let viewer = sockets::authenticate(&self.hub.domain, &credential).await?;
            self.enter(&viewer).await?;
            let token = match &credential {
                Credential::Token(token) => Some(token.as_str()),
                Credential::Ticket(_) => None,
            };
            let peer = Peer::new(viewer, self.dialect, self.outbound.clone());
            Session::begin(&self.hub, peer, Opening { hold: self.hold, token, request_id }).await
        });
        match session.await {
            Ok(session) => Step::Done(session),
            Err(e) => self.refuse(&e, request_id),
        }
    }

    fn refuse(&self, e: &DomainError, request_id: Option<&str>) -> Step<Session> {
        self.push(&error_frame(e), request_id);
        Step::Close(refusal(e))
    }

    fn push(&self, frame: &ServerFrame, request_id: Option<&str>) {
        self.dialect.push(&self.outbound, frame, request_id);
    }
}

impl socket::Handshake for Handshake {
    type Session = Session;

    async fn on_open(&mut self) -> Step<Session> {
        let Some(from) = self.guests.take() else { return Step::Again };
        match self.hub.domain.accounts.guest_for(Guest::default(), &from, Tokens::Lasting).await {
            Ok(guest) => self.authenticate(Credential::Token(guest.token), None).await,
            Err(e) => self.refuse(&e, None),
        }
    }

    async fn on_credential(&mut self, credential: Credential) -> Step<Session> {
        self.authenticate(credential, None).await
    }

    async fn on_text(&mut self, text: &str) -> Step<Session> {
        match native::decode(text) {
            Ok(frame) => {
                let id = frame.request_id;
                if let ChatCommand::Authenticate(input) = frame.command {
                    self.hold |= input.resume && self.dialect == Dialect::Native;
                    return self.authenticate(Credential::Token(input.token), id.as_deref()).await;
                }
                self.push(&error_frame(&DomainError::Unauthorized("send AUTHENTICATE first")), id.as_deref());
            }
            Err(bad) => {
                let id = bad.request_id.clone();
                self.push(&bad_frame(bad), id.as_deref());
            }
        }
        Step::Again
    }

    fn on_binary(&mut self) {
        self.push(&no_binary(), None);
    }
}

/// How a session begins.
#[derive(Default)]
pub(crate) struct Opening<'a> {
    hold: bool,
    /// What the client came with.
    token: Option<&'a str>,
    request_id: Option<&'a str>,
}

impl Session {
    /// Attaches the user's rooms, or holds the connection, then says so: `AUTH_SUCCESS` is the first frame.
    pub(crate) async fn begin(hub: &Rc<Hub>, peer: Rc<Peer>, opening: Opening<'_>) -> Result<Self> {
        let Opening { hold, token, request_id } = opening;
        let viewer = &peer.viewer;
        // Leaves everything again when it is dropped on the way.
        let leave = {
            let (hub, peer) = (hub.clone(), peer.clone());
            move || hub.forget(&peer)
        };
        let presence = SOCKETS.announce(&hub.domain.presence, viewer, peer.id, leave);
        hub.follow_user(&peer).await?;
        // After following: a session that ends from now on is heard of, and so is a room that comes or goes.
        let arrival = hub.domain.identity.arrive(viewer).await?;
        hub.begin_own(viewer.user, arrival.own);
        let status = hub.domain.presence.connected(viewer, peer.id, SocketKind::Chat).await?;
        let first = peer.dialect.greet(&auth_success(hub, viewer, status, hold), token, request_id);
        if hold {
            hub.hold(&peer);
            if let Some(first) = first {
                peer.outbound.push(first);
            }
        } else {
            let pins = follow_rooms(hub, &peer, &arrival.rooms).await?;
            let others = hub.learn_directs(&peer, pins.rooms()).await?;
            hub.attach_all(&peer, &pins, first);
            hub.watch_people(&peer, others).await?;
        }
        hub.end_busy(&peer);
        let typing = RefCell::new(Said::new(Duration::from_millis(hub.domain.settings.chat.typing_ms)));
        let expiry = Expiry::of(viewer.login);
        Ok(Self { hub: hub.clone(), peer, presence, typing, sends: Sends::default(), expiry })
    }

    pub(crate) fn push(&self, frame: &ServerFrame, request_id: Option<&str>) {
        self.peer.dialect.push(&self.peer.outbound, frame, request_id);
    }
}

/// Pins all rooms of the user: these. They are listed again if others changed them meanwhile; should that go on, what is
/// still to be looked at is looked at when the connection is no longer busy.
async fn follow_rooms(hub: &Rc<Hub>, peer: &Rc<Peer>, rooms: &[RoomId]) -> Result<Pins> {
    let mut pins = hub.follow(rooms).await?;
    for _ in 1..ATTACH_TRIES {
        if !hub.look_now(peer) {
            break;
        }
        pins = hub.follow(&hub.domain.rooms.joined(peer.viewer.user).await?).await?;
    }
    Ok(pins)
}

fn auth_success(hub: &Hub, viewer: &Viewer, status: Status, resuming: bool) -> ServerFrame {
    ServerFrame::AuthSuccess {
        user_id: viewer.user,
        username: viewer.username.clone(),
        status,
        session_id: viewer.session().ok(),
        heartbeat_ms: u64::try_from(hub.pulse().period().as_millis()).unwrap_or(u64::MAX),
        resuming,
    }
}

impl socket::Session for Session {
    async fn on_text(&mut self, text: &str) -> Flow {
        match self.peer.dialect.decode(&self.peer.viewer, text) {
            Ok(frame) => {
                // Boxed: idle connections are the many, and a command needs far more room than waiting for one.
                Box::pin(on_client_frame::on_client_frame(self, frame)).await;
                Flow::Continue
            }
            Err(bad) => {
                self.finish().await;
                let id = bad.request_id.clone();
                self.push(&bad_frame(bad), id.as_deref());
                Flow::Bad
            }
        }
    }

    async fn finish(&mut self) {
        Box::pin(self.finish_sends()).await;
    }

    fn under_way(&mut self) -> impl Future<Output = ()> {
        poll_fn(|cx| {
            let Self { peer, expiry, .. } = self;
            let push = |frame: &ServerFrame| peer.dialect.push(&peer.outbound, frame, None);
            if expiry.poll(cx, &peer.outbound, push).is_ready() { Poll::Ready(()) } else { self.poll_sends(cx) }
        })
    }

    fn is_full(&self) -> bool {
        self.sends.is_full()
    }

    async fn on_binary(&mut self, _: Bytes) -> Flow {
        self.finish().await;
        self.push(&no_binary(), None);
        Flow::Bad
    }

    fn on_drain(&mut self) {
        self.push(&self.hub.drain().reconnect(), None);
    }

    async fn on_end(&mut self) {
        let typed_in = self.typing.get_mut().take(Instant::now());
        let end = async { tokio::join!(self.presence.end(), stop_typing(&self.hub, &self.peer.viewer, typed_in)) };
        Box::pin(end).await;
    }
}

/// The others need not wait until it ends by itself, as it does where this fails. At most a few rooms.
async fn stop_typing(hub: &Hub, viewer: &Viewer, rooms: Vec<RoomId>) {
    for room_id in rooms {
        if let Err(e) = hub.domain.messages.typing(viewer, &TypingStatus { room_id, is_typing: false }).await {
            return e.log();
        }
    }
}

#[cfg(test)]
mod tests {
    use socket::Connection;

    use super::*;

    fn size_of_future<A, F>(_: impl FnOnce(A) -> F) -> usize {
        size_of::<F>()
    }

    /// Idle connections are the many: what each of them holds is to grow knowingly.
    #[test]
    fn an_idle_connection_is_small() {
        type Begun = (Connection, Handshake, Option<Credential>);
        let task = size_of_future(|(connection, handshake, credential): Begun| connection.run(handshake, credential));
        assert!(task <= 2048, "the task of a connection: {task}");
        let (peer, session) = (size_of::<Peer>(), size_of::<Session>());
        assert!(peer <= 320 && session <= 192, "what the hub keeps of it: {peer}, its session: {session}");
    }
}
