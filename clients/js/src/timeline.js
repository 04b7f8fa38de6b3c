// The newest part of a room's messages that is here: in order of `seq`, without a hole up to the newest. Each message is
// current to a `rev` of the room's log, so that an event that a page has already shown changes nothing.

/** @import { Message } from "./types.js" */

/** @typedef {{ message: Message, rev: number }} Entry */

export class Timeline {
  /** @type {Entry[]} */
  #entries = [];
  /** There may be older messages. */
  hasOlder = true;

  get size() {
    return this.#entries.length;
  }

  get first() {
    return this.#entries[0]?.message;
  }

  get last() {
    return this.#entries.at(-1)?.message;
  }

  /** @returns {Message[]} */
  get messages() {
    return this.#entries.map((entry) => entry.message);
  }

  /**
   * @param {number} seq
   * @returns {Message | undefined}
   */
  at(seq) {
    const entry = this.#entries[this.#find(seq)];
    return entry?.message.seq === seq ? entry.message : undefined;
  }

  /**
   * Looks for a message by its id, the newest first.
   * @param {string} id
   */
  byId(id) {
    return this.#entries.findLast((entry) => entry.message.id === id)?.message;
  }

  /** Messages with a larger `seq`, oldest first. @param {number} seq */
  after(seq) {
    return this.#entries.slice(this.#find(seq + 1)).map((entry) => entry.message);
  }

  /**
   * Puts a message where it belongs, unless what is there is as new.
   * @param {Message} message
   * @param {number} rev What it is current to.
   * @returns {boolean} Whether something changed.
   */
  put(message, rev) {
    const place = this.#find(message.seq);
    const there = this.#entries[place];
    if (there?.message.seq !== message.seq) this.#entries.splice(place, 0, { message, rev });
    else if (there.rev >= rev) return false;
    else this.#entries[place] = { message, rev };
    return true;
  }

  /**
   * Changes a message that is here, unless it is as new.
   * @param {number} seq
   * @param {number} rev What it is current to then.
   * @param {(message: Message) => Message} change
   * @returns {Message | undefined} As it is now; none where nothing changed.
   */
  change(seq, rev, change) {
    const place = this.#find(seq);
    const there = this.#entries[place];
    if (there?.message.seq !== seq || there.rev >= rev) return undefined;
    const message = change(there.message);
    this.#entries[place] = { message, rev };
    return message;
  }

  /** Forgets everything: what follows may not be what was. */
  clear() {
    this.#entries = [];
    this.hasOlder = true;
  }

  /**
   * Forgets the oldest; they can be loaded again.
   * @param {number} size What stays, at most.
   */
  trim(size) {
    if (this.#entries.length <= size) return;
    this.#entries = this.#entries.slice(-size);
    this.hasOlder = true;
  }

  /** The place of the first entry with this `seq` or a larger one. @param {number} seq */
  #find(seq) {
    let low = 0;
    let high = this.#entries.length;
    // New messages come at the end.
    if (high > 0 && /** @type {Entry} */ (this.#entries[high - 1]).message.seq < seq) return high;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (/** @type {Entry} */ (this.#entries[middle]).message.seq < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
