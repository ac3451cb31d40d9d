/** Cells, map projection and distances. Positions are in units of 1e-7 degree unless named otherwise. */

export const UNIT = 1e-7;
export const LAT_MAX = 900_000_000;
export const LNG_MAX = 1_800_000_000;
export const WORLD = 2 * LNG_MAX;
export const LEVELS = 20;
/** Metres around the equator (WGS 84). */
export const CIRCUMFERENCE = 40_075_017;

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

/** Web Mercator as MapLibre counts it: x and y from 0 to 1, y southwards. */
export function mercator(lat: number, lng: number): [x: number, y: number] {
  const phi = Math.max(-85.051129, Math.min(85.051129, lat)) * (Math.PI / 180);
  return [(lng + 180) / 360, 0.5 - Math.log(Math.tan(Math.PI / 4 + phi / 2)) / (2 * Math.PI)];
}

export function fromMercator(x: number, y: number): { lat: number; lng: number } {
  const lat = (2 * Math.atan(Math.exp((0.5 - y) * 2 * Math.PI)) - Math.PI / 2) * (180 / Math.PI);
  return { lat, lng: wrapDegrees(x * 360 - 180) };
}

export function wrapDegrees(lng: number): number {
  return ((((lng + 180) % 360) + 360) % 360) - 180;
}

export interface Degrees {
  lat: number;
  lng: number;
}

/** Distance in metres and initial bearing in degrees on a sphere. */
export function way(from: Degrees, to: Degrees): { metres: number; bearing: number } {
  const rad = Math.PI / 180;
  const p1 = from.lat * rad;
  const p2 = to.lat * rad;
  const dl = (to.lng - from.lng) * rad;
  const a = Math.sin((p2 - p1) / 2) ** 2 + Math.cos(p1) * Math.cos(p2) * Math.sin(dl / 2) ** 2;
  const y = Math.sin(dl) * Math.cos(p2);
  const x = Math.cos(p1) * Math.sin(p2) - Math.sin(p1) * Math.cos(p2) * Math.cos(dl);
  return {
    metres: 12_742_018 * Math.asin(Math.min(1, Math.sqrt(a))),
    bearing: (Math.atan2(y, x) / rad + 360) % 360,
  };
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
