// The files of a message. They are asked for with the login's token, so pictures are fetched and shown as blobs; a few
// hundred are kept.

import { openDialog, toast } from "../lib/dialog.js";
import { el, icon } from "../lib/el.js";
import { problem, size } from "../lib/format.js";

/** Pictures that are kept; the oldest are let go. */
const KEPT = 300;
/** The longest side of a picture in a message, in pixels. */
const SIDE = 320;

/** Addresses of blobs, by the address they were fetched from. @type {Map<string, Promise<string>>} */
const pictures = new Map();

export function attachments(client, room, message) {
  const stored = message.attachments ?? [];
  const waiting = message.pending?.files ?? [];
  if (stored.length + waiting.length === 0) return undefined;
  return el("div.attachments", {}, stored.map((one) => attachment(client, room, message, one)), waiting.map(uploading));
}

function attachment(client, room, message, file) {
  if (file.thumbnailUrl) return picture(client, file);
  const onclick = () => download(client, file);
  return el("button.file", { type: "button", onclick }, icon("file"), el("span.names", {}, el("strong", {}, file.name), el("small", {}, size(file.size))));
}

function picture(client, file) {
  const scale = Math.min(1, SIDE / Math.max(file.width ?? SIDE, file.height ?? SIDE));
  const [width, height] = [Math.round((file.width ?? SIDE) * scale), Math.round((file.height ?? SIDE) * scale)];
  const image = el("img", { alt: "", width, height });
  const show = (url) => (image.src = url);
  fetched(client, file.thumbnailUrl).then(show, () => (image.alt = "cannot be shown"));
  const onclick = () => void showWhole(client, file);
  return el("button.picture", { type: "button", "aria-label": `Picture ${file.name}: show it whole`, onclick }, image);
}

function uploading(file) {
  return el("span.file", {}, icon("clock"), el("span.names", {}, el("strong", {}, file.name ?? "File"), el("small", {}, `${size(file.size)}, to be uploaded`)));
}

async function showWhole(client, file) {
  const image = el("img.whole", { alt: file.name, width: file.width, height: file.height });
  const save = el("button.button", { type: "button", onclick: () => download(client, file) }, "Save");
  openDialog({ title: file.name, body: [image, el("div.button-row", {}, save)], className: "wide" });
  try {
    image.src = await fetched(client, file.url);
  } catch (error) {
    toast(problem(error));
  }
}

async function download(client, file) {
  try {
    const url = URL.createObjectURL(await client.files.blob(file.url));
    el("a", { href: url, download: file.name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  } catch (error) {
    toast(problem(error));
  }
}

/** @returns {Promise<string>} */
function fetched(client, url) {
  let kept = pictures.get(url);
  if (!kept) {
    kept = client.files.blob(url).then((blob) => URL.createObjectURL(blob));
    kept.catch(() => pictures.delete(url));
    pictures.set(url, kept);
    for (const [oldest, address] of pictures) {
      if (pictures.size <= KEPT) break;
      pictures.delete(oldest);
      address.then((one) => URL.revokeObjectURL(one), () => {});
    }
  }
  return kept;
}
