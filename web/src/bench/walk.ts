/**
 * A walk on the open sea, each of whose positions is a number, so that receivers know which sample
 * they see: the wire's own ages are too coarse to measure with.
 */
import type { Viewport } from '@gpys/client/parts';

/**
 * Distance between positions, in units of 1e-7 degree (5 m). Cells up to level 8 round to less than
 * half of that (docs/PROTOCOL.md, section 7), and a view as small as this one has finer cells.
 */
const APART = 448;
const SIDE = 128;
/** Number of samples until the walk starts again: at 60 a second, four and a half minutes. */
export const NUMBERS = SIDE * SIDE;

/** In the South Pacific, as far from any land as possible: near 48.9 south, 123.4 west. */
const SOUTH = -488_800_000;
const WEST = -1_234_000_000;

export const VIEWPORT: Viewport = {
  south: SOUTH,
  west: WEST,
  north: SOUTH + SIDE * APART,
  east: WEST + SIDE * APART,
  zoom: 170,
};

export interface Spot {
  lat: number;
  lng: number;
}

/** The walk's position at a number; there and back again, one row further each time. */
export function spotOf(number: number): Spot {
  const place = number % NUMBERS;
  const row = Math.floor(place / SIDE);
  const along = place % SIDE;
  const column = row % 2 === 0 ? along : SIDE - 1 - along;
  return { lat: SOUTH + (row + 0.5) * APART, lng: WEST + (column + 0.5) * APART };
}

/**
 * The newest number up to `latest` with this position; undefined if it is not on the walk. Correct
 * while the picture is less than NUMBERS samples old.
 */
export function numberOf({ lat, lng }: Spot, latest: number): number | undefined {
  const row = Math.floor((lat - SOUTH) / APART);
  const column = Math.floor((lng - WEST) / APART);
  if (row < 0 || row >= SIDE || column < 0 || column >= SIDE) return undefined;
  const along = row % 2 === 0 ? column : SIDE - 1 - column;
  const behind = (latest - (row * SIDE + along)) % NUMBERS;
  const number = latest - (behind < 0 ? behind + NUMBERS : behind);
  return number < 0 ? undefined : number;
}
