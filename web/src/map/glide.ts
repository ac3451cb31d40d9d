/**
 * Lets people glide: what is drawn moves to the newest sample in about the time between the
 * samples. It starts from what is drawn, so it never jumps.
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
const SHORTEST_MS = 50;
const LONGEST_MOVE_MS = 1000;
const LONGEST_TURN_MS = 250;
/**
 * Slightly longer than the gap between samples, so that the next one arrives during the movement.
 */
const STRETCH = 1.15;

/** A value that moves linearly from one sample to the next. */
class Track<T> {
  private from: T;
  private started = 0;
  private lasts = 0;
  private sampled: number;

  constructor(
    private to: T,
    sampled: number,
    private readonly longest: number,
    private readonly mix: (a: T, b: T, t: number) => T,
  ) {
    this.from = to;
    this.sampled = sampled;
  }

  at(now: number): T {
    const t = this.lasts > 0 ? (now - this.started) / this.lasts : 1;
    if (t >= 1) return this.to;
    return this.mix(this.from, this.to, Math.max(0, t));
  }

  moving(now: number): boolean {
    return now < this.started + this.lasts;
  }

  aim(to: T, sampled: number, now: number): void {
    const gap = (sampled - this.sampled) | 0;
    this.from = this.at(now);
    this.to = to;
    this.started = now;
    this.lasts = Math.max(SHORTEST_MS, Math.min(this.longest, gap * STRETCH));
    this.sampled = sampled;
  }

  put(to: T, sampled: number): void {
    this.to = to;
    this.lasts = 0;
    this.sampled = sampled;
  }
}

type Point = readonly [x: number, y: number];

function mixPoints(a: Point, b: Point, t: number): Point {
  return [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t];
}

/** The x nearest to `reference`: the map has no edge at the antimeridian. */
function near(x: number, reference: number): number {
  return x - Math.round(x - reference);
}

export class Glide {
  private readonly position: Track<Point>;
  private turn: Track<Quaternion> | undefined;
  private lat: number;
  private lng: number;
  private code: number;

  constructor(figure: Figure) {
    this.lat = figure.lat;
    this.lng = figure.lng;
    this.code = figure.orientation;
    const at = mercator(figure.lat * UNIT, figure.lng * UNIT);
    this.position = new Track<Point>(at, figure.sampled, LONGEST_MOVE_MS, mixPoints);
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
        : new Track<Quaternion>(
            decodeOrientation(figure.orientation),
            figure.sampled,
            LONGEST_TURN_MS,
            slerp,
          );
  }
}
