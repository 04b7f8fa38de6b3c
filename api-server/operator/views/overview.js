// What goes on: figures, charts and instances, every five seconds.

import { api } from '../api.js';
import { LiveChart } from '../chart.js';
import { age, confirmed, duration, el, number, table } from '../dom.js';
import { EVERY, Series, parse } from '../metrics.js';

/** Goes on while the page is open, whichever view is shown: coming back finds the last minutes. */
const series = new Series();

export function overview(main, app) {
  const tiles = el('dl.tiles');
  const health = el('div');
  const instances = el('div');
  const rate = (value) => `${number(value)}/s`;
  const charts = {
    connections: LiveChart.of('Connections'),
    messages: LiveChart.of('Messages a second', rate),
    delivery: LiveChart.of('Delivery latency', duration),
    errors: LiveChart.of('Errors a second, by code', rate),
    outbox: LiveChart.of('Outbox: jobs by state'),
    notifications: LiveChart.of('Notification attempts a second', rate),
  };
  main.append(
    tiles,
    el('section', { 'aria-label': 'Charts' }, el('div.charts', {}, Object.values(charts))),
    el('section', {}, el('h2', {}, 'Instances'), instances),
    el('section', {}, el('h2', {}, 'Store'), health));

  const draw = (stats) => {
    const tile = (name, value, note) => el('div.tile', {}, el('dt', {}, name), el('dd', {}, value, note && el('small', {}, note)));
    const latency = (share) => series.of('delivery').find(({ name }) => name === share)?.values.at(-1);
    tiles.replaceChildren(
      tile('Users', number(stats.users), 'accounts and guests'),
      tile('Connections', number(series.last('connections'))),
      tile('Rooms', number(series.last('rooms')), 'followed by workers'),
      tile('Messages', rate(series.last('messages')), `${rate(series.last('deliveries'))} delivered`),
      tile('Latency', duration(latency('p99')), `p99; p50 ${duration(latency('p50'))}`),
      tile('Errors', rate(series.last('errors'))),
      tile('Outbox', number(stats.outbox.due), `due; ${number(stats.outbox.later)} later`));
    const messages = [...series.of('messages'), ...series.of('deliveries')];
    for (const [name, chart] of Object.entries(charts)) {
      chart.show(series.times, name === 'messages' ? messages : series.of(name));
    }
    health.replaceChildren(stats.findings.length
      ? el('ul.findings', {}, stats.findings.map(({ level, what, change }) =>
        el(`li.${level}`, {}, el('strong', {}, level), ` ${what} ${change}`)))
      : el('p', {}, el('span.dot.good', { 'aria-hidden': 'true' }), 'The store can be written to, and warns of nothing.'));
  };

  const drain = async (instance) => {
    const question = `Drain ${instance.service} at ${instance.url}? Its process stops: its clients go to the others.`;
    if (!await confirmed(question, 'Drain')) return;
    try {
      await api.send('POST', `/api/admin/instances/${instance.id}/drain`);
      app.say(`${instance.service} ${instance.id} is asked to stop.`);
    } catch (e) {
      app.say(e.message, true);
    }
  };

  const drawInstances = (items) => {
    // A focused button stays the same one.
    const focused = instances.contains(document.activeElement) && document.activeElement.dataset.id;
    const most = Math.max(1, ...items.map(({ connections }) => connections));
    const rows = items.map((instance) => [
      el('strong', {}, instance.service),
      el('span', {}, instance.url, el('br'), el('code.id', {}, instance.id)),
      el('span.load', {},
        el('meter', { min: 0, max: most, value: instance.connections, 'aria-label': 'Share of the most loaded' }),
        number(instance.connections)),
      instance.version,
      age(instance.startedAt),
      instance.draining ? el('span.badge.warning', {}, 'stopping')
        : el(`span.badge.${instance.reachable ? 'good' : 'warning'}`, {}, instance.reachable ? 'answers' : 'not reached from here'),
      el('button.quiet', {
        'data-id': instance.id + instance.service,
        'aria-label': `Drain ${instance.service} ${instance.id}`,
        disabled: instance.draining,
        onclick: () => drain(instance),
      }, 'Drain'),
    ]);
    instances.replaceChildren(table('Running instances', ['Service', 'Where', 'Connections', 'Version', 'Running for', 'State', ''], rows));
    if (focused) [...instances.querySelectorAll('button')].find(({ dataset }) => dataset.id === focused)?.focus();
  };

  let left = false;
  let timer;
  const tick = async () => {
    try {
      const [stats, { items }] = await Promise.all([api.get('/api/admin/stats'), api.get('/api/admin/instances')]);
      const ids = [...new Set(items.map(({ id }) => id))];
      const texts = await Promise.allSettled(ids.map((id) => api.get(`/api/admin/instances/${id}/metrics`)));
      const processes = ids.flatMap((id, n) => texts[n].status === 'fulfilled' ? [[id, parse(texts[n].value)]] : []);
      if (left) return;
      series.add(Date.now(), processes);
      draw(stats);
      drawInstances(items);
      main.classList.remove('stale');
    } catch (e) {
      if (left) return;
      main.classList.add('stale');
      app.say(`Not up to date: ${e.message}`, true);
    } finally {
      if (!left) timer = setTimeout(tick, EVERY * 1000);
    }
  };
  tick();
  return () => {
    left = true;
    clearTimeout(timer);
  };
}
