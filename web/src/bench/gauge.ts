/** Measures the age of one sender's positions on one receiver's picture. Times are local, in ms. */
import { Histogram } from './histogram';

/** Interval of looks at the picture. It only ages between arrivals, so no timer is needed. */
const LOOK_MS = 1;

export class Gauge {
  /** The age of each sample as it arrives. */
  readonly arrivals = new Histogram();
  /** The age of the picture at each look. */
  readonly looks = new Histogram();
  private counting = false;
  /** Time from which samples count. */
  private from = 0;
  /** When the shown sample was taken. */
  private taken: number | undefined;
  private nextLook = 0;
  private peak: number | undefined;

  /** Starts counting with the first sample taken from now on. */
  start(now: number): void {
    this.counting = true;
    this.from = now;
    this.taken = undefined;
  }

  /** Stops counting until the next start. */
  stop(now: number): void {
    this.advance(now);
    this.counting = false;
    this.taken = undefined;
    this.peak = undefined;
  }

  /** Shows a sample taken at `taken`; one older than before is no news. */
  show(taken: number, now: number): void {
    if (!this.counting || taken < this.from) return;
    if (this.taken !== undefined && taken <= this.taken) return;
    if (this.taken === undefined) this.nextLook = now;
    else this.advance(now);
    this.arrivals.add(now - taken);
    this.taken = taken;
  }

  /** Catches up with the time that has passed. */
  advance(now: number): void {
    if (!this.counting || this.taken === undefined) return;
    for (; this.nextLook <= now; this.nextLook += LOOK_MS) {
      this.looks.add(this.nextLook - this.taken);
    }
    this.peak = Math.max(this.peak ?? 0, now - this.taken);
  }

  /** The highest age since the last call; undefined while nothing is shown. */
  takePeak(now: number): number | undefined {
    this.advance(now);
    const { peak } = this;
    this.peak = undefined;
    return peak;
  }
}
