//! A client on a socket: first unknown ([`Handshake`]), then a user ([`Session`]).

pub mod on_client_frame;
pub mod on_event;
mod typing;

use std::{
    cell::RefCell,
    rc::Rc,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use domain::{DomainError, Result, Viewer};
use shared::{
    RoomId,
    protocol::{ChatCommand, ServerFrame, Status, command::TypingStatus},
};
use socket::{Credential, Flow, Outbound, Step};
use store::SocketKind;
use tokio::time::Instant;
use typing::Said;
use web::sockets::{self, bad_frame, error_frame, no_binary, refusal};

use crate::{
    dialect::{Dialect, native},
    hub::{Hub, Peer, Pins},
};

/// Times the list of a user's rooms is read again because it changed while it was being attached.
const ATTACH_TRIES: usize = 3;

static OPEN: AtomicU64 = AtomicU64::new(0);

/// Authenticated sockets of this process.
pub fn open_connections() -> u64 {
    OPEN.load(Ordering::Relaxed)
}

/// A socket whose user is not known yet.
pub struct Handshake {
    hub: Rc<Hub>,
    outbound: Outbound,
    dialect: Dialect,
}

/// A user on a connection: attached to their rooms, announced to presence.
pub struct Session {
    pub(crate) hub: Rc<Hub>,
    pub(crate) peer: Rc<Peer>,
    presence: Announced,
    typing: RefCell<Said>,
}

/// Counts a connection, and takes it out of presence when it ends.
struct Announced {
    hub: Rc<Hub>,
    peer: Rc<Peer>,
    ended: bool,
}

impl Handshake {
    pub fn new(hub: Rc<Hub>, outbound: Outbound, dialect: Dialect) -> Self {
        Self { hub, outbound, dialect }
    }

    async fn authenticate(&mut self, credential: Credential, request_id: Option<&str>) -> Step<Session> {
        let session = async {
            let viewer = sockets::authenticate(&self.hub.domain, &credential).await?;
            Session::begin(&self.hub, viewer, self.dialect, self.outbound.clone(), request_id).await
        };
        match session.await {
            Ok(session) => Step::Done(session),
            Err(e) => {
                self.push(&error_frame(&e), request_id);
                Step::Close(refusal(&e))
            }
        }
    }

    fn push(&self, frame: &ServerFrame, request_id: Option<&str>) {
        self.outbound.push(self.dialect.encode(frame, request_id));
    }
}

impl socket::Handshake for Handshake {
    type Session = Session;

    async fn on_credential(&mut self, credential: Credential) -> Step<Session> {
        self.authenticate(credential, None).await
    }

    async fn on_text(&mut self, text: &str) -> Step<Session> {
        match native::decode(text) {
            Ok(frame) => {
                let id = frame.request_id;
                if let ChatCommand::Authenticate(input) = frame.command {
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

impl Session {
    /// Attaches the user's rooms, then says so: `AUTH_SUCCESS` is the first frame.
    async fn begin(
        hub: &Rc<Hub>,
        viewer: Viewer,
        dialect: Dialect,
        outbound: Outbound,
        request_id: Option<&str>,
    ) -> Result<Self> {
        let peer = Peer::new(viewer, dialect, outbound);
        let viewer = &peer.viewer;
        // Leaves everything again when it is dropped on the way.
        let presence = Announced::new(hub, &peer);
        hub.follow_user(&peer).await?;
        // After following: a session that ends from now on is heard of.
        hub.domain.identity.check_session(viewer).await?;
        hub.domain.presence.connected(viewer, peer.id, SocketKind::Chat).await?;
        let status = hub.domain.presence.own(viewer.user).await?.status;
        let pins = follow_rooms(hub, &peer).await?;
        let first = dialect.encode(&auth_success(hub, viewer, status), request_id);
        hub.attach_all(&peer, &pins, first);
        drop(pins);
        hub.end_busy(&peer);
        let typing = RefCell::new(Said::new(Duration::from_millis(hub.domain.settings.chat.typing_ms)));
        Ok(Self { hub: hub.clone(), peer, presence, typing })
    }

    pub(crate) fn push(&self, frame: &ServerFrame, request_id: Option<&str>) {
        // A queue that overflows here is noticed by the connection's loop.
        self.peer.outbound.push(self.peer.dialect.encode(frame, request_id));
    }
}

/// Pins all rooms of the user. They are listed again if others changed them meanwhile; should that go on, what is
/// still to be looked at is looked at when the connection is no longer busy.
async fn follow_rooms(hub: &Rc<Hub>, peer: &Rc<Peer>) -> Result<Pins> {
    let mut pins = hub.follow(&hub.domain.rooms.joined(peer.viewer.user).await?).await?;
    for _ in 1..ATTACH_TRIES {
        if !hub.look_now(peer) {
            break;
        }
        pins = hub.follow(&hub.domain.rooms.joined(peer.viewer.user).await?).await?;
    }
    Ok(pins)
}

fn auth_success(hub: &Hub, viewer: &Viewer, status: Status) -> ServerFrame {
    ServerFrame::AuthSuccess {
        user_id: viewer.user,
        username: viewer.username.clone(),
        status,
        session_id: viewer.session,
        heartbeat_ms: u64::try_from(hub.pulse().period().as_millis()).unwrap_or(u64::MAX),
        resuming: false,
    }
}

impl socket::Session for Session {
    async fn on_text(&mut self, text: &str) -> Flow {
        match native::decode(text) {
            Ok(frame) => {
                on_client_frame::on_client_frame(self, frame).await;
                Flow::Continue
            }
            Err(bad) => {
                let id = bad.request_id.clone();
                self.push(&bad_frame(bad), id.as_deref());
                Flow::Bad
            }
        }
    }

    fn on_binary(&mut self) {
        self.push(&no_binary(), None);
    }

    fn on_drain(&mut self) {
        self.push(&self.hub.drain().reconnect(), None);
    }

    async fn on_end(&mut self) {
        let typed_in = self.typing.get_mut().take(Instant::now());
        tokio::join!(self.presence.end(), stop_typing(&self.hub, &self.peer.viewer, typed_in));
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

impl Announced {
    fn new(hub: &Rc<Hub>, peer: &Rc<Peer>) -> Self {
        OPEN.fetch_add(1, Ordering::Relaxed);
        metrics::gauge!("chatapp_connections", "socket" => "chat").increment(1);
        Self { hub: hub.clone(), peer: peer.clone(), ended: false }
    }

    /// Out of the hub at once, then out of presence.
    async fn end(&mut self) {
        if !self.leave() {
            return;
        }
        if let Err(e) = self.hub.domain.presence.disconnected(self.peer.viewer.user, self.peer.id).await {
            // The process's lease stands for it until it is found out.
            e.log();
        }
    }

    /// `false`: it had left.
    fn leave(&mut self) -> bool {
        if std::mem::replace(&mut self.ended, true) {
            return false;
        }
        OPEN.fetch_sub(1, Ordering::Relaxed);
        metrics::gauge!("chatapp_connections", "socket" => "chat").decrement(1);
        self.hub.forget(&self.peer);
        true
    }
}

impl Drop for Announced {
    fn drop(&mut self) {
        if !self.leave() {
            return;
        }
        // The socket did not come to its orderly end: given up while authenticating, or the worker stops.
        let (domain, user, connection) = (self.hub.domain.clone(), self.peer.viewer.user, self.peer.id);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(e) = domain.presence.disconnected(user, connection).await {
                    e.log();
                }
            });
        }
    }
}
