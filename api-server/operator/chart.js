// A live chart: lines over the last minutes, drawn as SVG. What it shows now stands beside it as text, for everybody.

import { el, number, svg } from './dom.js';

const [WIDTH, HEIGHT, LEFT, BOTTOM, TOP] = [480, 170, 44, 20, 10];

/** A round number at or above `value`: 1, 2 or 5 times a power of ten. */
export function ceiling(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((n) => n * power).find((bound) => bound >= value * 0.999);
}

class LiveChart extends HTMLElement {
  #format = number;

  /** `title`; `format(value)` for axis and legend. */
  static of(title, format = number) {
    const chart = document.createElement('live-chart');
    chart.title = '';
    chart.dataset.title = title;
    chart.#format = format;
    return chart;
  }

  /** `times`: milliseconds; `series`: `[{ name, values }]`, one value for each time, `NaN` for none. */
  show(times, series) {
    const format = this.#format;
    const lines = series.slice(0, 8);
    const top = ceiling(Math.max(0, ...lines.flatMap(({ values }) => values.filter(Number.isFinite))));
    const [first, last] = [times[0] ?? 0, times.at(-1) ?? 1];
    const x = (at) => LEFT + ((at - first) / Math.max(1, last - first)) * (WIDTH - LEFT - 8);
    const y = (value) => TOP + (1 - value / top) * (HEIGHT - TOP - BOTTOM);
    const drawing = svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, 'aria-hidden': 'true' });
    for (const value of [0, top / 2, top]) {
      drawing.append(
        svg('line', { class: 'grid', x1: LEFT, x2: WIDTH - 8, y1: y(value), y2: y(value) }),
        svg('text', { class: 'axis', x: LEFT - 6, y: y(value) + 4, 'text-anchor': 'end' }, format(value)));
    }
    const minutes = Math.round((last - first) / 60_000);
    drawing.append(
      svg('text', { class: 'axis', x: LEFT, y: HEIGHT - 4 }, minutes ? `${minutes} min ago` : `${Math.round((last - first) / 1000)} s ago`),
      svg('text', { class: 'axis', x: WIDTH - 8, y: HEIGHT - 4, 'text-anchor': 'end' }, 'now'));
    lines.forEach(({ values }, n) => {
      let path = '';
      values.forEach((value, i) => {
        if (!Number.isFinite(value)) return;
        const joined = i > 0 && Number.isFinite(values[i - 1]);
        path += `${joined ? 'L' : 'M'}${x(times[i]).toFixed(1)} ${y(value).toFixed(1)}`;
      });
      drawing.append(svg('path', { class: `line c${n}`, d: path }));
    });
    const legend = lines.map(({ name, values }, n) => el('li', {},
      el(`span.key.c${n}`, { 'aria-hidden': 'true' }), el('span', {}, name), el('strong', {}, format(values.at(-1)))));
    const left = series.length - lines.length;
    if (left > 0) legend.push(el('li', {}, `and ${left} more`));
    this.replaceChildren(el('figure', {},
      el('figcaption', {}, this.dataset.title),
      drawing,
      legend.length ? el('ul.legend', {}, legend) : el('p.empty', {}, 'Nothing yet.')));
  }
}

customElements.define('live-chart', LiveChart);
export { LiveChart };
