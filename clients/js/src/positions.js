// How far a log has been seen: a room's, or the user's own. What `/chat` resumes from.

/** @import { Position } from "./types.js" */

export class Place {
  /** @type {Position | undefined} */
  #position;
  /** Something was told on this connection: from here on only later positions count. */
  #moved = false;

  /** @param {Position} [position] */
  constructor(position) {
    if (position) this.stand(position);
  }

  /** The last change that was seen; what to resume from. */
  get position() {
    return this.#position;
  }

  /** Its number; 0: none. */
  get rev() {
    return this.#position?.rev ?? 0;
  }

  /** A new connection begins: a store that lost writes may go back behind what was seen. */
  reconnect() {
    this.#moved = false;
  }

  /**
   * The server names where the log stands. The first on a connection holds as it is; later ones only forward, because
   * `RESUMED` names where a room began to flow, and its events may come before.
   * @param {Position} position
   */
  stand({ rev, eventId }) {
    if (this.#moved && rev <= this.rev) return;
    this.#position = { rev, eventId };
    this.#moved = true;
  }

  /**
   * An event of the log has come.
   * @param {Position} position
   * @returns {"next" | "duplicate" | "gap"} `duplicate`: it was seen; `gap`: what came before it was not, or the log is
   *   another one by now. After a `gap` the log goes on from here.
   */
  take({ rev, eventId }) {
    const known = this.#position;
    if (known && rev <= known.rev && (this.#moved || known.eventId === eventId)) return "duplicate";
    this.#position = { rev, eventId };
    this.#moved = true;
    return !known || rev === known.rev + 1 ? "next" : "gap";
  }
}

/** Rooms in one `RESUME`: about 30 KiB, half of what a server takes as a frame. */
const ROOMS_PER_FRAME = 256;

/**
 * The payloads of `RESUME`: all but the last say that there is more.
 * @param {Position} user
 * @param {[roomId: string, Position][]} rooms
 * @param {number} [perFrame]
 */
export function resumeFrames(user, rooms, perFrame = ROOMS_PER_FRAME) {
  const frames = [];
  for (let from = 0; from === 0 || from < rooms.length; from += perFrame) {
    const part = Object.fromEntries(rooms.slice(from, from + perFrame));
    const more = from + perFrame < rooms.length;
    frames.push({ user, rooms: part, ...(more && { more }) });
  }
  return frames;
}
