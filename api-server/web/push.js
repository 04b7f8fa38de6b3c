// The service worker: shows what is pushed, and opens the room that it is about. It keeps no page and no message.

addEventListener("install", () => self.skipWaiting());
addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

addEventListener("push", (event) => {
  const { title = "ChatApp", body = "", data = {}, id } = event.data?.json() ?? {};
  const tag = data.roomId ?? id;
  event.waitUntil(self.registration.showNotification(title, { body, data, tag, icon: "/web/icon.svg" }));
});

addEventListener("notificationclick", (event) => {
  event.notification.close();
  const { roomId } = event.notification.data ?? {};
  const address = roomId === undefined ? "/" : `/#/room/${encodeURIComponent(roomId)}`;
  event.waitUntil(show(address));
});

/** @param {string} address */
async function show(address) {
  const [page] = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  if (!page) return self.clients.openWindow(address);
  page.postMessage({ show: address.slice(1) });
  return page.focus();
}
