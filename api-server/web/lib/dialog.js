// Dialogs and menus: the browser's own, which keep the focus inside, close with Escape and give the focus back.

import { el, iconButton } from "./el.js";

let count = 0;

/**
 * @param {{ title: string, body: any, className?: string }} what `className`: `small` or `wide`.
 * @returns {HTMLDialogElement & { done: Promise<string> }} `done`: its return value, once it is closed.
 */
export function openDialog({ title, body, className = "" }) {
  const id = `dialog-${++count}`;
  const close = iconButton("close", "Close", () => dialog.close());
  const head = el("header.dialog-head", {}, el("h2", { id }, title), close);
  const dialog = el("dialog.dialog", { "aria-labelledby": id }, head, el("div.dialog-body", {}, body));
  if (className) dialog.classList.add(...className.split(" "));
  // Beside the dialog itself: on what is behind.
  dialog.addEventListener("pointerdown", (event) => event.target === dialog && dialog.close());
  const back = document.activeElement;
  dialog.done = new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      if (back instanceof HTMLElement && back.isConnected) back.focus();
      resolve(dialog.returnValue);
    });
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** Asks whether to do something that cannot be undone. @returns {Promise<boolean>} */
export async function confirmed({ title, text, action }) {
  const cancel = el("button.button", { type: "button", onclick: () => dialog.close() }, "Cancel");
  const act = el("button.button.danger", { type: "button", onclick: () => dialog.close("yes") }, action);
  const body = [el("p", {}, text), el("div.button-row", {}, cancel, act)];
  const dialog = openDialog({ title, body, className: "small" });
  cancel.focus();
  return (await dialog.done) === "yes";
}

/**
 * A menu under a button. Arrow keys move in it.
 * @param {HTMLElement} button
 * @param {{ label: string, act: () => void, icon?: Node, danger?: boolean, checked?: boolean }[]} items
 */
export function openMenu(button, items) {
  const entries = items.map(({ label, act, icon, danger, checked }) => {
    const role = checked === undefined ? "menuitem" : "menuitemradio";
    const run = () => {
      menu.hidePopover();
      act();
    };
    const entry = el("button.menu-item", { type: "button", role, "aria-checked": checked, tabindex: -1, onclick: run }, icon, label);
    if (checked !== undefined) entry.setAttribute("aria-checked", String(checked));
    if (danger) entry.classList.add("danger");
    return entry;
  });
  const menu = el("div.menu", { popover: "auto", role: "menu", "aria-label": button.getAttribute("aria-label") ?? "Menu" }, entries);
  menu.addEventListener("keydown", (event) => {
    const at = entries.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: entries.length - 1 }[event.key];
    if (event.key === "Tab") menu.hidePopover();
    if (to === undefined) return;
    event.preventDefault();
    entries[(to + entries.length) % entries.length].focus();
  });
  openPopover(button, menu);
  entries[0]?.focus();
}

/** Shows a popover by its button, within the window; it goes when it is closed. */
export function openPopover(button, popover) {
  // In a dialog what is outside of it cannot be reached.
  (button.closest("dialog, main") ?? document.body).append(popover);
  button.setAttribute("aria-expanded", "true");
  popover.addEventListener("toggle", (event) => {
    if (event.newState !== "closed") return;
    const hadFocus = popover.contains(document.activeElement) || document.activeElement === document.body;
    button.setAttribute("aria-expanded", "false");
    popover.remove();
    if (hadFocus && button.isConnected) button.focus();
  });
  popover.showPopover();
  const [place, own] = [button.getBoundingClientRect(), popover.getBoundingClientRect()];
  const left = Math.max(8, Math.min(place.right - own.width, innerWidth - own.width - 8));
  const below = place.bottom + 6;
  const top = below + own.height > innerHeight - 8 ? Math.max(8, place.top - own.height - 6) : below;
  popover.style.left = `${left}px`;
  popover.style.top = `${top}px`;
}

let toastTimer;

/** Says something for a moment, also to screen readers. @param {string} text */
export function toast(text) {
  document.querySelector(".toast")?.remove();
  clearTimeout(toastTimer);
  const shown = el("div.toast", { role: "alert" }, text);
  (document.querySelector("dialog[open]") ?? document.querySelector("main") ?? document.body).append(shown);
  toastTimer = setTimeout(() => shown.remove(), 6000);
}
