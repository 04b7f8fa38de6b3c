// What the end of a socket asks of the client: the policy of docs/protocol.md, "How sockets end". The standard codes it
// does not name are treated by their meaning in the registry of RFC 6455 §11.7.

import { ChatError } from "./errors.js";

/** Ours to mend, not to repeat: protocol error, unacceptable data, bad text, policy, missing extension. */
const OURS = [1002, 1003, 1007, 1008, 1010];

/**
 * @param {number} code Of the close frame.
 * @returns {"reconnect" | "afresh" | "refresh" | "stop"} `afresh`: but repeat nothing, what was sent is the likely cause;
 *   `refresh`: get another token, then reconnect; `stop`: it would end the same way again.
 */
export function verdict(code) {
  if (code === 4401) return "refresh";
  if (code >= 4000 && code <= 4499) return "reconnect";
  if (code === 1009) return "afresh";
  if (code < 1000 || code > 1999 || OURS.includes(code)) return "stop";
  return "reconnect";
}

/**
 * The end of a socket as an error.
 * @param {number} code
 * @param {string} reason
 */
export function endedBy(code, reason) {
  const text = `the connection ended (${code}${reason ? `, ${reason}` : ""})`;
  return new ChatError(verdict(code) === "stop" ? "CLOSED" : "NETWORK", text, {
    details: [{ field: "code", problem: String(code) }],
  });
}
