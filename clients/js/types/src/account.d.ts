/** @import { Login, User } from "./types.js" */
/** @import { Rest } from "./rest.js" */
export class Account {
    /** @param {Rest} rest */
    constructor(rest: Rest);
    /** @returns {Promise<User>} */
    profile(): Promise<User>;
    /**
     * Changes what is given.
     * @param {{ displayName?: string, bio?: string, lastSeenFor?: "everyone" | "contacts" | "nobody" }} changes
     * @returns {Promise<User>}
     */
    update(changes: {
        displayName?: string;
        bio?: string;
        lastSeenFor?: "everyone" | "contacts" | "nobody";
    }): Promise<User>;
    /** @param {Blob} picture @returns {Promise<User>} */
    setAvatar(picture: Blob): Promise<User>;
    removeAvatar(): Promise<void>;
    /** Ends all other logins. @param {string} old @param {string} password */
    changePassword(old: string, password: string): Promise<void>;
    /** Deletes the account, for good. @param {string} [password] Of who has one. */
    delete(password?: string): Promise<void>;
    /** Where one is logged in. @returns {Promise<Login[]>} */
    logins(): Promise<Login[]>;
    /** @param {string} id */
    endLogin(id: string): Promise<void>;
    /** Has a letter sent to whoever has the address, or to nobody. Needs no login. @param {string} email */
    forgotPassword(email: string): Promise<void>;
    /** With the token of that letter. Needs no login. @param {string} token @param {string} password */
    resetPassword(token: string, password: string): Promise<void>;
    /** With the token of a letter. Needs no login. @param {string} token */
    verifyEmail(token: string): Promise<void>;
    /** Has that letter sent once more. */
    askForVerification(): Promise<void>;
    #private;
}
import type { User } from "./types.js";
import type { Login } from "./types.js";
import type { Rest } from "./rest.js";
