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

/** Waits until `check` gives something, looking again with each event of the emitter. */
export async function until(emitter, names, check) {
  for (;;) {
    const found = check();
    if (found) return found;
    await new Promise((resolve) => {
      const offs = names.map((name) =>
        emitter.on(name, () => {
          for (const off of offs) off();
          resolve(undefined);
        }),
      );
    });
  }
}
