// One's rooms and direct messages, those with something new first in each part; and above them oneself.

import { avatar } from "../lib/avatar.js";
import { openMenu } from "../lib/dialog.js";
import { el, fill, hiddenText, icon, iconButton } from "../lib/el.js";
import { presence, when } from "../lib/format.js";
import { keyed } from "../lib/keyed.js";
import { View } from "../lib/view.js";
import { openFind } from "./find-dialog.js";
import { openSettings } from "./settings-dialog.js";

const STATUSES = { online: "Online", away: "Away", busy: "Busy", invisible: "Invisible" };

export class RoomList extends View {
  #client;
  #directory;
  #me = el("div.me");
  #list = el("nav.rooms", { "aria-label": "Rooms and direct messages" });
  #rooms = section("Rooms");
  #direct = section("Direct messages");
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
    fill(this.#list, this.#rooms, this.#direct);
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
    this.#drawSection(this.#rooms, others);
    this.#drawSection(this.#direct, direct);
  }

  #drawMe() {
    const me = this.#client.user;
    if (!me) return;
    const own = this.#directory.user(me.id) ?? me;
    const name = own.displayName || own.username;
    const url = own.avatarUrl && this.#client.files.address(own.avatarUrl);
    const isOnline = this.#client.connection.state === "online";
    const status = isOnline ? this.#status : "offline";
    const signature = JSON.stringify([name, url, status]);
    if (this.#me.dataset.signature === signature) return;
    this.#me.dataset.signature = signature;
    const chooser = el(
      "button.whoami",
      { type: "button", "aria-haspopup": "menu", onclick: () => this.#chooseStatus(chooser) },
      avatar({ id: me.id, name, url, status }),
      el("span.names", {}, el("strong", {}, name), el("small", {}, isOnline ? STATUSES[this.#status] : "Not connected")),
      hiddenText(": choose your status"),
    );
    const find = iconButton("plus", "Find people and rooms (Ctrl K)", () => openFind(this.#client, this.#directory), { "data-find": "", "aria-keyshortcuts": "Control+K" });
    const settings = iconButton("settings", "Settings", () => openSettings(this.#client, this.#directory));
    fill(this.#me, chooser, find, settings);
  }

  #chooseStatus(button) {
    const choose = async (status) => {
      this.#status = status;
      await this.#client.presence.setStatus(status).catch(() => {});
      this.draw();
      this.querySelector(".whoami")?.focus();
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

  #drawSection(section, rooms) {
    const [, none, list] = section.children;
    none.textContent = rooms.length > 0 ? "" : this.#filter ? "Nothing of this name." : "None yet.";
    keyed(list, rooms, {
      keyOf: (room) => room.id,
      make: (room) => el("li", {}, el("a.room", { href: `#/room/${room.id}`, "data-room": room.id })),
      show: (room) => this.#entry(room),
    });
    for (const link of list.querySelectorAll("a")) {
      const { hash } = link;
      if (hash === location.hash) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
      link.classList.toggle("unread", link.querySelector(".badge") !== null);
    }
  }

  #entry(room) {
    const title = this.#directory.title(room);
    const { unread, mentions, lastMessage } = room;
    const isTyping = room.typists.length > 0;
    const peer = room.info.type === "direct" ? this.#directory.peer(room) : undefined;
    const status = peer && this.#client.presence.of(peer.userId);
    const url = peer && this.#directory.user(peer.userId)?.avatarUrl;
    const preview = isTyping ? "typing …" : this.#preview(lastMessage);
    const time = lastMessage && when(lastMessage.timestamp);
    const count = unread > 99 ? "99+" : unread;
    const said = hiddenText(mentions > 0 ? ` unread, ${mentions} mention you` : " unread");
    return {
      signature: JSON.stringify([title, unread, mentions, preview, time, url, presence(status), status?.status]),
      draw: () => [
        this.#face(room, title),
        el("span.names", {}, el("strong", {}, title), el("small", {}, preview)),
        el(
          "span.aside",
          {},
          lastMessage && el("time", { datetime: lastMessage.timestamp }, time),
          unread > 0 && el(mentions > 0 ? "span.badge.mentioned" : "span.badge", {}, mentions > 0 && "@", count, said),
        ),
      ],
    };
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

function section(title) {
  return el("section", {}, el("h2", {}, title), el("p.empty"), el("ul", { role: "list" }));
}

/** When something was last said. */
function stamp(room) {
  return Date.parse(room.lastMessage?.timestamp ?? room.info.createdAt);
}

customElements.define("room-list", RoomList);
