// The user's rooms over `/chat`: what is said there becomes the state of rooms, over whatever reconnects.
//
// A connection is held until it has been told what was seen (`RESUME`), or asked for everything (`SYNC`); what was missed
// comes before `RESUMED`. All of a frame is done before the next is looked at: positions and state are never apart.

import { Connection } from "./connection.js";
import { Backoff, sleep } from "./backoff.js";
import { asChatError } from "./errors.js";
import { Marks } from "./marks.js";
import { Place, resumeFrames } from "./positions.js";
import { SendQueue } from "./queue.js";
import { Room } from "./room.js";

/** @import { ConnectionOptions } from "./connection.js" */
/** @import { Ack, Attachment, ConnectionState, Frame, RoomInfo } from "./types.js" */
/** @import { Kept } from "./queue.js" */
/** @import { Storage } from "./storage.js" */

/**
 * @typedef {object} ChatOptions
 * @property {Omit<ConnectionOptions, "service" | "restore" | "receive" | "lost">} connection
 * @property {{ id: string, username: string }} me
 * @property {Storage} storage
 * @property {(file: File | Blob) => Promise<Attachment>} upload
 * @property {(name: string, detail: any) => void} emit
 * @property {number} [queueLimit]
 */

/** Events that are in a room's log. */
const ROOM_EVENTS = new Set([
  "NEW_MESSAGE",
  "MESSAGE_EDITED",
  "MESSAGE_DELETED",
  "REACTION_UPDATED",
  "USER_JOINED",
  "USER_LEFT",
  "MEMBER_UPDATED",
  "ROOM_UPDATED",
  "ROOM_DELETED",
]);

/** Events of the user's own log that are told as they are, by what they are called here. */
const OWN_EVENTS = /** @type {const} */ ({
  CONTACT_UPDATED: "contact",
  CONTACT_REQUEST_UPDATED: "contactRequest",
  BLOCK_UPDATED: "block",
  NOTIFICATION: "notification",
});

export class Chat {
  #options;
  /** The user's own log. */
  #own = new Place();
  /** All rooms, those of which nothing but an event is known, too. @type {Map<string, Room>} */
  #all = new Map();
  /** A held connection has not been answered in full. */
  #isRestoring = false;
  /** Rooms that the answer has named. @type {Set<string>} */
  #named = new Set();
  #isFetching = false;
  #ownWasReset = false;

  /** @param {ChatOptions} options */
  constructor(options) {
    this.#options = options;
    const { connection, me, storage, upload, queueLimit } = options;
    /** Those one is in, by id. @type {Map<string, Room>} */
    this.rooms = new Map();
    this.connection = new Connection({
      ...connection,
      service: "chat",
      restore: () => this.#restore(),
      receive: (frame) => this.#receive(frame),
      lost: (afresh) => this.#lost(afresh),
    });
    this.queue = new SendQueue({
      storage,
      owner: me.id,
      send: (kept) => this.#send(kept),
      upload,
      changed: (roomId) => this.rooms.get(roomId)?.pendingChanged(),
      trouble: (error) => options.emit("trouble", { error }),
      backoff: connection.backoff,
      ...(queueLimit !== undefined && { limit: queueLimit }),
    });
    this.marks = new Marks((type, payload) => this.connection.isOnline && this.connection.tell(type, payload));
    this.connection.on("state", (state) => this.#stateChanged(state));
  }

  /** What is unread in all rooms. */
  get unread() {
    return [...this.rooms.values()].reduce((sum, room) => sum + room.unread, 0);
  }

  /** Ends all that goes on. */
  close() {
    this.marks.flush();
    this.connection.close();
    this.queue.close();
    this.marks.close();
    for (const room of this.#all.values()) room.disconnect();
  }

  /**
   * The room of this answer to a call, as one is in it now.
   * @param {RoomInfo} info
   * @returns {Room}
   */
  enter(info) {
    const known = this.#all.get(info.id);
    const room = known ?? this.#room(info.id);
    if (!known && info.position) room.place.stand(info.position);
    room.describe(info);
    return room;
  }

  /** One has left. @param {string} roomId */
  leave(roomId) {
    const room = this.#all.get(roomId);
    if (!room) return;
    this.#all.delete(roomId);
    this.rooms.delete(roomId);
    this.queue.dropRoom(roomId);
    room.end();
    this.#sayUnread();
  }

  /** @param {string} id */
  #room(id) {
    const { me, connection } = this.#options;
    const room = new Room(
      {
        me: () => me,
        rest: connection.rest,
        queue: this.queue,
        marks: this.marks,
        tell: (type, payload) => this.connection.tell(type, payload),
        emit: (room, name, detail) => this.#emit(room, name, detail),
      },
      id,
    );
    this.#all.set(id, room);
    return room;
  }

  /** @param {Room} room @param {string} name @param {any} detail */
  #emit(room, name, detail) {
    if (!room.isKnown || (this.#all.get(room.id) !== room && detail.change !== "removed")) return;
    if (detail.change === "added") this.rooms.set(room.id, room);
    const total = name === "unread" ? { total: this.unread } : {};
    this.#options.emit(name, { room, ...detail, ...total });
  }

  #sayUnread() {
    this.#options.emit("unread", { total: this.unread });
  }

  /** @param {Kept} kept @returns {Promise<Ack>} */
  #send({ id, roomId, content, type, replyTo, attachments }) {
    const ids = attachments.map((attachment) => attachment.id);
    return this.connection.call("SEND_MESSAGE", {
      roomId,
      content,
      type,
      clientMessageId: id,
      replyTo,
      ...(ids.length > 0 && { attachments: ids }),
    });
  }

  /** @param {ConnectionState} state */
  #stateChanged(state) {
    if (state.state === "online") {
      this.marks.reconnect();
      this.queue.open();
      for (const room of this.#all.values()) room.reconnect();
      void this.#refetch();
    }
    this.#options.emit("connection", state);
  }

  /** @param {boolean} afresh */
  #lost(afresh) {
    if (afresh) this.queue.blame();
    this.queue.shut();
    this.#isRestoring = false;
    for (const room of this.#all.values()) room.disconnect();
    this.#own.reconnect();
  }

  /** What a held connection begins with. */
  async #restore() {
    this.#isRestoring = true;
    this.#named.clear();
    const backoff = new Backoff(this.#options.connection.backoff);
    for (;;) {
      try {
        await (this.#own.position ? this.#resume(this.#own.position) : this.#sync());
        return;
      } catch (thrown) {
        const error = asChatError(thrown);
        // What is known is of no use; the next connection begins with `SYNC`.
        if (error.code === "INVALID_MESSAGE") this.#own = new Place();
        if (!["UNAVAILABLE", "SERVER_ERROR"].includes(error.code)) throw error;
        await sleep(Math.max(backoff.next(), error.retryAfter ?? 0));
      }
    }
  }

  /** @param {import("./types.js").Position} own */
  async #resume(own) {
    const rooms = /** @type {[string, import("./types.js").Position][]} */ (
      [...this.#all].flatMap(([id, room]) => (room.place.position ? [[id, room.place.position]] : []))
    );
    const frames = resumeFrames(own, rooms);
    for (const frame of frames.slice(0, -1)) this.connection.tell("RESUME", frame);
    await this.connection.call("RESUME", frames.at(-1) ?? {});
  }

  async #sync() {
    let cursor;
    do {
      const page = await this.connection.call("SYNC", cursor === undefined ? {} : { cursor });
      cursor = page.nextCursor;
    } while (cursor !== undefined);
  }

  /** @param {Frame} frame */
  #receive({ type, payload }) {
    if (ROOM_EVENTS.has(type)) return this.#roomEvent(type, payload);
    switch (type) {
      case "SYNCED":
        return this.#synced(payload);
      case "RESUMED":
        return this.#resumed(payload);
      case "ROOM_JOINED":
        return void this.enter({ ...payload.room, position: payload.position });
      case "TYPING_UPDATE":
        return this.#all.get(payload.roomId)?.hearTyping(payload);
      case "RECEIPT":
        return this.#all.get(payload.roomId)?.hearReceipts(payload.receipts);
      case "RESET": {
        const room = this.#all.get(payload.roomId) ?? this.#room(payload.roomId);
        room.place = new Place(payload.position);
        return this.#stale(room);
      }
      default:
        return this.#ownEvent(type, payload);
    }
  }

  /** @param {string} type @param {any} event */
  #roomEvent(type, event) {
    const room = this.#all.get(event.roomId);
    if (room) {
      if (room.apply(type, event) === "gap") this.#stale(room);
      return;
    }
    // Its first event came before its details.
    const unknown = this.#room(event.roomId);
    unknown.apply(type, event);
    this.#stale(unknown);
  }

  /** @param {string} type @param {any} event */
  #ownEvent(type, event) {
    if (event?.userPosition) {
      const order = this.#own.take(event.userPosition);
      if (order === "duplicate") return;
      if (order === "gap") this.#resetOwn();
    }
    switch (type) {
      case "ROOM_ADDED": {
        const { room: info, position } = event;
        return void this.enter({ ...info, position });
      }
      case "ROOM_REMOVED":
        // An old entry of the log may be about an earlier stay; `RESUMED` says what holds.
        if (!this.#isRestoring) this.leave(event.roomId);
        return;
      case "READ_MARK":
        return this.#all.get(event.roomId)?.readMark(event);
      default: {
        const name = OWN_EVENTS[/** @type {keyof typeof OWN_EVENTS} */ (type)];
        if (name) this.#options.emit(name, event);
      }
    }
  }

  /** @param {{ user: import("./types.js").Position, rooms: RoomInfo[], nextCursor?: string }} page */
  #synced({ user, rooms, nextCursor }) {
    // A later page knows more of the user's log than has been told.
    if (!this.#own.position) this.#own.stand(user);
    for (const info of rooms) {
      this.#named.add(info.id);
      const known = this.#all.get(info.id);
      const seen = known?.place.position;
      if (known && info.position && this.#isRestoring && seen?.eventId !== info.position.eventId) {
        known.place = new Place(info.position);
        this.#stale(known);
      }
      this.enter(info);
    }
    if (nextCursor === undefined) this.#leaveUnnamed();
  }

  /** @param {any} frame */
  #resumed({ user, rooms, more }) {
    for (const [id, { status, rev, eventId, ...counts }] of Object.entries(rooms)) {
      this.#named.add(id);
      if (status === "gone") {
        this.leave(id);
        continue;
      }
      const room = this.#all.get(id) ?? this.#room(id);
      room.place.stand({ rev, eventId });
      if (status === "caught_up" && room.isKnown) room.recount(counts, rev);
      else this.#stale(room);
    }
    if (more) return;
    if (user.status === "reset") {
      this.#own = new Place({ rev: user.rev, eventId: user.eventId });
      this.#resetOwn();
    } else this.#own.stand(user);
    this.#leaveUnnamed();
  }

  /** The answer has named every room one is in. */
  #leaveUnnamed() {
    if (!this.#isRestoring) return;
    this.#isRestoring = false;
    for (const id of [...this.#all.keys()]) if (!this.#named.has(id)) this.leave(id);
  }

  /** Part of the user's own log was missed. */
  #resetOwn() {
    if (this.#ownWasReset) return;
    this.#ownWasReset = true;
    queueMicrotask(async () => {
      this.#options.emit("reset", {});
      try {
        let cursor;
        do {
          const page = await this.#options.connection.rest.get("/api/rooms", { cursor });
          for (const info of page.items) this.enter(info);
          cursor = page.nextCursor;
        } while (cursor !== undefined);
      } catch {
        // The next connection asks for all that matters.
      }
      this.#ownWasReset = false;
    });
  }

  /** Part of the room's log was missed: it is fetched anew as soon as there is a connection. @param {Room} room */
  #stale(room) {
    room.forget();
    if (this.connection.isOnline) void this.#refetch();
  }

  /** Fetches stale rooms anew, those that are open first, one after another. */
  async #refetch() {
    if (this.#isFetching) return;
    this.#isFetching = true;
    const backoff = new Backoff(this.#options.connection.backoff);
    for (;;) {
      const stale = [...this.#all.values()].filter((room) => room.isStale);
      const room = stale.find((one) => one.isOpen) ?? stale[0];
      if (!room || !this.connection.isOnline) break;
      try {
        await room.refetch();
        backoff.reset();
      } catch (thrown) {
        const error = asChatError(thrown);
        if (["ROOM_NOT_FOUND", "NOT_A_MEMBER"].includes(error.code)) this.leave(room.id);
        else if (!error.isTemporary) break;
        else await sleep(Math.max(backoff.next(), error.retryAfter ?? 0));
      }
    }
    this.#isFetching = false;
  }
}
