/** Counts times in steps as fine as a browser's clock, so that memory stays constant. */

/** Chromium's clock has steps of 0.1 ms if a page is not isolated. */
const STEPS_PER_MS = 10;
/** Times from here on share one step; only the largest is known exactly. */
const LONGEST_MS = 30_000;

export interface Percentiles {
  count: number;
  p50: number;
  p90: number;
  p99: number;
  p999: number;
  max: number;
}

export class Histogram {
  private readonly steps = new Uint32Array(LONGEST_MS * STEPS_PER_MS + 1);
  private total = 0;
  private largest = 0;

  /** Adds a time in ms; negative times count as zero. */
  add(ms: number): void {
    const step = Math.ceil(Math.max(0, ms) * STEPS_PER_MS);
    this.steps[Math.min(step, this.steps.length - 1)]!++;
    this.total++;
    this.largest = Math.max(this.largest, ms);
  }

  get count(): number {
    return this.total;
  }

  /**
   * The time in ms that this share (0 to 1) of all times does not exceed; undefined without times.
   */
  percentile(share: number): number | undefined {
    return this.ranks([share])?.[0];
  }

  /** The usual percentiles; null without times. */
  percentiles(): Percentiles | null {
    const ranks = this.ranks([0.5, 0.9, 0.99, 0.999]);
    if (!ranks) return null;
    const [p50, p90, p99, p999] = ranks as [number, number, number, number];
    return { count: this.total, p50, p90, p99, p999, max: round(this.largest) };
  }

  /** The share of times above `ms`, from 0 to 1; null without times. */
  shareAbove(ms: number): number | null {
    if (this.total === 0) return null;
    let below = 0;
    const end = Math.min(ms * STEPS_PER_MS, this.steps.length - 1);
    for (let step = 0; step <= end; step++) below += this.steps[step]!;
    return (this.total - below) / this.total;
  }

  /** For shares in ascending order. */
  private ranks(shares: number[]): number[] | undefined {
    if (this.total === 0) return undefined;
    const last = this.steps.length - 1;
    let step = 0;
    let seen = this.steps[0]!;
    return shares.map((share) => {
      const rank = Math.max(1, Math.ceil(share * this.total));
      while (seen < rank) seen += this.steps[++step]!;
      return round(step === last ? this.largest : Math.min(this.largest, step / STEPS_PER_MS));
    });
  }
}

/** Rounds to microseconds; more digits are arithmetic noise. */
function round(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
