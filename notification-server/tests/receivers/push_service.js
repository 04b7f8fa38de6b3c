// The push service of web-push-testing, whose devices decrypt what comes, on a free port of loopback. The first line on
// stdout is where it is. It ends with the end of stdin.
//
// POST /subscribe as PushManager.subscribe() does; POST /notify/HASH is the endpoint; POST /get-notifications tells what
// its device has decrypted; POST /expire-subscription/HASH.

const { PushApiModel } = require("web-push-testing/src/PushApiModel");
const WebPushTestingServer = require("web-push-testing/src/server");

const say = console.log;
// It talks; stdout is ours.
console.log = console.error;

const model = new PushApiModel();
const service = new WebPushTestingServer(model, 0);
service.startServer();
service._server.on("listening", () => {
    const { port } = service._server.address();
    // It names its endpoints by the port that was asked for.
    model.notifyUrl = `http://localhost:${port}/notify/`;
    say(JSON.stringify({ url: `http://localhost:${port}` }));
});
process.stdin.on("end", () => process.exit(0)).resume();
