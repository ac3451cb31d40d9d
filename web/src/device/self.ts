/**
 * The user's own figure: what this device shares, from its sensors, a place set by hand, or the
 * keys.
 */
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
} from '@gpys/client/parts';
import { askForMotion, type Held, watchOrientation } from './held';
import { type Fix, type LocationProblem, LocationWatch, placeAt } from './location';

const LEAN_STEP = 10;
const LEAN_MOST = 80;
const TURN_STEP = 15;
/**
 * While the position is younger than this, a pose is as new as its orientation: one time stands for
 * both.
 */
const FRESH_MS = 12_000;
/** From this accuracy on, others see the position as approximate. */
export const COARSE_FIX_M = 500;
/** A place set by hand holds while the page is open, and is confirmed this often. */
const CONFIRM_MS = 8000;
/** After a reload the old orientation stands until the sensor has had this time. */
const SENSOR_MS = 3000;

/** How long placing by hand can be undone. */
const UNDO_MS = 15_000;

interface Keys {
  turn: number;
  front: number;
  side: number;
}

/** What a page needs to resume sharing after a reload. */
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
  /** Whether the user is choosing a place on the map. */
  placing = false;
  /** Why the device has reported no position lately. */
  problem: LocationProblem | undefined;
  /** What is missing to know the orientation. */
  lacks: 'sensor' | 'north' | undefined;

  private device: Fix | undefined;
  private hand: Fix | undefined;
  /** The previous place set by hand, `null` for none; undefined: nothing to undo. */
  private before: Fix | null | undefined;
  private placedAt = 0;
  private sensed: Quaternion | undefined;
  private keys: Keys | undefined;
  private turnedAt = 0;
  private guess: ReturnType<typeof setTimeout> | undefined;
  private location: LocationWatch | undefined;
  private stops: (() => void)[] = [];

  constructor(private readonly events: SelfEvents) {}

  /** Starts sharing. Call it from a tap: some browsers ask for permissions only then. */
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

  /** The position that is shared: a place set by hand counts until the user changes it. */
  get fix(): Fix | undefined {
    return this.hand ?? this.device;
  }

  get byHand(): boolean {
    return this.hand !== undefined;
  }

  /** The device's fix, if it is good and a place set by hand still counts. */
  get better(): Fix | undefined {
    const { device, hand } = this;
    return hand && device && !isCoarse(device) && this.problem === undefined ? device : undefined;
  }

  /** How long the device has not reported its position, in ms; 0 for a place set by hand. */
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

  /** Places the user by hand; `accuracy`: the map's precision there, in metres. */
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

  /** Returns to the device's position. */
  useDevice(): void {
    this.hand = undefined;
    this.before = undefined;
    this.location?.again();
    this.events.changed();
  }

  /** Asks for the location again. */
  askAgain(): void {
    this.problem = undefined;
    this.location?.again();
    this.events.changed();
  }

  /** Updates what time changes; `shown`: whether the page is visible. */
  tick(now: number, shown: boolean): void {
    if (this.undoable && now - this.placedAt > UNDO_MS) this.before = undefined;
    if (!this.hand || !shown || now - this.hand.at < CONFIRM_MS) return;
    this.hand = { ...this.hand, at: now };
    this.events.changed();
  }

  /** Whether the arrow keys control the orientation, for lack of a sensor. */
  get steered(): boolean {
    return this.sharing && this.fix !== undefined && this.sensed === undefined;
  }

  /** Leans or turns the user's figure by a key's name; false if the key has no meaning here. */
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

  /** What is sent; undefined while there is no position. */
  reading(): Reading | undefined {
    const { fix, orientation } = this;
    if (!this.sharing || !fix) return undefined;
    // Turning the device does not make an old position newer.
    const fresh = this.age(performance.now()) < FRESH_MS;
    const at = fresh ? Math.max(fix.at, this.turnedAt) : fix.at;
    return { ...placeAt(fix, at), accuracy: fix.accuracy, orientation, at };
  }

  /** The reading as others receive it, which is what the user's own figure shows. */
  sample(): Sample | undefined {
    const reading = this.reading();
    return reading && sampleOf(reading);
  }

  snapshot(): Snapshot {
    const { fix, byHand, keys, sensed } = this;
    const orientation = sensed ? encodeOrientation(sensed) : NO_ORIENTATION;
    return { fix, byHand, orientation, keys };
  }

  /** Resumes after a reload. */
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
    // After a reload there has been no tap yet, and iOS requires one.
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
    // The user was waiting for the device to find itself.
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
