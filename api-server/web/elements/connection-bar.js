// How the connection stands, honestly: nothing is said while all is well; what waits to be sent is counted.

import { el, fill, icon } from "../lib/el.js";
import { View } from "../lib/view.js";

/** A connection that comes at once is not worth a word. */
const PATIENCE_MS = 600;
/** How long "back online" stays. */
const RESUMED_MS = 2500;

export class ConnectionBar extends View {
  #client;
  #wasLost = false;
  /** An attempt has failed: it is offline until one succeeds, and does not flicker in between. */
  #hasFailed = false;
  #patience;
  #tick;

  /** @param {import("/client/chatapp.js").ChatClient} client */
  constructor(client) {
    super();
    this.#client = client;
  }

  shown() {
    this.setAttribute("role", "status");
    this.listen(this.#client, "connection", () => this.#changed());
    this.listen(this.#client, "messages", ({ reason }) => reason === "pending" && this.#wasLost && this.draw());
    this.finally(() => clearTimeout(this.#patience));
    this.finally(() => clearInterval(this.#tick));
    this.#changed();
  }

  #changed() {
    clearTimeout(this.#patience);
    clearInterval(this.#tick);
    const { state } = this.#client.connection;
    if (state === "online" && !this.#wasLost) return this.#say();
    if (state === "waiting") this.#hasFailed = true;
    if (state === "online") {
      this.#wasLost = this.#hasFailed = false;
      this.#say("good", "check", "Back online, nothing missed");
      this.#patience = setTimeout(() => this.#say(), RESUMED_MS);
      return;
    }
    if (this.#wasLost) this.draw();
    else this.#patience = setTimeout(() => this.#lost(), state === "waiting" ? 0 : PATIENCE_MS);
    if (state === "waiting") this.#tick = setInterval(() => this.draw(), 1000);
  }

  #lost() {
    this.#wasLost = true;
    this.draw();
  }

  draw() {
    const { state, retryAt, error } = this.#client.connection;
    if (state === "online") return;
    const seconds = Math.max(0, Math.ceil(((retryAt ?? 0) - Date.now()) / 1000));
    const waiting = [...this.#client.rooms.values()].flatMap((room) => room.messages).filter((one) => one.pending?.state === "sending");
    const queued = waiting.length > 0 ? `, ${waiting.length} to be sent` : "";
    if (state === "closed") return this.#say("bad", "offline", `Disconnected: ${error?.message ?? "stopped"}${queued}`, "Reconnect");
    if (this.#hasFailed) return this.#say("bad", "offline", `Offline${queued}`, seconds > 1 ? `Retry (${seconds} s)` : undefined);
    this.#say("warn", "clock", `Connecting …${queued}`);
  }

  #say(kind, sign, text, action) {
    const said = `${kind} ${text}`;
    const button = this.querySelector("button");
    // Only the button's seconds have changed: nothing is to be read out again.
    if (this.dataset.said === said && button && action) return void (button.textContent = action);
    this.dataset.said = said;
    this.className = kind ?? "";
    const act = () => (this.#client.connection.state === "closed" ? this.#client.start().catch(() => {}) : this.#client.nudge());
    if (!text) return void fill(this);
    fill(this, icon(sign), el("span", {}, text), action && el("button.link", { type: "button", onclick: act }, action));
  }
}

customElements.define("connection-bar", ConnectionBar);
