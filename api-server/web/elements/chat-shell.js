// The chat of who is logged in: the rooms at one side, one of them at the other. The address says which: `#/room/ID`; an
// invite is `#/invite/CODE`.

import { announce } from "../lib/announce.js";
import { toast } from "../lib/dialog.js";
import { Directory } from "../lib/directory.js";
import { el, fill, icon } from "../lib/el.js";
import { problem } from "../lib/format.js";
import { View } from "../lib/view.js";
import { ConnectionBar } from "./connection-bar.js";
import { RoomList } from "./room-list.js";
import { RoomView } from "./room-view.js";

export class ChatShell extends View {
  #client;
  #place = el("section", { id: "conversation", tabindex: -1, "aria-label": "Conversation" });
  /** @type {RoomView | undefined} */
  #view;

  /** @param {import("/client/chatapp.js").ChatClient} client */
  constructor(client) {
    super();
    this.#client = client;
    this.directory = new Directory(client);
  }

  shown() {
    const client = this.#client;
    const skip = el("a.skip", { href: "#conversation", onclick: (event) => this.#skip(event) }, "Skip to the conversation");
    const side = el("div.side", {}, new ConnectionBar(client), new RoomList(client, this.directory));
    fill(this, skip, el("main", {}, el("h1.hidden-text", {}, "ChatApp"), side, this.#place));
    this.listen(window, "hashchange", () => this.#route());
    this.listen(client, "room", ({ room, change }) => this.#roomChanged(room, change));
    this.listen(client, "unread", () => this.later());
    this.listen(client, "message", ({ room, message }) => this.#heard(room, message));
    this.listen(client, "trouble", ({ error }) => toast(problem(error)));
    if (navigator.serviceWorker) this.listen(navigator.serviceWorker, "message", ({ data }) => data.show && (location.hash = data.show.slice(1)));
    this.listen(document, "keydown", (event) => {
      if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "k") return;
      event.preventDefault();
      this.querySelector("[data-find]")?.click();
    });
    this.#route();
  }

  draw() {
    const { unread } = this.#client;
    document.title = unread > 0 ? `(${unread}) ChatApp` : "ChatApp";
  }

  #skip(event) {
    event.preventDefault();
    (this.querySelector("textarea") ?? this.#place).focus();
  }

  #roomChanged(room, change) {
    const isShown = this.#view?.room.id === room.id;
    if (change === "removed" && isShown) location.hash = "#/";
    // It was named by the address before it was known.
    if (change !== "removed" && !isShown && this.#wantedRoom() === room.id) this.#route();
  }

  #heard(room, message) {
    if (message.userId === this.#client.user?.id) return;
    const name = this.directory.nameOf(message.userId, message.username);
    const isShown = this.#view?.room === room;
    announce(isShown ? `${name}: ${message.content || "sent a file"}` : `New message in ${this.directory.title(room)}`);
  }

  #wantedRoom() {
    return /^#\/room\/([^/]+)$/.exec(location.hash)?.[1];
  }

  #route() {
    const invite = /^#\/invite\/([^/]+)$/.exec(location.hash)?.[1];
    if (invite) return void this.#redeem(decodeURIComponent(invite));
    const room = this.#client.rooms.get(this.#wantedRoom() ?? "");
    if (room && this.#view?.room === room) return;
    this.#view = room && new RoomView(this.#client, this.directory, room);
    this.classList.toggle("in-room", room !== undefined);
    fill(this.#place, this.#view ?? this.#welcome());
    this.later();
  }

  #welcome() {
    return el(
      "div.welcome",
      {},
      icon("chat"),
      el("h2", {}, "No conversation open"),
      el("p", {}, "Choose one at the side, or find people and rooms."),
      el("button.button.primary", { type: "button", onclick: () => this.querySelector("[data-find]")?.click() }, "Find people and rooms"),
    );
  }

  async #redeem(code) {
    try {
      await this.#client.start();
      const room = await this.#client.redeemInvite(code);
      location.replace(`#/room/${room.id}`);
    } catch (error) {
      toast(problem(error));
      location.replace("#/");
    }
  }
}

customElements.define("chat-shell", ChatShell);
