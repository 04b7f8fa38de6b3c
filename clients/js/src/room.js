// A room one is in: what is known of it, kept right by its events, and what one does there.

import { deleted, names, reacted, readMessage, replied, updated } from "./apply.js";
import { Counts } from "./counts.js";
import { Emitter } from "./emitter.js";
import { ChatError } from "./errors.js";
import { Moderation } from "./moderation.js";
import { Place } from "./positions.js";
import { Receipts } from "./receipts.js";
import { path } from "./rest.js";
import { Timeline } from "./timeline.js";
import { Typing } from "./typing.js";

/** @import { Ack, Draft, HistoryPage, HistoryQuery, Message, Receipt, RoomInfo, Typist } from "./types.js" */
/** @import { Marks } from "./marks.js" */
/** @import { Item, SendQueue } from "./queue.js" */
/** @import { Rest } from "./rest.js" */

/**
 * What a room needs of the client around it.
 * @typedef {object} RoomContext
 * @property {() => { id: string, username: string }} me
 * @property {Rest} rest
 * @property {SendQueue} queue
 * @property {Marks} marks
 * @property {(type: string, payload: object) => boolean} tell
 * @property {(room: Room, name: string, detail: any) => void} emit
 */

/**
 * What a room tells; the client tells the same with `room` beside it.
 * @typedef {object} RoomEvents
 * @property {{ message: Message }} message A new one has come, once and in order, one's own too.
 * @property {{ reason: "new" | "changed" | "pending" | "loaded" | "reset", message?: Message }} messages `room.messages`
 *   is another one. `reset`: it cannot be proven that nothing was missed, so it was fetched anew.
 * @property {{ change: "added" | "changed" | "removed" }} room
 * @property {{ unread: number, mentions: number }} unread
 * @property {{ typists: Typist[] }} typing
 * @property {{ receipts: Receipt[] }} receipts
 * @property {{ userId: string, username?: string, change: "joined" | "left" | "role", role?: string }} member
 */

/** Messages of a page, and those that a room is opened with. */
const PAGE = 50;
/** Messages that are kept of a room that is not open, and of one that is. */
const KEPT = 200;
const KEPT_OPEN = 20_000;

/** @extends {Emitter<RoomEvents>} */
export class Room extends Emitter {
  #context;
  #timeline = new Timeline();
  #counts = new Counts();
  #receipts = new Receipts();
  #typing;
  /** @type {RoomInfo | undefined} */
  #info;
  /** `#info` is current to it. */
  #infoRev = 0;
  #opened = 0;
  /** @type {Message[] | undefined} */
  #messages;
  /** @type {Promise<void> | undefined} */
  #loading;
  #recounting = false;
  /** How far its log has been seen. */
  place = new Place();
  /** Part of its log was missed, and it was not fetched anew yet. */
  isStale = false;

  /** @param {RoomContext} context @param {string} id */
  constructor(context, id) {
    super();
    this.#context = context;
    this.id = id;
    const tell = (/** @type {boolean} */ isTyping) => void context.tell("TYPING_STATUS", { roomId: id, isTyping });
    this.#typing = new Typing(tell, () => this.#say("typing", { typists: this.typists }));
    /** What the owner and admins may do. */
    this.moderation = new Moderation(context.rest, id);
  }

  // What is known.

  /** The room as the server tells it. Counts and the last message are those of `unread`, `mentions`, `lastMessage`. */
  get info() {
    if (!this.#info) throw new ChatError("ROOM_NOT_FOUND", "the room is not known yet");
    return this.#info;
  }

  /** False for the moment between the first event of a room and its details; such a room is not shown. */
  get isKnown() {
    return this.#info !== undefined;
  }

  /** Messages of others that one has not read. */
  get unread() {
    return this.#counts.unread;
  }

  /** Those of them that name one. */
  get mentions() {
    return this.#counts.mentions;
  }

  /** All up to here has been read. */
  get lastReadSeq() {
    return this.#counts.lastReadSeq;
  }

  /** The newest messages that are here, oldest first; at the end one's own that are on their way. Never changed in place. */
  get messages() {
    this.#messages ??= [...this.#timeline.messages, ...this.#pending()];
    return this.#messages;
  }

  /** The newest one, on its way or not. */
  get lastMessage() {
    return this.messages.at(-1) ?? this.#info?.lastMessage;
  }

  /** There may be older messages than `messages` has: `loadOlder`. */
  get hasOlder() {
    return this.#timeline.hasOlder;
  }

  /** Who types, oneself left out. */
  get typists() {
    return this.#typing.others;
  }

  /** How far others have come, of those who are known to. */
  get receipts() {
    return this.#receipts.all;
  }

  /**
   * How a message stands: one of one's own is `sending`, `failed`, `sent`, `delivered` to somebody or `read` by somebody
   * (in a direct room: by the other one); one of somebody else `received`.
   * @param {Message} message
   * @returns {"sending" | "failed" | "sent" | "delivered" | "read" | "received"}
   */
  statusOf(message) {
    if (message.pending) return message.pending.state;
    if (message.userId !== this.#context.me().id) return "received";
    if (message.seq <= this.#receipts.readSeq) return "read";
    return message.seq <= this.#receipts.deliveredSeq ? "delivered" : "sent";
  }

  /** Who has a message, of those who are known to. @param {Message} message */
  seenBy(message) {
    return this.#receipts.of(message.seq);
  }

  // What one does.

  /**
   * Says something. It is shown at once, kept over reconnects and reloads, and sent once, after what was said before it.
   * Throws at once where it cannot be a message, or too many wait.
   * @param {string | Draft} draft
   * @returns {Promise<Ack>} It is stored; a ChatError where it failed. Need not be waited for: its state tells the same.
   */
  send(draft) {
    const outcome = this.#context.queue.add(this.id, typeof draft === "string" ? { content: draft } : draft);
    this.#typing.sent();
    return outcome;
  }

  /** Sends a message that failed once more. @param {Message} message @returns {Promise<Ack>} */
  retry(message) {
    return this.#context.queue.retry(message.id);
  }

  /** Takes back a message that waits or failed. @param {Message} message @returns {boolean} `false`: it may have been sent. */
  discard(message) {
    return this.#context.queue.discard(message.id);
  }

  /** @param {Message} message @param {string} content */
  async edit(message, content) {
    await this.#context.rest.call("PATCH", path`/api/messages/${message.id}`, { body: { content } });
  }

  /** @param {Message} message */
  async delete(message) {
    await this.#context.rest.delete(path`/api/messages/${message.id}`);
  }

  /** Gives a message an emoji, or takes it back. @param {Message} message @param {string} emoji @param {boolean} [add] */
  async react(message, emoji, add = true) {
    await this.#context.rest.call(add ? "PUT" : "DELETE", path`/api/messages/${message.id}/reactions/${emoji}`);
  }

  /** A key was pressed: call it with each. The rest is done here. */
  typing() {
    this.#typing.pressed();
  }

  /** The text was emptied, or left. */
  stopTyping() {
    this.#typing.stopped();
  }

  /** All up to `seq` has been read; default: all there is. */
  markRead(seq = this.#timeline.last?.seq ?? this.#info?.lastMessage?.seq ?? 0) {
    if (seq <= this.lastReadSeq) return;
    this.#context.marks.read(this.id, seq);
    this.#readUpTo(seq);
  }

  /**
   * Somebody looks at the room: its newest messages are loaded and kept, and how far others have come.
   * Each `open` wants a `close`.
   */
  async open() {
    this.#opened += 1;
    await Promise.all([this.#timeline.size < PAGE ? this.loadOlder() : undefined, this.#fetchReceipts()]);
  }

  close() {
    this.#opened = Math.max(0, this.#opened - 1);
    this.#trim();
  }

  get isOpen() {
    return this.#opened > 0;
  }

  /**
   * Loads messages before those that are here, until there are none. One at a time.
   * @param {number} [limit] Up to 200.
   */
  loadOlder(limit = PAGE) {
    if (!this.hasOlder) return Promise.resolve();
    this.#loading ??= this.#load(limit).finally(() => (this.#loading = undefined));
    return this.#loading;
  }

  /**
   * A part of the history that does not become part of `messages`, as around a message that was searched for.
   * @param {HistoryQuery} [query]
   * @returns {Promise<HistoryPage>} Newest first; with `after`, oldest first.
   */
  async history(query = {}) {
    const page = await this.#context.rest.get(path`/api/rooms/${this.id}/messages`, query);
    return { ...page, items: page.items.map((/** @type {any} */ item) => readMessage(item, this.#context.me().id)) };
  }

  /**
   * Messages that hold a text, newest first. While there is a `nextBefore` there may be more, also after an empty page.
   * @param {string} query @param {{ before?: number, limit?: number }} [page]
   * @returns {Promise<{ items: Message[], nextBefore?: number }>}
   */
  search(query, page = {}) {
    return this.#context.rest.get(path`/api/rooms/${this.id}/search`, { query, ...page });
  }

  /**
   * @param {Message} message @param {{ after?: number, limit?: number }} [page]
   * @returns {Promise<{ items: Message[], hasMore: boolean }>} Oldest first.
   */
  replies(message, page = {}) {
    return this.#context.rest.get(path`/api/messages/${message.id}/replies`, page);
  }

  /** What became of a message of one's own, for each member. @param {Message} message @param {import("./types.js").PageQuery} [page] */
  delivery(message, page = {}) {
    return this.#context.rest.get(path`/api/messages/${message.id}/delivery`, page);
  }

  /** @param {import("./types.js").PageQuery} [page] @returns {Promise<import("./types.js").Page<import("./types.js").Member>>} */
  members(page = {}) {
    return this.#context.rest.get(path`/api/rooms/${this.id}/members`, page);
  }

  /** Leaves; what one has not sent yet is taken back. */
  async leave() {
    await this.#context.rest.delete(path`/api/rooms/${this.id}/leave`);
  }

  // What the client around it calls.

  /**
   * The server tells what the room is.
   * @param {RoomInfo} info
   */
  describe(info) {
    const rev = info.position?.rev ?? 0;
    const isNew = !this.#info;
    if (rev >= this.#infoRev) {
      this.#info = info;
      this.#infoRev = rev;
    }
    if (info.lastMessage && this.#timeline.size === 0) this.#put(info.lastMessage, rev);
    // Delivered is what is here, also of rooms that nobody has opened.
    if (info.lastMessage && (info.unread ?? 0) > 0) this.#context.marks.delivered(this.id, info.lastMessage.seq);
    if (info.unread !== undefined) this.recount(info, rev);
    this.#say("room", { change: isNew ? "added" : "changed" });
  }

  /**
   * The server tells what is unread.
   * @param {{ unread?: number, mentions?: number, lastReadSeq?: number }} told
   * @param {number} rev What that is current to.
   */
  recount(told, rev) {
    this.#context.marks.confirm(this.id, told.lastReadSeq ?? 0);
    // What was read here and has not reached the server yet was read all the same.
    const wanted = this.#context.marks.wanted(this.id);
    if (wanted > (told.lastReadSeq ?? 0)) return;
    if (this.#counts.set(told, rev)) this.#sayUnread();
    else void this.#askCounts();
  }

  /** @param {{ seq: number, unread: number, mentions: number }} mark `READ_MARK` */
  readMark({ seq, unread, mentions }) {
    this.#context.marks.confirm(this.id, seq);
    if (seq < this.lastReadSeq) return;
    const newest = this.#timeline.last?.seq ?? 0;
    if (seq >= newest || this.#reaches(seq)) return this.#readUpTo(seq);
    // How that fits together with what has come meanwhile, the server knows.
    this.#counts.read(seq, unread, mentions);
    this.#sayUnread();
    void this.#askCounts();
  }

  /**
   * An event of the room's log.
   * @param {string} type
   * @param {any} event
   * @returns {"next" | "duplicate" | "gap"}
   */
  apply(type, event) {
    const order = this.place.take(event);
    if (order === "duplicate") return order;
    if (order === "gap") this.forget();
    this.#apply(type, event);
    return order;
  }

  /** @param {{ userId: string, username: string, isTyping: boolean }} told */
  hearTyping(told) {
    this.#typing.hear(told);
  }

  /** @param {Receipt[]} receipts */
  hearReceipts(receipts) {
    const others = receipts.filter((receipt) => receipt.userId !== this.#context.me().id);
    if (this.#receipts.raise(others)) this.#say("receipts", { receipts: others });
  }

  /** The connection was lost: what is in no log is not known any more. */
  disconnect() {
    this.#typing.clear();
    this.place.reconnect();
  }

  /** There is one again: asks for what is in no log. */
  reconnect() {
    if (this.isOpen) void this.#fetchReceipts();
  }

  /** Something of one's own is on its way, or not any more. */
  pendingChanged() {
    this.#changed("pending");
  }

  /** Part of the log was missed: what is here is worth nothing, and `refetch` is due. */
  forget() {
    this.#timeline.clear();
    this.#counts.clear();
    this.#messages = undefined;
    this.isStale = true;
  }

  /** Fetches anew what is shown of it. */
  async refetch() {
    const { rest } = this.#context;
    /** @type {RoomInfo} */
    const info = await rest.get(path`/api/rooms/${this.id}`);
    if (info.role === undefined) throw new ChatError("ROOM_NOT_FOUND", "no longer in the room");
    this.describe(info);
    if (this.isOpen) {
      this.#addPage(await rest.get(path`/api/rooms/${this.id}/messages`, { limit: PAGE }));
    }
    this.isStale = false;
    this.#changed("reset");
    this.reconnect();
  }

  /** It is no more, or one is out of it. */
  end() {
    this.#typing.clear();
    this.#context.marks.forget(this.id);
    this.#say("room", { change: "removed" });
  }

  // How it is done.

  /** @param {string} type @param {any} event */
  #apply(type, event) {
    const { rev } = event;
    switch (type) {
      case "NEW_MESSAGE":
        return this.#added(event);
      case "MESSAGE_EDITED":
        return this.#edited(event);
      case "MESSAGE_DELETED":
        return this.#deleted(event);
      case "REACTION_UPDATED":
        return this.#update(event.seq, rev, (message) => reacted(message, event, this.#context.me().id));
      case "USER_JOINED":
      case "USER_LEFT": {
        const by = type === "USER_JOINED" ? 1 : -1;
        this.#updateInfo(rev, (info) => ({ ...info, memberCount: Math.max(0, info.memberCount + by) }));
        if (by < 0) {
          this.#typing.ended(event.userId);
          this.#receipts.forget(event.userId);
        }
        const { userId, username } = event;
        return this.#say("member", { userId, username, change: by > 0 ? "joined" : "left" });
      }
      case "MEMBER_UPDATED": {
        const { userId, role } = event;
        if (userId === this.#context.me().id) this.#updateInfo(rev, (info) => ({ ...info, role }));
        return this.#say("member", { userId, change: "role", role });
      }
      case "ROOM_UPDATED":
        return this.#updateInfo(rev, (info) => updated(info, event));
      default:
      // What is not known yet changes nothing here; ROOM_DELETED is followed by ROOM_REMOVED.
    }
  }

  /** @param {any} event */
  #added(event) {
    const { rev, seq, userId } = event;
    const me = this.#context.me().id;
    const message = readMessage(event, me);
    const isNew = this.#timeline.put(message, rev);
    if (message.replyTo) this.#changeParent(message.replyTo, rev, 1);
    this.#typing.ended(userId);
    if (userId === me) {
      this.#context.queue.confirm(message);
      this.#readUpTo(seq);
    } else {
      this.#counts.add({ rev, seq, unread: 1, mentions: names(message, me) ? 1 : 0 });
      this.#context.marks.delivered(this.id, seq);
      // Whoever writes has read what is there.
      this.hearReceipts([{ roomId: this.id, userId, deliveredSeq: seq, readSeq: seq }]);
      this.#sayUnread();
    }
    this.#trim();
    this.#say("message", { message });
    if (isNew) this.#changed("new", message);
  }

  /** @param {any} event */
  #edited(event) {
    const { rev, seq, userId } = event;
    const me = this.#context.me().id;
    const before = this.#timeline.at(seq);
    const after = readMessage(event, me, before);
    if (seq > this.lastReadSeq && userId !== me) {
      if (before) this.#counts.add({ rev, seq, unread: 0, mentions: Number(names(after, me)) - Number(names(before, me)) });
      else void this.#askCounts();
      this.#sayUnread();
    }
    this.#update(seq, rev, () => after);
  }

  /** @param {any} event */
  #deleted({ rev, seq }) {
    const me = this.#context.me().id;
    const before = this.#timeline.at(seq);
    if (seq > this.lastReadSeq) {
      if (!before) void this.#askCounts();
      else if (before.userId !== me && !before.deletedAt) {
        this.#counts.add({ rev, seq, unread: -1, mentions: names(before, me) ? -1 : 0 });
      }
      this.#sayUnread();
    }
    if (before?.replyTo && !before.deletedAt) this.#changeParent(before.replyTo, rev, -1);
    this.#update(seq, rev, (message) => deleted(message, new Date().toISOString()));
  }

  /** @param {string} id @param {number} rev @param {number} by */
  #changeParent(id, rev, by) {
    const parent = this.#timeline.byId(id);
    if (parent) this.#update(parent.seq, rev, (message) => replied(message, by));
  }

  /** @param {number} seq @param {number} rev @param {(message: Message) => Message} change */
  #update(seq, rev, change) {
    const message = this.#timeline.change(seq, rev, change);
    if (message) this.#changed("changed", message);
  }

  /** @param {number} rev @param {(info: RoomInfo) => RoomInfo} change */
  #updateInfo(rev, change) {
    if (!this.#info || rev <= this.#infoRev) return;
    this.#info = change(this.#info);
    this.#infoRev = rev;
    this.#say("room", { change: "changed" });
  }

  /** @param {number} seq */
  #readUpTo(seq) {
    const me = this.#context.me().id;
    const left = this.#timeline.after(seq).filter((message) => message.userId !== me && !message.deletedAt);
    this.#counts.read(seq, left.length, left.filter((message) => names(message, me)).length);
    this.#sayUnread();
  }

  /** All messages after `seq` are here. @param {number} seq */
  #reaches(seq) {
    const first = this.#timeline.first;
    return first !== undefined && (first.seq <= seq + 1 || !this.hasOlder);
  }

  async #askCounts() {
    if (this.#recounting) return;
    this.#recounting = true;
    try {
      const info = await this.#context.rest.get(path`/api/rooms/${this.id}`);
      this.#recounting = false;
      // What it says now holds, whatever was known.
      if (this.#context.marks.wanted(this.id) > (info.lastReadSeq ?? 0)) return;
      this.#counts.set(info, info.position?.rev ?? 0, true);
      this.#sayUnread();
    } catch {
      // With the next connection the server tells.
      this.#recounting = false;
    }
  }

  /** @param {number} limit */
  async #load(limit) {
    const before = this.#timeline.first?.seq;
    const page = await this.history({ before, limit });
    // What was here is not any more: the page would leave a hole.
    if (before !== undefined && this.#timeline.first?.seq !== before) return;
    this.#addPage(page);
    this.#changed("loaded");
  }

  /** @param {HistoryPage} page Newest first. */
  #addPage({ items, hasMore, position }) {
    for (const item of items) this.#put(item, position.rev);
    this.#timeline.hasOlder = hasMore;
  }

  /** @param {Message} told @param {number} rev */
  #put(told, rev) {
    const message = readMessage(told, this.#context.me().id);
    if (!this.#timeline.put(message, rev)) return;
    this.#messages = undefined;
    if (message.userId === this.#context.me().id) this.#context.queue.confirm(message);
  }

  async #fetchReceipts() {
    try {
      const page = await this.#context.rest.get(path`/api/rooms/${this.id}/receipts`, { limit: 200 });
      this.hearReceipts(page.items);
    } catch {
      // They come with the next change.
    }
  }

  #trim() {
    this.#timeline.trim(this.isOpen ? KEPT_OPEN : KEPT);
    this.#messages = undefined;
  }

  /** @returns {Message[]} */
  #pending() {
    return this.#context.queue.of(this.id).map((item) => asMessage(item, this.#context.me()));
  }

  /** @param {RoomEvents["messages"]["reason"]} reason @param {Message} [message] */
  #changed(reason, message) {
    this.#messages = undefined;
    this.#say("messages", { reason, ...(message && { message }) });
  }

  #sayUnread() {
    this.#say("unread", { unread: this.unread, mentions: this.mentions });
  }

  /**
   * @template {keyof RoomEvents} Name
   * @param {Name} name @param {RoomEvents[Name]} detail
   */
  #say(name, detail) {
    this.emit(name, detail);
    this.#context.emit(this, name, detail);
  }
}

/**
 * A message on its way, as it is shown.
 * @param {Item} item
 * @param {{ id: string, username: string }} me
 * @returns {Message}
 */
function asMessage({ kept, state, error, ack }, me) {
  const { id, roomId, content, type, replyTo, attachments, files, createdAt } = kept;
  return {
    id: ack?.id ?? id,
    roomId,
    seq: ack?.seq ?? 0,
    userId: me.id,
    username: me.username,
    content,
    type: type ?? "text",
    timestamp: ack?.timestamp ?? new Date(createdAt).toISOString(),
    clientMessageId: id,
    ...(replyTo !== undefined && { replyTo }),
    ...(attachments.length > 0 && { attachments }),
    pending: { state, files, ...(error && { error }) },
  };
}
