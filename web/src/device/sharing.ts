/** On which terms this device shares: how precisely, and until when. */
import type { Keep, Sharing } from '@gpys/client';

/** What its owner has chosen. */
export interface Wish {
  /** Others get the middle of a cell of about 1 km. */
  approximate: boolean;
  /** For how long, from one of DURATIONS. */
  minutes: number;
}

/** Minutes to choose from; 0 is until the owner stops. */
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
    // Somebody else's words under this name.
  }
  return { approximate: false, minutes: 0 };
}

/** Times are of the wall clock in ms, which goes on while the device sleeps. */
export class SharingTerms {
  wish: Wish;
  /** While it shares for a time: until when. */
  private ends: number | undefined;
  private sharing = false;

  constructor(private readonly storage: Keep) {
    this.wish = load(storage);
  }

  /** The owner wants it otherwise. A new duration counts from now, and precision extends nothing. */
  choose(wish: Wish, now: number): void {
    const anew = wish.minutes !== this.wish.minutes;
    this.wish = wish;
    this.storage.setItem(WISH, JSON.stringify(wish));
    if (this.sharing && anew) this.begin(now);
  }

  /** The owner shares from now on. */
  begin(now: number): void {
    this.sharing = true;
    this.ends = this.wish.minutes > 0 ? now + this.wish.minutes * MINUTE_MS : undefined;
  }

  /** The owner has shared since before a reload, until `ends` or without end. */
  resume(wish: Wish, ends: number | undefined): void {
    this.wish = wish;
    this.sharing = true;
    this.ends = ends;
  }

  /** Until when, on the wall clock; undefined: until the owner stops. */
  get until(): number | undefined {
    return this.ends;
  }

  /** The owner does not share any more. */
  end(): void {
    this.sharing = false;
    this.ends = undefined;
  }

  /** How long the sharing still lasts, in ms; undefined: until the owner stops. */
  left(now: number): number | undefined {
    if (this.ends === undefined) return undefined;
    // However the clock was set in the meantime, never for longer than was chosen.
    return Math.min(this.ends - now, this.wish.minutes * MINUTE_MS);
  }

  isOver(now: number): boolean {
    return (this.left(now) ?? 1) <= 0;
  }

  /** As the server is told. */
  wire(now: number): Sharing {
    const left = this.left(now);
    const seconds = left === undefined ? 0 : Math.max(1, Math.ceil(left / 1000));
    return { approximate: this.wish.approximate, seconds };
  }
}
