//! An echo server on a port of its own, and clients.

use std::{
    cell::{Cell, RefCell},
    convert::Infallible,
    rc::Rc,
    time::Duration,
};

use actix_http::{HttpService, Request, Response, StatusCode};
use bytes::Bytes;
use futures_util::{FutureExt, SinkExt, StreamExt};
use socket::{
    Connection, Credential, Flow, Limits, Outbound, Pulse, Pushed, QueueLimits, Step, Upgrade, binary_frame, text_frame,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
    time::timeout,
};
use tokio_tungstenite::{WebSocketStream, client_async_with_config, tungstenite};
use tokio_util::sync::CancellationToken;
use tungstenite::{Message, protocol::WebSocketConfig};

pub const LONG: Duration = Duration::from_secs(20);
pub const MAX_MESSAGE: usize = 64 * 1024;

#[derive(Clone)]
pub struct Options {
    pub wants_auth: bool,
    pub authenticate: Duration,
    pub bad_frames: u32,
    pub heartbeat: Duration,
    pub queue_bytes: usize,
    pub message_bytes: usize,
    pub origins: Vec<String>,
}

/// What all sockets of the one worker share.
struct Worker {
    options: Options,
    pulse: Rc<Pulse>,
    subscribers: RefCell<Vec<Outbound>>,
    /// Has another task run since `WAIT FOR A TURN`?
    had_a_turn: Cell<bool>,
}

pub struct Echo {
    port: u16,
    pub stop: CancellationToken,
    done: oneshot::Receiver<()>,
}

impl Echo {
    pub fn start(change: impl FnOnce(&mut Options)) -> Self {
        let mut options = Options {
            wants_auth: false,
            authenticate: Duration::from_secs(10),
            bad_frames: 100,
            heartbeat: Duration::from_secs(30),
            queue_bytes: 1 << 20,
            message_bytes: MAX_MESSAGE,
            origins: vec!["*".into()],
        };
        change(&mut options);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let stop = CancellationToken::new();
        let (finished, done) = oneshot::channel();
        let token = stop.clone();
        std::thread::spawn(move || {
            let result = actix_rt::System::new().block_on(serve(listener, options, token));
            let _ = finished.send(());
            result.unwrap();
        });
        Self { port, stop, done }
    }

    pub fn url(&self) -> String {
        format!("ws://127.0.0.1:{}/echo", self.port)
    }

    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port)).await.unwrap()
    }

    pub async fn stopped(self) {
        self.done.await.unwrap();
    }
}

async fn serve(listener: std::net::TcpListener, options: Options, stop: CancellationToken) -> std::io::Result<()> {
    let stopped = stop.clone();
    let service = move || {
        let (options, stop) = (options.clone(), stop.clone());
        let start = move || {
            let pulse = Pulse::start(options.heartbeat, stop.clone());
            let worker = Worker {
                options: options.clone(),
                pulse,
                subscribers: RefCell::default(),
                had_a_turn: Cell::default(),
            };
            let worker = Rc::new(worker);
            Rc::new(move |upgrade| open(worker.clone(), upgrade).boxed_local()) as socket::Serve
        };
        let plain = |_: Request| async { Ok::<_, Infallible>(Response::new(StatusCode::BAD_REQUEST)) };
        HttpService::build()
            .client_disconnect_timeout(Duration::ZERO)
            .h1_allow_half_closed(false)
            .tcp_nodelay(true)
            .upgrade(socket::upgrades(start))
            .finish(plain)
            .tcp()
    };
    actix_server::Server::build()
        .workers(1)
        .disable_signals()
        .shutdown_signal(async move { stopped.cancelled().await })
        .listen("echo", listener, service)?
        .run()
        .await
}

async fn open(worker: Rc<Worker>, upgrade: Upgrade) {
    let options = &worker.options;
    if !socket::origin_allowed(upgrade.head(), &options.origins) {
        return upgrade.refuse(Response::with_body(StatusCode::FORBIDDEN, ()), "no").await;
    }
    let queue = QueueLimits { frames: 256, bytes: options.queue_bytes, time: Duration::from_secs(30) };
    let mut credential = socket::credential(upgrade.head());
    let (outbound, inbound) = match upgrade.accept(options.message_bytes, queue) {
        Ok(parts) => parts,
        Err(upgrade) => return upgrade.refuse(Response::with_body(StatusCode::BAD_REQUEST, ()), "").await,
    };
    let limits = Limits { authenticate: options.authenticate, bad_frames_per_minute: options.bad_frames };
    if !options.wants_auth {
        credential = credential.or(Some(Credential::Token("anybody".into())));
    }
    let handshake = EchoHandshake { outbound: outbound.clone(), worker: worker.clone() };
    Connection::new(outbound, inbound, limits, &worker.pulse).run(handshake, credential).await;
}

struct EchoHandshake {
    outbound: Outbound,
    worker: Rc<Worker>,
}

impl socket::Handshake for EchoHandshake {
    type Session = EchoSession;

    async fn on_credential(&mut self, _: Credential) -> Step<EchoSession> {
        if self.worker.options.wants_auth {
            self.outbound.push(text_frame("welcome"));
        }
        Step::Done(EchoSession { outbound: self.outbound.clone(), worker: self.worker.clone() })
    }

    async fn on_text(&mut self, text: &str) -> Step<EchoSession> {
        if text == "AUTH" {
            return self.on_credential(Credential::Token("t".into())).await;
        }
        self.outbound.push(text_frame("who are you?"));
        Step::Again
    }

    fn on_binary(&mut self) {
        self.outbound.push(text_frame("no binary"));
    }
}

struct EchoSession {
    outbound: Outbound,
    worker: Rc<Worker>,
}

impl socket::Session for EchoSession {
    async fn on_text(&mut self, text: &str) -> Flow {
        if text == "SUBSCRIBE" {
            self.worker.subscribers.borrow_mut().push(self.outbound.clone());
        } else if text.starts_with("PUBLISH") {
            let frame = text_frame(text);
            let mut state = "all well";
            self.worker.subscribers.borrow_mut().retain(|subscriber| match subscriber.send(frame.clone()) {
                Pushed::First | Pushed::More => true,
                Pushed::Overflowed | Pushed::Closed => {
                    state = "overflowed";
                    false
                }
            });
            self.outbound.push(text_frame(state));
        } else if text == "BAD" {
            self.outbound.push(text_frame("bad"));
            return Flow::Bad;
        } else if text == "WAIT FOR A TURN" {
            let worker = self.worker.clone();
            worker.had_a_turn.set(false);
            actix_rt::spawn(async move { worker.had_a_turn.set(true) });
        } else if text == "HAD IT A TURN?" {
            self.outbound.push(text_frame(if self.worker.had_a_turn.get() { "yes" } else { "no" }));
        } else if text == "NOTHING" {
        } else {
            self.outbound.push(text_frame(text));
        }
        Flow::Continue
    }

    async fn on_binary(&mut self, data: Bytes) -> Flow {
        self.outbound.push(binary_frame(&data));
        Flow::Continue
    }

    fn on_drain(&mut self) {
        self.outbound.push(text_frame("draining"));
    }

    async fn on_end(&mut self) {}
}

pub struct Client(pub WebSocketStream<TcpStream>);

impl Client {
    pub async fn connect(server: &Echo) -> Self {
        Self::connect_to(&server.url()).await
    }

    pub async fn connect_to(url: &str) -> Self {
        let address = url.trim_start_matches("ws://").split('/').next().unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        let config = WebSocketConfig::default().read_buffer_size(4096).write_buffer_size(4096);
        Self(client_async_with_config(url, stream, Some(config)).await.unwrap().0)
    }

    pub async fn send(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    pub async fn text(&mut self) -> String {
        match timeout(LONG, self.0.next()).await.unwrap() {
            Some(Ok(Message::Text(text))) => text.to_string(),
            other => panic!("expected a text, got {other:?}"),
        }
    }

    pub async fn closed(&mut self) -> u16 {
        match timeout(LONG, self.0.next()).await.unwrap() {
            Some(Ok(Message::Close(Some(frame)))) => frame.code.into(),
            other => panic!("expected a close, got {other:?}"),
        }
    }
}

/// An upgraded connection as bare TCP.
pub async fn raw(server: &Echo) -> TcpStream {
    let (socket, answer) = handshake(server, "").await;
    assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
    socket
}

pub async fn handshake(server: &Echo, extra: &str) -> (TcpStream, String) {
    let mut socket = ask(server, &format!("Sec-WebSocket-Version: 13\r\n{extra}")).await;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(socket.read_u8().await.unwrap());
    }
    (socket, String::from_utf8(answer).unwrap())
}

/// The whole answer to a request that gets no socket.
pub async fn refusal(server: &Echo, extra: &str) -> String {
    let mut answer = String::new();
    ask(server, extra).await.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn ask(server: &Echo, extra: &str) -> TcpStream {
    let mut socket = server.connect().await;
    socket.write_all(request(extra).as_bytes()).await.unwrap();
    socket
}

/// A request for a socket, with these lines in its head too.
pub fn request(extra: &str) -> String {
    format!(
        "GET /echo HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\n{extra}\r\n"
    )
}

/// A masked frame; the mask is zero, so that bytes are what they are.
pub fn client_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    match payload.len() {
        n @ 0..=125 => out.push(0x80 | n as u8),
        n @ 126..=0xffff => {
            out.push(0x80 | 126);
            out.extend((n as u16).to_be_bytes());
        }
        n => {
            out.push(0x80 | 127);
            out.extend((n as u64).to_be_bytes());
        }
    }
    out.extend([0; 4]);
    out.extend(payload);
    out
}

/// The code of the close frame that must come next.
pub async fn close_code(socket: &mut TcpStream) -> u16 {
    let mut header = [0; 2];
    timeout(LONG, socket.read_exact(&mut header)).await.unwrap().unwrap();
    assert_eq!(header[0], 0x88, "a close frame");
    let mut payload = vec![0; header[1].into()];
    socket.read_exact(&mut payload).await.unwrap();
    u16::from_be_bytes([payload[0], payload[1]])
}

/// Walks whole server frames and gives the last.
pub fn last_frame(mut bytes: &[u8]) -> &[u8] {
    loop {
        let (header, length) = match bytes[1] {
            126 => (4, u16::from_be_bytes([bytes[2], bytes[3]]).into()),
            127 => (10, usize::from_be_bytes(bytes[2..10].try_into().unwrap())),
            short => (2, short.into()),
        };
        if bytes.len() == header + length {
            return bytes;
        }
        bytes = &bytes[header + length..];
    }
}
