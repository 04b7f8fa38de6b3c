//! Clients that come all at once, and clients that do not read.

use std::time::Duration;

use e2e::{Person, System, within};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Map, Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest, http::header::SEC_WEBSOCKET_PROTOCOL},
};

use super::{AT_MOST, begin, goes_on, is_kept, is_long, plan, verdict};

/// In the storm of a short run, which a debug build on two cores weathers in seconds; the promise is about 2,000.
const CROWD: usize = 200;
const LARGE_CROWD: usize = 2000;
/// How long a storm may last.
const STORM: Duration = Duration::from_secs(180);

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_reconnections_breaks_no_promise() {
    let mut system = System::over_redis(2).await.unwrap();
    let crowd = if is_long() { LARGE_CROWD } else { CROWD };
    let mut plan = plan(&system);
    // Everybody is in one room and on one server; what is said is little, since each hears it.
    plan.chat.truncate(1);
    (plan.users, plan.rooms, plan.cut_every) = (crowd, 1, None);
    plan.rate = 2000.0 / crowd as f64;
    let run = begin(plan).await;
    goes_on(&run).await;
    system.kill9("chat-0").await.unwrap();
    let lost = |counts: &chatapp::verify::Counts| counts.disconnects >= crowd as u64;
    run.until("all are lost", STORM, lost).await.unwrap();
    system.restart("chat-0").await.unwrap();
    let back = |counts: &chatapp::verify::Counts| counts.resumes >= crowd as u64;
    run.until("all have resumed", STORM, back).await.unwrap();
    goes_on(&run).await;
    verdict(run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_is_closed_and_resumes_and_nobody_waits_for_it() {
    let system =
        System::over_redis_with(2, &[("LIMITS__ENABLED", "false"), ("LIMITS__QUEUE_SECONDS", "2")]).await.unwrap();
    let run = begin(plan(&system)).await;
    let (slow, writer) = (system.sign_up("slow").await.unwrap(), system.sign_up("writer").await.unwrap());
    // It is told of the load, and of much more than sockets hold.
    for room in run.rooms() {
        slow.api.join_room(*room).await.unwrap();
    }
    let mut socket = Held::connect(&system, &slow).await;
    let synced = socket.ask("SYNC", json!({}), "SYNCED").await.pop().unwrap();
    let (chat, _events) = writer.chat(&system.chat_url_of("chat-1").unwrap()).await.unwrap();
    let mut flood = futures_util::stream::iter(0..FLOOD)
        .map(|n| {
            let (chat, text) = (chat.clone(), format!("{n} {}", "x".repeat(7900)));
            async move { chat.send_message(slow.id, &text).await.unwrap() }
        })
        .buffer_unordered(16);
    let mut flooded = 0;
    while flood.next().await.is_some() {
        flooded += 1;
        if flooded == FLOOD / 2 {
            // In the midst of it the others are served.
            goes_on(&run).await;
        }
    }
    drop(flood);
    let told = socket.read_to_end().await;
    assert!(told < FLOOD, "it was closed before it was told of all: {told}");

    let rooms = synced["payload"]["rooms"].as_array().unwrap().iter();
    let rooms: Map<String, Value> =
        rooms.map(|room| (room["id"].as_str().unwrap().to_owned(), room["position"].clone())).collect();
    let mut socket = Held::connect(&system, &slow).await;
    let payload = json!({ "user": synced["payload"]["user"], "rooms": rooms });
    let missed = socket.ask("RESUME", payload, "RESUMED").await;
    for (room, from) in &rooms {
        let revs = missed.iter().filter(|frame| frame["payload"]["roomId"] == **room);
        let revs: Vec<u64> = revs.filter_map(|frame| frame["payload"]["rev"].as_u64()).collect();
        let status = &missed.last().unwrap()["payload"]["rooms"][room]["status"];
        let dense = (from["rev"].as_u64().unwrap() + 1..).take(revs.len());
        assert!(status == "reset" || revs.iter().copied().eq(dense), "{room} {status}: {revs:?}");
        assert!(status == "reset" || !revs.is_empty(), "{room} {status}");
    }
    is_kept(run).await;
}

/// Messages of 8 kB: some 16 MB, more than the sockets' buffers and the server's queue hold.
const FLOOD: usize = 2000;

/// A bare socket whose events the server holds until it is asked to resume.
struct Held(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Held {
    async fn connect(system: &System, person: &Person) -> Self {
        let url = format!("{}/chat?hold=1", system.chat_url_of("chat-0").unwrap());
        let mut request = url.into_client_request().unwrap();
        let protocols = format!("chatapp.v1, bearer.{}", person.session.token);
        request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, protocols.parse().unwrap());
        let mut held = Self(connect_async(request).await.unwrap().0);
        assert_eq!(held.next().await.unwrap()["type"], "AUTH_SUCCESS");
        held
    }

    /// The next frame; `None` at the end.
    async fn next(&mut self) -> Option<Value> {
        loop {
            match within("a frame", AT_MOST, self.0.next()).await.unwrap()? {
                Ok(Message::Text(text)) => return Some(serde_json::from_str(&text).unwrap()),
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// Sends a command; all frames up to the one of this type, which is the last.
    async fn ask(&mut self, command: &str, payload: Value, reply: &str) -> Vec<Value> {
        let frame = json!({ "type": command, "payload": payload, "requestId": "1" });
        self.0.send(Message::text(frame.to_string())).await.unwrap();
        let mut frames = Vec::new();
        loop {
            let frame = self.next().await.expect("the socket goes on");
            let last = frame["type"] == reply;
            frames.push(frame);
            if last {
                return frames;
            }
        }
    }

    /// Reads on after a long time; gives how many long messages had been written to it before it was closed.
    async fn read_to_end(mut self) -> usize {
        let mut told = 0;
        while let Some(frame) = self.next().await {
            let content = frame["payload"]["content"].as_str();
            told += usize::from(content.is_some_and(|content| content.len() > 7000));
        }
        told
    }
}
