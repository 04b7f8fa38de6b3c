// Clients for tests: of their own users, with short delays, and closed when the test ends.

import { WebSocket } from "ws";

import { ChatClient, MemoryStorage } from "../../chatapp.js";

let count = 0;

/** A client of a server, not logged in. Ends with the test. */
export function client(t, server, options = {}) {
  const made = new ChatClient({
    api: server.api,
    storage: new MemoryStorage(),
    WebSocket,
    backoff: { base: 5, cap: 40 },
    presence: false,
    ...options,
  });
  t.after(() => made.stop());
  return made;
}

/** A client of somebody who has just signed up, started. */
export async function person(t, server, name, options = {}) {
  const made = client(t, server, options);
  await made.signUp(account(name));
  await made.start();
  return made;
}

export function account(name) {
  const username = `${name}${count++}`;
  return { username, email: `${username}@example.org`, password: "correct horse" };
}

/** A private room of the first, with the others in it. */
export async function roomOf(first, ...others) {
  const room = await first.createRoom({ type: "private", name: "Room", historyVisibility: "all" });
  for (const other of others) {
    const { code } = await room.moderation.invite();
    await other.redeemInvite(code);
  }
  return [room, ...others.map((other) => other.rooms.get(room.id))];
}

/** Longer than anything takes. */
const LIMIT_MS = 15_000;

/** Waits until `check` gives something, looking again with each event of the emitter. What it was is named by where it fails. */
export async function until(emitter, names, check) {
  const late = new Error(`it never came about: ${check}`);
  let timer;
  const limit = new Promise((_, reject) => (timer = setTimeout(() => reject(late), LIMIT_MS)));
  try {
    for (;;) {
      const found = check();
      if (found) return found;
      const offs = [];
      const heard = new Promise((resolve) => offs.push(...names.map((name) => emitter.on(name, resolve))));
      try {
        await Promise.race([heard, limit]);
      } finally {
        for (const off of offs) off();
      }
    }
  } finally {
    clearTimeout(timer);
  }
}

/** Asks again and again, for what no event tells. */
export async function eventually(check) {
  const end = Date.now() + LIMIT_MS;
  while (!(await check())) {
    if (Date.now() > end) throw new Error(`it never came about: ${check}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
