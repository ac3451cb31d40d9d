/**
 * Lets people glide: what is drawn closes in on the newest sample, from where it is drawn and as
 * fast as it moves there, so it neither jumps nor jerks.
 */

import {
  decodeOrientation,
  type Figure,
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

/** A place that follows samples. */
class Move {
  private from: Point;
  /** The speed at the start, per ms. */
  private speed: Point = [0, 0];
  private started = 0;
  /** Of the spring, per ms; 0 at rest. */
  private rate = 0;

  constructor(
    private to: Point,
    private sampled: number,
  ) {
    this.from = to;
  }

  at(now: number): Point {
    const { from, to, speed, rate } = this;
    if (!this.moving(now)) return to;
    const t = Math.max(0, now - this.started);
    const on = (i: 0 | 1): number => {
      const left = from[i] - to[i];
      return to[i] + (left + (speed[i] + rate * left) * t) * Math.exp(-rate * t);
    };
    return [on(0), on(1)];
  }

  moving(now: number): boolean {
    return this.rate > 0 && (now - this.started) * this.rate < END;
  }

  aim(to: Point, sampled: number, now: number): void {
    const gap = (sampled - this.sampled) | 0;
    const start = now - FRAME_MS;
    [this.from, this.speed] = [this.at(start), this.speedAt(start)];
    this.to = to;
    this.started = start;
    this.rate = RATE / Math.max(FRAME_MS, Math.min(LONGEST_MOVE_MS, gap));
    this.sampled = sampled;
  }

  put(to: Point, sampled: number): void {
    this.to = to;
    this.rate = 0;
    this.sampled = sampled;
  }

  private speedAt(now: number): Point {
    if (!this.moving(now)) return [0, 0];
    const { from, to, speed, rate } = this;
    const t = Math.max(0, now - this.started);
    const on = (i: 0 | 1): number =>
      (speed[i] - rate * (speed[i] + rate * (from[i] - to[i])) * t) * Math.exp(-rate * t);
    return [on(0), on(1)];
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

export class Glide {
  private readonly position: Move;
  private turn: Turn | undefined;
  private lat: number;
  private lng: number;
  private code: number;

  constructor(figure: Figure) {
    this.lat = figure.lat;
    this.lng = figure.lng;
    this.code = figure.orientation;
    const at = mercator(figure.lat * UNIT, figure.lng * UNIT);
    this.position = new Move(at, figure.sampled);
    this.startTurn(figure);
  }

  /** Takes a new figure; returns whether it was news. */
  update(figure: Figure, now: number): boolean {
    const moves = figure.lat !== this.lat || figure.lng !== this.lng;
    if (moves) this.move(figure, now);
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

  private move(figure: Figure, now: number): void {
    this.lat = figure.lat;
    this.lng = figure.lng;
    const [x, y] = mercator(figure.lat * UNIT, figure.lng * UNIT);
    const here = this.position.at(now);
    const to: Point = [near(x, here[0]), y];
    const far = Math.hypot(to[0] - here[0], to[1] - here[1]) > FAR;
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
