/** Stores the state of sharing in this tab, so that it resumes after a reload. */
import {
  type Keep,
  MAX_LAT,
  MAX_LNG,
  NO_ORIENTATION,
  ORIENTATION_CODES,
  UNIT,
} from '@gpys/client/parts';
import type { Snapshot } from './self';
import { isWish, type Wish } from './sharing';

const KEY = 'gpys.live';
/**
 * A device's position older than this says little of where it is now, and a new one will come soon.
 */
const OLDEST_FIX_MS = 60_000;

export interface Live {
  room: string;
  /** End of sharing on the wall clock, in ms; null: until the user stops. */
  ends: number | null;
  wish: Wish;
  /** The access token that allowed sharing. */
  access: string | null;
  self: Snapshot;
}

/**
 * Stores the state. `wall` and `now` are the two clocks; the local one restarts with the page, so
 * it is not stored.
 */
export function keepLive(keep: Keep, live: Live | undefined, wall: number, now: number): void {
  if (!live) {
    keep.removeItem(KEY);
    return;
  }
  const { fix } = live.self;
  const stored = fix && { ...fix, accuracy: fix.accuracy || null, at: fix.at + wall - now };
  keep.setItem(KEY, JSON.stringify({ ...live, self: { ...live.self, fix: stored ?? null } }));
}

export function findLive(keep: Keep, room: string, wall: number, now: number): Live | undefined {
  try {
    const it = JSON.parse(keep.getItem(KEY) ?? 'null');
    if (it?.room !== room || !isWish(it.wish)) return undefined;
    if (it.wish.minutes > 0 ? !isNumber(it.ends) : it.ends !== null) return undefined;
    const { fix, byHand, orientation, keys } = it.self ?? {};
    const found = readFix(fix, wall, now);
    const young = found && (byHand === true || now - found.at < OLDEST_FIX_MS);
    const isCode = Number.isInteger(orientation) && within(orientation, 0, ORIENTATION_CODES - 1);
    return {
      room,
      ends: it.ends,
      wish: it.wish,
      access: typeof it.access === 'string' ? it.access : null,
      self: {
        fix: young ? found : undefined,
        byHand: byHand === true && found !== undefined,
        orientation: isCode ? orientation : NO_ORIENTATION,
        keys: readKeys(keys),
      },
    };
  } catch {
    // Another program's data under this key.
    return undefined;
  }
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

function within(value: unknown, least: number, most: number): value is number {
  return isNumber(value) && value >= least && value <= most;
}

function readFix(fix: Partial<Snapshot['fix']> | null, wall: number, now: number): Snapshot['fix'] {
  const { lat, lng, accuracy, at } = fix ?? {};
  if (!within(lat, -MAX_LAT * UNIT, MAX_LAT * UNIT)) return undefined;
  if (!within(lng, -MAX_LNG * UNIT, MAX_LNG * UNIT) || !isNumber(at)) return undefined;
  const metres = isNumber(accuracy) && accuracy > 0 ? accuracy : Number.NaN;
  return { lat, lng, accuracy: metres, at: now - Math.max(0, wall - at) };
}

function readKeys(keys: Partial<NonNullable<Snapshot['keys']>> | null): Snapshot['keys'] {
  const { turn, front, side } = keys ?? {};
  if (!within(front, -90, 90) || !within(side, -90, 90) || !isNumber(turn)) return undefined;
  return { turn, front, side };
}
