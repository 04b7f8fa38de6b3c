// Looking for what was said in a conversation; the replies to a message; who has it.

import { openDialog } from "../lib/dialog.js";
import { el, fill } from "../lib/el.js";
import { searchBox } from "../lib/entries.js";
import { moment, problem, when } from "../lib/format.js";

/** Pages that are looked through for one answer: of a long room each reads a part. */
const PAGES = 20;
/** Messages that are shown of an answer. */
const SHOWN = 50;

/** @param {(message: any) => void} show */
export function openSearch(room, directory, show) {
  const search = async (query) => {
    if (query === "") return [];
    const found = [];
    let before;
    for (let page = 0; page < PAGES && found.length < SHOWN; page++) {
      const { items, nextBefore } = await room.search(query, { before, limit: SHOWN });
      found.push(...items);
      before = nextBefore;
      if (before === undefined) break;
    }
    return found.slice(0, SHOWN).map((message) => entry(message, directory, choose));
  };
  const choose = (message) => {
    dialog.close();
    // The dialog gives the focus back first.
    setTimeout(() => show(message));
  };
  const box = searchBox({ label: "Words of a message", search, none: "Nothing was found." });
  const dialog = openDialog({ title: `Search in ${directory.title(room)}`, body: box });
  box.querySelector("input").focus();
}

export async function openReplies(room, directory, message, show) {
  const list = el("ul.entries", { role: "list" });
  const dialog = openDialog({ title: "Replies", body: list });
  try {
    const { items } = await room.replies(message);
    const choose = (reply) => {
      dialog.close();
      setTimeout(() => show(reply));
    };
    fill(list, items.map((reply) => entry(reply, directory, choose)));
  } catch (error) {
    fill(list, el("li.error", {}, problem(error)));
  }
}

export async function openDelivery(room, directory, message) {
  const list = el("ul.entries", { role: "list" });
  openDialog({ title: "Who has it", body: list, className: "small" });
  try {
    const { items } = await room.delivery(message, { limit: 200 });
    fill(list, items.map((one) => el("li.entry", {}, el("span.names", {}, el("strong", {}, directory.nameOf(one.userId, one.username)), el("small", {}, stands(one))))));
    if (items.length === 0) fill(list, el("li.empty", {}, "There is nobody else."));
  } catch (error) {
    fill(list, el("li.error", {}, problem(error)));
  }
}

function stands({ read, delivered, push }) {
  if (read) return "has read it";
  if (delivered) return "has it";
  return push ? `not there yet; notification ${push.state}${push.reason ? ` (${push.reason})` : ""}` : "not there yet";
}

function entry(message, directory, choose) {
  const name = directory.nameOf(message.userId, message.username);
  const time = el("time.note", { datetime: message.timestamp, title: moment(message.timestamp) }, when(message.timestamp));
  const text = message.deletedAt ? "Message deleted" : message.content || "A file";
  return el("li", {}, el("button.entry", { type: "button", onclick: () => choose(message) }, el("span.names", {}, el("strong", {}, name), el("span.wrap", {}, text)), time));
}
