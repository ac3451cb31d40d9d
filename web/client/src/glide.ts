/**
 * Lets people glide: what is drawn closes in on the newest sample, from where it is drawn and as
 * fast as it moves there, so it neither jumps nor jerks.
 */

import type { Figure } from './view.ts';
import { CIRCLE, toDegrees, UNIT } from './wire/geo.ts';
import { STEP_UNITS } from './wire/kind.ts';
import { CARRY_MS, carry, decodeMotion, NO_MOTION } from './wire/motion.ts';
import { decodeOrientation, NO_ORIENTATION, type Quaternion, slerp } from './wire/orientation.ts';

/** Beyond so many units (about 40 km), people jump instead of flying. */
const FAR = CIRCLE / 1000;
/**
 * A sample counts from one display frame before it is first drawn, or else that picture would show
 * none of it.
 */
const FRAME_MS = 1000 / 60;
/**
 * A glide is a critically damped spring of this rate per interval between samples: a third of the
 * way is left after 0.46 of an interval, 4 % after a whole one.
 */
const RATE = 5;
/** A glide ends after this many times 1 / rate, with 0.1 % of the way left. */
const END = 9;
/** The device's position comes once a second or less often. */
const LONGEST_MOVE_MS = 1000;
/** Turns that come faster than this look smooth by themselves, and are drawn as they come. */
const SMOOTH_TURN_MS = 40;
/** A longer gap is a rest; a turn after it is drawn at once, too. */
const REST_MS = 120;
/** Turns in between are spread over this time, half of them in the first picture. */
const TURN_MS = 50;

/** A longitude and a latitude, in units. */
type Point = readonly [lng: number, lat: number];

const plus = (a: Point, b: Point, times = 1): Point => [a[0] + b[0] * times, a[1] + b[1] * times];

/** Where a sample says somebody is, who goes on as it says for a while. */
interface Target {
  place: Point;
  /** Of the motion, per ms. */
  speed: Point;
  /** When the sample was taken, in local time. */
  since: number;
}

/** A place that follows samples. */
class Move {
  /** How far from the target it started, and how fast it came nearer, per ms. */
  #from: Point = [0, 0];
  #speed: Point = [0, 0];
  #started = 0;
  /** Of the spring, per ms; 0 at rest. */
  #rate = 0;

  #to: Target;
  #sampled: number;

  constructor(to: Target, sampled: number) {
    this.#to = to;
    this.#sampled = sampled;
  }

  at(now: number): Point {
    const target = plus(this.#to.place, this.#to.speed, this.#carried(now));
    if (!this.#springs(now)) return target;
    const from = this.#from;
    const speed = this.#speed;
    const rate = this.#rate;
    const t = Math.max(0, now - this.#started);
    const on = (i: 0 | 1): number =>
      (from[i] + (speed[i] + rate * from[i]) * t) * Math.exp(-rate * t);
    return plus(target, [on(0), on(1)]);
  }

  moving(now: number): boolean {
    return this.#springs(now) || this.#goesOn(now);
  }

  aim(to: Target, sampled: number, now: number): void {
    const gap = (sampled - this.#sampled) | 0;
    const start = now - FRAME_MS;
    const [here, speed] = [this.at(start), this.#speedAt(start)];
    this.#to = to;
    this.#from = plus(here, plus(to.place, to.speed, this.#carried(start)), -1);
    this.#speed = this.#goesOn(start) ? plus(speed, to.speed, -1) : speed;
    this.#started = start;
    this.#rate = RATE / Math.max(FRAME_MS, Math.min(LONGEST_MOVE_MS, gap));
    this.#sampled = sampled;
  }

  put(to: Target, sampled: number): void {
    this.#to = to;
    this.#rate = 0;
    this.#sampled = sampled;
  }

  #springs(now: number): boolean {
    return this.#rate > 0 && (now - this.#started) * this.#rate < END;
  }

  /** Whether the target itself moves. */
  #goesOn(now: number): boolean {
    const { speed, since } = this.#to;
    return (speed[0] !== 0 || speed[1] !== 0) && now - since < CARRY_MS;
  }

  /** For how long the target has moved, in ms. */
  #carried(now: number): number {
    return Math.max(0, Math.min(CARRY_MS, now - this.#to.since));
  }

  #speedAt(now: number): Point {
    const own: Point = this.#goesOn(now) ? this.#to.speed : [0, 0];
    if (!this.#springs(now)) return own;
    const from = this.#from;
    const speed = this.#speed;
    const rate = this.#rate;
    const t = Math.max(0, now - this.#started);
    const on = (i: 0 | 1): number =>
      (speed[i] - rate * (speed[i] + rate * from[i]) * t) * Math.exp(-rate * t);
    return plus(own, [on(0), on(1)]);
  }
}

/** An orientation that follows samples. */
class Turn {
  #from: Quaternion;
  #started = 0;
  #rate = 0;

  #to: Quaternion;
  #sampled: number;

  constructor(to: Quaternion, sampled: number) {
    this.#to = to;
    this.#sampled = sampled;
    this.#from = to;
  }

  at(now: number): Quaternion {
    if (!this.moving(now)) return this.#to;
    const t = Math.max(0, now - this.#started) * this.#rate;
    return slerp(this.#from, this.#to, 1 - (1 + t) * Math.exp(-t));
  }

  moving(now: number): boolean {
    return this.#rate > 0 && (now - this.#started) * this.#rate < END;
  }

  aim(to: Quaternion, sampled: number, now: number): void {
    const gap = (sampled - this.#sampled) | 0;
    const start = now - FRAME_MS;
    this.#from = this.at(start);
    this.#to = to;
    this.#started = start;
    this.#rate = gap > SMOOTH_TURN_MS && gap <= REST_MS ? RATE / TURN_MS : 0;
    this.#sampled = sampled;
  }
}

/** The longitude nearest to `reference`: the earth has no edge at the antimeridian. */
function near(lng: number, reference: number): number {
  return lng - CIRCLE * Math.round((lng - reference) / CIRCLE);
}

/** When a figure's sample was taken, in local time: the middle of what its ages say. */
export function sampledAt(
  { sampled, sampledBy }: Figure,
  now: number,
  serverTime: number | undefined,
): number {
  if (serverTime === undefined) return now;
  return now - ((serverTime - sampledBy) | 0) - ((sampledBy - sampled) | 0) / 2;
}

/** What is carried on of a motion, in units per ms. */
function speedOf({ lat, lng, motion }: Figure, onPlane: boolean): Point {
  if (motion === NO_MOTION) return [0, 0];
  const { speed, course } = decodeMotion(motion);
  if (onPlane) {
    const angle = (course * Math.PI) / 180;
    const units = (speed * STEP_UNITS) / 1000;
    return [units * Math.sin(angle), units * Math.cos(angle)];
  }
  const later = carry(toDegrees({ lat, lng }), { speed, course }, 1000);
  return [(near(later.lng / UNIT, lng) - lng) / 1000, (later.lat / UNIT - lat) / 1000];
}

function targetOf(figure: Figure, since: number, onPlane: boolean): Target {
  return { place: [figure.lng, figure.lat], speed: speedOf(figure, onPlane), since };
}

/** Somebody in mid-glide. */
export class Glide {
  readonly #position: Move;
  #turn: Turn | undefined;
  readonly #onPlane: boolean;
  #lat: number;
  #lng: number;
  #motion: number;
  #code: number;

  /** `since`: when the figure's sample was taken, in local time, as far as that is known. */
  constructor(figure: Figure, since: number, onPlane = false) {
    this.#onPlane = onPlane;
    this.#lat = figure.lat;
    this.#lng = figure.lng;
    this.#motion = figure.motion;
    this.#code = figure.orientation;
    this.#position = new Move(targetOf(figure, since, onPlane), figure.sampled);
    this.#startTurn(figure);
  }

  /** Takes a new figure; returns whether it was news. */
  update(figure: Figure, now: number, since: number): boolean {
    const moves =
      figure.lat !== this.#lat || figure.lng !== this.#lng || figure.motion !== this.#motion;
    if (moves) this.#move(figure, now, since);
    if (figure.orientation === this.#code) return moves;
    this.#code = figure.orientation;
    if (this.#turn && this.#code !== NO_ORIENTATION) {
      this.#turn.aim(decodeOrientation(this.#code), figure.sampled, now);
    } else {
      this.#startTurn(figure);
    }
    return true;
  }

  /** Longitude and latitude in units; the longitude is beyond 180 degrees across the antimeridian. */
  point(now: number): Point {
    return this.#position.at(now);
  }

  /** The orientation; undefined without a sensor. */
  orientation(now: number): Quaternion | undefined {
    return this.#turn?.at(now);
  }

  /** Whether a later picture will differ. */
  moving(now: number): boolean {
    return this.#position.moving(now) || (this.#turn?.moving(now) ?? false);
  }

  #move(figure: Figure, now: number, since: number): void {
    this.#lat = figure.lat;
    this.#lng = figure.lng;
    this.#motion = figure.motion;
    const here = this.#position.at(now);
    const to = targetOf(figure, since, this.#onPlane);
    to.place = [near(to.place[0], here[0]), to.place[1]];
    const far = Math.hypot(to.place[0] - here[0], to.place[1] - here[1]) > FAR;
    if (far) this.#position.put(to, figure.sampled);
    else this.#position.aim(to, figure.sampled, now);
  }

  #startTurn(figure: Figure): void {
    this.#turn =
      figure.orientation === NO_ORIENTATION
        ? undefined
        : new Turn(decodeOrientation(figure.orientation), figure.sampled);
  }
}
