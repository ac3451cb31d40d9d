/** Where others see a peer that shares approximately (docs/PROTOCOL.md, section 4). */
import { CIRCLE, type Degrees, MAX_LAT, MAX_LNG, toUnits, UNIT } from '@gpys/client/parts';

/** Height of a row of cells, in units of 1e-7 degree. */
const ROW = 90_000;
const ROWS = 20_000;
/** Greatest distance of a place from the middle of its cell, in metres. */
export const BLUR_M = 871;

/** The middle of the cell that contains a place. */
export function blur(place: Degrees): Degrees {
  const { lat, lng } = toUnits(place);
  const row = Math.min(Math.floor((lat + MAX_LAT) / ROW), ROWS - 1);
  const h = 2 * Math.min(row, ROWS - 1 - row) + 1;
  const p = h * (2 * ROWS - h);
  const columns = Math.floor((160_000 * p) / (2_000_000_000 - p));
  const column = Math.floor(((lng + MAX_LNG) * columns) / CIRCLE);
  const middle = Math.floor(((2 * column + 1) * CIRCLE) / (2 * columns)) - MAX_LNG;
  return { lat: (row * ROW + ROW / 2 - MAX_LAT) * UNIT, lng: middle * UNIT };
}
