// Saying something: text, files by choice, paste or drop, as a reply, or in place of what one has said.

import { toast } from "../lib/dialog.js";
import { el, fill, icon, iconButton } from "../lib/el.js";
import { problem, size } from "../lib/format.js";
import { View } from "../lib/view.js";

/** Files of one message. */
const FILES = 10;

/** What was begun in a room and not sent, by its id. @type {Map<string, string>} */
const drafts = new Map();

export class MessageComposer extends View {
  #client;
  #directory;
  #room;
  #context = el("div.context");
  #files = el("ul.chosen", { role: "list", "aria-label": "Files to send" });
  #text = el("textarea", { rows: 1, maxlength: 8000, "aria-label": "Message" });
  #chooser = el("input", { type: "file", multiple: true, hidden: true, tabindex: -1, "aria-hidden": "true" });
  #reply;
  #edited;
  /** @type {{ file: File, url?: string }[]} */
  #chosen = [];

  constructor(client, directory, room) {
    super();
    [this.#client, this.#directory, this.#room] = [client, directory, room];
  }

  shown() {
    const attach = iconButton("clip", "Attach files", () => this.#chooser.click());
    const send = el("button.send", { type: "submit", "aria-label": "Send", title: "Send (Enter)" }, icon("send"));
    const onsubmit = (event) => {
      event.preventDefault();
      void this.#send();
    };
    fill(this, this.#context, this.#files, el("form.compose", { onsubmit }, attach, this.#chooser, this.#text, send));
    this.#text.value = drafts.get(this.#room.id) ?? "";
    this.#chooser.onchange = () => {
      this.attach([...this.#chooser.files]);
      this.#chooser.value = "";
    };
    this.listen(this.#text, "input", () => this.#typed());
    this.listen(this.#text, "keydown", (event) => this.#key(event));
    this.listen(this.#text, "paste", (event) => this.#paste(event));
    this.#grow();
  }

  gone() {
    if (!this.#edited) drafts.set(this.#room.id, this.#text.value);
    for (const { url } of this.#chosen) if (url) URL.revokeObjectURL(url);
  }

  /** @param {string} title Of the room. */
  name(title) {
    this.#text.setAttribute("aria-label", `Message ${title}`);
    this.#text.placeholder = `Message ${title}`;
  }

  focusText() {
    this.#text.focus();
  }

  replyTo(message) {
    this.#cancel();
    this.#reply = message;
    this.#drawContext("reply", `Reply to ${this.#directory.nameOf(message.userId, message.username)}`, message.content || "A file");
  }

  edit(message) {
    this.#cancel();
    this.#edited = message;
    this.#text.value = message.content;
    this.#grow();
    this.#drawContext("edit", "Edit your message", message.content);
  }

  /** @param {File[]} files */
  attach(files) {
    if (this.#edited) this.#cancel();
    const room = FILES - this.#chosen.length;
    if (files.length > room) toast(`A message has at most ${FILES} files.`);
    for (const file of files.slice(0, room)) {
      const url = file.type.startsWith("image/") ? URL.createObjectURL(file) : undefined;
      this.#chosen.push({ file, url });
    }
    this.#drawFiles();
    this.focusText();
  }

  #drawContext(sign, title, text) {
    const cancel = iconButton("close", "Cancel", () => this.#cancel());
    fill(this.#context, icon(sign), el("span.names", {}, el("strong", {}, title), el("small", {}, text)), cancel);
    this.focusText();
  }

  #cancel() {
    if (this.#edited) this.#text.value = "";
    this.#reply = this.#edited = undefined;
    fill(this.#context);
    this.#grow();
    this.focusText();
  }

  #drawFiles() {
    const entry = (chosen) => {
      const { file, url } = chosen;
      const drop = iconButton("close", `Leave out ${file.name}`, () => {
        this.#chosen = this.#chosen.filter((one) => one !== chosen);
        if (url) URL.revokeObjectURL(url);
        this.#drawFiles();
        this.focusText();
      });
      const shown = url ? el("img", { src: url, alt: "", width: 48, height: 48 }) : icon("file");
      return el("li", {}, shown, el("span.names", {}, el("strong", {}, file.name), el("small", {}, size(file.size))), drop);
    };
    fill(this.#files, this.#chosen.map(entry));
  }

  #typed() {
    this.#grow();
    if (this.#edited) return;
    if (this.#text.value.trim() === "") this.#room.stopTyping();
    else this.#room.typing();
  }

  /** As high as its text, up to what the style allows. */
  #grow() {
    this.#text.style.height = "auto";
    this.#text.style.height = `${this.#text.scrollHeight + 2}px`;
  }

  #key(event) {
    if (event.isComposing) return;
    if (event.key === "Enter" && !event.shiftKey && !event.ctrlKey && !event.altKey) {
      event.preventDefault();
      void this.#send();
    } else if (event.key === "Escape" && (this.#reply || this.#edited)) {
      event.stopPropagation();
      this.#cancel();
    } else if (event.key === "ArrowUp" && this.#text.value === "" && !this.#edited) {
      event.preventDefault();
      this.dispatchEvent(new Event("edit-last"));
    }
  }

  #paste(event) {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length === 0) return;
    event.preventDefault();
    this.attach(files);
  }

  async #send() {
    const content = this.#text.value.trim();
    const files = this.#chosen.map(({ file }) => file);
    if (content === "" && files.length === 0) return;
    try {
      if (this.#edited) await this.#room.edit(this.#edited, content);
      else void this.#room.send({ content, files, replyTo: this.#reply?.id }).catch(() => {});
    } catch (error) {
      return toast(problem(error));
    }
    const wasEdit = this.#edited !== undefined;
    for (const { url } of this.#chosen) if (url) URL.revokeObjectURL(url);
    this.#chosen = [];
    this.#text.value = "";
    drafts.delete(this.#room.id);
    this.#drawFiles();
    this.#cancel();
    if (!wasEdit) this.dispatchEvent(new Event("sent"));
  }
}

customElements.define("message-composer", MessageComposer);
