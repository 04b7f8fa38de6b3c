// The one class for whatever can go wrong, of REST, of sockets and of this client.

/** @import { FieldProblem } from "./types.js" */

/** Codes after which the same call may succeed a moment later. */
const TEMPORARY = new Set(["NETWORK", "TIMEOUT", "RATE_LIMIT_EXCEEDED", "UNAVAILABLE", "SERVER_ERROR"]);

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
  constructor(code, message, { status = 0, details = [], retryAfter, requestId, cause } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "ChatError";
    /** What went wrong; never changes its meaning. */
    this.code = code;
    /** Of HTTP; 0 where there was no answer, or it came over a socket. */
    this.status = status;
    /** The fields that were wrong. */
    this.details = details;
    /** Milliseconds after which to try again, where the server said so. */
    this.retryAfter = retryAfter;
    /** The server's name for the request, for its logs. */
    this.requestId = requestId;
  }

  /** The same call may succeed a moment later. */
  get isTemporary() {
    return TEMPORARY.has(this.code) || [502, 503, 504].includes(this.status);
  }
}

/**
 * Whatever was thrown, as a ChatError.
 * @param {unknown} thrown
 * @returns {ChatError}
 */
export function asChatError(thrown) {
  if (thrown instanceof ChatError) return thrown;
  return new ChatError("NETWORK", thrown instanceof Error ? thrown.message : String(thrown), { cause: thrown });
}

/**
 * Bad input that need not be sent to be refused.
 * @param {string} field
 * @param {string} problem
 */
export function invalid(field, problem) {
  return new ChatError("INVALID_MESSAGE", `${field}: ${problem}`, { details: [{ field, problem }] });
}
