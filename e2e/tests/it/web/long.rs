//! A long room: what is in the document does not grow with it, and nothing jumps.

use client::{OutgoingMessage, api::NewRoom, protocol::RoomType};
use e2e::System;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::Value;

use super::browser::Browser;

const MESSAGES: usize = 10_000;
/// Rows in the document, of a window 800 pixels high: it, and 600 pixels around it.
const ROWS: u64 = 90;
/// All elements of the page.
const ELEMENTS: u64 = 2500;

/// Goes to the oldest message that is here; says when more are, and where the row that was first is then.
const SCROLL: &str = r#"
    const [done] = [...arguments].slice(-1);
    const scroller = document.querySelector(".scroller");
    const first = () => [...document.querySelectorAll("li.message")].find((row) => row.getBoundingClientRect().bottom > scroller.getBoundingClientRect().top);
    const frame = () => new Promise(requestAnimationFrame);
    const height = () => scroller.scrollHeight;
    (async () => {
        scroller.scrollTop = 300;
        await frame();
        const before = height();
        const row = first();
        const [key, top] = [row.dataset.key, row.getBoundingClientRect().top];
        const end = performance.now() + 15000;
        while (height() - before < 1000 && row.dataset.seq > 150 && performance.now() < end) await frame();
        const same = document.querySelector(`li.message[data-key="${CSS.escape(key)}"]`);
        const rows = document.querySelectorAll("li.message").length;
        const oldest = Number(document.querySelector("li.message").dataset.seq);
        done({ rows, elements: document.querySelectorAll("*").length, moved: same ? Math.abs(same.getBoundingClientRect().top - top) : -1, oldest });
    })();
"#;

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_messages_are_as_light_as_a_hundred() {
    let system = System::embedded_with(&[("LIMITS__ENABLED", "false")]).await.unwrap();
    let (alice, bob) = (system.sign_up("alice").await.unwrap(), system.sign_up("bob").await.unwrap());
    let new = NewRoom::new("Long", RoomType::Public);
    let room = alice.api.create_room(&new).await.unwrap().id;
    bob.api.join_room(room).await.unwrap();
    let text = |n: usize| format!("{n} {}", "and a few words more than one line takes ".repeat(n % 7));
    let sending = stream::iter(0..MESSAGES).map(|n| {
        let api = bob.api.clone();
        let message = OutgoingMessage::new(room, text(n));
        async move { api.send(&message).await.map(drop) }
    });
    sending.buffer_unordered(128).try_collect::<()>().await.unwrap();
    alice.api.mark_read(room, MESSAGES as u64).await.unwrap();

    let browser = Browser::start().await;
    let window = browser.open_as(&system, &alice).await;
    window.enter(room).await;
    window.until("messages are there", "document.querySelectorAll('li.message').length > 5").await;
    let mut oldest = MESSAGES as u64;
    while oldest > 150 {
        let seen: Value = window.script_async(SCROLL).await;
        let number = |name: &str| seen[name].as_f64().unwrap();
        assert!(number("rows") <= ROWS as f64 && number("elements") <= ELEMENTS as f64, "{seen}");
        assert!((0.0..2.0).contains(&number("moved")), "what one looks at stays: {seen}");
        assert!(number("oldest") < oldest as f64, "more was loaded: {seen}, before {oldest}");
        oldest = number("oldest") as u64;
    }
    // At the end again, what comes is followed.
    window.click(".to-newest").await;
    bob.api.send(&OutgoingMessage::new(room, "the newest")).await.unwrap();
    window.until_said("the newest", None).await;
    let rows = window.until("rows", "document.querySelectorAll('li.message').length").await;
    assert!(rows.as_u64() <= Some(ROWS), "{rows}");
}
