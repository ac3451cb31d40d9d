/** Tells news on the datagram lane from what came late (docs/PROTOCOL.md, section 6). */
import { after } from './view.ts';
import type { Said } from './wire/say.ts';

/** What has been heard on the datagram lane: of each sender and topic, only the newest counts. */
export class Hearing {
  /** The time of the newest message, by sender and topic. */
  readonly #newest = new Map<number, Map<string, number>>();

  /** Whether a message with this time is newer than all others of its sender on its topic. */
  isNews({ from, topic }: Said, time: number): boolean {
    const topics = this.#newest.get(from) ?? new Map<string, number>();
    const before = topics.get(topic);
    if (before !== undefined && !after(time, before)) return false;
    this.#newest.set(from, topics.set(topic, time));
    return true;
  }

  /** Forgets people who have left, whose numbers never come back. */
  forget(ids: readonly number[]): void {
    for (const id of ids) this.#newest.delete(id);
  }

  /** Forgets everybody: the server may be another, with a clock that began again. */
  clear(): void {
    this.#newest.clear();
  }
}
