/**
 * Whatever was thrown, as a ChatError.
 * @param {unknown} thrown
 * @returns {ChatError}
 */
export function asChatError(thrown: unknown): ChatError;
/**
 * Bad input that need not be sent to be refused.
 * @param {string} field
 * @param {string} problem
 */
export function invalid(field: string, problem: string): ChatError;
/**
 * Why a call did not succeed. `code` is the server's (docs/protocol.md, "Errors"), or one of this client's own:
 *
 * - `NETWORK`: no answer came, or the connection was lost before it did;
 * - `TIMEOUT`: no answer came in time;
 * - `NOT_SIGNED_IN`: there is no login; `SESSION_ENDED`: there was one, and it is over;
 * - `CLOSED`: the client was stopped, or the server does not want it back;
 * - `QUEUE_FULL`: too much waits to be sent; `EXPIRED`: it waited too long to be sent without asking;
 * - `DISCARDED`: the message was taken back before it was sent;
 * - `UNSUPPORTED`: this environment has no such thing.
 */
export class ChatError extends Error {
    /**
     * @param {string} code
     * @param {string} message
     * @param {{ status?: number, details?: FieldProblem[], retryAfter?: number, requestId?: string, cause?: unknown }} [more]
     */
    constructor(code: string, message: string, { status, details, retryAfter, requestId, cause }?: {
        status?: number;
        details?: FieldProblem[];
        retryAfter?: number;
        requestId?: string;
        cause?: unknown;
    });
    /** What went wrong; never changes its meaning. */
    code: string;
    /** Of HTTP; 0 where there was no answer, or it came over a socket. */
    status: number;
    /** The fields that were wrong. */
    details: FieldProblem[];
    /** Milliseconds after which to try again, where the server said so. */
    retryAfter: number | undefined;
    /** The server's name for the request, for its logs. */
    requestId: string | undefined;
    /** The same call may succeed a moment later. */
    get isTemporary(): boolean;
}
import type { FieldProblem } from "./types.js";
