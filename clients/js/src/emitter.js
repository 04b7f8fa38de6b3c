// Events to whoever listens: typed, in order, synchronous.

/**
 * @template {Record<string, any>} Events What each event tells, by its name.
 */
export class Emitter {
  /** @type {Map<keyof Events, Set<(detail: any) => void>>} */
  #listeners = new Map();

  /**
   * Calls `listener` with each event of this name.
   * @template {keyof Events} Name
   * @param {Name} name
   * @param {(detail: Events[Name]) => void} listener
   * @returns {() => void} Ends it.
   */
  on(name, listener) {
    let listeners = this.#listeners.get(name);
    if (!listeners) this.#listeners.set(name, (listeners = new Set()));
    // A function of its own: the same listener may be there twice.
    const called = (/** @type {Events[Name]} */ detail) => listener(detail);
    listeners.add(called);
    return () => void listeners.delete(called);
  }

  /**
   * The next event of this name that `wanted` accepts.
   * @template {keyof Events} Name
   * @param {Name} name
   * @param {(detail: Events[Name]) => boolean} [wanted]
   * @returns {Promise<Events[Name]>}
   */
  once(name, wanted = () => true) {
    return new Promise((resolve) => {
      const off = this.on(name, (detail) => {
        if (!wanted(detail)) return;
        off();
        resolve(detail);
      });
    });
  }

  /**
   * Tells everybody who listens. What a listener throws is reported as an uncaught error and hinders nobody else.
   * @template {keyof Events} Name
   * @param {Name} name
   * @param {Events[Name]} detail
   */
  emit(name, detail) {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) {
      try {
        listener(detail);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
