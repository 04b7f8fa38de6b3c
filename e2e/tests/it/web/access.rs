//! What axe-core finds: nothing, in each main state, light and dark, on a desktop and on a phone. Keeps pictures of them.

use client::{OutgoingMessage, api::NewRoom, protocol::RoomType, shared::RoomId};
use e2e::{Person, System};
use serde_json::Value;

use super::browser::{Browser, Screen, Window, target};

/// Runs axe-core with the rules of WCAG 2.2 A and AA and its best practices; gives what it found.
const CHECK: &str = r#"
    const [done] = [...arguments].slice(-1);
    const only = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
    const short = ({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 160)).join(" | ")}`;
    axe.run(document, { runOnly: only }).then(({ violations, passes }) => done([passes.length, violations.map(short)]));
"#;

async fn check(window: &Window, state: &str) {
    for theme in ["light", "dark"] {
        window.script(&format!("document.documentElement.dataset.theme = '{theme}'")).await;
        window.picture(&format!("{state}-{theme}")).await;
        let found = window.script_async(CHECK).await;
        assert!(found[0].as_u64() > Some(10), "axe looked at {state}: {found}");
        assert_eq!(found[1], Value::Array(vec![]), "{state}, {theme}");
        window.until(&format!("{state} is no wider than its place"), FITS).await;
    }
    window.script("delete document.documentElement.dataset.theme").await;
}

/// Nothing has to be scrolled sideways.
const FITS: &str = "document.documentElement.scrollWidth <= innerWidth && \
                    [...document.querySelectorAll('.dialog-body, .rooms, .scroller')] \
                    .every((one) => one.scrollWidth <= one.clientWidth)";

async fn with_axe(window: &Window) {
    let path = target().join("web-chat/node_modules/axe-core/axe.min.js");
    let source = std::fs::read_to_string(&path);
    let source = source.unwrap_or_else(|e| panic!("{}: {e}; .ci/prerequisites installs it", path.display()));
    window.script(&source).await;
}

/// A room in which something of each kind was said, and a direct one.
async fn furnish(alice: &Person, bob: &Person) -> (RoomId, RoomId) {
    let new = NewRoom::new("Design", RoomType::Public);
    let room = alice.api.create_room(&new).await.unwrap().id;
    bob.api.join_room(room).await.unwrap();
    let say = async |who: &Person, text: &str| who.api.send(&OutgoingMessage::new(room, text)).await.unwrap();
    let first = say(alice, "Good morning! The new icons are in the shared folder: https://example.org/icons").await;
    say(bob, "They look great, thank you.").await;
    say(bob, &format!("@{} shall I redraw the bell? At 16 px the clapper nearly touches the rim.", alice.name)).await;
    let answer = OutgoingMessage { reply_to: Some(first.id), ..OutgoingMessage::new(room, "Yes, please.") };
    let answer = alice.api.send(&answer).await.unwrap();
    bob.api.react(answer.id, "🎉", true).await.unwrap();
    alice.api.react(answer.id, "🎉", true).await.unwrap();
    alice.api.edit_message(answer.id, "Yes, please do.").await.unwrap();
    let wrong = say(bob, "wrong window").await;
    bob.api.delete_message(wrong.id).await.unwrap();
    let direct = bob.api.direct_room(alice.id).await.unwrap().id;
    bob.api.send(&OutgoingMessage::new(direct, "Do you have a minute?")).await.unwrap();
    (room, direct)
}

#[tokio::test(flavor = "multi_thread")]
async fn axe_finds_nothing_on_a_desktop() {
    let system = System::embedded().await.unwrap();
    let (alice, bob) = (system.sign_up("alice").await.unwrap(), system.sign_up("bob").await.unwrap());
    let (room, direct) = furnish(&alice, &bob).await;
    alice.api.add_contact(bob.id).await.unwrap();
    let browser = Browser::start().await;
    let window = browser.open(&system, Screen::Desktop).await;
    with_axe(&window).await;
    check(&window, "signed-out").await;
    window.log_in(&alice.name).await;
    check(&window, "rooms").await;
    window.enter(room).await;
    window.until_said("They look great, thank you.", None).await;
    check(&window, "room").await;

    window.click("[aria-label=Details]").await;
    window.until("members are listed", "document.querySelectorAll('dialog li.entry').length === 2").await;
    check(&window, "details").await;
    close(&window).await;

    window.click("[aria-label='Search in this conversation']").await;
    window.fill("dialog input", "bell").await;
    window.find("dialog button.entry").await;
    check(&window, "search").await;
    close(&window).await;

    window.click("[data-find]").await;
    window.fill("dialog input", "bob").await;
    window.find("dialog button.entry").await;
    check(&window, "people").await;
    for (n, state) in [(2, "public-rooms"), (3, "new-room"), (4, "invite")] {
        window.click(&format!("dialog [role=tab]:nth-child({n})")).await;
        check(&window, state).await;
    }
    close(&window).await;

    settings(&window, "").await;

    window.enter(direct).await;
    window.click("[aria-label=Details]").await;
    window.find("dialog .card").await;
    check(&window, "person").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn axe_finds_nothing_on_a_phone() {
    let system = System::embedded().await.unwrap();
    let (alice, bob) = (system.sign_up("alice").await.unwrap(), system.sign_up("bob").await.unwrap());
    let (room, _) = furnish(&alice, &bob).await;
    let browser = Browser::start().await;
    let window = browser.open(&system, Screen::Phone).await;
    with_axe(&window).await;
    check(&window, "phone-signed-out").await;
    window.log_in(&alice.name).await;
    check(&window, "phone-rooms").await;
    window.enter(room).await;
    window.until_said("They look great, thank you.", None).await;
    check(&window, "phone-room").await;
    window.click("[aria-label=Details]").await;
    window.find("dialog li.entry").await;
    check(&window, "phone-details").await;
    close(&window).await;
    window.click(".back").await;
    window.until("one is back at the list", "location.hash === '#/' && document.querySelector('a.room')").await;
    settings(&window, "phone-").await;
}

async fn settings(window: &Window, screen: &str) {
    window.click("[aria-label=Settings]").await;
    window.find("dialog form").await;
    check(window, &format!("{screen}settings")).await;
    for (n, state) in [(2, "notifications"), (3, "contacts"), (4, "logins")] {
        window.click(&format!("dialog [role=tab]:nth-child({n})")).await;
        window.until("it is filled", "document.querySelector('dialog .panel section :is(form, li, .empty)')").await;
        check(window, &format!("{screen}{state}")).await;
    }
    close(window).await;
}

async fn close(window: &Window) {
    window.click("dialog .dialog-head button").await;
    window.until("the dialog is closed", "!document.querySelector('dialog')").await;
}
