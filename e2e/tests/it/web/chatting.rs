//! Two people, two windows.

use client::{OutgoingMessage, api::NewRoom, protocol::RoomType};
use e2e::System;
use fantoccini::actions::{InputSource, MouseActions, PointerAction};

use super::browser::{Browser, Screen, key::ENTER};

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
    his.keys(&format!(", as always{ENTER}")).await;
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
    let onto = PointerAction::MoveToElement { element: row, duration: None, x: 0.0, y: 0.0 };
    window.driver.perform_actions(MouseActions::new("mouse".into()).then(onto)).await.unwrap();
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
    hers.script_async(PICTURE).await;
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

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_says_so_and_can_be_tried_again() {
    let system = System::embedded().await.unwrap();
    let (alice, bob) = (system.sign_up("alice").await.unwrap(), system.sign_up("bob").await.unwrap());
    let room = alice.api.direct_room(bob.id).await.unwrap().id;
    let browser = Browser::start().await;
    let hers = browser.open_as(&system, &alice).await;
    hers.enter(room).await;
    bob.api.block(alice.id).await.unwrap();
    hers.say("are you cross with me?").await;
    hers.until_said("are you cross with me?", Some("failed")).await;
    hers.picture("failed").await;
    bob.api.unblock(alice.id).await.unwrap();
    hers.click(".failure .link").await;
    hers.until_said("are you cross with me?", Some("sent")).await;
    assert_eq!(hers.texts().await, ["are you cross with me?"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn invites_and_public_rooms_lead_in() {
    let system = System::embedded().await.unwrap();
    let (alice, bob) = (system.sign_up("alice").await.unwrap(), system.sign_up("bob").await.unwrap());
    let closed = alice.api.create_room(&NewRoom::new("Closed", RoomType::Private)).await.unwrap().id;
    let open = alice.api.create_room(&NewRoom::new("Open", RoomType::Public)).await.unwrap().id;
    let browser = Browser::start().await;
    let (hers, his) = (browser.open_as(&system, &alice).await, browser.open_as(&system, &bob).await);
    hers.enter(closed).await;
    hers.click("[aria-label=Details]").await;
    hers.script(
        "[...document.querySelectorAll('dialog button')].find((one) => one.textContent === 'Make a link').click()",
    )
    .await;
    let link = hers.until("a link", "document.querySelector('dialog .code input')?.value").await;
    his.script(&format!("location.href = {link}")).await;
    his.until("he is in", &format!("location.hash === '#/room/{closed}'")).await;
    his.say("Thank you").await;
    his.until_said("Thank you", Some("sent")).await;

    his.click("[data-find]").await;
    his.click("dialog [role=tab]:nth-child(2)").await;
    his.fill("dialog input", "ope").await;
    his.click("dialog button.entry").await;
    his.until("he is in", &format!("location.hash === '#/room/{open}'")).await;
    // Who is taken out of a room sees it no more.
    alice.api.remove_member(open, bob.id).await.unwrap();
    his.until("he is out", &format!("location.hash === '#/' && !document.querySelector('a[data-room=\"{open}\"]')"))
        .await;
}
