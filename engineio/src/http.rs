//! Requests that are no socket's: the first opens a session, then some wait for messages and some bring them.

use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, header},
    web::Payload,
};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use tokio::{
    sync::{mpsc::error::TrySendError, oneshot},
    time::timeout,
};
use url::form_urlencoded;

use crate::{
    Config, Engine, Fault,
    engine::Entry,
    packet,
    source::{Letter, Post},
};

/// What the body of a request may take.
const BODY: Duration = Duration::from_secs(30);

/// What a request says of itself.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Query {
    pub version: Option<String>,
    pub transport: Option<String>,
    pub sid: Option<String>,
}

impl Query {
    pub fn parse(query: &str) -> Self {
        let mut parsed = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let field = match &*name {
                "EIO" => &mut parsed.version,
                "transport" => &mut parsed.transport,
                "sid" => &mut parsed.sid,
                _ => continue,
            };
            *field = Some(value.into_owned());
        }
        parsed
    }

    /// Is the version one that is spoken?
    pub fn check_version(&self) -> Result<(), Fault> {
        if self.version.as_deref() == Some("4") { Ok(()) } else { Err(Fault::UnsupportedVersion) }
    }
}

impl<C: Send + 'static> Engine<C> {
    /// Answers a request that asks for no socket. A poll is answered when there is something to tell.
    pub async fn answer(&self, request: &HttpRequest, body: Payload, context: C) -> HttpResponse {
        let answered = match self.check(request) {
            Ok(None) => self.begin(context).await,
            Ok(Some(entry)) if request.method() == Method::GET => poll(&entry).await,
            Ok(Some(entry)) if request.method() == Method::POST => post(&self.config, &entry, request, body).await,
            Ok(Some(_)) => Err(Fault::BadRequest),
            Err(fault) => Err(fault),
        };
        let (status, mime, body) = match answered {
            Ok(body) => (actix_web::http::StatusCode::OK, "text/plain; charset=UTF-8", body),
            Err(fault) => (fault.status(), "application/json", fault.body().into()),
        };
        HttpResponse::build(status)
            .insert_header((header::CONTENT_TYPE, mime))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .body(body)
    }

    /// The session a request names; `None`: it opens one.
    fn check(&self, request: &HttpRequest) -> Result<Option<Entry>, Fault> {
        if !socket::origin_allowed(request.head(), &self.config.allowed_origins) {
            return Err(Fault::Forbidden);
        }
        let query = Query::parse(request.query_string());
        match query.transport.as_deref() {
            Some("polling") => {}
            // A socket asks for an upgrade.
            Some("websocket") => return Err(Fault::BadRequest),
            _ => return Err(Fault::UnknownTransport),
        }
        if let Some(sid) = &query.sid {
            return self.table.find(sid).map(Some).ok_or(Fault::UnknownSession);
        }
        if request.method() != Method::GET {
            return Err(Fault::HandshakeMethod);
        }
        query.check_version().map(|()| None)
    }

    async fn begin(&self, context: C) -> Result<Vec<u8>, Fault> {
        let (answer, answered) = oneshot::channel();
        self.open(context, answer)?;
        answered.await.unwrap_or(Err(Fault::Overload))
    }
}

async fn poll(entry: &Entry) -> Result<Vec<u8>, Fault> {
    let (answer, answered) = oneshot::channel();
    entry.letters.try_send(Letter::Poll(answer)).map_err(refused)?;
    // Not answered: the session has ended meanwhile.
    answered.await.unwrap_or(Err(Fault::UnknownSession))
}

async fn post(config: &Config, entry: &Entry, request: &HttpRequest, body: Payload) -> Result<Vec<u8>, Fault> {
    let sizes = entry.allowance.sizes(config);
    let most = config.max_payload.max(packet::body_bytes(sizes));
    let body = timeout(BODY, read(request, body, most)).await.map_err(|_| Fault::BadRequest)??;
    let (answer, answered) = oneshot::channel();
    let packets = packet::payload(body, sizes);
    entry.posts.try_send(Post { packets, answer }).map_err(refused)?;
    answered.await.unwrap_or(Err(Fault::UnknownSession))?;
    Ok(b"ok".to_vec())
}

fn refused<T>(e: TrySendError<T>) -> Fault {
    match e {
        // More at once than a client has.
        TrySendError::Full(_) => Fault::BadRequest,
        TrySendError::Closed(_) => Fault::UnknownSession,
    }
}

/// A body of at most so many bytes, announced or not.
async fn read(request: &HttpRequest, mut body: Payload, most: usize) -> Result<Bytes, Fault> {
    let announced = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    if announced.and_then(|length| length.parse::<u64>().ok()).is_some_and(|length| length > most as u64) {
        return Err(Fault::TooLarge);
    }
    let mut bytes = BytesMut::new();
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|_| Fault::BadRequest)?;
        if bytes.len() + piece.len() > most {
            return Err(Fault::TooLarge);
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes.freeze())
}
