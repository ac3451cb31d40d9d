import { Emitter } from './events.ts';

/** A value that can be followed: the store contract of Svelte, which other frameworks know too. */
export class Store<T> {
  readonly #events = new Emitter<{ value: T }>();
  #value: T;

  constructor(value: T) {
    this.#value = value;
  }

  /** The current value. */
  get value(): T {
    return this.#value;
  }

  /** Sets the value, and tells it to all followers. */
  set(value: T): void {
    this.#value = value;
    this.#events.emit('value', value);
  }

  /** Calls `follow` with the value now and after each change; the returned function ends that. */
  subscribe(follow: (value: T) => void): () => void {
    // A function of its own, because the same one may subscribe twice.
    const off = this.#events.on('value', (value) => follow(value));
    follow(this.#value);
    return off;
  }
}
