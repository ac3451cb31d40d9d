/** The server's clock as seen from here, learnt from pongs (docs/PROTOCOL.md, sections 2 and 6). */

const KEPT = 8;

interface Sample {
  offset: number;
  rtt: number;
}

export class Clock {
  private samples: Sample[] = [];
  private rough: number | undefined;

  /** Before the first pong the welcome's own time is right to within one way of the link. */
  welcome(time: number, now: number): void {
    this.samples = [];
    this.rough = time - now;
  }

  pong(sentAt: number, time: number, now: number): void {
    const rtt = Math.max(0, now - sentAt);
    this.samples.push({ offset: time + rtt / 2 - now, rtt });
    if (this.samples.length > KEPT) this.samples.shift();
  }

  /** The round trip of the newest pong in ms. */
  get rtt(): number | undefined {
    return this.samples.at(-1)?.rtt;
  }

  /** The server's time at the local time `now`, or undefined while nothing is known of it. */
  at(now: number): number | undefined {
    let best: Sample | undefined;
    for (const sample of this.samples) if (!best || sample.rtt < best.rtt) best = sample;
    const offset = best?.offset ?? this.rough;
    return offset === undefined ? undefined : Math.round(now + offset) >>> 0;
  }
}
