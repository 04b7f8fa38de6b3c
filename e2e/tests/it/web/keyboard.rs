//! Without a mouse.

use e2e::System;

use super::browser::{
    Browser, Screen, Window,
    key::{CONTROL, ENTER, ESCAPE, RIGHT, SHIFT, TAB, UP},
};

/// Presses a key; whatever has the focus then shows it.
async fn press(window: &Window, key: &str) {
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
    press(&window, &format!("{SHIFT}{TAB}")).await;
    press(&window, &format!("{SHIFT}{TAB}")).await;
    press(&window, ENTER).await;
    has_focus(&window, "input[name=username][autocomplete=username]").await;
    window.until("it is a sign-up", "document.querySelector('input[name=email]')").await;
    for text in ["keya", "Key A.", "keya@example.org"] {
        press(&window, text).await;
        press(&window, TAB).await;
    }
    press(&window, &format!("correct horse battery{ENTER}")).await;
    window.until("one is in", "document.querySelector('.whoami .presence.online')").await;

    window.script("document.body.focus()").await;
    press(&window, &format!("{CONTROL}k")).await;
    has_focus(&window, "dialog input[type=search]").await;
    press(&window, &format!("{SHIFT}{TAB}")).await;
    has_focus(&window, "dialog [role=tab][aria-selected=true]").await;
    press(&window, RIGHT).await;
    press(&window, RIGHT).await;
    press(&window, TAB).await;
    has_focus(&window, "dialog input[name=name]").await;
    press(&window, &format!("Keys{ENTER}")).await;
    has_focus(&window, "room-view textarea").await;
    press(&window, &format!("typed{ENTER}")).await;
    press(&window, &format!("and again{ENTER}")).await;
    window.until_said("and again", Some("sent")).await;

    // To the messages and what one can do with them, and back.
    press(&window, &format!("{SHIFT}{TAB}")).await;
    press(&window, &format!("{SHIFT}{TAB}")).await;
    has_focus(&window, ".scroller").await;
    press(&window, UP).await;
    has_focus(&window, "li.message:last-child").await;
    press(&window, UP).await;
    has_focus(&window, "li.message:first-child").await;
    press(&window, TAB).await;
    has_focus(&window, "li.message:first-child .actions [aria-label=React]").await;
    press(&window, ENTER).await;
    has_focus(&window, ".emojis button").await;
    press(&window, RIGHT).await;
    press(&window, ENTER).await;
    window.until("a reaction", "document.querySelector('.reaction')?.textContent === '❤️1'").await;
    has_focus(&window, "li.message:first-child .actions [aria-label=React]").await;
    press(&window, ESCAPE).await;
    has_focus(&window, "li.message:first-child").await;
    press(&window, ESCAPE).await;
    has_focus(&window, "room-view textarea").await;

    // Dialogs give the focus back and are no traps.
    press(&window, &format!("{CONTROL}k")).await;
    has_focus(&window, "dialog input[type=search]").await;
    press(&window, ESCAPE).await;
    window.until("the dialog is closed", "!document.querySelector('dialog')").await;
    has_focus(&window, "room-view textarea").await;
}
