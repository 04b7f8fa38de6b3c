//! One connection: opened and authenticated, then a task that writes what it is given and passes on what it hears.

use std::{cell::RefCell, rc::Rc, time::Duration};

use futures_util::{SinkExt, StreamExt};
use tokio::{net::TcpSocket, sync::mpsc, task::JoinHandle};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, client_async_tls_with_config,
    tungstenite::{
        self, ClientRequestBuilder, Message,
        protocol::{CloseFrame, WebSocketConfig},
    },
};

use crate::target::ChatServer;

/// An open WebSocket.
pub type Socket = WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>;

/// Commands that may wait for one connection; who sends more waits.
const COMMANDS: usize = 16;
/// From TCP to `AUTH_SUCCESS`.
const DIAL_WITHIN: Duration = Duration::from_secs(60);
/// What the kernel may keep for a connection that is not read: little, so that the server feels it soon.
const SLOW_BUFFER: u32 = 4 * 1024;
/// Long enough to hear of an end that has happened.
const LAST_LOOK: Duration = Duration::from_millis(500);

/// Hears what connections are told. Called on the connection's task: must not wait.
pub trait Listener {
    /// A text frame came.
    fn frame(&self, member: usize, text: &str);
    /// The connection ended and was not asked to.
    fn ended(&self, member: usize, why: &str);
}

/// How a connection is opened.
#[derive(Debug, Clone, Copy, Default)]
pub struct Manner {
    /// Its events wait until the client has said where it left off.
    pub hold: bool,
    /// It is not read after `AUTH_SUCCESS`.
    pub slow: bool,
}

/// Why a connection did not come about, in few different words: they are counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The upgrade was answered by this HTTP status.
    Status(u16),
    /// The server said so and closed.
    Closed(String),
    /// Below HTTP.
    Lost(String),
    Late,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            Self::Status(429) => f.write_str("HTTP 429 (rate limit: CHATAPP__LIMITS__ENABLED=false)"),
            Self::Status(status) => write!(f, "HTTP {status}"),
            Self::Closed(why) | Self::Lost(why) => f.write_str(why),
            Self::Late => write!(f, "nothing within {DIAL_WITHIN:?}"),
        }
    }
}

/// Opens a connection and waits for `AUTH_SUCCESS`.
pub async fn dial(server: &ChatServer, token: &str, manner: Manner) -> Result<Socket, Refusal> {
    match tokio::time::timeout(DIAL_WITHIN, open(server, token, manner)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Refusal::Late),
    }
}

async fn open(server: &ChatServer, token: &str, manner: Manner) -> Result<Socket, Refusal> {
    let lost = |e: &dyn std::fmt::Display| Refusal::Lost(e.to_string());
    let socket = if server.address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
    let socket = socket.map_err(|e| lost(&e))?;
    socket.set_nodelay(true).map_err(|e| lost(&e))?;
    if manner.slow {
        socket.set_recv_buffer_size(SLOW_BUFFER).map_err(|e| lost(&e))?;
    }
    let stream = socket.connect(server.address).await.map_err(|e| lost(&e))?;
    // The defaults are 128 KiB for each direction, allocated at once.
    let config = WebSocketConfig::default().read_buffer_size(4 * 1024).write_buffer_size(0);
    let uri = server.uri(manner.hold).map_err(|e| lost(&e))?;
    let request = ClientRequestBuilder::new(uri).with_header("Authorization", format!("Bearer {token}"));
    let opened = client_async_tls_with_config(request, stream, Some(config), server.tls.clone()).await;
    let (mut socket, _) = opened.map_err(|error| match error {
        tungstenite::Error::Http(answer) => Refusal::Status(answer.status().as_u16()),
        error => lost(&error),
    })?;
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) if text.contains(r#""AUTH_SUCCESS""#) => return Ok(socket),
            Some(Ok(Message::Close(frame))) => return Err(Refusal::Closed(reason(frame))),
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(lost(&error)),
            None => return Err(Refusal::Lost("it ended before AUTH_SUCCESS".into())),
        }
    }
}

fn reason(frame: Option<CloseFrame>) -> String {
    frame.map_or("closed without a code".into(), |frame| {
        format!("closed with {} {}", u16::from(frame.code), frame.reason)
    })
}

/// A connection that is open.
pub struct Line {
    commands: mpsc::Sender<Command>,
    task: RefCell<Option<JoinHandle<bool>>>,
}

enum Command {
    Send(String),
    Close,
}

impl Line {
    /// Lets a task of this thread run the connection.
    pub fn start(socket: Socket, member: usize, manner: Manner, listener: Rc<dyn Listener>) -> Self {
        let (commands, queue) = mpsc::channel(COMMANDS);
        let task = match manner.slow {
            true => tokio::task::spawn_local(stand_still(socket, queue)),
            false => tokio::task::spawn_local(run(socket, member, queue, listener)),
        };
        Self { commands, task: RefCell::new(Some(task)) }
    }

    /// Sends a text frame; waits while too many wait. `false`: the connection has ended.
    pub async fn send(&self, text: String) -> bool {
        self.commands.send(Command::Send(text)).await.is_ok()
    }

    pub fn is_open(&self) -> bool {
        !self.commands.is_closed()
    }

    /// Closes it. `true`: it had ended before.
    pub async fn close(&self) -> bool {
        // An error: it has ended.
        let _ = self.commands.send(Command::Close).await;
        let task = self.task.borrow_mut().take();
        match task {
            Some(task) => task.await.unwrap_or(true),
            None => true,
        }
    }
}

async fn run(
    mut socket: Socket,
    member: usize,
    mut commands: mpsc::Receiver<Command>,
    listener: Rc<dyn Listener>,
) -> bool {
    let why = loop {
        tokio::select! {
            biased;
            command = commands.recv() => match command {
                Some(Command::Send(text)) => {
                    if let Err(error) = socket.send(Message::text(text)).await {
                        break error.to_string();
                    }
                }
                Some(Command::Close) | None => {
                    // It is being left: whether the server hears it does not matter.
                    let _ = socket.close(None).await;
                    return false;
                }
            },
            frame = socket.next() => match frame {
                Some(Ok(Message::Text(text))) => listener.frame(member, &text),
                Some(Ok(Message::Close(frame))) => break reason(frame),
                Some(Ok(_)) => {}
                Some(Err(error)) => break error.to_string(),
                None => break "the connection ended".to_owned(),
            },
        }
    };
    listener.ended(member, &why);
    true
}

/// Reads nothing until it is closed, then looks whether the server has.
async fn stand_still(mut socket: Socket, mut commands: mpsc::Receiver<Command>) -> bool {
    while let Some(Command::Send(_)) = commands.recv().await {}
    let ended = async {
        while let Some(Ok(frame)) = socket.next().await {
            if frame.is_close() {
                return;
            }
        }
    };
    tokio::time::timeout(LAST_LOOK, ended).await.is_ok()
}
