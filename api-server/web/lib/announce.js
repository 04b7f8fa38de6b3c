// The page's one live region: what is new is said to screen readers, politely, and one thing at a time.

let timer;
let waiting = [];

/** @param {string} text */
export function announce(text) {
  waiting.push(text);
  timer ??= setTimeout(say, 150);
}

function say() {
  timer = undefined;
  const said = waiting.length > 3 ? [`${waiting.length} new messages`] : waiting;
  waiting = [];
  const region = document.getElementById("announcer");
  if (region) region.textContent = said.join(". ");
}
