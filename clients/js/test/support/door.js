// A door in front of a server: clients keep its address while a test decides what goes through.

import { connect, createServer } from "node:net";

/** Numbers in 0..1 that a seed repeats (mulberry32). */
export function random(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export class Door {
  #pairs = new Set();
  /** Connections that were cut. */
  cuts = 0;
  /** Let through, or refused. */
  isOpen = true;
  /** How many pieces a new connection lives for; `Infinity`: until its ends end it. */
  lifetime = () => Infinity;

  /** @param {string} target `host:port` */
  static async to(target) {
    const door = new Door();
    door.target = target;
    door.server = createServer((socket) => door.#accept(socket));
    await new Promise((resolve) => door.server.listen(0, "127.0.0.1", resolve));
    door.address = `127.0.0.1:${door.server.address().port}`;
    return door;
  }

  get connections() {
    return this.#pairs.size;
  }

  /** Cuts all that goes through, without a word. */
  cut() {
    for (const pair of [...this.#pairs]) pair.cut();
  }

  async close() {
    this.cut();
    await new Promise((resolve) => this.server.close(resolve));
  }

  #accept(client) {
    if (!this.isOpen) return client.resetAndDestroy();
    const [host, port] = this.target.split(":");
    const server = connect(Number(port), host);
    let left = this.lifetime();
    const pair = {
      cut: () => {
        if (!this.#pairs.delete(pair)) return;
        this.cuts += 1;
        client.resetAndDestroy();
        server.resetAndDestroy();
      },
    };
    this.#pairs.add(pair);
    const pass = (from, to) => {
      from.on("data", (piece) => {
        // The last piece is cut off, too.
        if (--left < 0) return pair.cut();
        to.write(piece);
      });
      from.on("error", () => {});
      from.on("close", () => {
        this.#pairs.delete(pair);
        to.destroy();
      });
    };
    pass(client, server);
    pass(server, client);
  }
}
