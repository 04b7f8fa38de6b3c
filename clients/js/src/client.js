// The whole: one client of one user, to whom all else belongs.

import { Account } from "./account.js";
import { Chat } from "./chat.js";
import { Emitter } from "./emitter.js";
import { ChatError, invalid } from "./errors.js";
import { Files } from "./files.js";
import { Http } from "./http.js";
import { Notifications } from "./notifications.js";
import { People } from "./people.js";
import { Presence } from "./presence.js";
import { uuid } from "./queue.js";
import { Rest, path } from "./rest.js";
import { Session } from "./session.js";
import { defaultStorage } from "./storage.js";

/** @import { ConnectionState, HistoryVisibility, Message, Notification, Page, PageQuery, Receipt, Retention, RoomInfo, Typist, User, UserPresence } from "./types.js" */
/** @import { Room } from "./room.js" */
/** @import { TokenSource } from "./session.js" */
/** @import { Storage } from "./storage.js" */

/**
 * @typedef {object} ClientOptions
 * @property {string} [api] Where api-server is, as `https://chat.example.org`. Default: where the page is from.
 * @property {TokenSource} [token] Gives the tokens of a host product, in place of a login here.
 * @property {Storage} [storage] What survives a reload. Default: IndexedDB where there is one, else memory.
 * @property {any} [WebSocket] The class of sockets. Default: the global one; before Node 22 there is none: that of `ws`.
 * @property {typeof globalThis.fetch} [fetch]
 * @property {string} [chatUrl] Always this chat-server, as behind one proxy. Default: the registry says which.
 * @property {string} [presenceUrl] The same of presence-server.
 * @property {boolean} [presence] `false`: without a connection to presence-server. Default: with one.
 * @property {{ base?: number, cap?: number }} [backoff] Milliseconds between attempts: at most `base` at first, never more
 *   than `cap`. Default: 250 and 15,000.
 * @property {number} [queueLimit] Messages that may wait to be sent. Default: 500.
 */

/**
 * What a client tells. What is about a room is told by the room, too, without `room`.
 * @typedef {object} ClientEvents
 * @property {ConnectionState} connection How the connection to the chat stands.
 * @property {{ user: User | undefined, error?: ChatError }} session Who is logged in; with `error`, the login has ended.
 * @property {{ room: Room, message: Message }} message A new message has come, once and in order of its room.
 * @property {{ room: Room, reason: "new" | "changed" | "pending" | "loaded" | "reset", message?: Message }} messages
 *   `room.messages` is another one.
 * @property {{ room: Room, change: "added" | "changed" | "removed" }} room
 * @property {{ room?: Room, unread?: number, mentions?: number, total: number }} unread
 * @property {{ room: Room, typists: Typist[] }} typing
 * @property {{ room: Room, receipts: Receipt[] }} receipts
 * @property {{ room: Room, userId: string, username?: string, change: "joined" | "left" | "role", role?: string }} member
 * @property {UserPresence} presence Somebody who is watched stands so.
 * @property {{ userId: string, added: boolean }} contact
 * @property {{ userId: string, direction: "incoming" | "outgoing", pending: boolean }} contactRequest
 * @property {{ userId: string, blocked: boolean }} block
 * @property {Notification} notification A new item of the inbox.
 * @property {{}} reset What concerns one alone may have been missed: fetch contacts, blocks and the inbox again. Rooms
 *   are done.
 * @property {{ error: ChatError }} trouble The storage does not keep what it is given; all else goes on.
 */

/** @extends {Emitter<ClientEvents>} */
export class ChatClient extends Emitter {
  #options;
  #session;
  #rest;
  /** @type {Chat | undefined} */
  #chat;
  /** @type {Presence | undefined} */
  #presence;
  /** @type {(() => void)[]} */
  #cleanUp = [];
  /** @type {Promise<void> | undefined} */
  #starting;

  /** @param {ClientOptions} [options] */
  constructor(options = {}) {
    super();
    const { api = globalThis.location?.origin, storage = defaultStorage(), fetch, backoff } = options;
    if (api === undefined) throw new TypeError("api: where is api-server?");
    if (options.token !== undefined && typeof options.token !== "function") throw new TypeError("token: expected a function");
    const http = new Http({ api, fetch });
    this.#options = { ...options, storage, backoff };
    /** Where the login and what is not sent yet are kept. */
    this.storage = storage;
    this.#session = new Session({ http, storage, token: options.token });
    this.#rest = new Rest({ http, session: this.#session, backoff });
    this.account = new Account(this.#rest);
    this.people = new People(this.#rest);
    this.notifications = new Notifications(this.#rest);
    this.files = new Files(this.#rest);
    this.#session.on("changed", (change) => {
      if (!change.user) this.#me = undefined;
      if (change.error) this.stop();
      this.emit("session", change);
    });
  }

  // Who one is.

  /** Who is logged in; of a host product's user, once it has started. */
  get user() {
    return this.#session.user ?? this.#me;
  }

  /** @type {User | undefined} */
  #me;

  /**
   * Takes up the login that the storage has.
   * @returns {Promise<User | undefined>} None: log in, sign up, or be a guest.
   */
  restore() {
    return this.#session.restore();
  }

  /** @param {{ username: string, email: string, password: string, displayName?: string }} account @returns {Promise<User>} */
  signUp(account) {
    return this.#session.begin("signup", account);
  }

  /** @param {{ username?: string, email?: string, password: string }} credentials @returns {Promise<User>} */
  logIn(credentials) {
    return this.#session.begin("login", credentials);
  }

  /** @param {{ username?: string }} [wish] @returns {Promise<User>} */
  guest(wish = {}) {
    return this.#session.begin("guest", wish);
  }

  /** Ends the login and forgets what it has kept, unsent messages too. */
  async logOut() {
    const queue = this.#chat?.queue;
    this.stop();
    await queue?.clear();
    this.#chat = undefined;
    this.#presence = undefined;
    await this.#session.end();
  }

  // The connection.

  /**
   * Connects, and stays so until it is stopped. Resolves once the rooms are known; without a network it waits for one.
   * Rejects where it is closed for good.
   */
  start() {
    this.#starting ??= this.#start().finally(() => (this.#starting = undefined));
    return this.#starting;
  }

  /** Disconnects. What is not sent yet waits for the next `start`. */
  stop() {
    for (const clean of this.#cleanUp.splice(0)) clean();
    this.#chat?.close();
    this.#presence?.connection.close();
  }

  /** How the connection to the chat stands. @returns {ConnectionState} */
  get connection() {
    return this.#chat?.connection.state ?? { state: "idle" };
  }

  /** Something has changed that may bring the network back: tries at once. Browsers are listened to. */
  nudge() {
    this.#chat?.connection.nudge();
    this.#presence?.connection.nudge();
  }

  // Rooms.

  /** Those one is in, by id; empty before `start`. @returns {ReadonlyMap<string, Room>} */
  get rooms() {
    return this.#chat?.rooms ?? new Map();
  }

  /** Unread messages in all rooms. */
  get unread() {
    return this.#chat?.unread ?? 0;
  }

  /**
   * @param {{ type: "public" | "private", name: string, handle?: string, description?: string, historyVisibility?: HistoryVisibility, retention?: Retention }} room
   * @returns {Promise<Room>}
   */
  async createRoom(room) {
    return this.#enter(await this.#rest.post("/api/rooms", room, uuid()));
  }

  /**
   * Joins a public room, or goes back into one that one is in.
   * @param {{ id: string } | { handle: string }} room
   * @returns {Promise<Room>}
   */
  async joinRoom(room) {
    if ("handle" in room) {
      const { room: info, position } = await this.#running.connection.call("JOIN_ROOM", { handle: room.handle });
      return this.#enter({ ...info, position });
    }
    const known = this.rooms.get(room.id);
    return known ?? this.#enter(await this.#rest.post(path`/api/rooms/${room.id}/join`));
  }

  /** Joins by the code of an invite. @param {string} code @returns {Promise<Room>} */
  async redeemInvite(code) {
    return this.#enter(await this.#rest.post(path`/api/invites/${code}`));
  }

  /** The room with one other user, made where it is not there. @param {string} userId @returns {Promise<Room>} */
  async openDirect(userId) {
    return this.#enter(await this.#rest.put(path`/api/direct/${userId}`));
  }

  /** Public rooms in order of name. @param {string} [query] The beginning of a name. @param {PageQuery} [page] @returns {Promise<Page<RoomInfo>>} */
  publicRooms(query, page = {}) {
    return this.#rest.get("/api/rooms/public", { query, ...page });
  }

  /** @param {string} id @returns {Promise<Message>} */
  message(id) {
    return this.#rest.get(path`/api/messages/${id}`);
  }

  // People.

  /** One's own status and attention, and other people's. */
  get presence() {
    if (!this.#presence) throw new ChatError("CLOSED", "start the client first, with presence");
    return this.#presence;
  }

  // The rest.

  /**
   * Any other call of `/openapi.json`, as this user.
   * @param {string} method @param {string} route @param {import("./http.js").Request} [request]
   */
  call(method, route, request) {
    return this.#rest.call(method, route, request);
  }

  get #running() {
    if (!this.#chat) throw new ChatError("CLOSED", "start the client first");
    return this.#chat;
  }

  /** @param {RoomInfo} info */
  #enter(info) {
    return this.#running.enter(info);
  }

  async #start() {
    await this.#session.restore();
    const me = this.#session.user ?? (await this.account.profile());
    if (this.#me?.id !== me.id) this.#chat = this.#presence = undefined;
    this.#me = me;
    const isFirst = this.#chat === undefined;
    this.#chat ??= this.#makeChat(me);
    if (isFirst) await this.#chat.queue.load();
    if (this.#options.presence !== false) this.#presence ??= this.#makePresence();
    const { connection } = this.#chat;
    connection.open();
    this.#presence?.connection.open();
    this.#listenToPage();
    if (connection.isOnline) return;
    const { state, error } = await new Promise((resolve) => {
      const off = connection.on("state", (now) => {
        if (!["online", "closed"].includes(now.state)) return;
        off();
        resolve(now);
      });
    });
    if (state === "closed") throw error;
  }

  #socketOptions() {
    const Socket = this.#options.WebSocket ?? globalThis.WebSocket;
    if (!Socket) throw new ChatError("UNSUPPORTED", "there is no WebSocket here: give one, as that of the package ws");
    return { rest: this.#rest, session: this.#session, WebSocket: Socket, backoff: this.#options.backoff };
  }

  /** @param {User} me */
  #makeChat(me) {
    return new Chat({
      connection: { ...this.#socketOptions(), url: socketBase(this.#options.chatUrl, "chatUrl") },
      me: { id: me.id, username: me.username },
      storage: this.#options.storage,
      upload: (file) => this.files.upload(file),
      emit: (name, detail) => this.emit(/** @type {any} */ (name), detail),
      queueLimit: this.#options.queueLimit,
    });
  }

  #makePresence() {
    const url = socketBase(this.#options.presenceUrl, "presenceUrl");
    const presence = new Presence({ ...this.#socketOptions(), url });
    presence.on("presence", (user) => this.emit("presence", user));
    return presence;
  }

  /** In a browser: the network's coming and going, and whether somebody looks. */
  #listenToPage() {
    if (typeof document === "undefined" || typeof window === "undefined" || this.#cleanUp.length > 0) return;
    const nudge = () => this.nudge();
    const look = () => {
      const focused = document.visibilityState === "visible" && document.hasFocus();
      if (focused) nudge();
      this.#presence?.focus(focused).catch(() => {});
    };
    const on = (/** @type {EventTarget} */ target, /** @type {string} */ name, /** @type {() => void} */ listener) => {
      target.addEventListener(name, listener);
      this.#cleanUp.push(() => target.removeEventListener(name, listener));
    };
    on(window, "online", nudge);
    on(window, "offline", nudge);
    on(window, "focus", look);
    on(window, "blur", look);
    on(document, "visibilitychange", look);
    look();
  }
}

/** @param {string | undefined} url @param {string} name */
function socketBase(url, name) {
  if (url !== undefined && !/^(ws|http)s?:\/\//i.test(url)) throw invalid(name, "expected ws, wss, http or https");
  return url;
}
