// A client of Socket.IO by its own library, driven by lines: {"emit": [EVENT, ARGUMENT], "image": base64?} is answered by
// {"ack": REPLY}; whatever happens is told as {"event": [EVENT, ARGUMENT]} or {"status": WHAT}.
// node socketio.mjs DIRECTORY-OF-THE-LIBRARY URL TRANSPORTS [TOKEN]
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const [library, url, transports, token] = process.argv.slice(2);
const { io } = createRequire(`${library}/`)("socket.io-client");
const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);

const auth = token ? { token } : {};
const socket = io(url, { transports: transports.split(","), auth, reconnectionDelay: 50, reconnectionDelayMax: 200 });
socket.onAny((...event) => say({ event }));
socket.on("connect", () => say({ status: "connect" }));
socket.io.on("open", () => {
  socket.io.engine.once("upgrade", (transport) => say({ status: "upgrade", transport: transport.name }));
});
socket.on("disconnect", (reason) => say({ status: "disconnect", reason }));
socket.on("connect_error", (error) => say({ status: "connect_error", message: error.message, data: error.data }));

for await (const line of createInterface({ input: process.stdin })) {
  const { emit, image } = JSON.parse(line);
  const [event, argument] = emit;
  if (image) argument.image = Buffer.from(image, "base64");
  socket.emit(event, argument, (reply) => say({ ack: reply }));
}
socket.disconnect();
