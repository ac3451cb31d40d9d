/** Finds how the device is held, from events that may know north, lose it, or invent angles. */
import {
  aboutZ,
  attitude,
  fromEuler,
  multiply,
  type Quaternion,
  yawBetween,
} from '@gpys/client/parts';

/** An orientation, or what is missing for one: a sensor, or knowledge of north. */
export type Held = { q: Quaternion } | { lacks: 'sensor' | 'north' };

/** The angles of an event. Browsers may omit any of them, or fill in anything. */
export interface Angles {
  readonly alpha?: number | null;
  readonly beta?: number | null;
  readonly gamma?: number | null;
  readonly absolute?: boolean;
  /** iOS: direction of the device's top (held upright: its back), clockwise from north. */
  readonly webkitCompassHeading?: number | null;
  /** In degrees; negative: the compass is uncalibrated, and its heading means nothing. */
  readonly webkitCompassAccuracy?: number | null;
}

/**
 * Relative events count alone once absolute ones have been silent this long: both are silent at
 * rest, and afterwards either may come first.
 */
const SILENT_MS = 1000;
/** Events of the two kinds this close together describe the same moment. */
const SAME_MS = 100;
/** How long knowledge of north lasts: a gyroscope drifts by some degrees a minute. */
const NORTH_MS = 120_000;
/** A compass less accurate than this is ignored. */
const COMPASS_MOST = 60;
/** A motion sensor that was steady and then stays silent this long is off. */
const OFF_MS = 4000;

const within = (value: unknown, least: number, most: number): value is number =>
  typeof value === 'number' && value >= least && value <= most;

function orientationOf({ alpha, beta, gamma }: Angles): Quaternion | undefined {
  const sound = within(alpha, -360, 360) && within(beta, -180, 180) && within(gamma, -180, 180);
  return sound ? fromEuler(alpha, beta, gamma) : undefined;
}

function compassOf(event: Angles): number | undefined {
  const { webkitCompassHeading: heading, webkitCompassAccuracy: accuracy } = event;
  const trusted = accuracy === undefined || within(accuracy, 0, COMPASS_MOST);
  return trusted && within(heading, 0, 360) ? heading : undefined;
}

/**
 * Merges two kinds of events into one orientation. Absolute ones know north. Relative ones are
 * rotated by what absolute ones or a compass last said of north, while that is fresh; without it
 * there is no orientation, because to others a made-up heading looks like a true one.
 */
export class Orientations {
  private relative: { q: Quaternion; at: number } | undefined;
  private absolute: { q: Quaternion; at: number } | undefined;
  /** Rotation to apply to relative events. */
  private north: { yaw: number; at: number } | undefined;
  /** Time since which relative events have come without absolute ones. */
  private alone: number | undefined;
  /** The browser has said that it has no absolute events. */
  private denied = false;
  private beaten: number | undefined;
  private off = false;

  constructor(private readonly onHeld: (held: Held) => void) {}

  take(event: Angles, absolute: boolean, now: number): void {
    const q = orientationOf(event);
    if (q) this.heard(now);
    if (absolute || event.absolute) this.takeAbsolute(q, now);
    else this.takeRelative(q, event, now);
  }

  /** Notes that the motion sensor works, whether or not the device moves. */
  beat(now: number): void {
    this.beaten = now;
  }

  /** Notices a sensor that was switched off; `since`: the time from which events are expected. */
  watch(now: number, since: number): void {
    if (this.beaten === undefined || this.off) return;
    if (now - Math.max(this.beaten, since) < OFF_MS) return;
    this.off = true;
    this.onHeld({ lacks: 'sensor' });
  }

  private heard(now: number): void {
    this.off = false;
    if (this.beaten !== undefined) this.beaten = now;
  }

  private takeAbsolute(q: Quaternion | undefined, now: number): void {
    this.denied = !q;
    this.absolute = q && { q, at: now };
    if (!q) {
      this.relativeAlone(now);
      return;
    }
    this.alone = undefined;
    this.learn(now);
    this.onHeld({ q });
  }

  private takeRelative(q: Quaternion | undefined, event: Angles, now: number): void {
    this.relative = q && { q, at: now };
    const compass = compassOf(event);
    if (q && compass !== undefined) {
      // Compass and attitude refer to the same edge of the device. Replacing alpha by the heading
      // would count a roll twice, because upright both it and gamma include the roll.
      this.north = { yaw: attitude(q).heading - compass, at: now };
      this.relativeAlone(now);
      return;
    }
    this.learn(now);
    this.alone ??= now;
    if (this.denied || now - this.alone >= SILENT_MS) this.relativeAlone(now);
  }

  private learn(now: number): void {
    const { relative, absolute } = this;
    if (!relative || !absolute || Math.abs(relative.at - absolute.at) > SAME_MS) return;
    this.north = { yaw: yawBetween(relative.q, absolute.q), at: now };
  }

  private relativeAlone(now: number): void {
    if (!this.relative) {
      if (!this.absolute) this.onHeld({ lacks: 'sensor' });
    } else if (this.north && now - this.north.at <= NORTH_MS) {
      this.onHeld({ q: multiply(aboutZ(this.north.yaw), this.relative.q) });
    } else {
      this.onHeld({ lacks: 'north' });
    }
  }
}

/**
 * Rotation of the screen's contents against the device in degrees, anticlockwise as its user sees
 * it.
 */
export function screenAngle(): number {
  const angle = globalThis.screen?.orientation?.angle ?? globalThis.window?.orientation;
  return within(angle, -360, 360) ? angle : 0;
}

/** Converts to the axes of the screen, which is what people mean by left and right. */
export function onScreen(held: Held, angle: number): Held {
  return 'q' in held ? { q: multiply(held.q, aboutZ(-angle)) } : held;
}

/**
 * Watches how the screen is held. Only its events show whether there is a sensor, whatever the
 * browser claims, and that may change at any time.
 */
export function watchOrientation(onHeld: (held: Held) => void): () => void {
  let last: Held | undefined;
  const tell = (): void => {
    if (last) onHeld(onScreen(last, screenAngle()));
  };
  const orientations = new Orientations((held) => {
    last = held;
    tell();
  });
  const relative = (event: Event): void =>
    orientations.take(event as Angles & Event, false, performance.now());
  const absolute = (event: Event): void =>
    orientations.take(event as Angles & Event, true, performance.now());
  const motion = ({ accelerationIncludingGravity: it }: DeviceMotionEvent): void => {
    if (typeof it?.x === 'number') orientations.beat(performance.now());
  };
  let shownSince = performance.now();
  const shown = (): void => {
    shownSince = performance.now();
  };
  const timer = setInterval(() => {
    if (document.visibilityState === 'visible') orientations.watch(performance.now(), shownSince);
  }, 1000);
  window.addEventListener('deviceorientation', relative);
  window.addEventListener('deviceorientationabsolute', absolute);
  window.addEventListener('devicemotion', motion);
  window.addEventListener('orientationchange', tell);
  globalThis.screen?.orientation?.addEventListener?.('change', tell);
  document.addEventListener('visibilitychange', shown);
  return () => {
    clearInterval(timer);
    window.removeEventListener('deviceorientation', relative);
    window.removeEventListener('deviceorientationabsolute', absolute);
    window.removeEventListener('devicemotion', motion);
    window.removeEventListener('orientationchange', tell);
    globalThis.screen?.orientation?.removeEventListener?.('change', tell);
    document.removeEventListener('visibilitychange', shown);
  };
}

interface PermissionAsking {
  requestPermission?(absolute?: boolean): Promise<PermissionState>;
}

/**
 * Asks for permission to use the motion sensor, in browsers that require it; call it from a tap.
 */
export async function askForMotion(): Promise<boolean> {
  if (typeof DeviceOrientationEvent === 'undefined') return false;
  const asking = DeviceOrientationEvent as unknown as PermissionAsking;
  if (!asking.requestPermission) return true;
  try {
    return (await asking.requestPermission(true)) === 'granted';
  } catch {
    return false;
  }
}
