/**
 * What a room is for: its space, and the layout of its state (docs/PROTOCOL.md, section 2). The
 * server copies state bits and never reads them; what they mean is between clients.
 */
import type { Reader, Writer } from './bincode.ts';
import { CIRCLE, type Viewport } from './geo.ts';

/** Most bits of state that a peer has. */
export const MAX_STATE_BITS = 64;
/** The largest coordinate on a plane, in steps from the origin, on the x axis. */
const MAX_X = 257_142_856;
/** The same on the y axis. */
const MAX_Y = 128_571_427;
/** Grid units in a step of a plane. */
export const STEP_UNITS = 7;

/** Where the people of a room are. */
export type Space = { type: 'Earth' } | ({ type: 'Plane' } & Plane);

/** A plane: x to the right, y upwards, both in a unit of the room's own. */
export interface Plane {
  /** Name of the unit, such as `px` or `m`. */
  unit: string;
  /** The finest difference between two positions, in that unit. */
  step: number;
}

/** How a room's state bits divide into fields, from the lowest bit up. */
export interface Layout {
  /** The fields. */
  fields: readonly StateField[];
}

/** One field of a room's state. */
export interface StateField {
  /** Its name, unique in the layout. */
  name: string;
  /** Its values. */
  values: Values;
}

/**
 * The values that a field can have: yes or no; a whole number of so many bits (1 to 32); or `count`
 * numbers (2 or more), `step` apart, from `min` up.
 */
export type Values =
  | { type: 'Flag' }
  | { type: 'Unsigned'; bits: number }
  | { type: 'Range'; min: number; step: number; count: number };

/** What a room is for. */
export interface Kind {
  /** Where its people are. */
  space: Space;
  /** The layout of their state. */
  layout: Layout;
}

/** State bits, in two unsigned halves of 32: numbers hold only 53 exactly. */
export interface StateBits {
  /** Bits 0 to 31. */
  stateLow: number;
  /** Bits 32 to 63. */
  stateHigh: number;
}

/** A point on a plane, in the plane's unit. */
export interface Point {
  /** To the right. */
  x: number;
  /** Upwards. */
  y: number;
}

/** The bits of a field with these values. */
function bitsOf(values: Values): number {
  if (values.type === 'Flag') return 1;
  return values.type === 'Unsigned' ? values.bits : 32 - Math.clz32(values.count - 1);
}

/** The nearest code to a value; 0 for what is no number. */
function codeOf(values: Values, value: number): number {
  if (values.type === 'Flag') return value ? 1 : 0;
  const isRange = values.type === 'Range';
  const code = Math.round(isRange ? (value - values.min) / values.step : value);
  const most = isRange ? values.count - 1 : 2 ** values.bits - 1;
  return Math.min(most, Math.max(0, code)) >>> 0;
}

/** The value that a code stands for. */
function valueFor(values: Values, code: number): number {
  if (values.type !== 'Range') return code;
  return values.min + Math.min(code, values.count - 1) * values.step;
}

/** The bits of a peer's state. */
export function stateBits({ fields }: Layout): number {
  return fields.reduce((sum, { values }) => sum + bitsOf(values), 0);
}

/** Packs one value a field, in their order, into state bits: the nearest ones that there are. */
export function packState({ fields }: Layout, values: readonly number[]): StateBits {
  let [low, high, at] = [0, 0, 0];
  fields.forEach((field, i) => {
    const code = codeOf(field.values, values[i] ?? 0);
    if (at < 32) low |= code << at;
    // Shifts count modulo 32.
    if (at >= 32) high |= code << (at - 32);
    else if (at > 0) high |= code >>> (32 - at);
    at += bitsOf(field.values);
  });
  return { stateLow: low >>> 0, stateHigh: high >>> 0 };
}

/** The values in state bits, in the order of the fields. */
export function unpackState({ fields }: Layout, { stateLow, stateHigh }: StateBits): number[] {
  let at = 0;
  return fields.map(({ values }) => {
    const bits = bitsOf(values);
    let code = at < 32 ? stateLow >>> at : stateHigh >>> (at - 32);
    if (at > 0 && at < 32) code |= stateHigh << (32 - at);
    at += bits;
    return valueFor(values, bits < 32 ? code & ((1 << bits) - 1) : code >>> 0);
  });
}

/**
 * The position of a point on a plane, in units; a point beyond the plane's edge is taken to be on
 * it. `undefined` if a coordinate is not finite.
 */
export function positionOf(
  { step }: Plane,
  { x, y }: Point,
): { lat: number; lng: number } | undefined {
  const [i, j] = [stepsOf(x / step, MAX_X), stepsOf(y / step, MAX_Y)];
  if (Number.isNaN(i + j)) return undefined;
  return { lat: STEP_UNITS * j - 1, lng: STEP_UNITS * i + 2 };
}

/** Rounds halves away from zero, as the server does. */
function stepsOf(steps: number, most: number): number {
  if (!Number.isFinite(steps)) return Number.NaN;
  return Math.sign(steps) * Math.min(most, Math.round(Math.abs(steps)));
}

/** The point of a position, in the plane's unit. */
export function pointOf({ step }: Plane, { lat, lng }: { lat: number; lng: number }): Point {
  return { x: ((lng - 2) / STEP_UNITS) * step, y: ((lat + 1) / STEP_UNITS) * step };
}

/** A rectangle on a plane, in the plane's unit. */
export interface Bounds {
  /** The x of its left edge. */
  left: number;
  /** The y of its lower edge. */
  bottom: number;
  /** The x of its right edge, at least `left`. */
  right: number;
  /** The y of its upper edge, at least `bottom`. */
  top: number;
}

/** Width of the world at zoom 0, in CSS pixels, as MapLibre counts. */
const TILE_PIXELS = 512;

/** The zoom, in tenths, of who sees CSS pixels that are so many units wide. */
export function zoomFor(units: number): number {
  const zoom = Math.round(10 * Math.log2(CIRCLE / (TILE_PIXELS * units)));
  return Math.max(0, Math.min(255, zoom)) || 0;
}

/**
 * The viewport of who sees these bounds with CSS pixels that are so wide, in the plane's unit.
 * `undefined` if an edge is not finite.
 */
export function viewportOf(plane: Plane, bounds: Bounds, pixel: number): Viewport | undefined {
  const low = positionOf(plane, { x: bounds.left, y: bounds.bottom });
  const high = positionOf(plane, { x: bounds.right, y: bounds.top });
  if (!low || !high) return undefined;
  return {
    south: low.lat,
    west: low.lng,
    north: high.lat,
    east: high.lng,
    zoom: zoomFor((pixel / plane.step) * STEP_UNITS),
  };
}

/** Writes a space. */
export function writeSpace(w: Writer, space: Space): void {
  if (space.type === 'Earth') w.varint(0);
  else w.varint(1).string(space.unit).f64(space.step);
}

/** Writes a layout. */
export function writeLayout(w: Writer, { fields }: Layout): void {
  w.varint(fields.length);
  for (const { name, values } of fields) {
    w.string(name);
    if (values.type === 'Flag') w.varint(0);
    else if (values.type === 'Unsigned') w.varint(1).u8(values.bits);
    else w.varint(2).f64(values.min).f64(values.step).varint(values.count);
  }
}

/** Reads a room's kind. */
export function readKind(r: Reader): Kind {
  const space: Space =
    r.variant(1) === 0 ? { type: 'Earth' } : { type: 'Plane', unit: r.string(), step: r.f64() };
  return { space, layout: { fields: r.list(() => ({ name: r.string(), values: readValues(r) })) } };
}

function readValues(r: Reader): Values {
  const variant = r.variant(2);
  if (variant === 0) return { type: 'Flag' };
  if (variant === 1) return { type: 'Unsigned', bits: r.u8() };
  return { type: 'Range', min: r.f64(), step: r.f64(), count: r.varint() };
}
