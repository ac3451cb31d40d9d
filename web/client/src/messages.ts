/** What others say, as async iterators. */

/** So many messages wait for a program that is slow to take them; then the oldest are dropped. */
const MOST = 1024;

/** Messages in the order in which they came. */
export class Messages<M> implements AsyncIterableIterator<M> {
  readonly #waiting: M[] = [];
  #takers: ((result: IteratorResult<M, undefined>) => void)[] = [];
  #ended = false;
  readonly #end: () => void;

  /** `end` is called when no more messages are wanted. */
  constructor(end: () => void) {
    this.#end = end;
  }

  /** Hands a message out. Used by the room. */
  push(value: M): void {
    const take = this.#takers.shift();
    if (take) take({ done: false, value });
    else if (this.#waiting.push(value) > MOST) this.#waiting.shift();
  }

  /** The next message, once there is one. */
  async next(): Promise<IteratorResult<M, undefined>> {
    const value = this.#waiting.shift();
    if (value !== undefined) return { done: false, value };
    if (this.#ended) return { done: true, value: undefined };
    return new Promise((take) => this.#takers.push(take));
  }

  /** Ends the messages. */
  async return(): Promise<IteratorResult<M, undefined>> {
    this.#ended = true;
    this.#end();
    for (const take of this.#takers) take({ done: true, value: undefined });
    this.#takers = [];
    return { done: true, value: undefined };
  }

  /** Itself. */
  [Symbol.asyncIterator](): this {
    return this;
  }
}
