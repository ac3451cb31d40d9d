/**
 * A walk on the open sea whose every position is a number, so that whoever is shown a position
 * knows which sample it is: the wire's own age of a sample is too coarse to measure with.
 */
import type { Viewport } from '@gpys/client';

/**
 * Positions stand this far apart, in units of 1e-7 degree (5 m). Cells up to level 8 round to less
 * than half of that (docs/PROTOCOL.md, section 7), and a view as small as this one has finer cells.
 */
const APART = 448;
const SIDE = 128;
/** The walk starts again after so many samples: at 60 a second after four and a half minutes. */
export const NUMBERS = SIDE * SIDE;

/** In the South Pacific, as far from any land as one can be: near 48.9 south, 123.4 west. */
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

/** Where the walk is at a sample's number; there and back again, a row further each time. */
export function spotOf(number: number): Spot {
  const place = number % NUMBERS;
  const row = Math.floor(place / SIDE);
  const along = place % SIDE;
  const column = row % 2 === 0 ? along : SIDE - 1 - along;
  return { lat: SOUTH + (row + 0.5) * APART, lng: WEST + (column + 0.5) * APART };
}

/**
 * The newest number up to `latest` whose position this is, or undefined if it is not on the walk.
 * Right as long as what is shown is less than NUMBERS samples old.
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
