//! Clients of Socket.IO by their own libraries, in rooms with users of the native protocol.

use std::{path::Path, process::Stdio};

use client::{Events, protocol::ServerFrame, shared::RoomId};
use e2e::{System, within};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use crate::support::{SOON, frame, message};

/// A red dot.
const PICTURE: &str = "iVBORw0KGgoAAAANSUhEUgAAAAUAAAAFCAYAAACNbyblAAAAHElEQVQI12P4//8/w38GIAXDIBKE0DHxgljNBAAO9TXL0Y4OHwAAAABJRU5ErkJggg==";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Library {
    Node,
    Python,
}

/// A client in a process of its own; see `tests/clients`.
struct Foreign {
    /// Killed when it is dropped.
    _process: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    events: Vec<Value>,
    /// Changes of its connection.
    statuses: Vec<Value>,
}

impl Foreign {
    /// Started; it connects by itself.
    fn start(library: Library, url: &str, transports: &str, token: Option<&str>) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let clients = root.join("e2e/tests/clients");
        let (installed, mut command) = match library {
            Library::Node => {
                let library = root.join("target/socketio-client");
                let mut node = Command::new("node");
                node.arg(clients.join("socketio.mjs")).arg(&library);
                (library.join("node_modules/socket.io-client"), node)
            }
            Library::Python => {
                let python = root.join("target/receivers/bin/python");
                let mut command = Command::new(&python);
                command.arg(clients.join("python_socketio.py"));
                (python, command)
            }
        };
        assert!(installed.exists(), "{} is not installed; run .ci/prerequisites", installed.display());
        let url = url.replace("ws://", "http://");
        command.arg(url).arg(transports).args(token).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().unwrap();
        let (input, output) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        Self {
            _process: process,
            input,
            output: BufReader::new(output).lines(),
            events: Vec::new(),
            statuses: Vec::new(),
        }
    }

    /// Takes the next line: an acknowledgement, or something to keep.
    async fn line(&mut self) -> Option<Value> {
        let line = within("a line of the client", SOON * 2, self.output.next_line()).await.unwrap().unwrap();
        let mut line: Value = serde_json::from_str(&line.expect("the client goes on")).unwrap();
        if let Some(event) = line.get_mut("event") {
            self.events.push(event.take());
        } else if line.get("status").is_some() {
            self.statuses.push(line);
        } else {
            return Some(line["ack"].take());
        }
        None
    }

    /// The next change of its connection like this, kept or yet to come.
    async fn status(&mut self, wanted: &str) -> Value {
        loop {
            while !self.statuses.is_empty() {
                let status = self.statuses.remove(0);
                if status["status"] == wanted {
                    return status;
                }
            }
            assert_eq!(self.line().await, None);
        }
    }

    async fn ask(&mut self, event: &str, argument: Value) -> Value {
        self.command(json!({"emit": [event, argument]})).await
    }

    async fn command(&mut self, command: Value) -> Value {
        self.input.write_all(format!("{command}\n").as_bytes()).await.unwrap();
        loop {
            if let Some(reply) = self.line().await {
                return reply;
            }
        }
    }

    /// The next event of this name, kept or yet to come; others are passed over.
    async fn event(&mut self, name: &str) -> Value {
        loop {
            while !self.events.is_empty() {
                let mut event = self.events.remove(0);
                if event[0] == name {
                    return event[1].take();
                }
            }
            assert_eq!(self.line().await, None);
        }
    }
}

async fn joined(events: &mut Events) {
    frame("somebody joins", events, |frame| matches!(frame, ServerFrame::UserJoined { .. }).then_some(())).await;
}

/// A guest makes a room, a native user joins it, and they talk; an image is one for both.
async fn story(system: &System, library: Library, transports: &str, ends_on: &str) {
    let url = system.chat_url().unwrap();
    let bob = system.sign_up("bob").await.unwrap();
    let (chat, mut events) = bob.chat(&url).await.unwrap();
    let mut alice = Foreign::start(library, &url, transports, None);
    alice.status("connect").await;
    let name = format!("alice-{}", bob.name);
    let added = alice.ask("add_user", json!(name)).await;
    assert_eq!((&added["ok"], &added["username"]), (&json!(true), &json!(name)), "{added}");
    assert_eq!(alice.event("user_added").await["userId"], added["userId"]);
    let taken = alice.ask("add_user", json!(name)).await;
    assert_eq!(taken["error"]["code"], "INVALID_MESSAGE", "{taken}");

    let handle = format!("tea-{}", bob.name);
    let room = alice.ask("create_room", json!({"name": "Tea", "handle": handle})).await;
    let id: RoomId = room["room"].as_str().unwrap().parse().unwrap();
    chat.join_room(id).await.unwrap();
    assert_eq!(alice.event("user_joined").await["username"], json!(bob.name));
    assert_eq!(alice.ask("join_room", json!({"room": handle})).await["error"]["code"], "ALREADY_A_MEMBER");
    assert_eq!(alice.ask("leave_room", json!({"room": "nowhere"})).await["error"]["code"], "ROOM_NOT_FOUND");

    let sent = alice.ask("send_message", json!({"room": handle, "message": "good morning é€"})).await;
    assert_eq!(sent["ok"], true, "{sent}");
    assert_eq!(message("good morning é€", &mut events).await.username, name);
    assert_eq!(alice.event("message").await["message"], "good morning é€");
    chat.send_message(id, "and to you").await.unwrap();
    let told = alice.event("message").await;
    assert_eq!((&told["message"], &told["username"]), (&json!("and to you"), &json!(bob.name)));
    message("and to you", &mut events).await;

    let picture = json!({"emit": ["send_message", {"room": handle, "message": "look"}], "image": PICTURE});
    let sent = alice.command(picture).await;
    assert_eq!(sent["ok"], true, "{sent}");
    let shown = message("look", &mut events).await;
    assert_eq!((shown.attachments[0].width, &*shown.attachments[0].mime), (Some(5), "image/png"));
    assert_eq!(alice.event("message").await["attachments"][0]["url"], json!(shown.attachments[0].url));

    if library == Library::Node && transports.contains(',') {
        // Another device of hers, of which the change of transport is seen.
        let mut again = Foreign::start(library, &url, transports, added["token"].as_str());
        assert_eq!(again.status("upgrade").await["transport"], ends_on);
        again.event("user_added").await;
        chat.send_message(id, "over the socket").await.unwrap();
        while again.event("message").await["message"] != "over the socket" {}
        message("over the socket", &mut events).await;
        assert_eq!(alice.event("message").await["message"], "over the socket");
    }
    assert_eq!(alice.ask("leave_room", json!({"room": handle})).await["ok"], true);
    frame("she leaves", &mut events, |frame| matches!(frame, ServerFrame::UserLeft { .. }).then_some(())).await;
}

#[tokio::test]
async fn socket_io_client_talks_over_each_of_its_transports_with_a_native_user() {
    let system = System::embedded().await.unwrap();
    for (transports, ends_on) in
        [("websocket", "websocket"), ("polling", "polling"), ("polling,websocket", "websocket")]
    {
        story(&system, Library::Node, transports, ends_on).await;
    }
}

#[tokio::test]
async fn python_socketio_talks_over_each_of_its_transports_with_a_native_user() {
    let system = System::embedded().await.unwrap();
    for (transports, ends_on) in
        [("websocket", "websocket"), ("polling", "polling"), ("polling,websocket", "websocket")]
    {
        story(&system, Library::Python, transports, ends_on).await;
    }
}

#[tokio::test]
async fn they_talk_over_redis_through_two_chat_servers() {
    // All of them keep files in the same place.
    let system = System::over_redis(2).await.unwrap();
    let [first, second] = &system.chat_urls()[..] else { panic!("two chat-servers") };
    let (one, two) = (system.sign_up("one").await.unwrap(), system.sign_up("two").await.unwrap());
    let mut node = Foreign::start(Library::Node, first, "polling,websocket", Some(&one.session.token));
    let mut python = Foreign::start(Library::Python, second, "polling,websocket", Some(&two.session.token));
    node.status("connect").await;
    python.status("connect").await;
    assert_eq!(node.event("user_added").await["username"], json!(one.name));
    node.ask("create_room", json!({"name": "Tea", "handle": "tea"})).await;
    assert_eq!(python.ask("join_room", json!({"room": "tea"})).await["ok"], true);
    assert_eq!(node.event("user_joined").await["username"], json!(two.name));
    node.ask("send_message", json!({"room": "tea", "message": "hello"})).await;
    assert_eq!(python.event("message").await["message"], "hello");
    python.ask("typing", json!({"room": "tea", "isTyping": true})).await;
    assert_eq!(node.event("typing").await["isTyping"], true);
    python.ask("send_message", json!({"room": "tea", "message": "hello yourself"})).await;
    while node.event("message").await["message"] != "hello yourself" {}
    story(&system, Library::Node, "polling", "polling").await;
}

#[tokio::test]
async fn a_client_comes_back_by_itself_after_the_server_was_killed_and_after_it_was_stopped() {
    let mut system = System::embedded().await.unwrap();
    let bob = system.sign_up("bob").await.unwrap();
    let url = system.chat_url().unwrap();
    let mut clients = Vec::new();
    for transports in ["websocket", "polling", "polling,websocket"] {
        let person = system.sign_up("guest").await.unwrap();
        let mut client = Foreign::start(Library::Node, &url, transports, Some(&person.session.token));
        client.status("connect").await;
        clients.push(client);
    }
    let room = clients[0].ask("create_room", json!({"name": "Tea", "handle": "tea"})).await;
    let id: RoomId = room["room"].as_str().unwrap().parse().unwrap();
    let (chat, mut events) = bob.chat(&url).await.unwrap();
    chat.join_room(id).await.unwrap();
    for client in &mut clients[1..] {
        assert_eq!(client.ask("join_room", json!({"room": "tea"})).await["ok"], true);
        joined(&mut events).await;
    }
    for (round, killed) in [true, false].into_iter().enumerate() {
        if killed {
            system.kill9("chatapp").await.unwrap();
        } else {
            system.sigterm("chatapp").await.unwrap();
        }
        for client in &mut clients {
            client.status("disconnect").await;
        }
        system.restart("chatapp").await.unwrap();
        for client in &mut clients {
            client.status("connect").await;
            // Attached to its rooms, as it was.
            client.event("user_added").await;
        }
        let text = format!("round {round}");
        let sent = clients[0].ask("send_message", json!({"room": "tea", "message": text})).await;
        assert_eq!(sent["ok"], true, "{sent}");
        for client in &mut clients {
            while client.event("message").await["message"] != json!(text) {}
        }
    }
    within("the native user sees both", SOON * 2, async {
        message("round 0", &mut events).await;
        message("round 1", &mut events).await;
    })
    .await
    .unwrap();
}
