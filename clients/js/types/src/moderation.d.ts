/** @import { HistoryVisibility, Invite, Page, PageQuery, Retention, Role, RoomInfo } from "./types.js" */
/** @import { Rest } from "./rest.js" */
export class Moderation {
    /** @param {Rest} rest @param {string} roomId */
    constructor(rest: Rest, roomId: string);
    /**
     * Changes what is given.
     * @param {{ name?: string, description?: string, historyVisibility?: HistoryVisibility, retention?: Retention }} changes
     * @returns {Promise<RoomInfo>}
     */
    update(changes: {
        name?: string;
        description?: string;
        historyVisibility?: HistoryVisibility;
        retention?: Retention;
    }): Promise<RoomInfo>;
    /** The room is gone for everybody, with all that was in it. */
    deleteRoom(): Promise<void>;
    /** @param {string} userId @param {Role} role */
    setRole(userId: string, role: Role): Promise<void>;
    /** They may come back where they could come before. @param {string} userId */
    remove(userId: string): Promise<void>;
    /** Takes them out and keeps them out. @param {string} userId */
    ban(userId: string): Promise<void>;
    /** @param {string} userId */
    unban(userId: string): Promise<void>;
    /**
     * @param {PageQuery} [page]
     * @returns {Promise<Page<{ userId: string, username: string, bannedBy: string, bannedAt: string }>>}
     */
    bans(page?: PageQuery): Promise<Page<{
        userId: string;
        username: string;
        bannedBy: string;
        bannedAt: string;
    }>>;
    /**
     * Whoever has the `code` may join; it is told this once.
     * @param {{ expiresIn?: number, maxUses?: number }} [limits] `expiresIn` in seconds; a week if not given.
     * @returns {Promise<Invite & { code: string }>}
     */
    invite(limits?: {
        expiresIn?: number;
        maxUses?: number;
    }): Promise<Invite & {
        code: string;
    }>;
    /** @returns {Promise<Page<Invite>>} Without codes. */
    invites(): Promise<Page<Invite>>;
    /** @param {string} inviteId */
    withdraw(inviteId: string): Promise<void>;
    #private;
}
import type { HistoryVisibility } from "./types.js";
import type { Retention } from "./types.js";
import type { RoomInfo } from "./types.js";
import type { Role } from "./types.js";
import type { PageQuery } from "./types.js";
import type { Page } from "./types.js";
import type { Invite } from "./types.js";
import type { Rest } from "./rest.js";
