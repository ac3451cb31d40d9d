/** The terms on which this device shares: how precisely, and for how long. */
import type { Keep, Sharing } from '@gpys/client/parts';

/** The user's choice. */
export interface Wish {
  /** Whether others get the middle of a cell of about 1 km. */
  approximate: boolean;
  /** The duration, one of {@link DURATIONS}. */
  minutes: number;
}

/** Minutes to choose from; 0 means until the user stops. */
export const DURATIONS: readonly number[] = [15, 60, 0];
const WISH = 'gpys.sharing';
const MINUTE_MS = 60_000;

export function isWish(value: unknown): value is Wish {
  const { approximate, minutes } = (value ?? {}) as Partial<Wish>;
  return typeof approximate === 'boolean' && DURATIONS.includes(minutes as number);
}

function load(storage: Keep): Wish {
  try {
    const kept: unknown = JSON.parse(storage.getItem(WISH) ?? 'null');
    if (isWish(kept)) return kept;
  } catch {
    // Another program's data under this key.
  }
  return { approximate: false, minutes: 0 };
}

/**
 * The current terms. Times are on the wall clock in ms, which keeps running while the device
 * sleeps.
 */
export class SharingTerms {
  wish: Wish;
  /** End of sharing, if it has one. */
  private ends: number | undefined;
  private sharing = false;

  constructor(private readonly storage: Keep) {
    this.wish = load(storage);
  }

  /** Changes the terms. A new duration counts from now; a new precision extends nothing. */
  choose(wish: Wish, now: number): void {
    const anew = wish.minutes !== this.wish.minutes;
    this.wish = wish;
    this.storage.setItem(WISH, JSON.stringify(wish));
    if (this.sharing && anew) this.begin(now);
  }

  /** Starts sharing. */
  begin(now: number): void {
    this.sharing = true;
    this.ends = this.wish.minutes > 0 ? now + this.wish.minutes * MINUTE_MS : undefined;
  }

  /** Resumes sharing from before a reload, until `ends` or without an end. */
  resume(wish: Wish, ends: number | undefined): void {
    this.wish = wish;
    this.sharing = true;
    this.ends = ends;
  }

  /** End of sharing on the wall clock; undefined: until the user stops. */
  get until(): number | undefined {
    return this.ends;
  }

  /** Stops sharing. */
  end(): void {
    this.sharing = false;
    this.ends = undefined;
  }

  /** Remaining time in ms; undefined: until the user stops. */
  left(now: number): number | undefined {
    if (this.ends === undefined) return undefined;
    // However the clock was set meanwhile, never longer than chosen.
    return Math.min(this.ends - now, this.wish.minutes * MINUTE_MS);
  }

  isOver(now: number): boolean {
    return (this.left(now) ?? 1) <= 0;
  }

  /** The terms as the server gets them. */
  wire(now: number): Sharing {
    const left = this.left(now);
    const seconds = left === undefined ? 0 : Math.max(1, Math.ceil(left / 1000));
    return { approximate: this.wish.approximate, seconds };
  }
}
