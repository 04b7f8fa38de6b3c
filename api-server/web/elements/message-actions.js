// What one can do with a message: one toolbar that moves to the message that is pointed at, or has the focus.

import { confirmed, openMenu, openPopover, toast } from "../lib/dialog.js";
import { el, fill, icon, iconButton } from "../lib/el.js";
import { openDelivery, openReplies } from "./search-dialog.js";

const QUICK = ["👍", "❤️", "😂", "🎉", "😮", "😢", "🙏", "🔥", "👀", "✅", "🚀", "💯", "🤔", "👏", "😍", "😅", "🙌", "☕"];

export class MessageActions {
  #context;
  #bar = el("div.actions", { role: "toolbar", "aria-label": "Message" });

  /** @param {any} context That of the list. */
  constructor(context) {
    this.#context = context;
  }

  /** A row was made anew: what was shown at it goes along. */
  move(old, row, message) {
    if (this.#bar.parentElement !== old) return;
    this.#bar.remove();
    if (!message.deletedAt) this.showAt(row, message);
  }

  /** @param {HTMLElement} row @param {any} message */
  showAt(row, message) {
    if (this.#bar.parentElement === row) return;
    if (this.#bar.contains(document.activeElement)) return;
    const { client, room, act } = this.#context;
    const isOwn = message.userId === client.user?.id;
    const react = iconButton("smile", "React", () => this.#chooseEmoji(react, message), { "aria-haspopup": "true" });
    const more = iconButton("more", "More", () => this.#openMore(more, message), { "aria-haspopup": "menu" });
    fill(
      this.#bar,
      react,
      iconButton("reply", "Reply", () => act("reply", message)),
      isOwn && message.type === "text" && iconButton("edit", "Edit", () => act("edit", message)),
      (isOwn || canModerate(room) || message.content) && more,
    );
    row.append(this.#bar);
    // Of a row with the focus what it holds can be reached by Tab.
    for (const one of row.querySelectorAll("[tabindex='-1']")) if (one !== row) one.removeAttribute("tabindex");
  }

  #chooseEmoji(button, message) {
    const { act } = this.#context;
    const had = new Set(message.reactions?.filter((reaction) => reaction.me).map((reaction) => reaction.emoji));
    const choices = QUICK.map((emoji) => {
      const choose = () => {
        picker.hidePopover();
        act("react", message, { emoji, add: !had.has(emoji) });
      };
      return el("button.emoji", { type: "button", "aria-label": emoji, "aria-pressed": String(had.has(emoji)), onclick: choose }, emoji);
    });
    const picker = el("div.menu.emojis", { popover: "auto", role: "group", "aria-label": "React" }, choices);
    picker.addEventListener("keydown", (event) => {
      const at = choices.indexOf(document.activeElement);
      const by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 6, ArrowUp: -6 }[event.key];
      if (by === undefined) return;
      event.preventDefault();
      choices[(at + by + choices.length) % choices.length].focus();
    });
    openPopover(button, picker);
    choices[0].focus();
  }

  #openMore(button, message) {
    const { client, room, directory, jump } = this.#context;
    const isOwn = message.userId === client.user?.id;
    const copy = async () => {
      await navigator.clipboard.writeText(message.content);
      toast("Copied");
    };
    openMenu(button, [
      ...(message.content && navigator.clipboard ? [{ label: "Copy text", icon: icon("file"), act: () => void copy() }] : []),
      ...(message.replyCount > 0 ? [{ label: `Show ${message.replyCount} replies`, icon: icon("reply"), act: () => void openReplies(room, directory, message, (one) => jump(one.id)) }] : []),
      ...(isOwn ? [{ label: "Who has it", icon: icon("checks"), act: () => void openDelivery(room, directory, message) }] : []),
      ...(isOwn || canModerate(room) ? [{ label: "Delete", icon: icon("trash"), danger: true, act: () => void this.#delete(message) }] : []),
    ]);
  }

  async #delete(message) {
    const text = "It is deleted for everybody, for good.";
    if (await confirmed({ title: "Delete this message?", text, action: "Delete" })) this.#context.act("delete", message);
  }
}

function canModerate(room) {
  return room.info.type !== "direct" && ["owner", "admin"].includes(room.info.role);
}
