/** Where a client keeps what it needs to come back: a part of the browser's `Storage`. */
export type Keep = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;

/** Keeps everything for as long as the program runs. */
export class Memory implements Keep {
  private readonly items = new Map<string, string>();

  /** The value under `key`, or null. */
  getItem(key: string): string | null {
    return this.items.get(key) ?? null;
  }

  /** Keeps `value` under `key`. */
  setItem(key: string, value: string): void {
    this.items.set(key, value);
  }

  /** Forgets what is under `key`. */
  removeItem(key: string): void {
    this.items.delete(key);
  }
}
