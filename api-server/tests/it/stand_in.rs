//! An instance of another service as this one sees it: it can be met, asked, made to fail, and killed.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use parking_lot::Mutex;
use shared::InstanceId;
use store::{Instance, Service};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::support::TestServer;

/// What it does with a request.
#[derive(Debug, Clone, Copy)]
pub enum How {
    /// Answers with this status.
    Answer(u16),
    /// Reads it and says nothing.
    Hang,
    /// Reads it and closes.
    Break,
    /// Answers with more than anybody wants.
    Flood,
}

pub struct StandIn {
    pub id: InstanceId,
    service: Service,
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    accepting: JoinHandle<()>,
}

struct State {
    how: How,
    /// Heads of the requests but those for `/health`, in small letters.
    asked: Vec<String>,
    met: usize,
}

impl StandIn {
    pub async fn start(service: Service, how: How) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (id, address) = (InstanceId::new(), listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State { how, asked: Vec::new(), met: 0 }));
        let of_requests = state.clone();
        let accepting = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, id, of_requests.clone()));
            }
        });
        Self { id, service, address, state, accepting }
    }

    /// Its entry in the registry.
    pub fn entry(&self, load: u64) -> Instance {
        let scheme = if self.service == Service::Notification { "http" } else { "ws" };
        let (service, url, version) = (self.service, format!("{scheme}://{}", self.address), "0".into());
        Instance { id: self.id, service, url, address: Some(self.address), beat: 1, load, version, draining: false }
    }

    /// Puts it into the registry for longer than any test takes.
    pub async fn register(&self, server: &TestServer, load: u64) {
        let lease = Duration::from_secs(600);
        server.domain.store.registry.register(&self.entry(load), lease).await.unwrap();
    }

    pub fn set(&self, how: How) {
        self.state.lock().how = how;
    }

    pub fn asked(&self) -> Vec<String> {
        self.state.lock().asked.clone()
    }

    /// Was it asked who it is?
    pub fn was_met(&self) -> bool {
        self.times_met() > 0
    }

    pub fn times_met(&self) -> usize {
        self.state.lock().met
    }

    /// Nobody listens from now on, and nobody says so.
    pub fn kill(self) {}
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// One request of a connection.
async fn serve(mut stream: TcpStream, id: InstanceId, state: Arc<Mutex<State>>) -> Option<()> {
    let head = read_head(&mut stream).await?;
    if head.starts_with("get /health ") {
        state.lock().met += 1;
        return answer(&mut stream, 200, &serde_json::json!({ "instance": id }).to_string()).await;
    }
    let how = {
        let mut state = state.lock();
        state.asked.push(head);
        state.how
    };
    match how {
        How::Answer(status) => answer(&mut stream, status, "{}").await,
        How::Hang => std::future::pending().await,
        How::Break => None,
        How::Flood => answer(&mut stream, 200, &"x".repeat(2 << 20)).await,
    }
}

/// The head of a request, in small letters; its body is read too, so that closing is no reset.
async fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut read = Vec::new();
    let end = loop {
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        let mut part = [0; 4096];
        match stream.read(&mut part).await.ok()? {
            0 => return None,
            n => read.extend_from_slice(&part[..n]),
        }
    };
    let head = String::from_utf8_lossy(&read[..end]).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
    let missing = (end + 4 + length.unwrap_or(0)).saturating_sub(read.len());
    stream.read_exact(&mut vec![0; missing]).await.ok()?;
    Some(head)
}

async fn answer(stream: &mut TcpStream, status: u16, body: &str) -> Option<()> {
    let kind = if status < 400 { "application/json" } else { "text/plain" };
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nx-internal: 1\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.ok()?;
    stream.write_all(body.as_bytes()).await.ok()
}
