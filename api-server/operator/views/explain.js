// What became of a message or a notification, for each recipient and channel, with every reason.

import { api } from '../api.js';
import { el, table, time } from '../dom.js';

export function explain(main, app, argument) {
  const input = el('input', { name: 'id', value: argument ?? '', required: true, spellcheck: false, autocomplete: 'off' });
  const shown = el('div', { 'aria-live': 'polite' });
  const load = async () => {
    app.say('');
    shown.replaceChildren();
    try {
      await more(shown, input.value.trim());
    } catch (e) {
      app.say(e.message, true);
    }
  };
  main.append(
    el('p', {}, 'Who has got it, who has read it, who was notified by which channel, and why somebody was not.'),
    el('form.search', { onsubmit: (event) => { event.preventDefault(); load(); } },
      el('label', {}, 'Id of a message or of a notification', input), el('button', {}, 'Explain')),
    shown);
  if (argument) load();
}

async function more(shown, id, cursor) {
  const query = cursor ? `?${new URLSearchParams({ cursor })}` : '';
  const { message, items, nextCursor } = await api.get(`/api/admin/explain/${encodeURIComponent(id)}${query}`);
  if (message && !cursor) {
    shown.append(el('p', {}, `Message ${message.seq} of `, el('a', { href: `#rooms/${message.roomId}` }, message.roomId),
      ' by ', el('a', { href: `#users/${message.author}` }, message.author), ', ', time(message.at),
      message.editedAt ? ', edited' : '', message.deletedAt ? ', deleted' : ''));
  }
  const state = (text) => el(`span.badge.${{ delivered: 'good', failed: 'error', queued: 'warning' }[text] ?? 'plain'}`, {}, text);
  const channels = (item) => item.channels.length
    ? el('ul.plain', {}, item.channels.map((one) => el('li', {},
      el('strong', {}, one.channel), ' ', state(one.state), ` ${one.detail ?? ''} `,
      el('small', {}, `${one.attempts} attempts`, one.held ? ', held by the user\'s wish' : '',
        one.nextAttemptAt ? [', again ', time(one.nextAttemptAt)] : ', ', one.nextAttemptAt ? '' : time(one.at)))))
    : item.decision ? `${item.decision.reason ?? 'notified'} ` : 'nothing was decided, or it is not kept';
  const rows = items.map((item) => [
    el('a', { href: `#users/${item.userId}` }, item.username),
    item.read === undefined ? '–' : item.read ? 'read' : item.delivered ? 'delivered' : 'stored',
    item.notification ? el('code.id', {}, item.notification) : '–',
    channels(item),
  ]);
  shown.append(table('Recipients', ['User', 'Message', 'Notification', 'Channels'], rows, 'It has no recipients.'));
  if (nextCursor) {
    const button = el('button.quiet', { onclick: () => { button.remove(); more(shown, id, nextCursor); } }, 'Show more');
    shown.append(button);
  }
}
