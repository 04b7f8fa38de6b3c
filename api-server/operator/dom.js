// Elements from names, properties and children; texts are always text.

/** `el('td.right', { colSpan: 2, onclick }, 'text', otherElement)`; `null` children are left out. */
export function el(spec, properties = {}, ...children) {
  const [name, ...classes] = spec.split('.');
  const element = document.createElement(name);
  if (classes.length) element.className = classes.join(' ');
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (key in element && key !== 'list') element[key] = value;
    else element.setAttribute(key, value === true ? '' : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const SVG = 'http://www.w3.org/2000/svg';

/** The same for SVG: all properties are attributes. */
export function svg(name, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** A moment as people read it, with the exact one for who points at it. */
export function time(at) {
  if (!at) return '–';
  const when = new Date(at);
  return el('time', { dateTime: at, title: at }, when.toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' }));
}

/** How long ago, in the largest unit that says something. */
export function age(at) {
  const seconds = Math.max(0, (Date.now() - new Date(at)) / 1000);
  for (const [unit, length] of [['d', 86400], ['h', 3600], ['min', 60]]) {
    if (seconds >= length) return `${Math.floor(seconds / length)} ${unit}`;
  }
  return `${Math.floor(seconds)} s`;
}

/** A number with few digits: `1,234`, `0.42`, `12.3k`. */
export function number(value) {
  if (!Number.isFinite(value)) return '–';
  if (Math.abs(value) >= 100_000) return `${(value / 1000).toLocaleString(undefined, { maximumFractionDigits: 1 })}k`;
  const digits = Math.abs(value) >= 100 || Number.isInteger(value) ? 0 : Math.abs(value) >= 1 ? 1 : 2;
  return value.toLocaleString(undefined, { maximumFractionDigits: digits });
}

/** Seconds as people read them. */
export function duration(seconds) {
  if (!Number.isFinite(seconds)) return '–';
  return seconds < 1 ? `${number(seconds * 1000)} ms` : `${number(seconds)} s`;
}

/** A table with a caption for who does not see it; each row is a list of cells. */
export function table(caption, heads, rows, empty = 'None.') {
  if (!rows.length) return el('p.empty', {}, empty);
  const head = el('tr', {}, heads.map((text) => el('th', { scope: 'col' }, text)));
  const cells = (row) => row.map((cell, n) => el('td', { 'data-head': heads[n] }, cell));
  const body = rows.map((row) => (row instanceof Element ? row : el('tr', {}, cells(row))));
  return el('div.scroll', { tabIndex: 0, role: 'region', 'aria-label': caption },
    el('table', {}, el('caption.hidden', {}, caption), el('thead', {}, head), el('tbody', {}, body)));
}

/** Asks before something is done; `word` has to be typed where it cannot be undone. */
export function confirmed(question, act, word) {
  return new Promise((resolve) => {
    const typed = word && el('input', { name: 'word', autocomplete: 'off', spellcheck: false, required: true, pattern: word.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&') });
    const form = el('form', { method: 'dialog' },
      el('h2', { id: 'question' }, question),
      word && el('label', {}, `Type “${word}” to go on`, typed),
      el('div.buttons', {},
        el('button.quiet', { value: '', formNoValidate: true, autofocus: true }, 'Cancel'),
        el('button.danger', { value: 'yes' }, act)));
    const dialog = el('dialog', { 'aria-labelledby': 'question' }, form);
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(dialog.returnValue === 'yes');
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
