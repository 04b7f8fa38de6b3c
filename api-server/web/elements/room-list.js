// One's rooms and direct messages, those with something new first in each part; and above them oneself.

import { avatar } from "../lib/avatar.js";
import { openMenu } from "../lib/dialog.js";
import { el, fill, hiddenText, icon, iconButton } from "../lib/el.js";
import { presence, when } from "../lib/format.js";
import { View } from "../lib/view.js";

const STATUSES = { online: "Online", away: "Away", busy: "Busy", invisible: "Invisible" };

export class RoomList extends View {
  #client;
  #directory;
  #me = el("div.me");
  #list = el("nav.rooms", { "aria-label": "Rooms and direct messages" });
  #filter = "";
  #status = "online";
  #watched = new Set();

  /** @param {import("/client/chatapp.js").ChatClient} client @param {import("../lib/directory.js").Directory} directory */
  constructor(client, directory) {
    super();
    this.#client = client;
    this.#directory = directory;
  }

  shown() {
    const filter = el("input", {
      type: "search",
      "aria-label": "Filter conversations",
      placeholder: "Filter conversations",
      oninput: () => {
        this.#filter = filter.value.trim().toLowerCase();
        this.draw();
      },
    });
    fill(this, this.#me, el("div.filter", {}, icon("search"), filter), this.#list);
    for (const name of ["room", "unread", "messages", "typing", "session"]) this.listen(this.#client, name, () => this.later());
    this.listen(this.#client, "presence", () => this.later());
    this.listen(this.#client, "connection", () => this.later());
    this.listen(this.#directory, "changed", () => this.later());
    this.listen(window, "hashchange", () => this.draw());
    this.draw();
  }

  draw() {
    this.#drawMe();
    const rooms = [...this.#client.rooms.values()];
    this.#watch(rooms);
    const shown = rooms
      .filter((room) => this.#directory.title(room).toLowerCase().includes(this.#filter))
      .sort((a, b) => stamp(b) - stamp(a));
    const direct = shown.filter((room) => room.info.type === "direct");
    const others = shown.filter((room) => room.info.type !== "direct");
    const focused = this.#list.contains(document.activeElement) ? document.activeElement.dataset.room : undefined;
    fill(this.#list, this.#section("Rooms", others), this.#section("Direct messages", direct));
    if (focused) this.#list.querySelector(`[data-room="${CSS.escape(focused)}"]`)?.focus();
  }

  #drawMe() {
    const me = this.#client.user;
    if (!me || this.#me.contains(document.activeElement)) return;
    const own = this.#directory.user(me.id) ?? me;
    const name = own.displayName || own.username;
    const url = own.avatarUrl && this.#client.files.address(own.avatarUrl);
    const isOnline = this.#client.connection.state === "online";
    const status = isOnline ? this.#status : "offline";
    const chooser = el(
      "button.whoami",
      { type: "button", "aria-haspopup": "menu", onclick: () => this.#chooseStatus(chooser) },
      avatar({ id: me.id, name, url, status }),
      el("span.names", {}, el("strong", {}, name), el("small", {}, isOnline ? STATUSES[this.#status] : "Not connected")),
      hiddenText(": choose your status"),
    );
    const find = iconButton("plus", "Find people and rooms (Ctrl K)", () => this.#openFind(), { "data-find": "", "aria-keyshortcuts": "Control+K" });
    const settings = iconButton("settings", "Settings", () => this.#openSettings());
    fill(this.#me, chooser, find, settings);
  }

  async #openFind() {
    const { openFind } = await import("./find-dialog.js");
    openFind(this.#client, this.#directory);
  }

  async #openSettings() {
    const { openSettings } = await import("./settings-dialog.js");
    openSettings(this.#client, this.#directory);
  }

  #chooseStatus(button) {
    const choose = async (status) => {
      this.#status = status;
      await this.#client.presence.setStatus(status).catch(() => {});
      button.blur();
      this.draw();
    };
    openMenu(button, Object.entries(STATUSES).map(([status, label]) => ({
      label,
      checked: status === this.#status,
      act: () => void choose(status),
    })));
  }

  /** The others of direct rooms are watched, each once. */
  #watch(rooms) {
    const peers = rooms.filter((room) => room.info.type === "direct").map((room) => this.#directory.peer(room)?.userId);
    const unwatched = peers.filter((id) => id && !this.#watched.has(id));
    if (unwatched.length === 0) return;
    for (const id of unwatched) this.#watched.add(id);
    // Who cannot be watched looks offline.
    this.#client.presence.watch(unwatched).catch(() => {});
  }

  #section(title, rooms) {
    if (rooms.length === 0) return el("section", {}, el("h2", {}, title), el("p.empty", {}, this.#filter ? "Nothing of this name." : "None yet."));
    return el("section", {}, el("h2", {}, title), el("ul", { role: "list" }, rooms.map((room) => this.#entry(room))));
  }

  #entry(room) {
    const title = this.#directory.title(room);
    const isOpen = location.hash === `#/room/${room.id}`;
    const { unread, mentions, lastMessage } = room;
    const typists = room.typists.map(({ userId, username }) => this.#directory.nameOf(userId, username));
    const badge =
      unread > 0 &&
      el(mentions > 0 ? "span.badge.mentioned" : "span.badge", {}, mentions > 0 && "@", unread > 99 ? "99+" : unread, hiddenText(mentions > 0 ? ` unread, ${mentions} mention you` : " unread"));
    return el(
      "li",
      {},
      el(
        unread > 0 ? "a.room.unread" : "a.room",
        { href: `#/room/${room.id}`, "aria-current": isOpen ? "page" : undefined, "data-room": room.id },
        this.#face(room, title),
        el("span.names", {}, el("strong", {}, title), el("small", {}, typists.length > 0 ? "typing …" : this.#preview(lastMessage))),
        el("span.aside", {}, lastMessage && el("time", { datetime: lastMessage.timestamp }, when(lastMessage.timestamp)), badge),
      ),
    );
  }

  #face(room, title) {
    const { type } = room.info;
    if (type !== "direct") return el("span.avatar.room-icon", { "aria-hidden": "true" }, icon(type === "private" ? "lock" : "hash"));
    const peer = this.#directory.peer(room);
    const user = peer && this.#directory.user(peer.userId);
    const status = peer && this.#client.presence.of(peer.userId);
    const url = user?.avatarUrl && this.#client.files.address(user.avatarUrl);
    const face = avatar({ id: peer?.userId ?? room.id, name: title, url, status: status?.status });
    const said = status && hiddenText(presence(status));
    return el("span", {}, face, said);
  }

  #preview(message) {
    if (!message) return "No messages yet";
    if (message.deletedAt) return "Message deleted";
    const text = message.content || (message.attachments?.length || message.pending?.files.length ? "Sent a file" : "");
    const mine = message.userId === this.#client.user?.id;
    return mine ? `You: ${text}` : text;
  }
}

/** When something was last said. */
function stamp(room) {
  return Date.parse(room.lastMessage?.timestamp ?? room.info.createdAt);
}

customElements.define("room-list", RoomList);
