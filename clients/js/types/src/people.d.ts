/** @import { Page, PageQuery, User, UserPresence } from "./types.js" */
/** @import { Rest } from "./rest.js" */
export class People {
    /** @param {Rest} rest */
    constructor(rest: Rest);
    /**
     * Accounts whose username begins so, in order of name.
     * @param {string} query @param {PageQuery} [page] @returns {Promise<Page<User>>}
     */
    search(query: string, page?: PageQuery): Promise<Page<User>>;
    /** @param {string} userId @returns {Promise<User>} */
    get(userId: string): Promise<User>;
    /** How they stand, without watching them. @param {string[]} userIds @returns {Promise<UserPresence[]>} */
    presence(userIds: string[]): Promise<UserPresence[]>;
    /** All of them, in order of id. @returns {Promise<User[]>} */
    contacts(): Promise<User[]>;
    /**
     * Adds a contact, or asks them where they have to be asked.
     * @param {string} userId
     * @returns {Promise<{ pending: boolean }>} `pending`: they were asked.
     */
    addContact(userId: string): Promise<{
        pending: boolean;
    }>;
    /** @param {string} userId */
    removeContact(userId: string): Promise<void>;
    /** Who asks one, and whom one asks. @returns {Promise<{ incoming: User[], outgoing: User[] }>} */
    requests(): Promise<{
        incoming: User[];
        outgoing: User[];
    }>;
    /** Takes back what one asked, or declines; accepting is `addContact`. @param {string} userId */
    dropRequest(userId: string): Promise<void>;
    /** @returns {Promise<User[]>} */
    blocks(): Promise<User[]>;
    /** @param {string} userId */
    block(userId: string): Promise<void>;
    /** @param {string} userId */
    unblock(userId: string): Promise<void>;
    #private;
}
import type { PageQuery } from "./types.js";
import type { User } from "./types.js";
import type { Page } from "./types.js";
import type { UserPresence } from "./types.js";
import type { Rest } from "./rest.js";
