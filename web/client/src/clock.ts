/** Estimates the server's clock from pongs (docs/PROTOCOL.md, sections 2 and 6). */

const KEPT = 8;
/**
 * Slack when comparing pongs, beyond half of both round trips: times on the wire are whole
 * milliseconds, and clocks drift.
 */
const SLACK_MS = 10;
/**
 * A frame this far off the estimate prompts a ping at once; queues on the path are rarely that
 * long.
 */
const ODD_MS = 500;
const WRAP = 2 ** 32;

interface ClockSample {
  offset: number;
  roundTrip: number;
}

/** An estimate of the server's clock. */
export class Clock {
  #samples: ClockSample[] = [];
  #rough: number | undefined;

  /**
   * Starts from the welcome's time, which is right to within one way of the link, until the first
   * pong.
   */
  welcome(time: number, now: number): void {
    this.#samples = [];
    this.#rough = time - now;
  }

  /**
   * Takes a pong. Returns true if either clock has stepped, as when a server was suspended or a
   * laptop slept; earlier samples are then void.
   */
  pong(sentAt: number, time: number, now: number): boolean {
    const roundTrip = Math.max(0, now - sentAt);
    const offset = time + roundTrip / 2 - now;
    const best = this.#best();
    const stepped =
      !!best &&
      Math.abs(wrapped(offset - best.offset)) > (roundTrip + best.roundTrip) / 2 + SLACK_MS;
    if (stepped) this.#samples = [];
    this.#samples.push({ offset, roundTrip });
    if (this.#samples.length > KEPT) this.#samples.shift();
    return stepped;
  }

  /** Whether a frame with this time, arriving now, suggests that a clock has stepped. */
  isOdd(frame: number, now: number): boolean {
    const best = this.#best();
    return !!best && Math.abs(wrapped(frame - best.offset - now)) > ODD_MS;
  }

  /** The newest pong's round trip in ms. */
  get roundTrip(): number | undefined {
    return this.#samples.at(-1)?.roundTrip;
  }

  /** The server's time at the local time `now`; undefined before the welcome. */
  at(now: number): number | undefined {
    const offset = this.#best()?.offset ?? this.#rough;
    return offset === undefined ? undefined : Math.round(now + offset) >>> 0;
  }

  #best(): ClockSample | undefined {
    let best: ClockSample | undefined;
    for (const sample of this.#samples)
      if (!best || sample.roundTrip < best.roundTrip) best = sample;
    return best;
  }
}

/** The difference of two times on the wire, wrapped to the nearest to zero. */
function wrapped(difference: number): number {
  return difference - WRAP * Math.round(difference / WRAP);
}
