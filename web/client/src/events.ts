/**
 * Calls listeners by the name of their event, in the order in which they were added. An error of a
 * listener is the program's, and no reason to give up the link: it is thrown on its own.
 */
export class Emitter<Events> {
  readonly #listeners: { [Name in keyof Events]?: ((value: Events[Name]) => void)[] } = {};

  /** Adds a listener; the returned function removes it. */
  on<Name extends keyof Events>(name: Name, listener: (value: Events[Name]) => void): () => void {
    this.#listeners[name] = [...(this.#listeners[name] ?? []), listener];
    return () => {
      this.#listeners[name] = this.#listeners[name]?.filter((it) => it !== listener);
    };
  }

  /** Calls every listener of this event. */
  emit<Name extends keyof Events>(name: Name, value: Events[Name]): void {
    for (const listener of this.#listeners[name] ?? []) {
      try {
        listener(value);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
