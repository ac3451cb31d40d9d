/**
 * Sends the client's own pose: the newest sample, paced, never queued (docs/PROTOCOL.md, section
 * 4).
 */

import { encodeAccuracy } from './wire/accuracy.ts';
import { encodePose } from './wire/datagram.ts';
import { toUnits } from './wire/geo.ts';
import { type Plane, type Point, positionOf, type StateBits } from './wire/kind.ts';
import { encodeMotion } from './wire/motion.ts';
import {
  angleBetween,
  decodeOrientation,
  encodeOrientation,
  NO_ORIENTATION,
  type Quaternion,
} from './wire/orientation.ts';

/** How a device is held and how it moves, and what else goes with its position. */
export interface Manner {
  /** The position's accuracy, in metres. */
  accuracy?: number | null | undefined;
  /** How the device is held; absent if it has no such sensor. */
  orientation?: Quaternion | null | undefined;
  /** Its speed in metres a second; absent if not known. */
  speed?: number | null | undefined;
  /** Its course in degrees, clockwise from north; absent if not known. */
  course?: number | null | undefined;
  /** The room's state bits; none by default. */
  state?: StateBits | undefined;
  /** When the reading was taken, in `performance.now()` time; now by default. */
  at?: number;
}

/** Where a device is on the earth. */
export interface Reading extends Manner {
  /** Latitude in degrees. */
  lat: number;
  /** Longitude in degrees. */
  lng: number;
}

/** Where somebody is on a plane; lengths are in the plane's unit. */
export interface PlaneReading extends Manner, Point {}

/** A reading in the wire's units. */
export interface Sample extends StateBits {
  /** Latitude in units of 1e-7 degree. */
  lat: number;
  /** Longitude in units of 1e-7 degree. */
  lng: number;
  /** The accuracy's code. */
  accuracy: number;
  /** The orientation's code, or {@link NO_ORIENTATION}. */
  orientation: number;
  /** The motion's code, or `NO_MOTION`. */
  motion: number;
  /** When it was taken, in `performance.now()` time. */
  at: number;
}

/** Converts a reading on the earth to the wire's units. */
export function sampleOf(reading: Reading): Sample {
  return { ...toUnits(reading), ...mannerOf(reading, 1) };
}

/** Converts a reading on a plane to the wire's units; `undefined` if it is no point. */
export function sampleOn(plane: Plane, reading: PlaneReading): Sample | undefined {
  const position = positionOf(plane, reading);
  return position && { ...position, ...mannerOf(reading, plane.step) };
}

/** `unit` is what the wire counts lengths in. */
function mannerOf(manner: Manner, unit: number): Omit<Sample, 'lat' | 'lng'> {
  const { accuracy, orientation, speed, course, state, at = performance.now() } = manner;
  return {
    accuracy: encodeAccuracy((accuracy ?? Number.NaN) / unit),
    orientation: orientation ? encodeOrientation(orientation) : NO_ORIENTATION,
    motion: encodeMotion((speed ?? Number.NaN) / unit, course),
    stateLow: state?.stateLow ?? 0,
    stateHigh: state?.stateHigh ?? 0,
    at,
  };
}

/** The link that a {@link Sender} sends over. */
export interface Outlet {
  /** Sends a datagram; false: the lane is busy. */
  sendDatagram(bytes: Uint8Array<ArrayBuffer>): boolean;
  /** The server's time at the local time `at`. */
  serverTime(at: number): number | undefined;
  /** Poses per second that the server reads. */
  poseHz: number;
  /** The room's number of state bits. */
  stateBits: number;
}

/** A still device flickers between two neighbouring codes; turns below this are no news. */
const STILL_DEGREES = 0.6;
/** A pose is repeated this long after it was new, then every REPEAT_MS. */
const REPEATS_MS = [1000, 2000, 3000];
const REPEAT_MS = 5000;
const BUSY_RETRY_MS = 5;
/** A copy follows its pose after this time, which outlasts most bursts of losses. */
const COPY_MS = 6;
/** New poses further apart than this are copied; with faster ones, the next comes soon enough. */
const SLOW_MS = 40;
/**
 * A sharer that stands still confirms its pose with a newer sample this often, so that others can
 * tell it from a stale one. Frames can express ages up to 11.6 s.
 */
const CONFIRM_MS = 7000;
/** A sample this much older than the previous one corrects it. */
const OLDER_MS = 1000;

/** Whether a sample differs enough from the last one to be sent. */
export function isNews(sample: Sample, last: Sample): boolean {
  if (sample.lat !== last.lat || sample.lng !== last.lng) return true;
  if (sample.accuracy !== last.accuracy || sample.motion !== last.motion) return true;
  if (sample.stateLow !== last.stateLow || sample.stateHigh !== last.stateHigh) return true;
  if (last.at - sample.at > OLDER_MS) return true;
  if (sample.orientation === last.orientation) return false;
  if (sample.orientation === NO_ORIENTATION || last.orientation === NO_ORIENTATION) return true;
  const turn = angleBetween(
    decodeOrientation(sample.orientation),
    decodeOrientation(last.orientation),
  );
  return turn > STILL_DEGREES;
}

/** Paces poses onto a link. */
export class Sender {
  /** Whether the server misses poses and wants copies of slow ones. */
  copies = false;
  #outlet: Outlet | undefined;
  #pending: Sample | undefined;
  #current: Sample | undefined;
  /** The newest sample that brought no news. */
  #confirmed: Sample | undefined;
  #bytes: Uint8Array<ArrayBuffer> | undefined;
  #seq = 0;
  /** When the next new pose is due at the regular pace. */
  #turn = Number.NEGATIVE_INFINITY;
  #sentAt = Number.NEGATIVE_INFINITY;
  #newAt = 0;
  /** When the newest pose's copy is due. */
  #copyAt: number | undefined;
  #repeats = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Starts on a new link, which has not carried the pose yet; `seq` starts from 0. */
  open(outlet: Outlet): void {
    this.#outlet = outlet;
    this.copies = false;
    this.#copyAt = undefined;
    this.#seq = 0;
    this.#bytes = undefined;
    this.#pending ??= this.#current;
    this.#schedule();
  }

  /** Stops sending until the next link. */
  close(): void {
    this.#outlet = undefined;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Offers the newest sample, which replaces one that still waits. */
  offer(sample: Sample): void {
    const last = this.#pending ?? this.#current;
    if (last && !isNews(sample, last)) {
      this.#confirmed = sample;
      return;
    }
    this.#confirmed = undefined;
    this.#pending = sample;
    this.#schedule();
  }

  /** Treats the pose as new again, because the server's version of it is out of date. */
  renew(): void {
    this.#pending ??= this.#current;
    this.#schedule();
  }

  /** Forgets the pose: sharing has ended. */
  clear(): void {
    this.#pending = undefined;
    this.#current = undefined;
    this.#confirmed = undefined;
    this.#bytes = undefined;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #schedule(): void {
    if (!this.#outlet) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const now = performance.now();
    if (this.#pending) {
      // Half a turn early suits a sensor that is as fast as the pace but uneven: if each sample
      // waited for its exact turn, one late sample would delay all later ones.
      const due = this.#turn - 500 / this.#outlet.poseHz;
      if (due <= now) this.#sendNew(this.#outlet, now);
      else this.#timer = setTimeout(() => this.#schedule(), Math.ceil(due - now));
    } else if (this.#bytes) {
      this.#timer = setTimeout(() => this.#repeat(), Math.max(0, this.#repeatDue() - now));
    }
  }

  #sendNew(outlet: Outlet, now: number): void {
    const sample = this.#pending!;
    const time = outlet.serverTime(sample.at);
    const bytes =
      time === undefined
        ? undefined
        : encodePose({ ...sample, seq: this.#seq, time }, outlet.stateBits);
    if (!bytes || !outlet.sendDatagram(bytes)) {
      this.#timer = setTimeout(() => this.#schedule(), BUSY_RETRY_MS);
      return;
    }
    this.#seq = (this.#seq + 1) >>> 0;
    this.#bytes = bytes;
    this.#current = sample;
    this.#pending = undefined;
    this.#turn = Math.max(this.#turn, now) + 1000 / outlet.poseHz;
    this.#copyAt = this.copies && now - this.#newAt > SLOW_MS ? now + COPY_MS : undefined;
    this.#sentAt = now;
    this.#newAt = now;
    this.#repeats = 0;
    this.#schedule();
  }

  #repeatDue(): number {
    if (this.#copyAt !== undefined) return this.#copyAt;
    const early = REPEATS_MS[this.#repeats];
    return early === undefined ? this.#sentAt + REPEAT_MS : this.#newAt + early;
  }

  #repeat(): void {
    if (!this.#outlet || !this.#bytes) return;
    if (this.#copyAt !== undefined) {
      this.#copyAt = undefined;
      this.#outlet.sendDatagram(this.#bytes);
      this.#schedule();
      return;
    }
    const confirmed = this.#confirmed;
    const current = this.#current;
    if (confirmed && current && confirmed.at - current.at >= CONFIRM_MS) {
      this.#pending = { ...current, at: confirmed.at };
      this.#confirmed = undefined;
      this.#schedule();
      return;
    }
    // A repeat that finds the lane busy is skipped; the next one follows anyway.
    this.#outlet.sendDatagram(this.#bytes);
    this.#sentAt = performance.now();
    this.#repeats++;
    this.#schedule();
  }
}
