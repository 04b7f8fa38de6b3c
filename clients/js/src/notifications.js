// The inbox, what one wants to be told of, and where it is pushed.

import { ChatError } from "./errors.js";
import { path } from "./rest.js";

/** @import { Notification, NotificationSettings, Page, PageQuery } from "./types.js" */
/** @import { Rest } from "./rest.js" */

/**
 * @typedef {object} PushTarget
 * @property {"webpush" | "fcm" | "apns" | "webhook"} type
 * @property {string} [endpoint]
 * @property {string} [token] Of an app, in place of `endpoint`.
 * @property {{ p256dh: string, auth: string }} [keys] Of Web Push.
 */

export class Notifications {
  #rest;

  /** @param {Rest} rest */
  constructor(rest) {
    this.#rest = rest;
  }

  /** The inbox, newest first. @param {PageQuery} [page] @returns {Promise<Page<Notification>>} */
  list(page = {}) {
    return this.#rest.get("/api/notifications", page);
  }

  /** @param {string} id */
  async markRead(id) {
    await this.#rest.put(path`/api/notifications/${id}/read`);
  }

  async markAllRead() {
    await this.#rest.put("/api/notifications/read-all");
  }

  /** @returns {Promise<NotificationSettings>} */
  settings() {
    return this.#rest.get("/api/notifications/settings");
  }

  /** All of it: what is not named is as it is by default. @param {NotificationSettings} settings */
  async setSettings(settings) {
    await this.#rest.put("/api/notifications/settings", settings);
  }

  /**
   * Has notifications pushed to this browser, by its service worker. Call it from a click: the browser asks.
   * @param {ServiceWorkerRegistration} registration
   */
  async subscribeBrowser(registration) {
    if (!registration.pushManager) throw new ChatError("UNSUPPORTED", "this browser has no Web Push");
    const { publicKey } = await this.#rest.get("/api/push/vapid-key");
    const wanted = { userVisibleOnly: true, applicationServerKey: decodeBase64Url(publicKey) };
    const subscription = await registration.pushManager.subscribe(wanted);
    return this.subscribe(/** @type {any} */ ({ type: "webpush", ...subscription.toJSON() }));
  }

  /** @param {ServiceWorkerRegistration} registration */
  async unsubscribeBrowser(registration) {
    const subscription = await registration.pushManager?.getSubscription();
    if (!subscription) return;
    await this.unsubscribe({ type: "webpush", endpoint: subscription.endpoint });
    await subscription.unsubscribe();
  }

  /**
   * @param {PushTarget} target
   * @returns {Promise<PushTarget & { id: string, createdAt: string, secret?: string }>} `secret`: of a webhook, told once.
   */
  subscribe({ type, endpoint, token, keys }) {
    return this.#rest.post("/api/push/subscriptions", { type, endpoint, token, keys });
  }

  /** @returns {Promise<(PushTarget & { id: string, createdAt: string })[]>} */
  async subscriptions() {
    const answer = await this.#rest.get("/api/push/subscriptions");
    return Array.isArray(answer) ? answer : answer.items;
  }

  /** @param {PushTarget} target */
  async unsubscribe({ type, endpoint, token }) {
    await this.#rest.delete("/api/push/subscriptions", { type, endpoint, token });
  }
}

/** @param {string} text */
function decodeBase64Url(text) {
  return Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (character) => character.charCodeAt(0));
}
