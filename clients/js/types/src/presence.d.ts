/** @extends {Emitter<{ presence: UserPresence }>} */
export class Presence extends Emitter<{
    presence: UserPresence;
}> {
    /** @param {Omit<ConnectionOptions, "service" | "restore" | "receive" | "lost">} options */
    constructor(options: Omit<ConnectionOptions, "service" | "restore" | "receive" | "lost">);
    connection: Connection;
    /**
     * How somebody who is watched stands; `undefined`: nothing is known.
     * @param {string} userId
     */
    of(userId: string): UserPresence | undefined;
    /**
     * Watches these users; default: one's contacts. Resolves once it is known how they stand, or at once without a connection:
     * then it is told as soon as there is one.
     * @param {string[]} [userIds]
     */
    watch(userIds?: string[]): Promise<void>;
    /** @param {string[]} userIds */
    unwatch(userIds: string[]): Promise<void>;
    /**
     * Sets how one looks to others, on all devices, for as long as one is connected.
     * @param {OwnStatus} status
     * @param {string} [text] Up to 100 characters.
     */
    setStatus(status: OwnStatus, text?: string): Promise<void>;
    /** Whether the user looks here: decides about notifications and `away`. @param {boolean} focused */
    focus(focused: boolean): Promise<void>;
    #private;
}
import type { UserPresence } from "./types.js";
import { Emitter } from "./emitter.js";
import { Connection } from "./connection.js";
import type { OwnStatus } from "./types.js";
import type { ConnectionOptions } from "./connection.js";
