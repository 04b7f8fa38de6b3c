// Who is behind an id, and how rooms are called. Asked for once, when it is first shown; `changed` tells that there is more.

/** Users that are remembered. */
const REMEMBERED = 5000;
/** Asked for at the same time. */
const WIDTH = 4;

export class Directory extends EventTarget {
  #client;
  /** @type {Map<string, any>} */
  #users = new Map();
  /** The other one of a direct room. @type {Map<string, any>} */
  #peers = new Map();
  /** @type {(() => Promise<void>)[]} */
  #wanted = [];
  #asked = new Set();
  #busy = 0;

  constructor(client) {
    super();
    this.#client = client;
  }

  /** What is known of a user; what is not is asked for. @param {string} id */
  user(id) {
    if (id === this.#client.user?.id && !this.#users.has(id)) return this.#client.user;
    const known = this.#users.get(id);
    if (!known) this.#ask(`user ${id}`, async () => this.learn(await this.#client.people.get(id)));
    return known;
  }

  /** A user as the server has just told. */
  learn(user) {
    if (this.#users.size > REMEMBERED) this.#users.clear();
    this.#users.set(user.id, user);
    this.#changed();
  }

  /** @param {string} id @param {string} [otherwise] As a message names them. */
  nameOf(id, otherwise = "…") {
    const user = this.user(id);
    return user?.displayName || user?.username || otherwise;
  }

  /** The other one of a direct room. @returns {{ userId: string, username: string } | undefined} */
  peer(room) {
    const known = this.#peers.get(room.id);
    if (!known) {
      this.#ask(`peer ${room.id}`, async () => {
        const { items } = await room.members({ limit: 2 });
        const me = this.#client.user?.id;
        this.#peers.set(room.id, items.find((member) => member.userId !== me) ?? items[0]);
        this.#changed();
      });
    }
    return known;
  }

  /** How a room is called. */
  title(room) {
    const { type, name, handle, lastMessage } = room.info;
    if (type !== "direct") return name ?? handle ?? "Room";
    const peer = this.peer(room);
    if (peer) return this.nameOf(peer.userId, peer.displayName ?? peer.username);
    return lastMessage && lastMessage.userId !== this.#client.user?.id ? lastMessage.username : "Direct message";
  }

  #changed() {
    this.dispatchEvent(new Event("changed"));
  }

  /** Asks once; what failed is asked again when it is shown again later. */
  #ask(name, work) {
    if (this.#asked.has(name)) return;
    this.#asked.add(name);
    this.#wanted.push(async () => {
      try {
        await work();
      } catch {
        setTimeout(() => this.#asked.delete(name), 10_000);
      }
    });
    this.#pump();
  }

  #pump() {
    while (this.#busy < WIDTH) {
      const next = this.#wanted.shift();
      if (!next) return;
      this.#busy += 1;
      void next().finally(() => {
        this.#busy -= 1;
        this.#pump();
      });
    }
  }
}
