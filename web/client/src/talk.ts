/** What this client says on the datagram lane: the newest on each topic (docs/PROTOCOL.md, section 6). */
import type { Outlet } from './sender.ts';
import { encodeSay, type Say } from './wire/say.ts';

/** Between messages, in ms: the server takes 60 a second. */
const PACE_MS = 1000 / 60;
/** So much of that pace may be made up for at once, in ms; the server takes 120 at once. */
const BURST_MS = 1000;
const BUSY_RETRY_MS = 5;

/** Paces messages onto a link. Of those that wait, a newer one on its topic takes the place. */
export class Talk {
  #outlet: Pick<Outlet, 'sendDatagram'> | undefined;
  readonly #waiting = new Map<string, Say>();
  #seq = 0;
  /** When the next message is due at the regular pace. */
  #turn = Number.NEGATIVE_INFINITY;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Starts on a new link; `seq` starts from 0. */
  open(outlet: Pick<Outlet, 'sendDatagram'>): void {
    this.close();
    this.#outlet = outlet;
    this.#seq = 0;
  }

  /** Stops: what still waits is void. */
  close(): void {
    this.#outlet = undefined;
    this.#waiting.clear();
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Sends a message as soon as the pace and the lane allow; false: there is no link. */
  offer(say: Say): boolean {
    if (!this.#outlet) return false;
    this.#waiting.set(say.topic, say);
    if (this.#timer === undefined) this.#send(this.#outlet);
    return true;
  }

  #send(outlet: Pick<Outlet, 'sendDatagram'>): void {
    this.#timer = undefined;
    for (const [topic, say] of this.#waiting) {
      const now = performance.now();
      const wait = Math.ceil(this.#turn - now);
      const sent = wait <= 0 && outlet.sendDatagram(encodeSay(say, this.#seq));
      if (!sent) {
        this.#timer = setTimeout(() => this.#send(outlet), Math.max(wait, BUSY_RETRY_MS));
        return;
      }
      this.#seq = (this.#seq + 1) >>> 0;
      this.#waiting.delete(topic);
      this.#turn = Math.max(this.#turn, now - BURST_MS) + PACE_MS;
    }
  }
}
