//! What was acknowledged is never lost, and never there twice, whatever is killed.

use std::collections::HashMap;

use client::{
    Api, Chat, ErrorCode, Event, Events, OutgoingMessage, PageQuery,
    protocol::{Message, RoomType, ServerFrame},
    shared::{MessageId, RoomId},
};
use e2e::{Signal, System, eventually, within};
use tokio::{sync::mpsc, task::JoinHandle};

use crate::support::{SOON, message};

/// Acknowledged before the kill.
const ACKNOWLEDGED: usize = 200;
/// Senders that go on across it, each with one message under way.
const SENDERS: usize = 8;
/// Messages of each sender.
const EACH: usize = 300;

#[tokio::test]
async fn acknowledged_messages_survive_kill_9_of_the_embedded_process() {
    let settings = [("LIMITS__ENABLED", "false")];
    let mut system = System::embedded_with(&settings).await.unwrap();
    let url = system.chat_url().unwrap();
    nothing_is_lost_or_doubled(&mut system, "chatapp", Signal::Kill, &url).await;
}

#[tokio::test]
async fn acknowledged_messages_survive_kill_9_of_a_chat_server() {
    let settings = [("LIMITS__ENABLED", "false")];
    let mut system = System::over_redis_with(1, &settings).await.unwrap();
    let url = system.chat_url_of("chat-0").unwrap();
    nothing_is_lost_or_doubled(&mut system, "chat-0", Signal::Kill, &url).await;
}

#[tokio::test]
async fn a_deploy_under_load_loses_and_doubles_nothing() {
    let settings = [("LIMITS__ENABLED", "false")];
    let mut system = System::over_redis_with(1, &settings).await.unwrap();
    let url = system.chat_url_of("chat-0").unwrap();
    nothing_is_lost_or_doubled(&mut system, "chat-0", Signal::Term, &url).await;
}

#[tokio::test]
async fn a_restart_of_redis_is_survived_by_messages_sockets_and_fan_out() {
    let mut system = System::over_redis(2).await.unwrap();
    let (alice, bob) = (system.sign_up("alice").await.unwrap(), system.sign_up("bob").await.unwrap());
    let (alice_chat, _alice_sees) = alice.chat(&system.chat_url_of("chat-0").unwrap()).await.unwrap();
    let (_bob_chat, mut bob_sees) = bob.chat(&system.chat_url_of("chat-1").unwrap()).await.unwrap();
    let before = alice_chat.send_message(bob.id, "before").await.unwrap();
    message("before", &mut bob_sees).await;

    system.redis().unwrap().stop();
    let during = OutgoingMessage::new(bob.id, "during");
    let refused = alice_chat.send(&during).await.unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::Unavailable), "never a success that was not stored: {refused}");
    system.redis().unwrap().restart();
    system.ready().await.unwrap();

    let again = eventually("the message is stored", SOON, async || alice_chat.send(&during).await.ok());
    let during = again.await.unwrap();
    assert_eq!((during.room_id, during.seq), (before.room_id, before.seq + 1));
    let told = within("bob is told", SOON, told_of(&during.id, &mut bob_sees, &bob.api, before.room_id));
    told.await.unwrap();
    let contents: Vec<_> = history(&bob.api, before.room_id).await.into_iter().map(|message| message.content).collect();
    assert_eq!(contents, ["before", "during"]);
}

/// Waits as an application does: for the message, or for word that some may have been missed and then in the history.
async fn told_of(id: &MessageId, events: &mut Events, api: &Api, room: RoomId) {
    loop {
        let missed = match events.next().await.expect("the connection goes on") {
            Event::Frame(ServerFrame::NewMessage { message, .. }) if message.id == *id => return,
            event if event.stale_rooms().contains(&room) => history(api, room).await,
            _ => continue,
        };
        if missed.iter().any(|message| message.id == *id) {
            return;
        }
    }
}

/// Sends from several tasks over one socket, ends `victim` in the middle, starts it again, lets the client repeat what
/// had no reply, and compares the acknowledgements with the history.
async fn nothing_is_lost_or_doubled(system: &mut System, victim: &str, by: Signal, url: &str) {
    let alice = system.sign_up("alice").await.unwrap();
    let (chat, _events) = alice.chat(url).await.unwrap();
    let room = chat.create_room("log", RoomType::Private, None).await.unwrap().id;
    let (acknowledged, mut acks) = mpsc::channel(SENDERS * EACH);
    let senders: Vec<_> = (0..SENDERS).map(|n| sender(n, chat.clone(), room, acknowledged.clone())).collect();
    drop(acknowledged);

    let mut known = HashMap::new();
    while known.len() < ACKNOWLEDGED {
        let (content, seq) = acks.recv().await.unwrap();
        assert_eq!(known.insert(content, seq), None);
    }
    system.stop(victim, by).await.unwrap();
    assert!(senders.iter().any(|sender| !sender.is_finished()), "it ended in the middle");
    system.restart(victim).await.unwrap();

    let before = history(&alice.api, room).await;
    for (content, seq) in &known {
        let found = before.iter().filter(|message| message.content == *content).collect::<Vec<_>>();
        assert!(matches!(found[..], [message] if message.seq == *seq), "{content}, seq {seq}: {found:?}");
    }
    for sender in senders {
        within("the senders go on", 4 * SOON, sender).await.unwrap().unwrap();
    }
    while let Some((content, seq)) = acks.recv().await {
        known.insert(content, seq);
    }
    let after = history(&alice.api, room).await;
    assert!(after.iter().map(|message| message.seq).eq(1..=(SENDERS * EACH) as u64), "dense, from 1, nothing twice");
    let stored: HashMap<_, _> = after.into_iter().map(|message| (message.content, message.seq)).collect();
    assert_eq!(stored, known);
}

/// Sends message after message; each is tried until it is acknowledged.
fn sender(n: usize, chat: Chat, room: RoomId, acknowledged: mpsc::Sender<(String, u64)>) -> JoinHandle<()> {
    tokio::spawn(async move {
        for i in 0..EACH {
            let message = OutgoingMessage::new(room, format!("{n}.{i}"));
            let ack = chat.send(&message).await.unwrap();
            acknowledged.send((message.content, ack.seq)).await.unwrap();
        }
    })
}

/// A room's whole history, oldest first.
async fn history(api: &Api, room: RoomId) -> Vec<Message> {
    let mut all: Vec<Message> = Vec::new();
    loop {
        let after = Some(all.last().map_or(0, |message| message.seq));
        let page = api.history(room, PageQuery { after, limit: Some(200), ..PageQuery::default() }).await.unwrap();
        all.extend(page.items);
        if !page.has_more {
            return all;
        }
    }
}
