//! From a request to a socket: the transport leaves the HTTP dispatcher, with its buffers, and is ours alone.

use std::{convert::Infallible, rc::Rc, time::Duration};

use actix_codec::{Encoder, Framed, FramedParts};
use actix_http::{
    ConnectionType, Request, RequestHead, Response,
    body::BodySize,
    h1::{Codec, Message},
    header::{self, HeaderValue},
    ws,
};
use actix_service::{ServiceFactory, fn_factory, fn_service};
use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use shared::protocol::SUBPROTOCOL;
use tokio::{io::AsyncWriteExt, net::TcpStream, time::timeout};

use crate::{Inbound, Outbound, QueueLimits};

/// How long a client may take to receive a refusal.
const REFUSAL: Duration = Duration::from_secs(1);

/// Serves the sockets of one worker, each to its end.
pub type Serve = Rc<dyn Fn(Upgrade) -> LocalBoxFuture<'static, ()>>;

/// What actix gives away with a request to upgrade.
type Given = (Request, Framed<TcpStream, Codec>);

/// For `HttpServiceBuilder::upgrade`: every request that asks for a WebSocket goes there, whatever its path. `start` is
/// called once in each worker, inside its runtime.
pub fn upgrades(
    start: impl Fn() -> Serve + 'static,
) -> impl ServiceFactory<Given, Config = (), Response = (), Error = Infallible, InitError = ()> {
    fn_factory(move || {
        let serve = start();
        let service = fn_service(move |(request, io): Given| {
            let served = serve(Upgrade { request, parts: io.into_parts() });
            async move {
                served.await;
                Ok(())
            }
        });
        async move { Ok(service) }
    })
}

/// A request for a socket, and the transport it came on.
pub struct Upgrade {
    request: Request,
    parts: FramedParts<TcpStream, Codec>,
}

impl Upgrade {
    pub fn head(&self) -> &RequestHead {
        self.request.head()
    }

    /// Performs the opening handshake (RFC 6455 §4.2). The answer is the first that waits in the queue: it goes out with
    /// the first wake. `max_message` is the most payload bytes of a client's message. A request that is no WebSocket
    /// handshake comes back, to be refused.
    pub fn accept(self, max_message: usize, queue: QueueLimits) -> Result<(Outbound, Inbound), Box<Self>> {
        let Accepted { answer, io, early } = self.answer()?;
        Ok(open(io, answer, &early, max_message, queue))
    }

    /// The same, for a socket that is served on another worker.
    pub fn detach(self) -> Result<Detached, Box<Self>> {
        let Accepted { answer, io, early } = self.answer()?;
        Ok(Detached { answer, io: io.into_std(), early })
    }

    fn answer(mut self) -> Result<Accepted, Box<Self>> {
        let Ok(mut answer) = ws::handshake(self.head()) else { return Err(Box::new(self)) };
        if offers(self.head(), SUBPROTOCOL) {
            answer.insert_header((header::SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL));
        }
        let Ok(answer) = self.encode(answer.finish().drop_body(), BodySize::None, None) else {
            return Err(Box::new(self));
        };
        Ok(Accepted { answer, io: self.parts.io, early: self.parts.read_buf.freeze() })
    }

    /// Answers that there will be no socket, and ends the connection.
    pub async fn refuse(mut self, mut head: Response<()>, body: impl Into<Bytes>) {
        head.head_mut().set_connection_type(ConnectionType::Close);
        let body = body.into();
        let size = BodySize::Sized(body.len() as u64);
        if let Ok(answer) = self.encode(head, size, Some(body)) {
            // A client that does not take it has ended the connection itself.
            let _ = timeout(REFUSAL, self.parts.io.write_all(&answer)).await;
            let _ = timeout(REFUSAL, self.parts.io.shutdown()).await;
        }
    }

    fn encode(&mut self, head: Response<()>, size: BodySize, body: Option<Bytes>) -> std::io::Result<Bytes> {
        // Answers to requests before this one may be in it.
        let mut bytes = std::mem::take(&mut self.parts.write_buf);
        self.parts.codec.encode(Message::Item((head, size)), &mut bytes)?;
        if body.is_some() {
            self.parts.codec.encode(Message::Chunk(body), &mut bytes)?;
        }
        Ok(bytes.freeze())
    }
}

/// A handshake that was good.
struct Accepted {
    /// What the client is still to be sent.
    answer: Bytes,
    io: TcpStream,
    /// Came behind the request.
    early: Bytes,
}

/// An accepted socket that belongs to no worker.
pub struct Detached {
    answer: Bytes,
    io: std::io::Result<std::net::TcpStream>,
    early: Bytes,
}

impl Detached {
    /// Makes it this worker's; as [`Upgrade::accept`].
    pub fn attach(self, max_message: usize, queue: QueueLimits) -> std::io::Result<(Outbound, Inbound)> {
        let io = TcpStream::from_std(self.io?)?;
        Ok(open(io, self.answer, &self.early, max_message, queue))
    }
}

fn open(io: TcpStream, answer: Bytes, early: &[u8], max_message: usize, queue: QueueLimits) -> (Outbound, Inbound) {
    let outbound = Outbound::new(queue);
    outbound.push(answer);
    let (read, write) = io.into_split();
    outbound.connect(write);
    (outbound, Inbound::new(read, early, max_message))
}

/// Is it among the subprotocols the client speaks (RFC 6455 §4.1)?
fn offers(head: &RequestHead, protocol: &str) -> bool {
    subprotocols(head).any(|offered| offered == protocol)
}

/// The subprotocols a client offers, in its order.
pub(crate) fn subprotocols(head: &RequestHead) -> impl Iterator<Item = &str> {
    let values =
        head.headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).filter_map(|value: &HeaderValue| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}
