// A list of which only what is seen, and a little around it, is in the document. Heights are measured when a row is shown
// and guessed before; what one looks at stays where it is, whatever comes, goes or grows around it.

/** Rows drawn beyond each end of what is seen, in pixels. */
const AROUND = 600;
/** A row that was never shown. */
const GUESS = 60;
/** So near to the end counts as there: what comes then is followed. */
const NEAR = 48;
/** Measuring may move rows, which shows others, which are measured. It settles in two or three. */
const ROUNDS = 6;

/**
 * @typedef {object} Spec What the list is told of its rows.
 * @property {(item: any) => string} keyOf
 * @property {(item: any, before: any) => string} signatureOf What else a row shows: it is made anew when this, or the
 *   item, is another one.
 * @property {(item: any, before: any) => HTMLElement} make
 * @property {(old: HTMLElement, made: HTMLElement, item: any) => void} replaced A row was made in place of another.
 */

export class VirtualList {
  #scroller;
  #rows;
  #top;
  #bottom;
  #spec;
  #items = [];
  /** @type {Map<string, number>} */
  #heights = new Map();
  /** Where each row begins; one more: where the last ends. */
  #offsets = [0];
  /** The index of each row, by its key. @type {Map<string, number>} */
  #indexes = new Map();
  /** Items or heights have changed since both were computed. */
  #isStale = true;
  /** Rows in the document. @type {Map<string, { element: HTMLElement, item: any, signature: string }>} */
  #shown = new Map();
  /** What stays where it is: a row and how far its top is below the scroller's, or the end. */
  #anchor = /** @type {{ key: string, gap: number } | "end"} */ ("end");
  #observer;
  #width = 0;

  /** @param {HTMLElement} scroller @param {HTMLElement} rows Inside of it. @param {Spec} spec */
  constructor(scroller, rows, spec) {
    this.#scroller = scroller;
    this.#rows = rows;
    this.#spec = spec;
    this.#top = spacer();
    this.#bottom = spacer();
    rows.before(this.#top);
    rows.after(this.#bottom);
    this.#observer = new ResizeObserver(() => this.#resized());
    this.#observer.observe(scroller);
  }

  close() {
    this.#observer.disconnect();
  }

  /** The last row is seen. */
  get atEnd() {
    return this.#anchor === "end";
  }

  /** The last item of which something is seen. */
  get lastSeen() {
    const end = this.#scroller.scrollTop + this.#scroller.clientHeight;
    return this.#items[Math.min(this.#at(end - 1), this.#items.length - 1)];
  }

  /** Draws these items; what one looks at stays. @param {any[]} items */
  show(items) {
    this.#items = items;
    this.#isStale = true;
    if (this.#heights.size > 4 * items.length + 1000) this.#heights.clear();
    this.#draw();
  }

  /** Goes to the end and stays there. */
  toEnd() {
    this.#anchor = "end";
    this.#draw();
  }

  /** Shows this row, `gap` pixels below the top. Gives its element. @param {string} key */
  toRow(key, gap = 80) {
    this.#anchor = { key, gap };
    this.#draw();
    this.scrolled();
    return this.#shown.get(key)?.element;
  }

  /** The row beside this one, drawn. @param {string} key @param {number} by */
  beside(key, by) {
    return this.reveal((this.#indexes.get(key) ?? -1 - by) + by);
  }

  /** The row of this index, scrolled to as little as needed. @param {number} index */
  reveal(index) {
    if (index < 0 || index >= this.#items.length) return undefined;
    const key = this.#spec.keyOf(this.#items[index]);
    const { scrollTop, clientHeight } = this.#scroller;
    const top = this.#offsets[index];
    const bottom = this.#offsets[index + 1];
    if (top < scrollTop + 8) this.#anchor = { key, gap: 8 };
    else if (bottom > scrollTop + clientHeight) this.#anchor = { key, gap: Math.max(8, clientHeight - (bottom - top) - 8) };
    this.#draw();
    this.scrolled();
    return this.#shown.get(key)?.element;
  }

  /** Somebody has scrolled: what is seen now stays from here on. */
  scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    if (scrollHeight - scrollTop - clientHeight < NEAR) this.#anchor = "end";
    else {
      const index = this.#at(scrollTop);
      const item = this.#items[index];
      if (item !== undefined) this.#anchor = { key: this.#spec.keyOf(item), gap: this.#offsets[index] - scrollTop };
    }
    this.#draw();
  }

  #resized() {
    const width = this.#scroller.clientWidth;
    // Of another width all heights are others.
    if (width !== this.#width) this.#heights.clear();
    this.#isStale ||= width !== this.#width;
    this.#width = width;
    this.#draw();
  }

  #draw() {
    if (this.#scroller.clientHeight === 0) return;
    for (let round = 0; round < ROUNDS; round++) {
      this.#measureOffsets();
      const total = this.#offsets[this.#items.length];
      const height = this.#scroller.clientHeight;
      const from = Math.max(0, Math.min(this.#wanted(total, height), total - height));
      const first = this.#at(from - AROUND);
      const last = Math.min(this.#items.length, this.#at(from + height + AROUND) + 1);
      this.#place(first, last);
      this.#top.style.height = `${this.#offsets[first]}px`;
      this.#bottom.style.height = `${total - this.#offsets[last]}px`;
      if (!this.#measureRows()) {
        const top = this.#anchor === "end" ? this.#scroller.scrollHeight : from;
        if (Math.abs(this.#scroller.scrollTop - top) > 0.5) this.#scroller.scrollTop = top;
        return;
      }
    }
  }

  /** Where the scroller's top is to be. */
  #wanted(total, height) {
    if (this.#anchor === "end") return total - height;
    const { key, gap } = this.#anchor;
    const index = this.#indexes.get(key);
    return index === undefined ? this.#scroller.scrollTop : this.#offsets[index] - gap;
  }

  #measureOffsets() {
    if (!this.#isStale) return;
    this.#isStale = false;
    this.#offsets = new Array(this.#items.length + 1);
    this.#indexes.clear();
    let at = 0;
    for (const [index, item] of this.#items.entries()) {
      const key = this.#spec.keyOf(item);
      this.#indexes.set(key, index);
      this.#offsets[index] = at;
      at += this.#heights.get(key) ?? GUESS;
    }
    this.#offsets[this.#items.length] = at;
  }

  /** The index of the row at this height. @param {number} y */
  #at(y) {
    let low = 0;
    let high = this.#items.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#offsets[middle + 1] <= y) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Has the document hold these rows, in order; those that are as they were are not touched. */
  #place(first, last) {
    const wanted = new Map();
    for (let index = first; index < last; index++) {
      const [item, before] = [this.#items[index], this.#items[index - 1]];
      const key = this.#spec.keyOf(item);
      const signature = this.#spec.signatureOf(item, before);
      const there = this.#shown.get(key);
      const same = there && there.item === item && there.signature === signature;
      wanted.set(key, same ? there : { item, signature, element: this.#make(key, item, before, there?.element) });
    }
    for (const [key, { element }] of this.#shown) if (wanted.get(key)?.element !== element) element.remove();
    let next = this.#rows.firstElementChild;
    for (const { element } of wanted.values()) {
      if (element === next) next = next.nextElementSibling;
      else this.#rows.insertBefore(element, next);
    }
    this.#shown = wanted;
  }

  /** A row in place of one that may have the focus. */
  #make(key, item, before, old) {
    const made = this.#spec.make(item, before);
    made.dataset.key = key;
    const hadFocus = old?.contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") ?? "" : undefined;
    if (old) this.#spec.replaced(old, made, item);
    if (hadFocus !== undefined) {
      queueMicrotask(() => {
        const same = hadFocus && [...made.querySelectorAll("[aria-label]")].find((one) => one.getAttribute("aria-label") === hadFocus);
        (same || made).focus({ preventScroll: true });
      });
    }
    return made;
  }

  /** @returns {boolean} Whether a row has another height than was thought. */
  #measureRows() {
    let changed = false;
    for (const [key, { element }] of this.#shown) {
      const { height } = element.getBoundingClientRect();
      if (Math.abs((this.#heights.get(key) ?? -1) - height) < 0.5) continue;
      this.#heights.set(key, height);
      changed = true;
    }
    this.#isStale ||= changed;
    return changed;
  }
}

function spacer() {
  const made = document.createElement("div");
  made.setAttribute("aria-hidden", "true");
  return made;
}
