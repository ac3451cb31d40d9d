/**
 * How fast and which way somebody moves, as a code of 16 bits, so that receivers can carry on a
 * position that is sampled once a second (docs/PROTOCOL.md, section 2).
 */

import { type Degrees, wrapDegrees } from './geo.ts';

/**
 * The age of a sample, in ms, up to which its position may be carried on: by then a device that
 * reports once a second has stopped reporting.
 */
export const CARRY_MS = 3000;
/** In place of a code: the sender does not know how it moves. */
export const NO_MOTION = -1;
/** The ratio of one speed code to the one before. */
const RATIO = 1.05;
/** The speed of code 1. */
const SLOWEST = 0.1;

/** A speed and a course. */
export interface Motion {
  /** In metres a second on the earth, in steps a second on a plane. */
  speed: number;
  /** In degrees, clockwise from north; on a plane, from the direction of y. */
  course: number;
}

/**
 * The nearest code to a speed and a course in degrees; {@link NO_MOTION} if either is not known, or
 * the speed is negative.
 */
export function encodeMotion(
  speed: number | null | undefined,
  course: number | null | undefined,
): number {
  if (!isNumber(speed) || !isNumber(course) || speed < 0) return NO_MOTION;
  const nearest = Math.round(Math.log(speed / SLOWEST) / Math.log(RATIO) + 1);
  const code = speed < SLOWEST / 2 ? 0 : Math.min(255, Math.max(1, nearest));
  return code | ((Math.round((course / 360) * 256) & 255) << 8);
}

/** The motion that a code stands for: the speed off by at most 2.5 %, the course by 0.71 degrees. */
export function decodeMotion(code: number): Motion {
  const speed = code & 255;
  return {
    speed: speed === 0 ? 0 : SLOWEST * RATIO ** (speed - 1),
    course: ((code >> 8) * 360) / 256,
  };
}

/** Length of a degree of latitude, in metres, on a sphere with the equator of WGS 84. */
const METRES_PER_DEGREE = 40_075_017 / 360;

/** Where somebody on the earth is, who was at a place `ms` ago and has gone on as before. */
export function carry({ lat, lng }: Degrees, { speed, course }: Motion, ms: number): Degrees {
  const degrees = (speed * ms) / 1000 / METRES_PER_DEGREE;
  const north = degrees * Math.cos((course * Math.PI) / 180);
  const east = degrees * Math.sin((course * Math.PI) / 180);
  // At a pole every way leads south, and no longitude means anything.
  const narrow = Math.max(1e-3, Math.cos((lat * Math.PI) / 180));
  return { lat: Math.max(-90, Math.min(90, lat + north)), lng: wrapDegrees(lng + east / narrow) };
}

const isNumber = (value: number | null | undefined): value is number => Number.isFinite(value);
