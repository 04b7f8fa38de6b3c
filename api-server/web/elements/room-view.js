// A room: what it is, what was said, and saying something.

import { toast } from "../lib/dialog.js";
import { el, fill, icon, iconButton } from "../lib/el.js";
import { presence, problem, typing } from "../lib/format.js";
import { View } from "../lib/view.js";
import { MessageComposer } from "./message-composer.js";
import { MessageList } from "./message-list.js";
import { openPerson } from "./person-dialog.js";
import { openRoom } from "./room-dialog.js";
import { openSearch } from "./search-dialog.js";

export class RoomView extends View {
  #client;
  #directory;
  #head = el("header.room-head");
  #typing = el("p.typing", { "aria-live": "off" });

  /**
   * @param {import("/client/chatapp.js").ChatClient} client
   * @param {import("../lib/directory.js").Directory} directory
   * @param {import("/client/chatapp.js").Room} room
   */
  constructor(client, directory, room) {
    super();
    this.#client = client;
    this.#directory = directory;
    this.room = room;
    this.composer = new MessageComposer(client, directory, room);
    this.list = new MessageList(client, directory, room, {
      reply: (message) => this.composer.replyTo(message),
      edit: (message) => this.composer.edit(message),
      back: () => this.composer.focusText(),
    });
    this.composer.addEventListener("sent", () => this.list.toEnd());
    this.composer.addEventListener("edit-last", () => this.list.editLast());
  }

  shown() {
    const { room } = this;
    fill(this, this.#head, this.list, this.#typing, this.composer);
    this.listen(room, "room", () => this.later());
    this.listen(room, "typing", () => this.#drawTyping());
    this.listen(this.#client, "presence", () => this.later());
    this.listen(this.#directory, "changed", () => this.later());
    for (const name of ["dragenter", "dragover"]) this.listen(this, name, (event) => this.#drag(event));
    this.listen(this, "dragleave", (event) => !this.contains(event.relatedTarget) && this.classList.remove("dropping"));
    this.listen(this, "drop", (event) => this.#drop(event));
    this.draw();
    room.open().catch((error) => toast(problem(error)));
    // On a phone the keyboard would cover what one came to read.
    if (matchMedia("(pointer: coarse)").matches) this.#head.querySelector("h2")?.focus();
    else this.composer.focusText();
  }

  gone() {
    this.room.stopTyping();
    this.room.close();
  }

  draw() {
    const { room } = this;
    const { type, memberCount, description } = room.info;
    const title = this.#directory.title(room);
    const peer = type === "direct" ? this.#directory.peer(room) : undefined;
    const about = peer ? presence(this.#client.presence.of(peer.userId)) : [`${memberCount} ${memberCount === 1 ? "member" : "members"}`, description].filter(Boolean).join(" · ");
    const said = `${title}\n${about}\n${type}`;
    if (this.#head.dataset.said === said) return;
    this.#head.dataset.said = said;
    this.list.setAttribute("data-title", title);
    this.composer.name(title);
    const had = this.#head.contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") : undefined;
    fill(
      this.#head,
      el("a.icon-button.back", { href: "#/", "aria-label": "Back to the list", title: "Back to the list" }, icon("back")),
      type !== "direct" && el("span.room-sign", {}, icon(type === "private" ? "lock" : "hash")),
      el("div.names", {}, el("h2", { tabindex: -1 }, title), el("p", {}, about)),
      iconButton("search", "Search in this conversation", () => this.#openSearch()),
      iconButton("info", "Details", () => this.#openDetails(peer)),
    );
    if (had) [...this.#head.querySelectorAll("[aria-label]")].find((one) => one.getAttribute("aria-label") === had)?.focus();
  }

  #openSearch() {
    openSearch(this.room, this.#directory, (message) => this.list.jumpTo(message));
  }

  #openDetails(peer) {
    if (peer) void openPerson(this.#client, this.#directory, peer.userId, this.room);
    else openRoom(this.#client, this.#directory, this.room);
  }

  #drawTyping() {
    const names = this.room.typists.map(({ userId, username }) => this.#directory.nameOf(userId, username));
    fill(this.#typing, names.length > 0 && el("span.dots", { "aria-hidden": "true" }, el("i"), el("i"), el("i")), typing(names));
  }

  #drag(event) {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    this.classList.add("dropping");
  }

  #drop(event) {
    this.classList.remove("dropping");
    if (!event.dataTransfer?.files.length) return;
    event.preventDefault();
    this.composer.attach([...event.dataTransfer.files]);
  }
}

customElements.define("room-view", RoomView);
