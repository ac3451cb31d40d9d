/** Sends the own pose: the newest sample, paced, never queued (docs/PROTOCOL.md, section 4). */

import { encodeAccuracy } from './wire/accuracy';
import { encodePose } from './wire/datagram';
import { toUnits } from './wire/geo';
import {
  angleBetween,
  decodeOrientation,
  encodeOrientation,
  NO_ORIENTATION,
  type Quaternion,
} from './wire/orientation';

/** Where a device is and how it is held. */
export interface Reading {
  /** Latitude in degrees. */
  lat: number;
  /** Longitude in degrees. */
  lng: number;
  /** How far off the position may be, in metres. */
  accuracy?: number | null | undefined;
  /** How the device is held; absent without such a sensor. */
  orientation?: Quaternion | null | undefined;
  /** When it was taken, as `performance.now()` counts; now by default. */
  at?: number;
}

/** A reading as the wire carries it. */
export interface Sample {
  /** In units of 1e-7 degree. */
  lat: number;
  lng: number;
  accuracy: number;
  orientation: number;
  /** When it was taken, on the local clock. */
  at: number;
}

/** The sample that a reading becomes. */
export function sampleOf(reading: Reading): Sample {
  const { accuracy, orientation, at = performance.now() } = reading;
  return {
    ...toUnits(reading),
    accuracy: encodeAccuracy(accuracy),
    orientation: orientation ? encodeOrientation(orientation) : NO_ORIENTATION,
    at,
  };
}

/** Where a {@link Sender} sends to. */
export interface Outlet {
  /** False: the lane is busy. */
  sendDatagram(bytes: Uint8Array<ArrayBuffer>): boolean;
  /** The server's time at a local time. */
  serverTime(at: number): number | undefined;
  poseHz: number;
}

/** A device that lies still flickers between two neighbouring codes; that is no news. */
const STILL_DEGREES = 0.6;
/** After the last new pose it is repeated: at these times, then at every REPEAT_MS. */
const REPEATS_MS = [1000, 2000, 3000];
const REPEAT_MS = 5000;
const BUSY_RETRY_MS = 5;
/** Who stands still says so with a newer sample this often, so that others can tell a position that
 * still holds from an old one. A frame can tell ages up to 11.6 s. */
const CONFIRM_MS = 7000;
/** A sample this much older than the one before it corrects that one. */
const OLDER_MS = 1000;

export function isNews(sample: Sample, last: Sample): boolean {
  if (sample.lat !== last.lat || sample.lng !== last.lng) return true;
  if (sample.accuracy !== last.accuracy) return true;
  if (last.at - sample.at > OLDER_MS) return true;
  if (sample.orientation === last.orientation) return false;
  if (sample.orientation === NO_ORIENTATION || last.orientation === NO_ORIENTATION) return true;
  const turn = angleBetween(
    decodeOrientation(sample.orientation),
    decodeOrientation(last.orientation),
  );
  return turn > STILL_DEGREES;
}

export class Sender {
  private outlet: Outlet | undefined;
  private pending: Sample | undefined;
  private current: Sample | undefined;
  /** The newest sample that was no news. */
  private confirmed: Sample | undefined;
  private bytes: Uint8Array<ArrayBuffer> | undefined;
  private seq = 0;
  /** When the next new pose's turn is, if they come at the pace. */
  private turn = Number.NEGATIVE_INFINITY;
  private sentAt = Number.NEGATIVE_INFINITY;
  private newAt = 0;
  private repeats = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;

  /** A new link: seq starts again, and it has not heard of the pose yet. */
  open(outlet: Outlet): void {
    this.outlet = outlet;
    this.seq = 0;
    this.bytes = undefined;
    this.pending ??= this.current;
    this.schedule();
  }

  close(): void {
    this.outlet = undefined;
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  offer(sample: Sample): void {
    const last = this.pending ?? this.current;
    if (last && !isNews(sample, last)) {
      this.confirmed = sample;
      return;
    }
    this.confirmed = undefined;
    this.pending = sample;
    this.schedule();
  }

  /** The pose counts as new once more: what the server made of it before does not hold any more. */
  renew(): void {
    this.pending ??= this.current;
    this.schedule();
  }

  /** Sharing has ended: there is no pose any more. */
  clear(): void {
    this.pending = undefined;
    this.current = undefined;
    this.confirmed = undefined;
    this.bytes = undefined;
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  private schedule(): void {
    if (!this.outlet) return;
    clearTimeout(this.timer);
    this.timer = undefined;
    const now = performance.now();
    if (this.pending) {
      // Half a turn early is early enough for a sensor that is as fast as the pace and not quite
      // even: waiting for each turn, one late sample would make all later ones wait.
      const due = this.turn - 500 / this.outlet.poseHz;
      if (due <= now) this.sendNew(this.outlet, now);
      else this.timer = setTimeout(() => this.schedule(), Math.ceil(due - now));
    } else if (this.bytes) {
      this.timer = setTimeout(() => this.repeat(), Math.max(0, this.repeatDue() - now));
    }
  }

  private sendNew(outlet: Outlet, now: number): void {
    const sample = this.pending!;
    const time = outlet.serverTime(sample.at);
    const bytes = time === undefined ? undefined : encodePose({ ...sample, seq: this.seq, time });
    if (!bytes || !outlet.sendDatagram(bytes)) {
      this.timer = setTimeout(() => this.schedule(), BUSY_RETRY_MS);
      return;
    }
    this.seq = (this.seq + 1) >>> 0;
    this.bytes = bytes;
    this.current = sample;
    this.pending = undefined;
    this.turn = Math.max(this.turn, now) + 1000 / outlet.poseHz;
    this.sentAt = now;
    this.newAt = now;
    this.repeats = 0;
    this.schedule();
  }

  private repeatDue(): number {
    const early = REPEATS_MS[this.repeats];
    return early === undefined ? this.sentAt + REPEAT_MS : this.newAt + early;
  }

  private repeat(): void {
    if (!this.outlet || !this.bytes) return;
    const { confirmed, current } = this;
    if (confirmed && current && confirmed.at - current.at >= CONFIRM_MS) {
      this.pending = { ...current, at: confirmed.at };
      this.confirmed = undefined;
      this.schedule();
      return;
    }
    // A repeat that finds the lane busy is not worth waiting for; the next one comes.
    this.outlet.sendDatagram(this.bytes);
    this.sentAt = performance.now();
    this.repeats++;
    this.schedule();
  }
}
