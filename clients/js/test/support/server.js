// ChatApp as one process on an embedded store in a temporary directory, or as four over Redis, on free ports.

import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../../..", import.meta.url));
const binaries = join(process.env.CARGO_TARGET_DIR ?? join(root, "target"), "debug");

/** Tests make many users from one address, connect often and write fast. */
const DEFAULTS = {
  LOG__FORMAT: "json",
  HTTP__WORKERS: "2",
  LIMITS__SIGNUPS_PER_MINUTE: "10000",
  LIMITS__LOGINS_PER_MINUTE: "10000",
  LIMITS__TICKETS_PER_MINUTE: "100000",
  LIMITS__MESSAGES_PER_SECOND: "10000",
  LIMITS__MESSAGES_BURST: "10000",
  NOTIFICATION__DELAY_MS: "200",
  PRESENCE__GRACE_MS: "300",
};

export class Server {
  /** Where each service listens: `host:port`. */
  addresses = {};
  processes = new Map();

  /** @param {Record<string, string>} [settings] As `{ LIMITS__ENABLED: "false" }`. */
  static async embedded(settings = {}) {
    const server = new Server();
    server.directory = await mkdtemp(join(tmpdir(), "chatapp-js-"));
    server.settings = { ...DEFAULTS, STORE__URL: `embedded:${join(server.directory, "data")}`, ...settings };
    await server.start("chatapp", ["api", "chat", "presence", "notification"]);
    return server;
  }

  /** The four services, two chat-servers, over a Redis of their own. */
  static async overRedis(settings = {}) {
    const server = new Server();
    server.directory = await mkdtemp(join(tmpdir(), "chatapp-js-"));
    const socket = join(server.directory, "redis.sock");
    const port = await freePort();
    const redis = spawn(
      "redis-server",
      ["--port", String(port), "--bind", "127.0.0.1", "--unixsocket", socket, "--save", "", "--appendonly", "no"],
      { cwd: server.directory, stdio: ["ignore", "pipe", "inherit"] },
    );
    server.processes.set("redis", redis);
    for await (const line of createInterface({ input: redis.stdout })) {
      if (line.includes("Ready to accept connections")) break;
    }
    redis.stdout.resume();
    server.settings = { ...DEFAULTS, STORE__URL: `redis://127.0.0.1:${port}`, ...settings };
    await server.start("api-server", ["api"]);
    await server.start("chat-server", ["chat"]);
    await server.start("chat-server", ["chat"], "chat-2");
    await server.start("presence-server", ["presence"]);
    await server.start("notification-server", ["notification"]);
    return server;
  }

  /** Starts a binary, and waits until all its services are ready. On the ports it had, if any. */
  async start(program, services, name = program) {
    const env = Object.fromEntries(Object.entries(process.env).filter(([key]) => !key.startsWith("CHATAPP")));
    for (const [key, value] of Object.entries(this.settings)) env[`CHATAPP__${key}`] = value;
    for (const service of services) {
      env[`CHATAPP__${service.toUpperCase()}__LISTEN`] = this.addresses[`${name}/${service}`] ?? "127.0.0.1:0";
    }
    const child = spawn(join(binaries, program), [], { cwd: this.directory, env, stdio: ["ignore", "ignore", "pipe"] });
    this.processes.set(name, child);
    const missing = new Set(services);
    let log = "";
    const lines = createInterface({ input: child.stderr });
    await new Promise((resolve, reject) => {
      child.on("error", () => reject(new Error(`cannot start ${join(binaries, program)}: cargo build --workspace --bins`)));
      child.on("exit", (code) => reject(new Error(`${program} ended with ${code}:\n${log}`)));
      lines.on("line", (line) => {
        if (missing.size === 0) return;
        log += `${line}\n`;
        const { message, service, address } = parse(line);
        if (message !== "listening" || !missing.delete(service)) return;
        this.addresses[`${name}/${service}`] = address;
        this.addresses[service] ??= address;
        if (missing.size === 0) resolve(undefined);
      });
    });
    child.removeAllListeners("exit");
    for (const service of services) await ready(this.addresses[`${name}/${service}`]);
  }

  get api() {
    return `http://${this.addresses.api}`;
  }

  /** Signals a process and waits for its end. */
  async end(name, signal = "SIGTERM") {
    const child = this.processes.get(name);
    this.processes.delete(name);
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    await ended;
  }

  /** Ends all that was started, and removes what it kept. */
  async stop() {
    await Promise.all([...this.processes.keys()].map((name) => this.end(name, "SIGKILL")));
    await rm(this.directory, { recursive: true, force: true });
  }
}

function parse(line) {
  try {
    return JSON.parse(line);
  } catch {
    return {};
  }
}

async function ready(address) {
  for (;;) {
    const answer = await fetch(`http://${address}/ready`).catch(() => undefined);
    if (answer?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function freePort() {
  const { createServer } = await import("node:net");
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}
