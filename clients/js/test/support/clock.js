// A clock that a test turns: timers and the time, until the test ends.

export function clock(t, now = 1_000_000) {
  const real = { setTimeout: globalThis.setTimeout, clearTimeout: globalThis.clearTimeout, now: Date.now };
  const timers = new Map();
  let next = 1;
  globalThis.setTimeout = (call, ms = 0) => {
    timers.set(next, { due: now + ms, call });
    return next++;
  };
  globalThis.clearTimeout = (id) => void timers.delete(id);
  Date.now = () => now;
  t.after(() => {
    Object.assign(globalThis, { setTimeout: real.setTimeout, clearTimeout: real.clearTimeout });
    Date.now = real.now;
  });
  return {
    /** So many milliseconds pass; what is due is done in its order. */
    pass(ms) {
      const end = now + ms;
      for (;;) {
        const due = [...timers].filter(([, timer]) => timer.due <= end).sort(([, a], [, b]) => a.due - b.due)[0];
        if (!due) break;
        timers.delete(due[0]);
        now = Math.max(now, due[1].due);
        due[1].call();
      }
      now = end;
    },
    get waiting() {
      return timers.size;
    },
  };
}

/** What was begun has gone as far as it goes without a timer. */
export const settled = () => new Promise((resolve) => setImmediate(resolve));
