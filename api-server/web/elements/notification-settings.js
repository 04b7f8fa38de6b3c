// What one is told of while one does not look: here, by this browser's push, and when not.

import { toast } from "../lib/dialog.js";
import { el, field, fill } from "../lib/el.js";
import { problem } from "../lib/format.js";
import { form } from "./find-dialog.js";

/** The only script that is registered: a policy of Trusted Types lets nothing else be one. */
const policy = globalThis.trustedTypes?.createPolicy("chatapp", { createScriptURL: (url) => (url === "/web/push.js" ? url : "about:blank") });
const WORKER = policy ? policy.createScriptURL("/web/push.js") : "/web/push.js";

export function notifications(client) {
  const quiet = el("section");
  client.notifications.settings().then(
    (settings) => fill(quiet, el("h3", {}, "Quiet hours"), hours(client, settings)),
    (error) => fill(quiet, el("p.error", { role: "alert" }, problem(error))),
  );
  return [el("section", {}, el("h3", {}, "In this browser"), push(client)), quiet];
}

function push(client) {
  const status = el("p.note", { role: "status", id: "push-status" });
  const box = el("input", { type: "checkbox", disabled: true, "aria-describedby": "push-status" });
  const label = el("label.choice", {}, box, "Tell me of messages, also while the page is closed");
  const supported = "serviceWorker" in navigator && "PushManager" in globalThis;
  const say = (text) => (status.textContent = text);
  const show = async () => {
    if (!supported) return say("This browser has no notifications, or the page is not served by https.");
    const registration = await navigator.serviceWorker.getRegistration("/web/");
    box.checked = Boolean(await registration?.pushManager.getSubscription());
    box.disabled = false;
    if (Notification.permission === "denied") say("The browser does not allow it: change that beside the address.");
  };
  box.onchange = async () => {
    box.disabled = true;
    say("");
    try {
      const registration = await navigator.serviceWorker.register(WORKER);
      if (box.checked) {
        await active(registration);
        await client.notifications.subscribeBrowser(registration);
      } else await client.notifications.unsubscribeBrowser(registration);
    } catch (error) {
      say(error.code === "NOT_FOUND" ? "This server has no Web Push." : problem(error));
    }
    await show().catch((error) => say(problem(error)));
  };
  show().catch((error) => say(problem(error)));
  return [label, status];
}

/** Resolves once the worker can be pushed to. @param {ServiceWorkerRegistration} registration */
async function active(registration) {
  const worker = registration.installing ?? registration.waiting;
  if (registration.active || !worker) return;
  await new Promise((resolve) => (worker.onstatechange = () => worker.state === "activated" && resolve()));
}

function hours(client, settings) {
  const { dnd } = settings;
  const isOn = el("input", { type: "checkbox", checked: dnd !== undefined });
  const from = field("From", { type: "time", value: dnd?.from ?? "22:00" });
  const to = field("To", { type: "time", value: dnd?.to ?? "07:00" });
  const save = async () => {
    const timeZone = dnd?.timeZone ?? Intl.DateTimeFormat().resolvedOptions().timeZone;
    // Other settings may have changed meanwhile.
    const { dnd: _, ...now } = await client.notifications.settings();
    await client.notifications.setSettings(isOn.checked ? { ...now, dnd: { from: from.input.value, to: to.input.value, timeZone } } : now);
    toast("Saved");
  };
  return form([el("label.choice", {}, isOn, "Be quiet at certain hours"), el("div.two", {}, from.row, to.row)], "Save", save);
}
