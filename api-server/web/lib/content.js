// A message's text as elements: addresses become links, mentions stand out, all else is text.

import { el } from "./el.js";

/** An address of the web, or a mention. */
const PARTS = /(https?:\/\/[^\s<>"]+[^\s<>".,;:!?)\]}'])|(?<![\w@])@([\w.-]*\w)/giu;

/**
 * @param {string} text
 * @param {string} me One's own username.
 * @returns {(string | HTMLElement)[]}
 */
export function content(text, me) {
  const parts = [];
  let done = 0;
  for (const match of text.matchAll(PARTS)) {
    parts.push(text.slice(done, match.index));
    parts.push(match[1] ? link(match[1]) : mention(match[2], me));
    done = match.index + match[0].length;
  }
  parts.push(text.slice(done));
  return parts.filter((part) => part !== "");
}

function link(address) {
  return el("a", { href: address, target: "_blank", rel: "noopener noreferrer nofollow" }, address);
}

function mention(name, me) {
  const isMe = ["all", me.toLowerCase()].includes(name.toLowerCase());
  return el(isMe ? "mark.mention.me" : "span.mention", {}, `@${name}`);
}

/** Nothing but a few emoji: shown large. @param {string} text */
export function isJumbo(text) {
  return /^(\p{Extended_Pictographic}[\u{fe0f}\u{200d}\u{1f3fb}-\u{1f3ff}]*\s*){1,4}$/u.test(text);
}
