// People as rows of a list, and a search that asks while one types.

import { avatar } from "./avatar.js";
import { el, fill } from "./el.js";
import { problem } from "./format.js";

/** Nothing was typed for so long: ask. */
const PAUSE_MS = 200;

/** A user with what can be done with them; `note` stands under the name. */
export function person(client, user, { note, actions = [], onclick } = {}) {
  const name = user.displayName || user.username;
  const id = user.id ?? user.userId;
  const url = user.avatarUrl && client.files.address(user.avatarUrl);
  const names = el("span.names", {}, el("strong", {}, name), el("small", {}, note ?? `@${user.username}`));
  const face = avatar({ id, name, url });
  if (onclick) return el("li", {}, el("button.entry", { type: "button", onclick }, face, names));
  return el("li.entry", {}, face, names, actions);
}

/** A small button of a row. */
export function act(label, name, onclick, kind = "") {
  const button = el("button.button.small", { type: "button", "aria-label": `${label}: ${name}` }, label);
  if (kind) button.classList.add(kind);
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      await onclick();
    } finally {
      button.disabled = false;
    }
  });
  return button;
}

/**
 * Asks `search` with what was typed and shows its rows; an answer that comes after a later one is not shown.
 * @param {{ label: string, search: (query: string) => Promise<any[]>, none: string }} what
 * @returns {any} With `again()`, which asks once more.
 */
export function searchBox({ label, search, none }) {
  let asked = 0;
  let timer;
  const list = el("ul.entries", { role: "list" });
  const status = el("p.empty", { role: "status" });
  const ask = async () => {
    const mine = ++asked;
    try {
      const rows = await search(input.value.trim());
      if (mine !== asked) return;
      fill(list, rows);
      status.textContent = rows.length === 0 && input.value.trim() !== "" ? none : "";
    } catch (error) {
      if (mine === asked) status.textContent = problem(error);
    }
  };
  const oninput = () => {
    clearTimeout(timer);
    timer = setTimeout(ask, PAUSE_MS);
  };
  const input = el("input", { type: "search", "aria-label": label, placeholder: label, oninput });
  const box = el("div", {}, input, status, list);
  box.again = ask;
  return box;
}
