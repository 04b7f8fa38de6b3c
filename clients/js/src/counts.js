// What is unread in a room: the server's numbers, current to a `rev`, and what has come since.

/** @typedef {{ rev: number, seq: number, unread: number, mentions: number }} Delta */

/** Changes that are remembered; with fewer than came since, the server is asked once more. */
const REMEMBERED = 256;

export class Counts {
  unread = 0;
  mentions = 0;
  lastReadSeq = 0;
  /** The last ones. @type {Delta[]} */
  #deltas = [];
  /** Forgotten up to this `rev`. */
  #floor = 0;

  /**
   * The server says how many there are.
   * @param {{ unread?: number, mentions?: number, lastReadSeq?: number }} told
   * @param {number} rev What that is current to; changes since are counted on top.
   * @param {boolean} [isFinal] It holds, even where it seems to be older than what is known.
   * @returns {boolean} `false`: it is older than what is known; ask again.
   */
  set({ unread = 0, mentions = 0, lastReadSeq = 0 }, rev, isFinal = false) {
    if (!isFinal && (lastReadSeq < this.lastReadSeq || rev < this.#floor)) return false;
    this.lastReadSeq = lastReadSeq;
    this.#deltas = this.#deltas.filter((delta) => delta.rev > rev && delta.seq > lastReadSeq);
    this.unread = this.#deltas.reduce((sum, delta) => sum + delta.unread, unread);
    this.mentions = this.#deltas.reduce((sum, delta) => sum + delta.mentions, mentions);
    return true;
  }

  /**
   * Something unread has come, or is gone.
   * @param {Delta} delta
   */
  add(delta) {
    if (delta.seq <= this.lastReadSeq) return;
    this.unread = Math.max(0, this.unread + delta.unread);
    this.mentions = Math.max(0, this.mentions + delta.mentions);
    this.#deltas.push(delta);
    if (this.#deltas.length > REMEMBERED) this.#floor = this.#deltas.shift()?.rev ?? 0;
  }

  /**
   * All up to `seq` has been read, and this is what is left.
   * @param {number} seq
   * @param {number} unread
   * @param {number} mentions
   */
  read(seq, unread, mentions) {
    this.lastReadSeq = Math.max(seq, this.lastReadSeq);
    this.#deltas = this.#deltas.filter((delta) => delta.seq > seq);
    this.unread = unread;
    this.mentions = mentions;
  }

  /** What follows has nothing to do with what was. */
  clear() {
    this.#deltas = [];
    this.#floor = 0;
    this.lastReadSeq = 0;
  }
}
