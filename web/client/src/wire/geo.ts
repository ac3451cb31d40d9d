/** Cells, map projection and distances. Positions are in units of 1e-7 degree unless named otherwise. */

export const UNIT = 1e-7;
export const LAT_MAX = 900_000_000;
export const LNG_MAX = 1_800_000_000;
export const WORLD = 2 * LNG_MAX;
export const LEVELS = 20;
/** Cell geometry per level (docs/PROTOCOL.md, section 7), computed once. */
export const CELL = Array.from({ length: LEVELS }, (_, level) => {
  const size = 7 * 2 ** (10 + level);
  const bits = Math.min(10 + level, 13);
  const step = size / 2 ** bits;
  return {
    size,
    bits,
    step,
    half: Math.floor(step / 2),
    columns: Math.ceil(WORLD / size),
    rows: Math.ceil((2 * LAT_MAX + 1) / size),
  };
});

export interface Cell {
  level: number;
  column: number;
  row: number;
}

/** The south-west corner and the size of a cell. */
export function cellRect(cell: Cell): { south: number; west: number; size: number } {
  const { size } = CELL[cell.level]!;
  return { south: cell.row * size - LAT_MAX, west: cell.column * size - LNG_MAX, size };
}

export function cellHolds(cell: Cell, lat: number, lng: number): boolean {
  const { size } = CELL[cell.level]!;
  return (
    Math.floor((lng + LNG_MAX) / size) === cell.column &&
    Math.floor((lat + LAT_MAX) / size) === cell.row
  );
}

/** Whether two cells, of any levels, share ground. */
export function cellsOverlap(a: Cell, b: Cell): boolean {
  const [fine, coarse] = a.level <= b.level ? [a, b] : [b, a];
  const shift = 2 ** (coarse.level - fine.level);
  return (
    Math.floor(fine.column / shift) === coarse.column && Math.floor(fine.row / shift) === coarse.row
  );
}

export function wrapDegrees(lng: number): number {
  return ((((lng + 180) % 360) + 360) % 360) - 180;
}

export interface Degrees {
  lat: number;
  lng: number;
}

/** A position as the wire carries it; the antimeridian is stored as -180. */
export function toUnits(at: Degrees): { lat: number; lng: number } {
  const lat = Math.round(Math.max(-90, Math.min(90, at.lat)) / UNIT);
  const lng = Math.round(wrapDegrees(at.lng) / UNIT);
  return { lat, lng: lng >= LNG_MAX ? lng - WORLD : lng };
}

export function toDegrees({ lat, lng }: { lat: number; lng: number }): Degrees {
  return { lat: lat * UNIT, lng: lng * UNIT };
}
