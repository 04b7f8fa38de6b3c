// A search over pages of something, with one of them shown beside.

import { el, table } from '../dom.js';

/** `find(query, cursor)` gives `{ items, nextCursor }`; `row(item)` its cells; `show(item)` what is beside. */
export function search(main, app, { label, heads, find, row, name, key, show, query }) {
  const input = el('input', { type: 'search', name: 'query', value: query ?? '', spellcheck: false, autocomplete: 'off' });
  const found = el('div');
  const beside = el('aside', { 'aria-live': 'polite' });
  let items = [];
  let next;
  let asked = 0;

  const open = async (item) => {
    try {
      beside.replaceChildren(await show(item, again));
      beside.scrollIntoView({ block: 'nearest' });
    } catch (e) {
      app.say(e.message, true);
    }
  };
  const draw = () => {
    const rows = items.map((item) => [el('button.link', { onclick: () => open(item) }, name(item)), ...row(item)]);
    found.replaceChildren(
      table(label, heads, rows, 'Nobody and nothing of that name.'),
      next ? el('button.quiet', { onclick: () => load(next) }, 'Show more') : '');
  };
  const load = async (cursor) => {
    const mine = ++asked;
    try {
      const page = await find(input.value.trim(), cursor);
      if (mine !== asked) return;
      items = cursor ? [...items, ...page.items] : page.items;
      next = page.nextCursor;
      draw();
    } catch (e) {
      if (mine === asked) app.say(e.message, true);
    }
  };
  /** After something was changed: the list, and what is beside it. */
  const again = async (item) => {
    await load();
    if (item) await open(item);
    else beside.replaceChildren();
  };
  let timer;
  input.addEventListener('input', () => {
    clearTimeout(timer);
    timer = setTimeout(load, 200);
  });
  main.append(
    el('form.search', { role: 'search', onsubmit: (event) => { event.preventDefault(); load(); } }, el('label', {}, label, input)),
    el('div.split', {}, found, beside));
  load();
  return { key, stop: () => clearTimeout(timer) };
}

/** Does it, says so, and goes on; what is refused is said. */
export async function act(app, work, done) {
  try {
    await work();
    app.say(done);
    return true;
  } catch (e) {
    app.say(e.message, true);
    return false;
  }
}
