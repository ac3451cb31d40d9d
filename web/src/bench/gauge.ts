/** How old the positions of one sender are on one receiver's picture. Times are local, in ms. */
import { Histogram } from './histogram';

/** The picture is looked at this often. It only ages between two arrivals, so no timer is needed. */
const LOOK_MS = 1;

export class Gauge {
  /** The age of each sample as it arrives. */
  readonly arrivals = new Histogram();
  /** The age of what is shown, whenever one looks. */
  readonly looks = new Histogram();
  private counting = false;
  /** Only samples taken from here on count. */
  private from = 0;
  /** When the sample that is shown was taken. */
  private taken: number | undefined;
  private nextLook = 0;
  private peak: number | undefined;

  /** Counts from now on, beginning with the first sample that is taken from now on. */
  start(now: number): void {
    this.counting = true;
    this.from = now;
    this.taken = undefined;
  }

  /** Counts no more until the next start. */
  stop(now: number): void {
    this.advance(now);
    this.counting = false;
    this.taken = undefined;
    this.peak = undefined;
  }

  /** A sample is shown, which was taken at `taken`; an older one than before is no news. */
  show(taken: number, now: number): void {
    if (!this.counting || taken < this.from) return;
    if (this.taken !== undefined && taken <= this.taken) return;
    if (this.taken === undefined) this.nextLook = now;
    else this.advance(now);
    this.arrivals.add(now - taken);
    this.taken = taken;
  }

  /** Catches up with the time that has gone by. */
  advance(now: number): void {
    if (!this.counting || this.taken === undefined) return;
    for (; this.nextLook <= now; this.nextLook += LOOK_MS) {
      this.looks.add(this.nextLook - this.taken);
    }
    this.peak = Math.max(this.peak ?? 0, now - this.taken);
  }

  /** The highest age since the last call, or undefined while nothing is shown. */
  takePeak(now: number): number | undefined {
    this.advance(now);
    const { peak } = this;
    this.peak = undefined;
    return peak;
  }
}
