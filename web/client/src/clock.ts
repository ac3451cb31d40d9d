/** The server's clock as seen from here, learnt from pongs (docs/PROTOCOL.md, sections 2 and 6). */

const KEPT = 8;
/**
 * Two pongs of one clock differ by no more than half of both round trips, and this: times on the
 * wire are whole milliseconds, and clocks drift.
 */
const SLACK_MS = 10;
/** A frame this far off the estimate is reason to ask at once; what waits in the path seldom is. */
const ODD_MS = 500;
const WRAP = 2 ** 32;

interface Sample {
  offset: number;
  roundTrip: number;
}

export class Clock {
  private samples: Sample[] = [];
  private rough: number | undefined;

  /** Before the first pong the welcome's own time is right to within one way of the link. */
  welcome(time: number, now: number): void {
    this.samples = [];
    this.rough = time - now;
  }

  /**
   * Takes a pong, and tells whether one of the two clocks has stepped, as that of a server that was
   * suspended does, or a laptop's that slept: then what was learnt before is void.
   */
  pong(sentAt: number, time: number, now: number): boolean {
    const roundTrip = Math.max(0, now - sentAt);
    const offset = time + roundTrip / 2 - now;
    const best = this.best();
    const stepped =
      !!best &&
      Math.abs(wrapped(offset - best.offset)) > (roundTrip + best.roundTrip) / 2 + SLACK_MS;
    if (stepped) this.samples = [];
    this.samples.push({ offset, roundTrip });
    if (this.samples.length > KEPT) this.samples.shift();
    return stepped;
  }

  /** Whether a frame of this time that arrives now is so far off that a clock may have stepped. */
  isOdd(frame: number, now: number): boolean {
    const best = this.best();
    return !!best && Math.abs(wrapped(frame - best.offset - now)) > ODD_MS;
  }

  /** The round trip of the newest pong in ms. */
  get roundTrip(): number | undefined {
    return this.samples.at(-1)?.roundTrip;
  }

  /** The server's time at the local time `now`, or undefined while nothing is known of it. */
  at(now: number): number | undefined {
    const offset = this.best()?.offset ?? this.rough;
    return offset === undefined ? undefined : Math.round(now + offset) >>> 0;
  }

  private best(): Sample | undefined {
    let best: Sample | undefined;
    for (const sample of this.samples)
      if (!best || sample.roundTrip < best.roundTrip) best = sample;
    return best;
  }
}

/** A difference of two times on the wire, the nearest to zero. */
function wrapped(difference: number): number {
  return difference - WRAP * Math.round(difference / WRAP);
}
