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
    /** @param {Rest} rest */
    constructor(rest: Rest);
    /** The inbox, newest first. @param {PageQuery} [page] @returns {Promise<Page<Notification>>} */
    list(page?: PageQuery): Promise<Page<Notification>>;
    /** @param {string} id */
    markRead(id: string): Promise<void>;
    markAllRead(): Promise<void>;
    /** @returns {Promise<NotificationSettings>} */
    settings(): Promise<NotificationSettings>;
    /** All of it: what is not named is as it is by default. @param {NotificationSettings} settings */
    setSettings(settings: NotificationSettings): Promise<void>;
    /**
     * Has notifications pushed to this browser, by its service worker. Call it from a click: the browser asks.
     * @param {ServiceWorkerRegistration} registration
     */
    subscribeBrowser(registration: ServiceWorkerRegistration): Promise<PushTarget & {
        id: string;
        createdAt: string;
        secret?: string;
    }>;
    /** @param {ServiceWorkerRegistration} registration */
    unsubscribeBrowser(registration: ServiceWorkerRegistration): Promise<void>;
    /**
     * @param {PushTarget} target
     * @returns {Promise<PushTarget & { id: string, createdAt: string, secret?: string }>} `secret`: of a webhook, told once.
     */
    subscribe({ type, endpoint, token, keys }: PushTarget): Promise<PushTarget & {
        id: string;
        createdAt: string;
        secret?: string;
    }>;
    /** @returns {Promise<(PushTarget & { id: string, createdAt: string })[]>} */
    subscriptions(): Promise<(PushTarget & {
        id: string;
        createdAt: string;
    })[]>;
    /** @param {PushTarget} target */
    unsubscribe({ type, endpoint, token }: PushTarget): Promise<void>;
    #private;
}
export type PushTarget = {
    type: "webpush" | "fcm" | "apns" | "webhook";
    endpoint?: string | undefined;
    /**
     * Of an app, in place of `endpoint`.
     */
    token?: string | undefined;
    /**
     * Of Web Push.
     */
    keys?: {
        p256dh: string;
        auth: string;
    } | undefined;
};
import type { PageQuery } from "./types.js";
import type { Notification } from "./types.js";
import type { Page } from "./types.js";
import type { NotificationSettings } from "./types.js";
import type { Rest } from "./rest.js";
