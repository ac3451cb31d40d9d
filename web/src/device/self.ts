/** The own figure: what this device shares, from its sensors, a place set by hand, or the keys. */
import {
  type Degrees,
  decodeOrientation,
  encodeOrientation,
  fromEuler,
  NO_ORIENTATION,
  type Quaternion,
  type Reading,
  type Sample,
  sampleOf,
} from '@gpys/client';
import { askForMotion, type Held, watchOrientation } from './held';
import { type Fix, type LocationProblem, LocationWatch } from './location';

const LEAN_STEP = 10;
const LEAN_MOST = 80;
const TURN_STEP = 15;
/** While the position is no older, a pose is as new as its orientation: one time stands for both. */
const FRESH_MS = 12_000;
/** Where others are told that somebody is only about there. */
export const COARSE_FIX_M = 500;
/** A place set by hand holds as long as the page is open, which is said this often. */
const CONFIRM_MS = 8000;
/** After a reload the device is taken to be held as before until its sensor has had this time. */
const SENSOR_MS = 3000;

/** For how long a place that was set by hand can be taken back. */
const UNDO_MS = 15_000;

interface Keys {
  turn: number;
  front: number;
  side: number;
}

/** What a page needs to go on sharing after a reload. */
export interface Snapshot {
  fix: Fix | undefined;
  byHand: boolean;
  orientation: number;
  keys: Keys | undefined;
}

export interface SelfEvents {
  changed(): void;
}

export class Self {
  sharing = false;
  /** Its owner is about to choose a place on the map. */
  placing = false;
  /** Why the device has told no place lately. */
  problem: LocationProblem | undefined;
  /** What is missing to know how the device is held. */
  lacks: 'sensor' | 'north' | undefined;

  private device: Fix | undefined;
  private hand: Fix | undefined;
  /** The place set by hand before, `null` for none; undefined: nothing to take back. */
  private before: Fix | null | undefined;
  private placedAt = 0;
  private sensed: Quaternion | undefined;
  private keys: Keys | undefined;
  private turnedAt = 0;
  private guess: ReturnType<typeof setTimeout> | undefined;
  private location: LocationWatch | undefined;
  private stops: (() => void)[] = [];

  constructor(private readonly events: SelfEvents) {}

  /** Call it from a tap: some browsers ask for permissions only then. */
  share(): void {
    if (this.sharing) return;
    this.sharing = true;
    void this.senseMotion();
    this.location = new LocationWatch({
      fix: (fix) => this.found(fix),
      problem: (problem) => {
        this.problem = problem;
        this.events.changed();
      },
    });
    this.stops.push(() => this.location?.end());
    this.events.changed();
  }

  stop(): void {
    for (const stop of this.stops.splice(0)) stop();
    this.location = undefined;
    this.sharing = false;
    this.placing = false;
    this.problem = undefined;
    this.lacks = undefined;
    this.device = undefined;
    this.hand = undefined;
    this.before = undefined;
    this.sensed = undefined;
    this.keys = undefined;
    this.events.changed();
  }

  /** What is shared: a place set by hand counts until its owner says otherwise. */
  get fix(): Fix | undefined {
    return this.hand ?? this.device;
  }

  get byHand(): boolean {
    return this.hand !== undefined;
  }

  /** The device knows better than the hand: its fix, if it is a good one. */
  get better(): Fix | undefined {
    const { device, hand } = this;
    return hand && device && !isCoarse(device) && this.problem === undefined ? device : undefined;
  }

  /** For how long the device has not said where it is, in ms; 0 for a place set by hand. */
  age(now: number): number {
    return this.hand || !this.device ? 0 : Math.max(0, now - this.device.at);
  }

  beginPlacing(): void {
    this.placing = true;
    this.events.changed();
  }

  cancelPlacing(): void {
    this.placing = false;
    this.events.changed();
  }

  /** `accuracy`: how exactly the map could show the place, in metres. */
  place(at: Degrees, accuracy: number): void {
    this.placing = false;
    this.before = this.hand ?? null;
    this.placedAt = performance.now();
    this.hand = { ...at, accuracy, at: performance.now() };
    this.events.changed();
  }

  get undoable(): boolean {
    return this.before !== undefined;
  }

  undoPlacing(): void {
    this.hand = this.before ?? undefined;
    this.before = undefined;
    this.events.changed();
  }

  /** Goes back to what the device says. */
  useDevice(): void {
    this.hand = undefined;
    this.before = undefined;
    this.location?.again();
    this.events.changed();
  }

  /** Asks for the location once more. */
  askAgain(): void {
    this.problem = undefined;
    this.location?.again();
    this.events.changed();
  }

  /** What follows from time going by; `shown`: whether the page can be seen. */
  tick(now: number, shown: boolean): void {
    if (this.undoable && now - this.placedAt > UNDO_MS) this.before = undefined;
    if (!this.hand || !shown || now - this.hand.at < CONFIRM_MS) return;
    this.hand = { ...this.hand, at: now };
    this.events.changed();
  }

  /** Whether the arrow keys hold the device, for want of a sensor. */
  get steered(): boolean {
    return this.sharing && this.fix !== undefined && this.sensed === undefined;
  }

  /** Leans or turns the own figure by a key's name; false if the key means nothing here. */
  key(name: string, shift: boolean): boolean {
    const keys = this.keys ?? { turn: 0, front: 0, side: 0 };
    const lean = (angle: number, by: number): number =>
      Math.max(-LEAN_MOST, Math.min(LEAN_MOST, angle + by * LEAN_STEP));
    const sideways = name === 'ArrowLeft' ? -1 : name === 'ArrowRight' ? 1 : 0;
    if (sideways && shift) keys.turn -= sideways * TURN_STEP;
    else if (sideways) keys.side = lean(keys.side, sideways);
    else if (name === 'ArrowUp') keys.front = lean(keys.front, -1);
    else if (name === 'ArrowDown') keys.front = lean(keys.front, 1);
    else if (name === 'Home') keys.front = keys.side = 0;
    else return false;
    this.keys = keys;
    this.turnedAt = performance.now();
    this.events.changed();
    return true;
  }

  get orientation(): Quaternion | undefined {
    if (this.sensed || !this.keys) return this.sensed;
    return fromEuler(this.keys.turn, this.keys.front, this.keys.side);
  }

  /** What is sent, or undefined while there is no position. */
  reading(): Reading | undefined {
    const { fix, orientation } = this;
    if (!this.sharing || !fix) return undefined;
    // The time of an old position is not made newer by a device that is still turned.
    const fresh = this.age(performance.now()) < FRESH_MS;
    const { lat, lng, accuracy } = fix;
    return {
      lat,
      lng,
      accuracy,
      orientation,
      at: fresh ? Math.max(fix.at, this.turnedAt) : fix.at,
    };
  }

  /** The same as others receive it, which the own figure shows. */
  sample(): Sample | undefined {
    const reading = this.reading();
    return reading && sampleOf(reading);
  }

  snapshot(): Snapshot {
    const { fix, byHand, keys, sensed } = this;
    const orientation = sensed ? encodeOrientation(sensed) : NO_ORIENTATION;
    return { fix, byHand, orientation, keys };
  }

  /** Goes on as before a reload. */
  resume({ fix, byHand, orientation, keys }: Snapshot): void {
    if (byHand) this.hand = fix;
    else this.device = fix;
    this.keys = keys;
    if (orientation !== NO_ORIENTATION) {
      this.sensed = decodeOrientation(orientation);
      this.guess = setTimeout(() => this.held({ lacks: 'sensor' }), SENSOR_MS);
      this.stops.push(() => clearTimeout(this.guess));
    }
    this.share();
  }

  private async senseMotion(): Promise<void> {
    if (await askForMotion()) {
      if (this.sharing) this.stops.push(watchOrientation((held) => this.held(held)));
      return;
    }
    // After a reload nobody has tapped yet, and iOS answers only somebody who has.
    if (navigator.userActivation?.isActive !== false) return;
    const tapped = (): void => {
      window.removeEventListener('click', tapped);
      if (this.sharing) void this.senseMotion();
    };
    window.addEventListener('click', tapped);
    this.stops.push(() => window.removeEventListener('click', tapped));
  }

  private found(fix: Fix): void {
    const first = !this.device;
    this.device = fix;
    this.problem = undefined;
    // A device that has found itself is what its owner was waiting for.
    if (first && this.placing && !isCoarse(fix)) this.placing = false;
    this.events.changed();
  }

  private held(held: Held): void {
    clearTimeout(this.guess);
    const q = 'q' in held ? held.q : undefined;
    const lacks = 'q' in held ? undefined : held.lacks;
    if (!q && !this.sensed && lacks === this.lacks) return;
    this.lacks = lacks;
    if (q || this.sensed) this.turnedAt = performance.now();
    this.sensed = q;
    this.events.changed();
  }
}

export function isCoarse(fix: Fix): boolean {
  return fix.accuracy >= COARSE_FIX_M;
}
