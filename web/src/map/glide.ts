/**
 * Lets people glide: what is drawn closes in on the newest sample, from where it is drawn and as
 * fast as it moves there, so it neither jumps nor jerks.
 */

import {
  CARRY_MS,
  carry,
  decodeMotion,
  decodeOrientation,
  type Figure,
  NO_MOTION,
  NO_ORIENTATION,
  type Quaternion,
  slerp,
  UNIT,
} from '@gpys/client';
import { mercator } from './geo';

/** Beyond this share of the world's width (about 40 km), people jump instead of flying. */
const FAR = 0.001;
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

type Point = readonly [x: number, y: number];

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
  private from: Point = [0, 0];
  private speed: Point = [0, 0];
  private started = 0;
  /** Of the spring, per ms; 0 at rest. */
  private rate = 0;

  constructor(
    private to: Target,
    private sampled: number,
  ) {}

  at(now: number): Point {
    const target = plus(this.to.place, this.to.speed, this.carried(now));
    if (!this.springs(now)) return target;
    const { from, speed, rate } = this;
    const t = Math.max(0, now - this.started);
    const on = (i: 0 | 1): number =>
      (from[i] + (speed[i] + rate * from[i]) * t) * Math.exp(-rate * t);
    return plus(target, [on(0), on(1)]);
  }

  moving(now: number): boolean {
    return this.springs(now) || this.goesOn(now);
  }

  aim(to: Target, sampled: number, now: number): void {
    const gap = (sampled - this.sampled) | 0;
    const start = now - FRAME_MS;
    const [here, speed] = [this.at(start), this.speedAt(start)];
    this.to = to;
    this.from = plus(here, plus(to.place, to.speed, this.carried(start)), -1);
    this.speed = this.goesOn(start) ? plus(speed, to.speed, -1) : speed;
    this.started = start;
    this.rate = RATE / Math.max(FRAME_MS, Math.min(LONGEST_MOVE_MS, gap));
    this.sampled = sampled;
  }

  put(to: Target, sampled: number): void {
    this.to = to;
    this.rate = 0;
    this.sampled = sampled;
  }

  private springs(now: number): boolean {
    return this.rate > 0 && (now - this.started) * this.rate < END;
  }

  /** Whether the target itself moves. */
  private goesOn(now: number): boolean {
    const { speed, since } = this.to;
    return (speed[0] !== 0 || speed[1] !== 0) && now - since < CARRY_MS;
  }

  /** For how long the target has moved, in ms. */
  private carried(now: number): number {
    return Math.max(0, Math.min(CARRY_MS, now - this.to.since));
  }

  private speedAt(now: number): Point {
    const own: Point = this.goesOn(now) ? this.to.speed : [0, 0];
    if (!this.springs(now)) return own;
    const { from, speed, rate } = this;
    const t = Math.max(0, now - this.started);
    const on = (i: 0 | 1): number =>
      (speed[i] - rate * (speed[i] + rate * from[i]) * t) * Math.exp(-rate * t);
    return plus(own, [on(0), on(1)]);
  }
}

/** An orientation that follows samples. */
class Turn {
  private from: Quaternion;
  private started = 0;
  private rate = 0;

  constructor(
    private to: Quaternion,
    private sampled: number,
  ) {
    this.from = to;
  }

  at(now: number): Quaternion {
    if (!this.moving(now)) return this.to;
    const t = Math.max(0, now - this.started) * this.rate;
    return slerp(this.from, this.to, 1 - (1 + t) * Math.exp(-t));
  }

  moving(now: number): boolean {
    return this.rate > 0 && (now - this.started) * this.rate < END;
  }

  aim(to: Quaternion, sampled: number, now: number): void {
    const gap = (sampled - this.sampled) | 0;
    const start = now - FRAME_MS;
    this.from = this.at(start);
    this.to = to;
    this.started = start;
    this.rate = gap > SMOOTH_TURN_MS && gap <= REST_MS ? RATE / TURN_MS : 0;
    this.sampled = sampled;
  }
}

/** The x nearest to `reference`: the map has no edge at the antimeridian. */
function near(x: number, reference: number): number {
  return x - Math.round(x - reference);
}

function targetOf({ lat, lng, motion }: Figure, since: number): Target {
  const at = { lat: lat * UNIT, lng: lng * UNIT };
  const place = mercator(at.lat, at.lng);
  if (motion === NO_MOTION) return { place, speed: [0, 0], since };
  const later = carry(at, decodeMotion(motion), 1000);
  const [x, y] = mercator(later.lat, later.lng);
  return { place, speed: [(near(x, place[0]) - place[0]) / 1000, (y - place[1]) / 1000], since };
}

export class Glide {
  private readonly position: Move;
  private turn: Turn | undefined;
  private lat: number;
  private lng: number;
  private motion: number;
  private code: number;

  /** `since`: when the figure's sample was taken, in local time, as far as that is known. */
  constructor(figure: Figure, since: number) {
    this.lat = figure.lat;
    this.lng = figure.lng;
    this.motion = figure.motion;
    this.code = figure.orientation;
    this.position = new Move(targetOf(figure, since), figure.sampled);
    this.startTurn(figure);
  }

  /** Takes a new figure; returns whether it was news. */
  update(figure: Figure, now: number, since: number): boolean {
    const moves =
      figure.lat !== this.lat || figure.lng !== this.lng || figure.motion !== this.motion;
    if (moves) this.move(figure, now, since);
    if (figure.orientation === this.code) return moves;
    this.code = figure.orientation;
    if (this.turn && this.code !== NO_ORIENTATION) {
      this.turn.aim(decodeOrientation(this.code), figure.sampled, now);
    } else {
      this.startTurn(figure);
    }
    return true;
  }

  /** Web Mercator, 0 to 1; x may lie outside while crossing the antimeridian. */
  point(now: number): Point {
    return this.position.at(now);
  }

  /** The orientation; undefined without a sensor. */
  orientation(now: number): Quaternion | undefined {
    return this.turn?.at(now);
  }

  moving(now: number): boolean {
    return this.position.moving(now) || (this.turn?.moving(now) ?? false);
  }

  private move(figure: Figure, now: number, since: number): void {
    this.lat = figure.lat;
    this.lng = figure.lng;
    this.motion = figure.motion;
    const here = this.position.at(now);
    const to = targetOf(figure, since);
    to.place = [near(to.place[0], here[0]), to.place[1]];
    const far = Math.hypot(to.place[0] - here[0], to.place[1] - here[1]) > FAR;
    if (far) this.position.put(to, figure.sampled);
    else this.position.aim(to, figure.sampled, now);
  }

  private startTurn(figure: Figure): void {
    this.turn =
      figure.orientation === NO_ORIENTATION
        ? undefined
        : new Turn(decodeOrientation(figure.orientation), figure.sampled);
  }
}
