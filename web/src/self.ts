/** The own figure: what this device shares, from its sensors, a tap on the map, or the keys. */
import { type Degrees, toUnits } from './geo';
import { encodeOrientation, fromAngles, NO_ORIENTATION, type Quaternion } from './orientation';
import type { Sample } from './sender';
import {
  askForMotion,
  type Fix,
  type LocationProblem,
  watchLocation,
  watchOrientation,
} from './sensors';
import { encodeAccuracy } from './wire';

const LEAN_STEP = 10;
const LEAN_MOST = 80;
const TURN_STEP = 15;

export interface SelfEvents {
  changed(): void;
  problem(problem: LocationProblem | undefined): void;
}

export class Self {
  sharing = false;
  /** The tap on the map decides where this device is, because it cannot tell or must not. */
  placing = false;
  fix: Fix | undefined;

  private sensed: Quaternion | undefined;
  private keys: { turn: number; front: number; side: number } | undefined;
  private turnedAt = 0;
  private stops: (() => void)[] = [];

  constructor(private readonly events: SelfEvents) {}

  /** Call it from a tap: the browser asks for permissions only then. */
  share(): void {
    this.sharing = true;
    void askForMotion().then((granted) => {
      if (granted && this.sharing) this.stops.push(watchOrientation((q) => this.turned(q)));
    });
    this.stops.push(
      watchLocation(
        (fix) => {
          if (this.placing) this.stopPlacing();
          this.fix = fix;
          this.events.changed();
        },
        (problem) => {
          // A device that has found itself once may fail for a while without being lost.
          if (!this.fix || problem === 'refused') {
            this.placing = true;
            this.events.problem(problem);
          }
          this.events.changed();
        },
      ),
    );
    this.events.changed();
  }

  stop(): void {
    for (const stop of this.stops.splice(0)) stop();
    this.sharing = false;
    this.placing = false;
    this.fix = undefined;
    this.sensed = undefined;
    this.keys = undefined;
    this.events.problem(undefined);
    this.events.changed();
  }

  place(at: Degrees): void {
    this.fix = { ...at, accuracy: Number.NaN, at: performance.now() };
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
    return fromAngles(this.keys.turn, this.keys.front, this.keys.side);
  }

  /** What is sent, and what the own figure shows, or undefined while there is no position. */
  sample(): Sample | undefined {
    if (!this.sharing || !this.fix) return undefined;
    const q = this.orientation;
    return {
      ...toUnits(this.fix),
      accuracy: encodeAccuracy(this.fix.accuracy),
      orientation: q ? encodeOrientation(q) : NO_ORIENTATION,
      at: Math.max(this.fix.at, this.turnedAt),
    };
  }

  private turned(q: Quaternion | undefined): void {
    if (!q && !this.sensed) return;
    this.sensed = q;
    this.turnedAt = performance.now();
    this.events.changed();
  }

  private stopPlacing(): void {
    this.placing = false;
    this.events.problem(undefined);
  }
}
