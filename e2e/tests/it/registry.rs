//! Where clients are sent while instances die.

use client::Event;
use e2e::{Signal, System, eventually, within};

use crate::support::SOON;

#[tokio::test]
async fn a_killed_chat_server_is_not_named_once() {
    let mut system = System::over_redis(2).await.unwrap();
    let alice = system.sign_up("alice").await.unwrap();
    let metrics = format!("http://{}/metrics", system.first_address("api").unwrap());
    // Before that, a killed one would be named until its lease ends.
    eventually("api-server knows both", SOON, async || {
        let text = reqwest::get(&metrics).await.ok()?.text().await.ok()?;
        text.contains("chatapp_instances_known{service=\"chat\"} 2").then_some(())
    })
    .await
    .unwrap();
    let (killed, left) = (system.chat_url_of("chat-0").unwrap(), system.chat_url_of("chat-1").unwrap());
    system.kill9("chat-0").await.unwrap();
    for _ in 0..50 {
        assert_eq!(alice.api.instance("chat").await.unwrap().url, left);
    }
    system.restart("chat-0").await.unwrap();
    eventually("the restarted one is named", SOON, async || {
        (alice.api.instance("chat").await.ok()?.url == killed).then_some(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_stopping_chat_server_is_not_named_from_when_its_sockets_are_told() {
    let mut system = System::over_redis(2).await.unwrap();
    let alice = system.sign_up("alice").await.unwrap();
    let (stopping, left) = (system.chat_url_of("chat-0").unwrap(), system.chat_url_of("chat-1").unwrap());
    let (_chat, mut events) = alice.chat(&stopping).await.unwrap();
    system.signal("chat-0", Signal::Term).await.unwrap();
    let told = async { while !matches!(events.next().await, Some(Event::Disconnected { .. })) {} };
    within("its socket is told", SOON, told).await.unwrap();
    for _ in 0..20 {
        assert_eq!(alice.api.instance("chat").await.unwrap().url, left);
    }
}
