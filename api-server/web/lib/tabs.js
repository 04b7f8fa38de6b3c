// Tabs as ARIA describes them: arrow keys choose, one panel is shown and made when it first is.

import { el, fill } from "./el.js";

let count = 0;

/** @param {string} label @param {{ name: string, make: () => any }[]} pages */
export function tabs(label, pages) {
  const id = `tabs-${++count}`;
  const panel = el("div.panel", { role: "tabpanel", id: `${id}-panel` });
  const buttons = pages.map(({ name }, at) =>
    el("button.tab", { type: "button", role: "tab", id: `${id}-${at}`, "aria-controls": `${id}-panel`, onclick: () => choose(at) }, name),
  );
  const choose = (at) => {
    for (const [n, button] of buttons.entries()) {
      button.setAttribute("aria-selected", String(n === at));
      button.tabIndex = n === at ? 0 : -1;
    }
    panel.setAttribute("aria-labelledby", `${id}-${at}`);
    fill(panel, pages[at].make());
  };
  const onkeydown = (event) => {
    const at = buttons.indexOf(document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (to === undefined || at < 0) return;
    event.preventDefault();
    const next = (to + buttons.length) % buttons.length;
    choose(next);
    buttons[next].focus();
  };
  choose(0);
  return [el("div.tabs", { role: "tablist", "aria-label": label, onkeydown }, buttons), panel];
}
