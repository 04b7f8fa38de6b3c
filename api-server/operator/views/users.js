// Users: searched, shown, logged out, banned, deleted.

import { api } from '../api.js';
import { confirmed, el, number, table, time } from '../dom.js';
import { act, search } from './search.js';

const badges = ({ administrator, guest, bannedAt }) => el('span.badges', {},
  administrator && el('span.badge.good', {}, 'administrator'),
  guest && el('span.badge', {}, 'guest'),
  bannedAt && el('span.badge.error', {}, 'banned'));

export function users(main, app, argument) {
  const list = search(main, app, {
    label: 'Accounts by the beginning of their name, a whole e-mail address, or an id',
    heads: ['Name', 'Shown as', 'E-mail', 'Since', ''],
    query: argument,
    find: (query, cursor) => api.get(`/api/admin/users?${new URLSearchParams({ query, ...(cursor && { cursor }) })}`),
    name: (user) => user.username,
    row: (user) => [user.displayName, user.email ?? '–', time(user.createdAt), badges(user)],
    show: (user, again) => details(app, user.id, again),
  });
  return list.stop;
}

async function details(app, id, again) {
  const [user, { items: sessions }] = await Promise.all([
    api.get(`/api/admin/users/${id}`), api.get(`/api/admin/users/${id}/sessions`)]);
  const { username } = user;
  const change = async (work, done, gone) => await act(app, work, done) && again(gone ? undefined : user);
  const revoke = (session) => change(
    () => api.send('DELETE', `/api/admin/users/${id}/sessions${session ? `/${session}` : ''}`),
    session ? 'The login has ended.' : `All logins of ${username} have ended.`);
  const ban = async () => {
    if (user.bannedAt) return change(() => api.send('DELETE', `/api/admin/users/${id}/ban`), `${username} may log in again.`);
    if (!await confirmed(`Ban ${username}? All logins end, and nobody can log in to this account until the ban is lifted.`, 'Ban')) return;
    return change(() => api.send('PUT', `/api/admin/users/${id}/ban`), `${username} is banned.`);
  };
  const remove = async () => {
    const question = `Delete ${username} for good? The name is free then; messages stay, as a deleted user's.`;
    if (await confirmed(question, 'Delete', username)) {
      await change(() => api.send('DELETE', `/api/admin/users/${id}`), `${username} is deleted.`, true);
    }
  };
  const fact = (name, value) => [el('dt', {}, name), el('dd', {}, value)];
  const rows = sessions.map((session) => [
    session.agent ?? '–', session.address ?? '–', time(session.createdAt), time(session.usedAt),
    el('button.quiet', { 'aria-label': `End the login from ${session.address ?? 'somewhere'}`, onclick: () => revoke(session.id) }, 'End'),
  ]);
  return el('div.card', {},
    el('h2', {}, username, ' ', badges(user)),
    el('dl.facts', {},
      fact('Id', el('code.id', {}, id)),
      fact('Shown as', user.displayName),
      fact('E-mail', user.email ? `${user.email}${user.emailVerified ? '' : ' (not verified)'}` : '–'),
      fact('Since', time(user.createdAt)),
      user.bannedAt ? fact('Banned since', time(user.bannedAt)) : [],
      fact('Presence', `${user.status}, ${number(user.connections)} connections`),
      fact('Last seen', time(user.lastSeen)),
      fact('Contacts', number(user.contacts)),
      fact('Rooms', el('span.ids', {}, user.rooms.length ? user.rooms.slice(0, 50).map((room) => el('a', { href: `#rooms/${room}` }, room)) : 'none'))),
    el('h3', {}, 'Logins'),
    table(`Logins of ${username}`, ['Client', 'From', 'Since', 'Used', ''], rows, 'No login.'),
    el('div.buttons', {},
      sessions.length > 0 && el('button.quiet', { onclick: () => revoke() }, 'End all logins'),
      el(user.bannedAt ? 'button.quiet' : 'button.danger', { onclick: ban }, user.bannedAt ? 'Lift the ban' : 'Ban'),
      el('button.danger', { onclick: remove }, 'Delete')));
}
