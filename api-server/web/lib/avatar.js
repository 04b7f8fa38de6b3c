// A face: the picture somebody has chosen, or the first letters of their name on a colour of their own.

import { el } from "./el.js";

/** Colours, of style/base.css. */
const COLOURS = 8;

/**
 * @param {{ id: string, name: string, url?: string, status?: string, big?: boolean }} who `url`: whole.
 * @returns {HTMLElement} Says nothing: the name stands beside it.
 */
export function avatar({ id, name, url, status, big }) {
  const face = url
    ? el("img", { src: url, alt: "", width: 40, height: 40, loading: "lazy" })
    : el("span.letters", { "data-letters": initials(name) });
  const dot = status && el(`span.presence.${status}`);
  return el(`span.avatar${big ? ".big" : ""}.colour-${colour(id)}`, { "aria-hidden": "true" }, face, dot);
}

function initials(name) {
  const words = name.split(/[\s._-]+/).filter(Boolean);
  const letters = words.length > 1 ? [words[0], words.at(-1)] : [name];
  return letters.map((word) => [...word][0]?.toUpperCase() ?? "").join("");
}

/** The same for the same id. */
function colour(id) {
  let sum = 0;
  for (const character of id) sum = (sum * 31 + character.charCodeAt(0)) >>> 0;
  return sum % COLOURS;
}
