// How far the other members of a room have come.

/** @import { Receipt } from "./types.js" */

export class Receipts {
  /** @type {Map<string, Receipt>} */
  #marks = new Map();
  /** Somebody else has all up to here. */
  deliveredSeq = 0;
  /** Somebody else has read all up to here. */
  readSeq = 0;

  /**
   * Members who are known to have come somewhere, of the others.
   * @returns {Receipt[]}
   */
  get all() {
    return [...this.#marks.values()];
  }

  /**
   * @param {Receipt[]} receipts Of others; marks only move forward.
   * @returns {boolean} Whether something changed.
   */
  raise(receipts) {
    let changed = false;
    for (const { roomId, userId, deliveredSeq, readSeq } of receipts) {
      const before = this.#marks.get(userId) ?? { deliveredSeq: 0, readSeq: 0 };
      const read = Math.max(readSeq, before.readSeq);
      const delivered = Math.max(deliveredSeq, before.deliveredSeq, read);
      if (read === before.readSeq && delivered === before.deliveredSeq) continue;
      this.#marks.set(userId, { roomId, userId, deliveredSeq: delivered, readSeq: read });
      changed = true;
    }
    if (changed) this.#sum();
    return changed;
  }

  /** They have left. @param {string} userId */
  forget(userId) {
    if (this.#marks.delete(userId)) this.#sum();
  }

  /** @param {number} seq @returns {{ delivered: string[], read: string[] }} The ids of those who have the message. */
  of(seq) {
    const has = (/** @type {"deliveredSeq" | "readSeq"} */ mark) =>
      this.all.filter((receipt) => receipt[mark] >= seq).map((receipt) => receipt.userId);
    return { delivered: has("deliveredSeq"), read: has("readSeq") };
  }

  #sum() {
    this.deliveredSeq = Math.max(0, ...this.all.map((receipt) => receipt.deliveredSeq));
    this.readSeq = Math.max(0, ...this.all.map((receipt) => receipt.readSeq));
  }
}
