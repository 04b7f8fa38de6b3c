/** @extends {Emitter<{ changed: { user: User | undefined, error?: ChatError } }>} */
export class Session extends Emitter<{
    changed: {
        user: User | undefined;
        error?: ChatError;
    };
}> {
    /** @param {{ http: Http, storage: Storage, token?: TokenSource }} options */
    constructor({ http, storage, token }: {
        http: Http;
        storage: Storage;
        token?: TokenSource;
    });
    /** Whose login it is, as they were when it began; of a host product's user nothing is known here. */
    get user(): User | undefined;
    /** Tokens come from a host product. */
    get isExternal(): boolean;
    /**
     * Takes up the login that the storage has, if any.
     * @returns {Promise<User | undefined>}
     */
    restore(): Promise<User | undefined>;
    /**
     * Begins a login: `POST /api/signup`, `/api/login` or `/api/guest`.
     * @param {"signup" | "login" | "guest"} how
     * @param {object} body
     * @returns {Promise<User>}
     */
    begin(how: "signup" | "login" | "guest", body: object): Promise<User>;
    /**
     * A token to show the server.
     * @param {string} [refused] One that it did not take: another one.
     * @returns {Promise<string>}
     */
    token(refused?: string): Promise<string>;
    /** Ends the login, here and on the server. Where the server cannot be reached it ends there by itself, in time. */
    end(): Promise<void>;
    #private;
}
export type Tokens = {
    user: User;
    token: string;
    refreshToken: string;
    /**
     * By this machine's clock.
     */
    expiresAt: number;
};
/**
 * Gives a token of the host product. Asked when one is needed and the last has nearly ended; with `refused`, the one the
 * server did not take, it must give another one, or throw.
 */
export type TokenSource = (why: {
    refused?: string;
}) => string | Promise<string>;
import type { User } from "./types.js";
import { ChatError } from "./errors.js";
import { Emitter } from "./emitter.js";
import type { Http } from "./http.js";
import type { Storage } from "./storage.js";
