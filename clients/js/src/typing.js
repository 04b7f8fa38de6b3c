// Who types in a room, and saying that one does oneself.

/** @import { Typist } from "./types.js" */

/** Shown so long after it was last said; the server says the end itself, unless its word is lost. */
const SHOWN_MS = 8000;
/** Said again after so long; the server passes repeats on no more often. */
const REPEAT_MS = 3000;
/** Nothing was typed for so long: it is over. */
const IDLE_MS = 5000;

export class Typing {
  /** @type {Map<string, Typist & { timer: any }>} */
  #others = new Map();
  #saidAt = 0;
  /** @type {any} */
  #idle;

  /**
   * @param {(isTyping: boolean) => void} tell
   * @param {() => void} changed Others type, or type no more.
   */
  constructor(tell, changed) {
    this.tell = tell;
    this.changed = changed;
  }

  /** Who types, in order of beginning. @returns {Typist[]} */
  get others() {
    return [...this.#others.values()].map(({ userId, username }) => ({ userId, username }));
  }

  /** One has pressed a key: say so with each. */
  pressed() {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.stopped(), IDLE_MS);
    if (Date.now() - this.#saidAt < REPEAT_MS) return;
    this.#saidAt = Date.now();
    this.tell(true);
  }

  /** One types no more. */
  stopped() {
    if (this.#saidAt !== 0) this.tell(false);
    this.sent();
  }

  /** One has sent the message: the server knows. */
  sent() {
    clearTimeout(this.#idle);
    this.#saidAt = 0;
  }

  /** @param {{ userId: string, username: string, isTyping: boolean }} told */
  hear({ userId, username, isTyping }) {
    const before = this.#others.get(userId);
    clearTimeout(before?.timer);
    if (!isTyping) return this.ended(userId);
    const timer = setTimeout(() => this.ended(userId), SHOWN_MS);
    this.#others.set(userId, { userId, username, timer });
    if (!before) this.changed();
  }

  /** They have sent their message, or left. @param {string} userId */
  ended(userId) {
    clearTimeout(this.#others.get(userId)?.timer);
    if (this.#others.delete(userId)) this.changed();
  }

  /** The connection was lost, or the room is no more: nothing is known. */
  clear() {
    this.sent();
    for (const { userId } of this.others) this.ended(userId);
  }
}
