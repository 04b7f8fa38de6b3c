//! A client of Socket.IO without a library: packets as they are on the wire, over a socket or by polling.

use std::collections::VecDeque;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

use crate::support::{LONG, World};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Socket,
    Polling,
}

pub struct Raw {
    transport: Transport,
    /// `host:port`.
    address: String,
    pub sid: String,
    /// Packets that came and were not asked for yet.
    queue: VecDeque<String>,
    asked: u64,
}

enum Transport {
    Socket(Box<WebSocketStream<TcpStream>>),
    Polling(reqwest::Client),
    Gone,
}

pub fn address(world: &World, node: usize) -> String {
    world.url(node).trim_start_matches("ws://").trim_end_matches("/chat").to_owned()
}

pub async fn socket(address: &str, query: &str) -> WebSocketStream<TcpStream> {
    let stream = TcpStream::connect(address).await.unwrap();
    client_async(format!("ws://{address}/socket.io/?{query}"), stream).await.unwrap().0
}

impl Raw {
    /// A session, not yet connected to the namespace.
    pub async fn open(world: &World, way: Way) -> Self {
        let address = address(world, 0);
        let transport = match way {
            Way::Socket => Transport::Socket(Box::new(socket(&address, "EIO=4&transport=websocket").await)),
            Way::Polling => Transport::Polling(reqwest::Client::new()),
        };
        let mut raw = Self { transport, address, sid: String::new(), queue: VecDeque::new(), asked: 0 };
        let open = raw.packet().await;
        let about: Value = serde_json::from_str(open.strip_prefix('0').unwrap()).unwrap();
        raw.sid = about["sid"].as_str().unwrap().into();
        let upgrades = if way == Way::Socket { json!([]) } else { json!(["websocket"]) };
        assert_eq!(about["upgrades"], upgrades);
        raw
    }

    /// A session of somebody who connected without saying who they are.
    pub async fn nobody(world: &World, way: Way) -> Self {
        let mut raw = Self::open(world, way).await;
        let connected = raw.ask_packet("40").await;
        assert!(connected.starts_with(r#"40{"sid":""#), "{connected}");
        raw
    }

    /// A guest of this name.
    pub async fn guest(world: &World, way: Way, name: &str) -> Self {
        let mut raw = Self::nobody(world, way).await;
        let (reply, events) = raw.ask_among_events("add_user", json!(name)).await;
        assert_eq!(reply["ok"], true, "{reply}");
        assert_eq!(events.len(), 1, "{events:?}");
        assert_eq!(events[0][0], "user_added");
        world.name(reply["userId"].as_str().unwrap(), name);
        raw
    }

    pub fn url(&self) -> String {
        let sid = if self.sid.is_empty() { String::new() } else { format!("&sid={}", self.sid) };
        format!("http://{}/socket.io/?EIO=4&transport=polling{sid}", self.address)
    }

    pub async fn send(&mut self, packet: &str) {
        let url = self.url();
        match &mut self.transport {
            Transport::Socket(socket) => socket.send(Message::text(packet)).await.unwrap(),
            Transport::Polling(http) => {
                let answer = http.post(url).body(packet.to_owned()).send().await.unwrap();
                let status = answer.status();
                assert_eq!((status.as_u16(), answer.text().await.unwrap().as_str()), (200, "ok"));
            }
            Transport::Gone => panic!("it has ended"),
        }
    }

    /// A packet and its binary part.
    pub async fn send_with(&mut self, packet: &str, bytes: &[u8]) {
        match &mut self.transport {
            Transport::Socket(socket) => {
                socket.feed(Message::text(packet)).await.unwrap();
                socket.send(Message::binary(bytes.to_vec())).await.unwrap();
            }
            _ => self.send(&format!("{packet}\x1eb{}", STANDARD.encode(bytes))).await,
        }
    }

    /// The next packet but pings, which are answered; `None`: the session has ended.
    pub async fn any(&mut self) -> Option<String> {
        loop {
            let packet = match self.queue.pop_front() {
                Some(packet) => packet,
                None => match self.read().await {
                    Some(packets) => {
                        self.queue.extend(packets);
                        continue;
                    }
                    None => return None,
                },
            };
            match &*packet {
                "2" => self.send("3").await,
                "6" => {}
                "1" => return None,
                _ => return Some(packet),
            }
        }
    }

    async fn read(&mut self) -> Option<Vec<String>> {
        let url = self.url();
        match &mut self.transport {
            Transport::Socket(socket) => loop {
                match timeout(LONG, socket.next()).await.expect("a packet") {
                    Some(Ok(Message::Text(text))) => return Some(vec![text.to_string()]),
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    Some(Ok(Message::Binary(_))) => panic!("the server sends no binary"),
                    _ => return None,
                }
            },
            Transport::Polling(http) => {
                let answer = timeout(LONG, http.get(url).send()).await.expect("an answer");
                // Nobody listens there any more, or nobody knows the session.
                let answer = answer.ok().filter(|answer| answer.status() == 200)?;
                let body = answer.text().await.unwrap();
                Some(body.split('\x1e').map(str::to_owned).collect())
            }
            Transport::Gone => None,
        }
    }

    pub async fn packet(&mut self) -> String {
        self.any().await.expect("a packet")
    }

    pub async fn ask_packet(&mut self, packet: &str) -> String {
        self.send(packet).await;
        self.packet().await
    }

    /// The next event: its name and its argument.
    pub async fn event(&mut self) -> Value {
        let packet = self.packet().await;
        serde_json::from_str(packet.strip_prefix("42").unwrap_or_else(|| panic!("an event: {packet}"))).unwrap()
    }

    pub async fn emit(&mut self, event: &str, argument: Value) {
        self.send(&format!("42{}", json!([event, argument]))).await;
    }

    /// The acknowledgement; events that come before it are an error.
    pub async fn ask(&mut self, event: &str, argument: Value) -> Value {
        let (reply, events) = self.ask_among_events(event, argument).await;
        assert!(events.is_empty(), "unexpected: {events:?}");
        reply
    }

    pub async fn ask_among_events(&mut self, event: &str, argument: Value) -> (Value, Vec<Value>) {
        self.asked += 1;
        let ack = self.asked;
        self.send(&format!("42{ack}{}", json!([event, argument]))).await;
        self.acknowledged(ack).await
    }

    /// An event with an image.
    pub async fn ask_with(&mut self, event: &str, argument: Value, bytes: &[u8]) -> (Value, Vec<Value>) {
        self.asked += 1;
        let ack = self.asked;
        self.send_with(&format!("451-{ack}{}", json!([event, argument])), bytes).await;
        self.acknowledged(ack).await
    }

    async fn acknowledged(&mut self, ack: u64) -> (Value, Vec<Value>) {
        let mut events = Vec::new();
        loop {
            let packet = self.packet().await;
            if let Some(reply) = packet.strip_prefix(&format!("43{ack}")) {
                let mut replies: Vec<Value> = serde_json::from_str(reply).unwrap();
                assert_eq!(replies.len(), 1, "{packet}");
                return (replies.pop().unwrap(), events);
            }
            events.push(serde_json::from_str(packet.strip_prefix("42").unwrap()).unwrap());
        }
    }

    /// Nothing has come but what was asked for. A round trip, no sleep.
    pub async fn quiet(&mut self) {
        let reply = self.ask("nothing", json!(null)).await;
        assert_eq!(reply["error"]["code"], "INVALID_MESSAGE");
    }

    /// The close code that must come next, of a socket.
    pub async fn closed(mut self) -> u16 {
        let Transport::Socket(socket) = &mut self.transport else { panic!("no socket") };
        loop {
            match timeout(LONG, socket.next()).await.expect("a close") {
                Some(Ok(Message::Close(Some(frame)))) => return frame.code.into(),
                Some(Ok(_)) => {}
                other => panic!("expected a close, got {other:?}"),
            }
        }
    }

    /// From polling to a socket, as clients do: probe, take what the last poll brings, go on.
    pub async fn upgrade(&mut self) {
        let Transport::Polling(http) = std::mem::replace(&mut self.transport, Transport::Gone) else {
            panic!("polling")
        };
        let (poll, url) = (http.clone(), self.url());
        let last = tokio::spawn(async move { poll.get(url).send().await.unwrap().text().await.unwrap() });
        let mut socket = socket(&self.address, &format!("EIO=4&transport=websocket&sid={}", self.sid)).await;
        socket.send(Message::text("2probe")).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("3probe"));
        let last = timeout(LONG, last).await.expect("the last poll").unwrap();
        self.queue.extend(last.split('\x1e').map(str::to_owned));
        socket.send(Message::text("5")).await.unwrap();
        self.transport = Transport::Socket(Box::new(socket));
    }
}
