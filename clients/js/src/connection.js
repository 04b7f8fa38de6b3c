// One socket that keeps itself: it finds its instance, shows a ticket, comes back after a loss, obeys close codes and
// RECONNECT, notices silence, and renews a host product's token. What is said on it is its users' affair.

import { Backoff, sleep } from "./backoff.js";
import { endedBy, verdict } from "./disconnect.js";
import { Emitter } from "./emitter.js";
import { ChatError, asChatError } from "./errors.js";

/** @import { ConnectionState, Frame } from "./types.js" */
/** @import { Rest } from "./rest.js" */
/** @import { Session } from "./session.js" */

/**
 * @typedef {object} ConnectionOptions
 * @property {"chat" | "presence"} service
 * @property {Rest} rest
 * @property {Session} session
 * @property {typeof WebSocket} WebSocket
 * @property {string} [url] Always this server, as `wss://chat.example.org`; default: the registry says which.
 * @property {{ base?: number, cap?: number }} [backoff]
 * @property {number} [connectTimeout] Milliseconds from the socket to `AUTH_SUCCESS`, and for a sign of life that was asked for.
 * @property {number} [callTimeout] Milliseconds for a reply.
 * @property {() => Promise<void>} restore What a new connection begins with; what it throws ends the connection. Online
 *   is who comes back from it.
 * @property {(frame: Frame) => void} receive Whatever the server says, replies too, in order.
 * @property {(afresh: boolean) => void} [lost] The connection ended; `afresh`: probably because of what was sent on it.
 */

/** @typedef {{ resolve: (payload: any) => void, reject: (error: ChatError) => void, timer: any }} Call */

/** Fresh tokens that may be refused one after another before it is no use. */
const MAX_REFUSALS = 2;

/** A connection that stood for so long was a success: what failed before it is forgotten. */
const STABLE_MS = 10_000;

/** Bytes of a frame; of a larger one the server would close the connection. */
const FRAME_BYTES = 64 * 1024;

/** @extends {Emitter<{ state: ConnectionState }>} */
export class Connection extends Emitter {
  #options;
  #backoff;
  /** @type {ConnectionState} */
  #state = { state: "idle" };
  /** @type {WebSocket | undefined} */
  #socket;
  /** @type {Map<string, Call>} */
  #calls = new Map();
  #nextId = 1;
  /** Where the next attempt goes. @type {string | undefined} */
  #next;
  /** Where the last one went. @type {string | undefined} */
  #last;
  /** Aborted: it is to be no more. */
  #stop = new AbortController();
  /** Aborted: the wait for the next attempt is over. */
  #wake = new AbortController();
  /** Ends the connection that stands. @type {((error: ChatError, code?: number) => void) | undefined} */
  #end;
  /** The server has asked to connect anew. */
  #moving = false;
  #heartbeat = 30_000;
  #heard = 0;
  /** @type {any} */
  #pulse;
  #refusals = 0;
  /** The token to show next must be another one. @type {string | undefined} */
  #refused;

  /** @param {ConnectionOptions} options */
  constructor(options) {
    super();
    this.#options = { connectTimeout: 10_000, callTimeout: 20_000, ...options };
    this.#backoff = new Backoff(options.backoff);
  }

  /** How it stands. */
  get state() {
    return this.#state;
  }

  get isOnline() {
    return this.#state.state === "online";
  }

  /** Begins to connect, and keeps at it until it is closed. */
  open() {
    if (!["idle", "closed"].includes(this.#state.state)) return;
    this.#stop = new AbortController();
    this.#refusals = 0;
    this.#backoff.reset();
    // It reports by its state.
    void this.#keep(this.#stop);
  }

  /** Ends it, for good. */
  close() {
    const error = new ChatError("CLOSED", "the client was stopped");
    this.#stop.abort(error);
    this.#wake.abort();
    this.#end?.(error, 1000);
    this.#become({ state: "closed", error });
  }

  /** Something has changed that may bring the network back, or has taken it: tries at once, or asks for a sign of life. */
  nudge() {
    if (this.#state.state === "waiting") this.#wake.abort();
    else if (this.isOnline) void this.#probe();
  }

  /**
   * Sends a command and waits for its reply. What was lost with the connection is `NETWORK`: whether it was carried out
   * is not known.
   * @param {string} type
   * @param {object} payload
   * @returns {Promise<any>} The payload of the reply.
   */
  call(type, payload) {
    return new Promise((resolve, reject) => {
      const id = String(this.#nextId++);
      const { callTimeout } = this.#options;
      const overdue = () => this.#settle(id, new ChatError("TIMEOUT", `${type}: no reply in ${callTimeout} ms`));
      this.#calls.set(id, { resolve, reject, timer: setTimeout(overdue, callTimeout) });
      try {
        this.#write({ type, payload, requestId: id });
      } catch (error) {
        this.#settle(id, asChatError(error));
      }
    });
  }

  /**
   * Sends a command that has no reply.
   * @param {string} type
   * @param {object} payload
   * @returns {boolean} `false`: there is no connection, and it is dropped.
   */
  tell(type, payload) {
    const isOpen = this.#socket?.readyState === 1;
    if (isOpen) this.#write({ type, payload });
    return isOpen;
  }

  /** @param {Frame} frame */
  #write(frame) {
    const text = JSON.stringify(frame);
    if (text.length > FRAME_BYTES / 4 && new TextEncoder().encode(text).length > FRAME_BYTES) {
      throw new ChatError("PAYLOAD_TOO_LARGE", `a frame has at most ${FRAME_BYTES} bytes`, { status: 413 });
    }
    if (this.#socket?.readyState !== 1) throw new ChatError("NETWORK", "there is no connection");
    this.#socket.send(text);
  }

  /** @param {string} id @param {any} outcome An error, or the payload of the reply. */
  #settle(id, outcome) {
    const call = this.#calls.get(id);
    if (!call) return;
    this.#calls.delete(id);
    clearTimeout(call.timer);
    if (outcome instanceof ChatError) call.reject(outcome);
    else call.resolve(outcome);
  }

  /** @param {ConnectionState} state */
  #become(state) {
    this.#state = state;
    this.emit("state", state);
  }

  /**
   * Connection after connection, until one ends for good.
   * @param {AbortController} stop
   */
  async #keep(stop) {
    while (!stop.signal.aborted) {
      this.#become({ state: "connecting" });
      const began = Date.now();
      const { error, code } = await this.#attempt(stop);
      if (stop.signal.aborted) return;
      if (Date.now() - began >= STABLE_MS) {
        this.#backoff.reset();
        this.#refusals = 0;
      }
      if (error.code === "CLOSED" || error.code === "SESSION_ENDED" || error.code === "NOT_SIGNED_IN") {
        return this.#become({ state: "closed", error });
      }
      const refused = code === 4401 || error.code === "UNAUTHORIZED";
      if (refused && ++this.#refusals > MAX_REFUSALS) {
        const over = new ChatError("SESSION_ENDED", "the server takes none of our tokens", { cause: error });
        return this.#become({ state: "closed", error: over });
      }
      const delay = this.#moving ? 0 : Math.max(this.#backoff.next(), error.retryAfter ?? 0);
      this.#moving = false;
      this.#wake = new AbortController();
      this.#become({ state: "waiting", error, retryAt: Date.now() + delay });
      await sleep(delay, this.#wake.signal);
    }
  }

  /**
   * One connection, from the question where it goes to its end.
   * @param {AbortController} stop
   * @returns {Promise<{ error: ChatError, code?: number }>}
   */
  async #attempt(stop) {
    try {
      const refused = this.#refused;
      this.#refused = undefined;
      const token = await this.#options.session.token(refused);
      const url = this.#next ?? (await this.#lookUp());
      this.#next = undefined;
      this.#last = url;
      const { ticket } = await this.#options.rest.post("/api/ws-ticket");
      if (stop.signal.aborted) return { error: stop.signal.reason };
      return await this.#serve(url, ticket, token);
    } catch (thrown) {
      const error = asChatError(thrown);
      const final = error.status >= 400 && error.status < 500 && !error.isTemporary && error.code !== "UNAUTHORIZED";
      return { error: final ? new ChatError("CLOSED", error.message, { status: error.status, cause: error }) : error };
    }
  }

  /** The least-loaded instance; where that cannot be asked, the one of the last time may be back. */
  async #lookUp() {
    const { url, service, rest } = this.#options;
    if (url !== undefined) return url;
    try {
      const found = await rest.get(`/api/registry/${service}`);
      return found.url;
    } catch (error) {
      if (this.#last !== undefined && asChatError(error).isTemporary) return this.#last;
      throw error;
    }
  }

  /**
   * Runs a socket until it ends.
   * @param {string} url
   * @param {string} ticket
   * @param {string} token The one its ticket was given for.
   * @returns {Promise<{ error: ChatError, code?: number }>}
   */
  #serve(url, ticket, token) {
    return new Promise((resolve) => {
      const { service, WebSocket, connectTimeout, lost } = this.#options;
      const hold = service === "chat" ? "&hold=1" : "";
      const socket = new WebSocket(`${socketUrl(url, service)}?ticket=${encodeURIComponent(ticket)}${hold}`);
      this.#socket = socket;
      const end = (/** @type {ChatError} */ error, /** @type {number} */ code = 1006) => {
        if (this.#socket !== socket) return;
        this.#socket = undefined;
        this.#end = undefined;
        clearTimeout(overdue);
        clearInterval(this.#pulse);
        socket.onmessage = socket.onclose = socket.onerror = null;
        // What is left of a socket that failed says so once more; nobody listens.
        socket.onerror = () => {};
        // Not waited for: on a network that is gone the handshake takes minutes.
        if (socket.readyState < 2) socket.close(code === 1000 ? 1000 : 4000);
        for (const id of [...this.#calls.keys()]) this.#settle(id, new ChatError("NETWORK", "the connection was lost"));
        lost?.(verdict(code) === "afresh");
        resolve({ error, code });
      };
      this.#end = end;
      const silent = () => end(new ChatError("TIMEOUT", `not connected in ${connectTimeout} ms`));
      const overdue = setTimeout(silent, connectTimeout);
      // `close` follows.
      socket.onerror = () => {};
      socket.onclose = ({ code, reason }) => {
        if (verdict(code) === "refresh") this.#refused = token;
        else if (this.#state.state === "online") this.#next ??= url;
        end(endedBy(code, reason), code);
      };
      socket.onmessage = ({ data }) => {
        this.#heard = Date.now();
        const frame = JSON.parse(String(data));
        if (frame.type === "AUTH_SUCCESS" && this.#state.state === "connecting" && frame.requestId === undefined) {
          clearTimeout(overdue);
          this.#options.receive(frame);
          void this.#begin(socket, frame.payload.heartbeatMs);
        } else {
          if (frame.type === "RECONNECT") this.#move(frame.payload);
          else if (frame.type === "TOKEN_EXPIRING") void this.#renew(token).then((next) => (token = next));
          this.#hear(frame);
        }
      };
    });
  }

  /**
   * Passes a frame on, then its reply to whoever waits for it.
   * @param {Frame} frame
   */
  #hear(frame) {
    this.#options.receive(frame);
    const { type, payload, requestId } = frame;
    // What comes in several frames is answered by the last.
    if (requestId === undefined || payload?.more === true) return;
    const outcome =
      type !== "ERROR"
        ? payload
        : new ChatError(payload.code, payload.message, { details: payload.details, retryAfter: payload.retryAfterMs });
    this.#settle(requestId, outcome);
  }

  /** @param {WebSocket} socket @param {number} heartbeat */
  async #begin(socket, heartbeat) {
    this.#heartbeat = heartbeat;
    // The server's pings are not to be seen here, so life is asked for.
    this.#pulse = setInterval(() => {
      if (Date.now() - this.#heard >= this.#heartbeat) void this.#probe();
    }, heartbeat);
    try {
      await this.#options.restore();
      if (this.#socket === socket) this.#become({ state: "online" });
    } catch (error) {
      if (this.#socket === socket) this.#end?.(asChatError(error), 4000);
    }
  }

  /** Asks for a sign of life; without one the connection is over, whatever the network believes. */
  async #probe() {
    const end = this.#end;
    const asked = Date.now();
    const timer = setTimeout(() => {
      if (this.#heard < asked) end?.(new ChatError("TIMEOUT", "the server is silent"));
    }, this.#options.connectTimeout);
    await this.call("PING", {}).catch(asChatError);
    clearTimeout(timer);
  }

  /**
   * The server is about to stop.
   * @param {{ afterMs: number, url?: string }} plan
   */
  #move({ afterMs, url }) {
    const end = this.#end;
    const timer = setTimeout(() => end?.(new ChatError("NETWORK", "the server asked to connect anew"), 1000), afterMs);
    // In Node, a process that has nothing else to do may end.
    /** @type {any} */ (timer).unref?.();
    this.#moving = true;
    // Never from TLS to plain text: tickets would be laid open.
    const isSafe = url !== undefined && (socketUrl(url, "").startsWith("wss:") || !isSecure(this.#last));
    // A fixed address is a proxy that knows better.
    if (this.#options.url === undefined) this.#next = isSafe ? url : undefined;
  }

  /**
   * The host product's token ends: shows the next one.
   * @param {string} old
   * @returns {Promise<string>} What the socket has from now on.
   */
  async #renew(old) {
    try {
      const token = await this.#options.session.token(old);
      await this.call("AUTHENTICATE", { token });
      return token;
    } catch {
      // The connection ends with it (4401), and comes back as after any token that is refused.
      return old;
    }
  }
}

/** @param {string | undefined} url */
function isSecure(url) {
  return url !== undefined && socketUrl(url, "").startsWith("wss:");
}

/**
 * `url` as the address of a socket: http becomes ws, https wss.
 * @param {string} url
 * @param {string} service
 */
function socketUrl(url, service) {
  return `${url.replace(/^http/i, "ws").replace(/\/+$/, "")}/${service}`;
}
