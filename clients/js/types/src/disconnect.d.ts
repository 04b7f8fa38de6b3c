/**
 * @param {number} code Of the close frame.
 * @returns {"reconnect" | "afresh" | "refresh" | "stop"} `afresh`: but repeat nothing, what was sent is the likely cause;
 *   `refresh`: get another token, then reconnect; `stop`: it would end the same way again.
 */
export function verdict(code: number): "reconnect" | "afresh" | "refresh" | "stop";
/**
 * The end of a socket as an error.
 * @param {number} code
 * @param {string} reason
 */
export function endedBy(code: number, reason: string): ChatError;
import { ChatError } from "./errors.js";
