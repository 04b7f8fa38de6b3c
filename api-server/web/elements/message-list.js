// What was said in a room, of which only what is seen is in the document (lib/virtual.js). With the keyboard: Tab to the
// list, arrows from message to message, Tab again to what one can do with it, Escape back to the text.

import { toast } from "../lib/dialog.js";
import { el, fill, icon } from "../lib/el.js";
import { problem } from "../lib/format.js";
import { View } from "../lib/view.js";
import { VirtualList } from "../lib/virtual.js";
import { MessageActions } from "./message-actions.js";
import { keyOf, makeRow, signatureOf } from "./message-row.js";
import { openPerson } from "./person-dialog.js";

/** So near to the oldest message more are loaded, in pixels. */
const AHEAD = 1200;
/** Messages of one loading. */
const PAGE = 100;

export class MessageList extends View {
  #client;
  #directory;
  #room;
  #acts;
  #scroller = el("div.scroller", { tabindex: 0 });
  #rows = el("ol.messages", { role: "list" });
  #note = el("p.history-note");
  #newest;
  /** @type {VirtualList} */
  #virtual;
  #context;
  #isLoading = false;
  #hasBegun = false;

  /** @param {{ reply: (message) => void, edit: (message) => void, back: () => void }} acts What is done elsewhere. */
  constructor(client, directory, room, acts) {
    super();
    [this.#client, this.#directory, this.#room, this.#acts] = [client, directory, room, acts];
    const toEnd = () => {
      this.toEnd();
      acts.back();
    };
    this.#newest = el("button.to-newest", { type: "button", hidden: true, onclick: toEnd }, icon("down"), el("span", {}, "Newest"));
    /** What rows need to know. */
    this.#context = {
      client,
      directory,
      room,
      newFrom: room.unread > 0 ? room.lastReadSeq : Infinity,
      jump: (id) => this.#jumpToId(id),
      act: (name, message, detail) => void this.#act(name, message, detail),
    };
    this.actions = new MessageActions(this.#context);
  }

  shown() {
    fill(this, this.#note, this.#scroller, this.#newest);
    this.#scroller.append(this.#rows);
    this.#virtual = new VirtualList(this.#scroller, this.#rows, {
      keyOf,
      signatureOf: (message, before) => signatureOf(this.#context, message, before),
      make: (message, before) => makeRow(this.#context, message, before),
      replaced: (old, made, message) => this.actions.move(old, made, message),
    });
    this.finally(() => this.#virtual.close());
    this.listen(this.#room, "messages", ({ reason }) => (reason === "new" ? this.draw() : this.later()));
    this.listen(this.#room, "receipts", () => this.later());
    this.listen(this.#directory, "changed", () => this.later());
    this.listen(window, "focus", () => this.#seen());
    this.listen(this.#scroller, "scroll", () => this.#scrolled());
    this.listen(this.#rows, "pointerover", (event) => this.#hover(event));
    this.listen(this.#rows, "focusin", (event) => this.#hover(event));
    this.listen(this.#scroller, "keydown", (event) => this.#key(event));
    this.draw();
  }

  /** Begins where one has read up to, once messages are here. */
  #begin() {
    const { messages, hasOlder } = this.#room;
    this.#hasBegun = messages.length > 1 || !hasOlder;
    const first = messages.find((message) => message.seq > this.#context.newFrom);
    if (first && this.#hasBegun) this.#virtual.toRow(keyOf(first), 120);
  }

  toEnd() {
    this.#virtual.toEnd();
    this.#scrolled();
  }

  draw() {
    const { messages, hasOlder } = this.#room;
    const title = this.#directory.title(this.#room);
    this.#rows.setAttribute("aria-label", `Messages in ${title}`);
    this.#scroller.setAttribute("aria-label", `Messages in ${title}: arrow keys move between them`);
    this.#scroller.setAttribute("role", "group");
    const note = messages.length > 0 ? "" : hasOlder ? "Loading …" : "Nothing was said here yet. Say something!";
    if (this.#note.textContent !== note) this.#note.textContent = note;
    this.#virtual.show(messages);
    if (!this.#hasBegun) this.#begin();
    this.#seen();
    this.#loadMore();
  }

  #scrolled() {
    this.#virtual.scrolled();
    this.#seen();
    this.#loadMore();
  }

  /** What is seen by somebody who looks is read. */
  #seen() {
    const below = this.#room.messages.length > 0 && !this.#virtual.atEnd;
    this.#newest.hidden = !below;
    this.#newest.lastElementChild.textContent = this.#room.unread > 0 ? `${this.#room.unread} new` : "Newest";
    if (!this.#hasBegun || document.visibilityState !== "visible" || !document.hasFocus()) return;
    const last = this.#virtual.atEnd ? undefined : this.#virtual.lastSeen;
    if (last?.seq) this.#room.markRead(last.seq);
    else if (this.#virtual.atEnd) this.#room.markRead();
  }

  async #loadMore() {
    if (this.#isLoading || !this.#room.hasOlder || this.#scroller.scrollTop > AHEAD) return;
    this.#isLoading = true;
    try {
      const before = this.#room.messages[0];
      await this.#room.loadOlder(PAGE);
      this.#isLoading = false;
      if (this.isConnected && this.#room.messages[0] !== before) this.draw();
      else if (this.isConnected) this.later();
    } catch {
      // As soon as there is a connection, scrolling asks again.
      setTimeout(() => (this.#isLoading = false), 1000);
    }
  }

  // Going somewhere.

  /** Loads back to a message, as one that was found, and shows it. */
  async jumpTo(message) {
    for (let pages = 0; this.#room.hasOlder && pages < 100; pages++) {
      const first = this.#room.messages.find((one) => one.seq > 0);
      if (first && first.seq <= message.seq) break;
      await this.#room.loadOlder(200);
    }
    const there = this.#room.messages.find((one) => one.seq === message.seq);
    if (!there) return toast("This message cannot be shown any more.");
    this.draw();
    const row = this.#virtual.toRow(keyOf(there), this.#scroller.clientHeight / 3);
    row?.classList.add("found");
    row?.focus({ preventScroll: true });
    setTimeout(() => row?.classList.remove("found"), 2000);
  }

  async #jumpToId(id) {
    try {
      const here = this.#room.messages.find((message) => message.id === id);
      await this.jumpTo(here ?? (await this.#client.message(id)));
    } catch (error) {
      toast(problem(error));
    }
  }

  /** Edits one's newest message. */
  editLast() {
    const me = this.#client.user?.id;
    const last = this.#room.messages.findLast((message) => message.userId === me && !message.pending && !message.deletedAt);
    if (last) this.#acts.edit(last);
  }

  #hover(event) {
    const row = event.target.closest("li.message");
    const message = row && this.#room.messages.find((one) => keyOf(one) === row.dataset.key);
    if (message && !message.pending && !message.deletedAt) this.actions.showAt(row, message);
  }

  #key(event) {
    if (event.target !== this.#scroller && !event.target.matches("li.message")) {
      if (event.key === "Escape") event.target.closest("li.message")?.focus();
      return;
    }
    const row = event.target.matches("li.message") ? event.target : undefined;
    const { messages } = this.#room;
    const go = {
      ArrowUp: () => (row ? this.#virtual.beside(row.dataset.key, -1) : this.#virtual.reveal(messages.length - 1)),
      ArrowDown: () => (row ? this.#virtual.beside(row.dataset.key, 1) : this.#virtual.reveal(messages.length - 1)),
      Home: () => this.#virtual.reveal(0),
      End: () => this.#virtual.reveal(messages.length - 1),
    }[event.key];
    if (event.key === "Escape") return this.#acts.back();
    if (!go) return;
    event.preventDefault();
    go()?.focus({ preventScroll: true });
  }

  async #act(name, message, detail) {
    const room = this.#room;
    try {
      switch (name) {
        case "reply":
          return this.#acts.reply(message);
        case "edit":
          return this.#acts.edit(message);
        case "react":
          return await room.react(message, detail.emoji, detail.add);
        case "delete":
          return await room.delete(message);
        case "retry":
          return void room.retry(message).catch(() => {});
        case "discard":
          return void room.discard(message);
        case "person":
          return await openPerson(this.#client, this.#directory, message.userId, room);
      }
    } catch (error) {
      toast(problem(error));
    }
  }
}

customElements.define("message-list", MessageList);
