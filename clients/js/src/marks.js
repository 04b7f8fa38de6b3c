// Marks on their way: how far one has read, and what has been delivered here. They only move forward and have no reply,
// so they are collected, and said again on the next connection until the server is known to have them.

export class Marks {
  /** @type {Map<string, number>} */
  #read = new Map();
  /** @type {Map<string, number>} */
  #delivered = new Map();
  /** Said on this connection, by command and room. @type {Map<string, number>} */
  #said = new Map();
  /** @type {any} */
  #timer;
  #tell;
  #delay;

  /**
   * @param {(type: string, payload: { roomId: string, seq: number }) => boolean} tell `false`: there is no connection.
   * @param {number} [delay] Milliseconds in which marks are collected.
   */
  constructor(tell, delay = 300) {
    this.#tell = tell;
    this.#delay = delay;
  }

  /** @param {string} roomId @param {number} seq */
  read(roomId, seq) {
    this.#raise(this.#read, roomId, seq);
  }

  /** @param {string} roomId @param {number} seq */
  delivered(roomId, seq) {
    this.#raise(this.#delivered, roomId, seq);
  }

  /** What is to be read up to, and was not confirmed yet. @param {string} roomId */
  wanted(roomId) {
    return this.#read.get(roomId) ?? 0;
  }

  /** The server has the read mark. @param {string} roomId @param {number} seq */
  confirm(roomId, seq) {
    if (this.wanted(roomId) <= seq) this.#read.delete(roomId);
  }

  /** @param {string} roomId */
  forget(roomId) {
    this.#read.delete(roomId);
    this.#delivered.delete(roomId);
  }

  /** A connection is there: says what it has not heard. */
  reconnect() {
    this.#said.clear();
    this.flush();
  }

  /** Says what was collected, now. */
  flush() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const [type, marks] of /** @type {const} */ ([["MARK_READ", this.#read], ["MARK_DELIVERED", this.#delivered]])) {
      for (const [roomId, seq] of marks) {
        const key = `${type} ${roomId}`;
        if ((this.#said.get(key) ?? 0) >= seq) continue;
        if (!this.#tell(type, { roomId, seq })) return;
        this.#said.set(key, seq);
      }
    }
  }

  close() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** @param {Map<string, number>} marks @param {string} roomId @param {number} seq */
  #raise(marks, roomId, seq) {
    if ((marks.get(roomId) ?? 0) >= seq) return;
    marks.set(roomId, seq);
    this.#timer ??= setTimeout(() => this.flush(), this.#delay);
  }
}
