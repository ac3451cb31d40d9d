/** Where a client keeps what it needs to come back: a subset of the browser's `Storage`. */
export type Keep = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;

/** A storage that lasts as long as the program. */
export class Memory implements Keep {
  readonly #items = new Map<string, string>();

  /** The value under `key`, or null. */
  getItem(key: string): string | null {
    return this.#items.get(key) ?? null;
  }

  /** Stores `value` under `key`. */
  setItem(key: string, value: string): void {
    this.#items.set(key, value);
  }

  /** Removes the value under `key`. */
  removeItem(key: string): void {
    this.#items.delete(key);
  }
}
