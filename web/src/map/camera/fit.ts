/** Computes camera positions: boxes in, a centre and a zoom out. Pure. */
import { type Degrees, wrapDegrees } from '@gpys/client/parts';
import { CIRCUMFERENCE, fromMercator, mercator } from '../geo';

/** In degrees; `east` is never below `west` and may lie beyond 180. */
export interface Box {
  south: number;
  west: number;
  north: number;
  east: number;
}

/** The map's size in pixels, and how much of each side is covered. */
export interface Area {
  width: number;
  height: number;
  top: number;
  right: number;
  bottom: number;
  left: number;
}

export interface Shot {
  center: Degrees;
  zoom: number;
}

const MIN_ZOOM = 0.5;
/** A smaller uncovered area cannot show a person, so it does not count. */
const LEAST_PIXELS = 80;
/**
 * Pixels from a place on the ground to the top of a head, to its sides, and to the end of its name.
 */
export const HEADROOM = { top: 56, side: 36, bottom: 40 };

/** A square of twice `metres` around a place. */
export function boxAround({ lat, lng }: Degrees, metres: number): Box {
  const high = (metres / CIRCUMFERENCE) * 360;
  const wide = Math.min(180, high / Math.max(0.01, Math.cos((lat * Math.PI) / 180)));
  return {
    south: Math.max(-90, lat - high),
    north: Math.min(90, lat + high),
    west: lng - wide,
    east: lng + wide,
  };
}

/** The smallest box around all boxes, across the antimeridian if that is shorter. */
export function boundsOf(boxes: readonly Box[]): Box | undefined {
  if (boxes.length === 0) return undefined;
  const spans = boxes
    .map(({ west, east }): [west: number, width: number] => [wrapDegrees(west), east - west])
    .sort(([a], [b]) => a - b);
  // The widest gap stays outside.
  let reach = spans[0]![0] + spans[0]![1];
  let gap = { width: -1, end: spans[0]![0], start: 0 };
  for (const [west, width] of spans.slice(1)) {
    if (west - reach > gap.width) gap = { width: west - reach, end: west, start: reach };
    reach = Math.max(reach, west + width);
  }
  const around = spans[0]![0] + 360 - reach;
  if (around >= gap.width) gap = { width: around, end: spans[0]![0], start: reach };
  return {
    south: Math.min(...boxes.map((it) => it.south)),
    north: Math.max(...boxes.map((it) => it.north)),
    west: gap.end,
    east: gap.end + Math.min(360, 360 - gap.width),
  };
}

/** The middle of the uncovered area, in pixels from the map's top left. */
export function middleOf(area: Area): { x: number; y: number } {
  return {
    x: (area.left + area.width - area.right) / 2,
    y: (area.top + area.height - area.bottom) / 2,
  };
}

/** Its distance from the map's own middle, which MapLibre calls an offset. */
export function offsetOf(area: Area): [x: number, y: number] {
  const { x, y } = middleOf(area);
  return [x - area.width / 2, y - area.height / 2];
}

/** Whether a figure standing at this pixel is visible from head to name. */
export function isClear({ x, y }: { x: number; y: number }, area: Area): boolean {
  return (
    x >= area.left + HEADROOM.side &&
    x <= area.width - area.right - HEADROOM.side &&
    y >= area.top + HEADROOM.top &&
    y <= area.height - area.bottom - HEADROOM.bottom
  );
}

/** The shot that shows a box in the uncovered area, no closer than `closest`. */
export function shotOf(box: Box, area: Area, closest: number): Shot {
  const [west, north] = mercator(box.north, box.west);
  const [east, south] = mercator(box.south, box.east);
  const wide = Math.max(LEAST_PIXELS, area.width - area.left - area.right - 2 * HEADROOM.side);
  const tall = Math.max(
    LEAST_PIXELS,
    area.height - area.top - area.bottom - HEADROOM.top - HEADROOM.bottom,
  );
  const world = Math.min(wide / (east - west || 1e-12), tall / (south - north || 1e-12));
  const zoom = Math.max(MIN_ZOOM, Math.min(closest, Math.log2(world / 512)));
  return { center: fromMercator((west + east) / 2, (north + south) / 2), zoom };
}
