// Rooms: searched, shown, deleted.

import { api } from '../api.js';
import { confirmed, el, number, table, time } from '../dom.js';
import { act, search } from './search.js';

const nameOf = (room) => room.name ?? room.handle ?? `${room.type} room`;

export function rooms(main, app, argument) {
  const list = search(main, app, {
    label: 'Public rooms by the beginning of their name, or any room by its id or handle',
    heads: ['Name', 'Handle', 'Type', 'Members', 'Messages', 'Since'],
    query: argument,
    find: async (query, cursor) => {
      const page = await api.get(`/api/admin/rooms?${new URLSearchParams({ query, ...(cursor && { cursor }) })}`);
      if (page.items.length || !query || cursor) return page;
      const one = await api.get(`/api/admin/rooms/${encodeURIComponent(query)}`).catch(() => null);
      return { items: one ? [one] : [] };
    },
    name: nameOf,
    row: (room) => [room.handle ?? '–', room.type, number(room.members), number(room.seq), time(room.createdAt)],
    show: (room, again) => details(app, room.id, again),
  });
  return list.stop;
}

async function details(app, id, again) {
  const room = await api.get(`/api/admin/rooms/${id}`);
  const name = nameOf(room);
  const remove = async () => {
    const question = `Delete ${name} with its ${number(room.seq)} messages for good? Its ${number(room.members)} members are told.`;
    if (!await confirmed(question, 'Delete', name)) return;
    if (await act(app, () => api.send('DELETE', `/api/admin/rooms/${id}`), `${name} is deleted.`)) again();
  };
  const fact = (term, value) => [el('dt', {}, term), el('dd', {}, value)];
  const rows = room.firstMembers.map((member) => [
    el('a', { href: `#users/${member.id}` }, member.username || member.id), member.role, time(member.joinedAt)]);
  return el('div.card', {},
    el('h2', {}, name),
    el('dl.facts', {},
      fact('Id', el('code.id', {}, id)),
      fact('Type', room.type),
      fact('Made', el('span', {}, time(room.createdAt), ' by ', el('a', { href: `#users/${room.createdBy}` }, room.createdBy))),
      fact('Messages', `${number(room.seq)}, ${number(room.rev)} changes`),
      room.floor ? fact('Retention', `messages up to ${room.floor} are gone`) : []),
    el('h3', {}, `Members (${number(room.members)})`),
    table(`Members of ${name}`, ['Name', 'Role', 'Since'], rows, 'Nobody.'),
    el('div.buttons', {}, el('button.danger', { onclick: remove }, 'Delete the room')));
}
