/** Cells and positions, in units of 1e-7 degree unless named otherwise. */

/** The wire's unit, in degrees. */
export const UNIT = 1e-7;
/** The northernmost latitude, in units. */
export const MAX_LAT = 900_000_000;
/** The antimeridian, in units; stored positions are below it. */
export const MAX_LNG = 1_800_000_000;
/** All longitudes, in units. */
export const CIRCLE = 3_600_000_000;
/** Cell levels run from 0 (finest) to this one, where one cell is the whole world. */
export const TOP_LEVEL = 19;
/** Geometry of the cells at each level (docs/PROTOCOL.md, section 7), computed once. */
export const CELL = Array.from({ length: TOP_LEVEL + 1 }, (_, level) => {
  const size = 7 * 2 ** (10 + level);
  const bits = Math.min(10 + level, 13);
  const step = size / 2 ** bits;
  return {
    size,
    bits,
    step,
    half: Math.floor(step / 2),
    columns: Math.ceil(CIRCLE / size),
    rows: Math.ceil((2 * MAX_LAT + 1) / size),
  };
});

/** A square (in degrees) of the map: column and row at a level. */
export interface Cell {
  /** 0 (80 m) to {@link TOP_LEVEL} (the world). */
  level: number;
  /** Column, eastward from longitude -180 degrees. */
  x: number;
  /** Row, northward from the south pole. */
  y: number;
}

/** A cell's south-west corner and its size. */
export function cellRect(cell: Cell): { south: number; west: number; size: number } {
  const { size } = CELL[cell.level]!;
  return { south: cell.y * size - MAX_LAT, west: cell.x * size - MAX_LNG, size };
}

/** Whether a position, in units, lies in a cell. */
export function cellContains(cell: Cell, lat: number, lng: number): boolean {
  const { size } = CELL[cell.level]!;
  return (
    Math.floor((lng + MAX_LNG) / size) === cell.x && Math.floor((lat + MAX_LAT) / size) === cell.y
  );
}

/** Whether two cells of any levels have a place in common. */
export function cellsOverlap(a: Cell, b: Cell): boolean {
  const [fine, coarse] = a.level <= b.level ? [a, b] : [b, a];
  const shift = 2 ** (coarse.level - fine.level);
  return Math.floor(fine.x / shift) === coarse.x && Math.floor(fine.y / shift) === coarse.y;
}

/** A longitude wrapped to -180 (inclusive) to 180 degrees. */
export function wrapDegrees(lng: number): number {
  return ((((lng + 180) % 360) + 360) % 360) - 180;
}

/** What a client shows: edges in units of 1e-7 degree, and the map's zoom. */
export interface Viewport {
  /** Southern edge. */
  south: number;
  /** Western edge. */
  west: number;
  /** Northern edge. */
  north: number;
  /** Eastern edge; below `west` if the viewport crosses the antimeridian. */
  east: number;
  /** Zoom of the map in tenths (512-pixel tiles, as MapLibre counts). */
  zoom: number;
}

/** A position in degrees. */
export interface Degrees {
  /** Latitude. */
  lat: number;
  /** Longitude. */
  lng: number;
}

/** Converts degrees to the wire's units; the antimeridian becomes -180. */
export function toUnits(at: Degrees): { lat: number; lng: number } {
  const lat = Math.round(Math.max(-90, Math.min(90, at.lat)) / UNIT);
  const lng = Math.round(wrapDegrees(at.lng) / UNIT);
  return { lat, lng: lng >= MAX_LNG ? lng - CIRCLE : lng };
}

/** Converts the wire's units to degrees. */
export function toDegrees({ lat, lng }: { lat: number; lng: number }): Degrees {
  return { lat: lat * UNIT, lng: lng * UNIT };
}
