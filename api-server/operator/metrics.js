// What `/metrics` of each process says, as series over time: gauges are added up, counters become rates.

/** Samples kept of each series: ten minutes. */
const KEPT = 120;
/** Seconds between two samples. */
export const EVERY = 5;

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;

/** Prometheus' text format → `[{ name, labels, value }]`. */
export function parse(text) {
  const samples = [];
  for (const line of text.split('\n')) {
    const found = LINE.exec(line);
    if (!found) continue;
    const labels = {};
    for (const [, key, value] of (found[2] ?? '').matchAll(LABEL)) labels[key] = value.replace(/\\(.)/g, '$1');
    samples.push({ name: found[1], labels, value: Number(found[3]) });
  }
  return samples;
}

/** The value below which this share of what a histogram counted lies; `NaN` where it counted nothing.
 *  `buckets`: `[[upper bound, how many are at most that]]`, the last bound is infinite. */
export function quantile(share, buckets) {
  const sorted = [...buckets].sort((a, b) => a[0] - b[0]);
  const all = sorted.at(-1)?.[1] ?? 0;
  if (!all) return NaN;
  const rank = share * all;
  let [below, before] = [0, 0];
  for (const [bound, count] of sorted) {
    if (count >= rank && count > before) {
      if (bound === Infinity) return below;
      return below + (bound - below) * ((rank - before) / (count - before));
    }
    [below, before] = [bound, count];
  }
  return below;
}

/** Collects samples of all processes. */
export class Series {
  times = [];
  #lines = new Map();
  #before = new Map();

  /** `processes`: `[[id, samples]]`. A process that is new, or began anew, counts from its second sample on. */
  add(at, processes) {
    const now = new Map();
    const sums = new Map();
    const put = (name, value) => sums.set(name, (sums.get(name) ?? 0) + value);
    const buckets = new Map();
    for (const [id, samples] of processes) {
      const seen = new Map();
      for (const { name, labels, value } of samples) seen.set(JSON.stringify([name, labels]), { name, labels, value });
      now.set(id, { at, seen });
      const before = this.#before.get(id);
      for (const [key, { name, labels, value }] of seen) {
        const gauge = GAUGES[name];
        if (gauge) put(gauge(labels), value);
        const was = before?.seen.get(key)?.value ?? (before ? 0 : undefined);
        if (was === undefined || value < was) continue;
        const grown = value - was;
        const counter = COUNTERS[name];
        if (counter) put(counter(labels), grown / Math.max(1, (at - before.at) / 1000));
        if (name === 'chatapp_delivery_seconds_bucket') {
          const bound = labels.le === '+Inf' ? Infinity : Number(labels.le);
          buckets.set(bound, (buckets.get(bound) ?? 0) + grown);
        }
      }
    }
    for (const [name, share] of [['p50', 0.5], ['p95', 0.95], ['p99', 0.99]]) {
      sums.set(`delivery ${name}`, quantile(share, [...buckets]));
    }
    this.#before = now;
    this.times.push(at);
    for (const name of sums.keys()) {
      if (!this.#lines.has(name)) this.#lines.set(name, new Array(this.times.length - 1).fill(NaN));
    }
    for (const [name, line] of this.#lines) line.push(sums.get(name) ?? (name.startsWith('delivery ') ? NaN : 0));
    if (this.times.length > KEPT) {
      this.times.shift();
      for (const line of this.#lines.values()) line.shift();
    }
  }

  /** Those whose name begins so: `[{ name, values }]`, without that beginning. */
  of(kind) {
    const found = [...this.#lines].filter(([name]) => name === kind || name.startsWith(`${kind} `));
    return found.map(([name, values]) => ({ name: name.slice(kind.length + 1) || kind, values }));
  }

  /** The last value of all of a kind together. */
  last(kind) {
    return this.of(kind).reduce((sum, { values }) => sum + (values.at(-1) || 0), 0);
  }
}

const GAUGES = {
  chatapp_connections: ({ socket }) => `connections ${socket}`,
  chatapp_rooms_followed: () => 'rooms',
  chatapp_outbox_jobs: ({ state }) => `outbox ${state}`,
};

const COUNTERS = {
  chatapp_messages_total: () => 'messages sent',
  chatapp_deliveries_total: () => 'deliveries',
  chatapp_errors_total: ({ code }) => `errors ${code}`,
  chatapp_notification_attempts_total: ({ outcome }) => `notifications ${outcome}`,
};
