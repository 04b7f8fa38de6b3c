//! Without a mouse.

use e2e::System;
use thirtyfour::Key;

use super::browser::{Browser, Screen, Window};

/// Presses a key; whatever has the focus then shows it.
async fn press(window: &Window, key: impl Into<thirtyfour::TypingData>) {
    window.keys(key).await;
    let visible = "(() => { const one = document.activeElement; if (one === document.body) return true; \
                   const shown = (it) => { const { outlineStyle, boxShadow } = getComputedStyle(it); \
                   return outlineStyle !== 'none' || boxShadow !== 'none'; }; \
                   return shown(one) || shown(one.parentElement) || one.tabIndex === -1; })()";
    window.until("the focus is visible", visible).await;
}

async fn has_focus(window: &Window, what: &str) {
    window.until(&format!("{what} has the focus"), &format!("document.activeElement.matches({:?})", what)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_signs_up_makes_a_room_and_talks_by_the_keyboard_alone() {
    let system = System::embedded().await.unwrap();
    let browser = Browser::start().await;
    let window = browser.open(&system, Screen::Desktop).await;
    has_focus(&window, "input[name=username]").await;
    press(&window, Key::Shift + Key::Tab).await;
    press(&window, Key::Shift + Key::Tab).await;
    press(&window, Key::Enter + "").await;
    has_focus(&window, "input[name=username][autocomplete=username]").await;
    window.until("it is a sign-up", "document.querySelector('input[name=email]')").await;
    for text in ["keya", "Key A.", "keya@example.org"] {
        press(&window, text).await;
        press(&window, Key::Tab + "").await;
    }
    press(&window, "correct horse battery" + Key::Enter).await;
    window.until("one is in", "document.querySelector('.whoami .presence.online')").await;

    window.script("document.body.focus()").await;
    press(&window, Key::Control + "k").await;
    has_focus(&window, "dialog input[type=search]").await;
    press(&window, Key::Shift + Key::Tab).await;
    has_focus(&window, "dialog [role=tab][aria-selected=true]").await;
    press(&window, Key::Right + "").await;
    press(&window, Key::Right + "").await;
    press(&window, Key::Tab + "").await;
    has_focus(&window, "dialog input[name=name]").await;
    press(&window, "Keys" + Key::Enter).await;
    has_focus(&window, "room-view textarea").await;
    press(&window, "typed" + Key::Enter).await;
    press(&window, "and again" + Key::Enter).await;
    window.until_said("and again", Some("sent")).await;

    // To the messages and what one can do with them, and back.
    press(&window, Key::Shift + Key::Tab).await;
    press(&window, Key::Shift + Key::Tab).await;
    has_focus(&window, ".scroller").await;
    press(&window, Key::Up + "").await;
    has_focus(&window, "li.message:last-child").await;
    press(&window, Key::Up + "").await;
    has_focus(&window, "li.message:first-child").await;
    press(&window, Key::Tab + "").await;
    has_focus(&window, "li.message:first-child .actions [aria-label=React]").await;
    press(&window, Key::Enter + "").await;
    has_focus(&window, ".emojis button").await;
    press(&window, Key::Right + "").await;
    press(&window, Key::Enter + "").await;
    window.until("a reaction", "document.querySelector('.reaction')?.textContent === '❤️1'").await;
    has_focus(&window, "li.message:first-child .actions [aria-label=React]").await;
    press(&window, Key::Escape + "").await;
    has_focus(&window, "li.message:first-child").await;
    press(&window, Key::Escape + "").await;
    has_focus(&window, "room-view textarea").await;

    // Dialogs give the focus back and are no traps.
    press(&window, Key::Control + "k").await;
    has_focus(&window, "dialog input[type=search]").await;
    press(&window, Key::Escape + "").await;
    window.until("the dialog is closed", "!document.querySelector('dialog')").await;
    has_focus(&window, "room-view textarea").await;
}
