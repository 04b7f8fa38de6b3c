// Making elements. Text becomes text nodes and nothing else: no string is ever markup.

const SVG = "http://www.w3.org/2000/svg";

/** Fields that were made. */
let fields = 0;

/**
 * An element: el("button.round", { type: "button", onclick }, "text", child, …).
 * @param {string} what A tag with classes, as `li.row.own`.
 * @param {Record<string, any>} [attributes] `on…`: a listener; a boolean: whether the attribute is there; `undefined` and
 *   `null`: it is not.
 * @param {...any} children Elements, text, lists of such; `null`, `undefined` and `false` are left out.
 * @returns {any}
 */
export function el(what, attributes = {}, ...children) {
  const [tag, ...classes] = what.split(".");
  const made = document.createElement(tag);
  if (classes.length > 0) made.className = classes.join(" ");
  for (const [name, value] of Object.entries(attributes)) set(made, name, value);
  append(made, children);
  return made;
}

function set(made, name, value) {
  if (value === undefined || value === null || value === false) return;
  if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
  else made.setAttribute(name, value === true ? "" : String(value));
}

function append(made, children) {
  for (const child of children) {
    if (Array.isArray(child)) append(made, child);
    else if (child !== undefined && child !== null && child !== false) made.append(child);
  }
}

/** Puts these children in place of all there are. */
export function fill(parent, ...children) {
  parent.replaceChildren();
  append(parent, children);
  return parent;
}

/** Puts the icons into the page: they are there also when the server is not. */
export async function loadIcons() {
  const request = new XMLHttpRequest();
  request.responseType = "document";
  request.open("GET", "/web/icons.svg");
  await new Promise((resolve) => {
    request.onloadend = resolve;
    request.send();
  });
  const icons = request.responseXML?.documentElement;
  if (!icons) return;
  const drawings = document.importNode(icons, true);
  drawings.setAttribute("class", "drawings");
  drawings.setAttribute("aria-hidden", "true");
  document.body.append(drawings);
}

/** An icon of icons.svg; it says nothing to screen readers: what it stands in has a name. */
export function icon(name) {
  const drawn = document.createElementNS(SVG, "svg");
  drawn.setAttribute("class", "icon");
  drawn.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#icon-${name}`);
  drawn.append(use);
  return drawn;
}

/** A button that is an icon, with its name as label and tooltip. */
export function iconButton(name, label, onclick, attributes = {}) {
  return el("button.icon-button", { type: "button", "aria-label": label, title: label, onclick, ...attributes }, icon(name));
}

/** Text for screen readers only. */
export function hiddenText(text) {
  return el("span.hidden-text", {}, text);
}

/** A labelled field; `note` says more. Gives `{ row, input }`. */
export function field(label, attributes = {}, note) {
  const id = `field-${++fields}`;
  const tag = attributes.rows ? "textarea" : "input";
  const input = el(tag, { id, "aria-describedby": note && `${id}-note`, ...attributes });
  const row = el("div.field", {}, el("label", { for: id }, label), input, note && el("p.note", { id: `${id}-note` }, note));
  return { row, input };
}
