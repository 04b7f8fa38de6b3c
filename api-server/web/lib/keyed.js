// Lists that are drawn again and again: what is in them stays the same element, with the focus and a click under way.

import { fill } from "./el.js";

/**
 * Has `parent` hold one element for each item, in order.
 * @param {HTMLElement} parent
 * @param {any[]} items
 * @param {object} how
 * @param {(item: any) => string} how.keyOf
 * @param {(item: any) => HTMLElement} how.make Its element, without what changes.
 * @param {(item: any) => { signature: string, draw: () => any[] }} how.show What is in it: drawn anew when the signature
 *   is another one. It goes into the element's first link or button.
 */
export function keyed(parent, items, { keyOf, make, show }) {
  const before = new Map([...parent.children].map((element) => [element.dataset.key, element]));
  const elements = items.map((item) => {
    const key = keyOf(item);
    const element = before.get(key) ?? make(item);
    before.delete(key);
    element.dataset.key = key;
    const { signature, draw } = show(item);
    if (element.dataset.signature !== signature) {
      element.dataset.signature = signature;
      fill(element.querySelector("a, button") ?? element, draw());
    }
    return element;
  });
  for (const gone of before.values()) gone.remove();
  let next = parent.firstElementChild;
  for (const element of elements) {
    if (element === next) next = next.nextElementSibling;
    else parent.insertBefore(element, next);
  }
}
