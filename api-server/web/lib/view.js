// What all elements of the page are: they listen while they are shown, and draw at most once a frame.

export class View extends HTMLElement {
  #ends = [];
  #due = false;

  connectedCallback() {
    this.shown();
  }

  disconnectedCallback() {
    for (const end of this.#ends.splice(0)) end();
    this.gone();
  }

  /** The element is on the page. */
  shown() {}

  /** It is not any more. */
  gone() {}

  /** Calls `listener` as long as the element is shown. `source`: one of the client's emitters, or an event target. */
  listen(source, name, listener) {
    if (source instanceof EventTarget) {
      source.addEventListener(name, listener);
      this.#ends.push(() => source.removeEventListener(name, listener));
    } else this.#ends.push(source.on(name, listener));
  }

  /** Something to be done when the element goes. */
  finally(end) {
    this.#ends.push(end);
  }

  /** Has `draw` called before the next frame, however often it is asked for; in a hidden window a moment later. */
  later() {
    if (this.#due) return;
    this.#due = true;
    const draw = () => {
      this.#due = false;
      if (this.isConnected) this.draw();
    };
    if (document.visibilityState === "visible") requestAnimationFrame(draw);
    else setTimeout(draw, 50);
  }

  draw() {}
}
