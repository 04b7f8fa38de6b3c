//! Clients of Socket.IO: connected ([`Greeting`]), and then somebody or nobody yet ([`Client`]). What they ask is done by the
//! same [`Session`] as every other client's.

mod client;

use std::{rc::Rc, sync::Arc};

use actix_web::{HttpRequest, HttpResponse, web::Payload};
use client::Client;
use domain::{Domain, DomainError, Result, Viewer, accounts::Source};
use engineio::{Allowance, Config, Engine, Opened, packet::Sizes};
use futures_util::FutureExt;
use serde::Deserialize;
use shared::{Settings, protocol::ServerFrame};
use socket::{CloseCode, Connection, Credential, Outbound, Step, Upgrade};
use web::{
    address,
    error::AsItIs,
    sockets::{self, error_frame, refusal},
};

use crate::{
    dialect::{
        Dialect,
        socketio::{
            self as dialect,
            packet::{Decoder, Packet},
        },
    },
    hub::{Hub, Peer},
    session::{Opening, Session},
};

/// Bytes of an image that comes with a message.
pub const IMAGE_BYTES: usize = 1 << 20;

/// The sessions of this instance; a request that opens one says where it comes from.
pub type Sessions = Engine<Source>;

/// One for each running service.
pub fn sessions(settings: &Settings) -> Arc<Sessions> {
    let own = &settings.chat.socketio;
    Engine::new(Config {
        ping_interval: own.ping_interval(),
        ping_timeout: own.ping_timeout(),
        max_payload: own.max_payload,
        most: Sizes { text: settings.limits.frame_bytes, binary: IMAGE_BYTES },
        sessions: own.sessions,
        queue: sockets::queue_limits(settings),
        allowed_origins: settings.http.allowed_origins.clone(),
    })
}

/// The sockets of one worker; its share of the sessions that begin by long-polling from now on too.
pub fn serve_sockets(hub: &Rc<Hub>, sessions: &Arc<Sessions>) -> socket::Serve {
    let (domain, sessions) = (hub.domain.clone(), sessions.clone());
    let hub = hub.clone();
    let serve: engineio::Serve<Source> = Rc::new(move |opened| serve(&hub, opened).boxed_local());
    sessions.serve_here(serve.clone());
    Rc::new(move |upgrade: Upgrade| {
        let source = address::source(upgrade.head(), &domain.settings.http.trusted_proxies);
        sessions.upgrade(upgrade, source, &serve)
    })
}

/// A request that asks for no socket.
pub async fn answer(sessions: &Sessions, domain: &Domain, request: &HttpRequest, body: Payload) -> HttpResponse {
    let source = address::source(request.head(), &domain.settings.http.trusted_proxies);
    let mut answer = sessions.answer(request, body, source).await;
    answer.extensions_mut().insert(AsItIs);
    answer
}

fn serve(hub: &Rc<Hub>, opened: Opened<Source>) -> impl Future<Output = ()> + use<> {
    let Opened { outbound, source, allowance, context } = opened;
    let limits = sockets::limits(&hub.domain.settings);
    let connection = Connection::new(outbound.clone(), source, limits, hub.pulse());
    let line = Line { hub: hub.clone(), outbound, allowance, from: context, decoder: Decoder::new(IMAGE_BYTES) };
    connection.run(Greeting(Some(line)), None)
}

/// A client's connection, whoever they are.
struct Line {
    hub: Rc<Hub>,
    outbound: Outbound,
    allowance: Allowance,
    from: Source,
    decoder: Decoder,
}

/// A client that has not connected to the namespace. `None`: it has.
struct Greeting(Option<Line>);

#[derive(Deserialize)]
struct Auth {
    token: Option<String>,
}

impl Line {
    fn push(&self, frame: &ServerFrame, ack: Option<&str>) {
        Dialect::SocketIo.push(&self.outbound, frame, ack);
    }

    /// They are this user from now on: attached to their rooms, and told so.
    async fn begin(&self, viewer: Viewer) -> Result<Box<Session>> {
        let peer = Peer::new(viewer, Dialect::SocketIo, self.outbound.clone());
        let session = Session::begin(&self.hub, peer, Opening::default()).await?;
        self.allowance.grant();
        Ok(Box::new(session))
    }

    /// The user of a token whose login stands.
    async fn identify(&self, token: String) -> Result<Viewer> {
        let viewer = sockets::authenticate(&self.hub.domain, &Credential::Token(token)).await?;
        self.hub.domain.identity.check_login(&viewer).await?;
        Ok(viewer)
    }

    /// `Err`: how the connection ends, or does not.
    async fn connect(&self, auth: Option<String>) -> std::result::Result<Option<Box<Session>>, Option<CloseCode>> {
        let token = auth.and_then(|auth| serde_json::from_str::<Auth>(&auth).ok()).and_then(|auth| auth.token);
        let viewer = match token {
            None => None,
            Some(token) => Some(self.identify(token).await.map_err(|e| self.refuse(&e))?),
        };
        self.outbound.push(dialect::connected(&engineio::new_sid()));
        match viewer {
            None => Ok(None),
            Some(viewer) => match self.begin(viewer).await {
                Ok(session) => Ok(Some(session)),
                Err(e) => {
                    self.push(&error_frame(&e), None);
                    Err(Some(refusal(&e)))
                }
            },
        }
    }

    /// A client that is refused does not come back by itself; one that should is cut off instead.
    fn refuse(&self, e: &DomainError) -> Option<CloseCode> {
        e.log();
        match refusal(e) {
            CloseCode::Unauthorized | CloseCode::AccountClosed => {
                self.outbound.push(dialect::refused("/", &e.to_string(), Some(e.code())));
                None
            }
            code => Some(code),
        }
    }

    fn refuse_namespace(&self, namespace: &str) {
        self.outbound.push(dialect::refused(namespace, "Invalid namespace", None));
    }
}

impl socket::Handshake for Greeting {
    type Session = Client;

    /// None comes with the request: `auth` is in the packet that connects.
    async fn on_credential(&mut self, _: Credential) -> Step<Client> {
        Step::Again
    }

    async fn on_text(&mut self, text: &str) -> Step<Client> {
        let Some(mut line) = self.0.take() else { return Step::Close(CloseCode::InternalError) };
        match line.decoder.text(text) {
            Ok(Some(Packet::Connect(auth))) => match Box::pin(line.connect(auth)).await {
                Ok(who) => return Step::Done(Client::new(line, who)),
                Err(Some(code)) => return Step::Close(code),
                Err(None) => {}
            },
            Ok(Some(Packet::Elsewhere { namespace, connects: true })) => line.refuse_namespace(&namespace),
            _ => return Step::Close(CloseCode::ProtocolError),
        }
        self.0 = Some(line);
        Step::Again
    }

    fn on_binary(&mut self) {}
}
