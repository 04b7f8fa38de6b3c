//! Two people, two windows.

use client::OutgoingMessage;
use e2e::System;
use thirtyfour::Key;

use super::browser::{Browser, Screen};

#[tokio::test(flavor = "multi_thread")]
async fn two_people_talk_in_two_windows() {
    let system = System::embedded().await.unwrap();
    let (alice, bob) = (system.sign_up("alice").await.unwrap(), system.sign_up("bob").await.unwrap());
    let room = alice.api.direct_room(bob.id).await.unwrap().id;
    let browser = Browser::start().await;
    let hers = browser.open_as(&system, &alice).await;
    let his = browser.open_as(&system, &bob).await;

    hers.enter(room).await;
    hers.say("Is anybody there?").await;
    hers.until_said("Is anybody there?", Some("delivered")).await;
    // It is his first word of her, and he looks elsewhere.
    let badge = format!("document.querySelector('a[data-room=\"{room}\"] .badge')?.textContent === '1 unread'");
    his.until("one message is unread", &badge).await;
    his.until("the title says so", "document.title === '(1) ChatApp'").await;

    his.enter(room).await;
    his.until_said("Is anybody there?", None).await;
    his.until("nothing is unread", "document.title === 'ChatApp' && !document.querySelector('.badge')").await;
    hers.until_said("Is anybody there?", Some("read")).await;

    his.fill("room-view textarea", "I am").await;
    let typing = format!("document.querySelector('.typing').textContent === '{} is typing'", bob.name);
    hers.until("she sees him type", &typing).await;
    hers.picture("typing").await;
    his.keys(", as always" + Key::Enter).await;
    hers.until_said("I am, as always", None).await;
    hers.until("he types no more", "document.querySelector('.typing').textContent === ''").await;
    let said = format!("document.querySelector('[aria-live=polite]').textContent === '{}: I am, as always'", bob.name);
    hers.until("it is said to who does not see", &said).await;
    hers.until("he is online", "document.querySelector('.room-head p').textContent === 'online'").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_can_be_answered_reacted_to_edited_and_deleted() {
    let system = System::embedded().await.unwrap();
    let (alice, bob) = (system.sign_up("alice").await.unwrap(), system.sign_up("bob").await.unwrap());
    let room = alice.api.direct_room(bob.id).await.unwrap().id;
    let browser = Browser::start().await;
    let (hers, his) = (browser.open_as(&system, &alice).await, browser.open_as(&system, &bob).await);
    hers.enter(room).await;
    hers.say("First <b>word</b> https://example.org/x?y=1.").await;
    his.enter(room).await;
    his.until_said("First <b>word</b> https://example.org/x?y=1.", None).await;
    his.until("an address is a link", "document.querySelector('.text a').href === 'https://example.org/x?y=1'").await;
    his.until("markup is text", "!document.querySelector('.text b')").await;

    act(&his, "Reply").await;
    his.say("An answer").await;
    let quote = "document.querySelector('li.message:last-child .quote')?.textContent.includes('First <b>word')";
    hers.until("the answer quotes", quote).await;

    act(&hers, "React").await;
    hers.click(".emojis button:first-child").await;
    his.until("a reaction", "document.querySelector('.reaction')?.textContent === '👍1'").await;
    his.click(".reaction").await;
    hers.until("two reactions", "document.querySelector('.reaction')?.textContent === '👍2'").await;

    act(&his, "Edit").await;
    his.say("A better answer").await;
    hers.until_said("A better answer", None).await;
    hers.until("it says so", "document.querySelector('li.message:last-child .edited')").await;

    act(&his, "More").await;
    his.click(".menu-item.danger").await;
    his.click("dialog .danger").await;
    hers.until_said("Message deleted", None).await;
    assert_eq!(hers.texts().await.len(), 2);
}

/// A click in the toolbar of the newest message.
async fn act(window: &super::browser::Window, label: &str) {
    let row = window.find("li.message:last-child").await;
    window.driver.action_chain().move_to_element_center(&row).perform().await.unwrap();
    window.click(&format!("li.message:last-child .actions [aria-label='{label}']")).await;
}

/// A picture of one colour, as a file that is dropped or pasted.
const PICTURE: &str = r#"
    const [done] = [...arguments].slice(-1);
    const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 400 });
    const brush = canvas.getContext("2d");
    brush.fillStyle = "teal";
    brush.fillRect(0, 0, 640, 400);
    canvas.toBlob((blob) => {
        const data = new DataTransfer();
        data.items.add(new File([blob], "sea.png", { type: "image/png" }));
        const to = document.querySelector("room-view textarea");
        to.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
        to.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
        done(true);
    });
"#;

#[tokio::test(flavor = "multi_thread")]
async fn pictures_are_pasted_and_dropped_and_seen() {
    let system = System::embedded().await.unwrap();
    let (alice, bob) = (system.sign_up("alice").await.unwrap(), system.sign_up("bob").await.unwrap());
    let room = alice.api.direct_room(bob.id).await.unwrap().id;
    bob.api.send(&OutgoingMessage::new(room, "show me")).await.unwrap();
    let browser = Browser::start().await;
    let hers = browser.open_as(&system, &alice).await;
    hers.enter(room).await;
    hers.driver.execute_async(PICTURE, vec![]).await.unwrap();
    hers.until("one pasted, one dropped", "document.querySelectorAll('.chosen li').length === 2").await;
    hers.say("The sea").await;
    hers.until_said("The sea", Some("sent")).await;
    let his = browser.open(&system, Screen::Phone).await;
    his.log_in(&bob.name).await;
    his.enter(room).await;
    let seen = "[...document.querySelectorAll('.picture img')].filter((one) => one.naturalWidth === 320).length === 2";
    his.until("he sees both, as thumbnails", seen).await;
    his.click(".picture").await;
    his.until("and one of them whole", "document.querySelector('dialog img')?.naturalWidth === 640").await;
    his.picture("picture").await;
}
