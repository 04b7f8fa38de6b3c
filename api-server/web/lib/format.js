// Times, sizes and names as people read them.

const time = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: "long" });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "long" });
const dayAndYear = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "long", year: "numeric" });
const whole = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "short" });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });

const DAY = 86_400_000;

const midnight = (date) => new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();

/** How many days ago, by this machine's calendar. */
function daysAgo(date) {
  return Math.round((midnight(new Date()) - midnight(date)) / DAY);
}

export function clock(timestamp) {
  return time.format(new Date(timestamp));
}

export function moment(timestamp) {
  return whole.format(new Date(timestamp));
}

/** The same for all of one day. */
export function dayKey(timestamp) {
  return midnight(new Date(timestamp));
}

export function dayName(timestamp) {
  const date = new Date(timestamp);
  const ago = daysAgo(date);
  if (ago === 0) return "Today";
  if (ago === 1) return "Yesterday";
  if (ago > 1 && ago < 7) return weekday.format(date);
  return date.getFullYear() === new Date().getFullYear() ? day.format(date) : dayAndYear.format(date);
}

/** Short, for lists: the time today, else the day. */
export function when(timestamp) {
  return daysAgo(new Date(timestamp)) === 0 ? clock(timestamp) : dayName(timestamp);
}

/** How long ago, roughly. */
export function ago(timestamp) {
  const seconds = (new Date(timestamp).getTime() - Date.now()) / 1000;
  if (seconds > -45) return "just now";
  if (seconds > -3600) return relative.format(Math.round(seconds / 60), "minute");
  if (seconds > -86_400) return relative.format(Math.round(seconds / 3600), "hour");
  return relative.format(Math.round(seconds / 86_400), "day");
}

export function size(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 1e6) return `${Math.round(bytes / 1000)} kB`;
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

/** What an error says to a person. */
export function problem(error) {
  const details = error?.details ?? [];
  if (details.length > 0) return details.map(({ field, problem }) => `${field}: ${problem}`).join("; ");
  if (error?.code === "NETWORK") return "There is no connection to the server.";
  const text = error?.message ?? String(error);
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** "Ann types", "Ann and Ben type", "Ann, Ben and 3 others type". */
export function typing(names) {
  if (names.length === 0) return "";
  if (names.length === 1) return `${names[0]} is typing`;
  if (names.length === 2) return `${names[0]} and ${names[1]} are typing`;
  return `${names[0]}, ${names[1]} and ${names.length - 2} more are typing`;
}

/** How somebody stands. */
export function presence(user) {
  if (!user) return "";
  if (user.status === "offline") return user.lastSeen ? `last seen ${ago(user.lastSeen)}` : "offline";
  return user.statusText ? `${user.status}: ${user.statusText}` : user.status;
}

const BROWSERS = { Edg: "Edge", OPR: "Opera", Firefox: "Firefox", Chrome: "Chrome", Safari: "Safari" };
const SYSTEMS = { iPhone: "iPhone", iPad: "iPad", Android: "Android", Windows: "Windows", "Mac OS": "macOS", CrOS: "ChromeOS", Linux: "Linux" };

/** What somebody logged in with, as far as its `User-Agent` tells: "Firefox on Linux". @param {string} agent */
export function program(agent) {
  const named = (names) => Object.entries(names).find(([part]) => agent.includes(part))?.[1];
  const browser = named(BROWSERS);
  if (!browser) return agent;
  const system = named(SYSTEMS);
  return system ? `${browser} on ${system}` : browser;
}
