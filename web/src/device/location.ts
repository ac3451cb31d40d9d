/** The device's position, as far as it can be trusted, and why there is none. */
import { CARRY_MS, carry, type Reading } from '@gpys/client/parts';

export interface Fix {
  lat: number;
  lng: number;
  /** Accuracy in metres; NaN if unknown. */
  accuracy: number;
  /** How the device moved then, if it knows. */
  motion?: { speed: number; course: number } | undefined;
  /** When it was taken, in `performance.now()` time. */
  at: number;
}

/** `ignored`: the browser's prompt is unanswered. `slow`: allowed, but no position comes. */
export type LocationProblem = 'insecure' | 'refused' | 'ignored' | 'slow' | 'unavailable';

/**
 * By then a willing user has answered the prompt, and a device under the open sky has found itself.
 */
const WATCHDOG_MS = 8000;
/**
 * Many devices report only movement, so a watch silent for this long is restarted, which makes them
 * report their position. A device that does not answer is asked less and less often.
 */
export const QUIET_MS = 10_000;
const QUIET_MOST_MS = 80_000;
/**
 * A new watch that answers with an older timestamp than this has not looked. For a device heard
 * before, the timestamp may be that of its last movement.
 */
const FIRST_MS = 2 * 60_000;
const ANSWERED_MS = 60 * 60_000;
/** A fix older than this, or from the future, was stamped by a wrong clock. */
const BELIEVED_MS = 24 * 3_600_000;

const within = (value: unknown, most: number): value is number =>
  typeof value === 'number' && Math.abs(value) <= most;

/** Reads a fix; undefined if it is not a place on earth. `wall` and `now` are the two clocks. */
export function readFix(
  position: { coords?: Partial<GeolocationCoordinates> | null; timestamp?: number },
  wall: number,
  now: number,
): Fix | undefined {
  const { latitude: lat, longitude: lng, accuracy, speed, heading } = position.coords ?? {};
  if (!within(lat, 90) || !within(lng, 180)) return undefined;
  const said = wall - (position.timestamp ?? Number.NaN);
  const age = said > 0 && said <= BELIEVED_MS ? said : 0;
  // No device is exact, so one that says 0 does not know.
  const isAccuracy = typeof accuracy === 'number' && accuracy > 0 && accuracy < Infinity;
  // A device that stands still has no heading.
  const moves = within(speed, Number.MAX_VALUE) && speed >= 0 && within(heading, 360);
  return {
    lat,
    lng,
    accuracy: isAccuracy ? accuracy : Number.NaN,
    motion: moves ? { speed, course: heading } : undefined,
    at: now - age,
  };
}

/**
 * Where the device of a fix is at a later moment: a sample has one time for position and
 * orientation, so a newer orientation needs the position of its moment.
 */
export function placeAt(
  { lat, lng, motion, at }: Fix,
  later: number,
): Pick<Reading, 'lat' | 'lng' | 'speed' | 'course'> {
  if (!motion) return { lat, lng };
  const since = Math.min(CARRY_MS, later - at);
  return { ...carry({ lat, lng }, motion, since), ...(since < CARRY_MS && motion) };
}

export interface LocationEvents {
  fix(fix: Fix): void;
  problem(problem: LocationProblem): void;
}

/** Watches the location, asks again during silence, and follows changes of permission. */
export class LocationWatch {
  private id: number | undefined;
  private permission: PermissionStatus | undefined;
  private watchdog: ReturnType<typeof setTimeout> | undefined;
  private quiet: ReturnType<typeof setTimeout> | undefined;
  private patience = QUIET_MS;
  private refused = false;
  /** Whether this watch has reported a place or a problem. */
  private told = false;
  private known = false;
  private ended = false;

  constructor(private readonly events: LocationEvents) {
    if (!window.isSecureContext || !navigator.geolocation) {
      this.ended = true;
      queueMicrotask(() => events.problem('insecure'));
      return;
    }
    this.watchdog = setTimeout(() => this.silent(), WATCHDOG_MS);
    this.start();
    document.addEventListener('visibilitychange', this.back);
    void this.followPermission();
  }

  /** Asks the browser again, for instance after a refusal that may have been revoked. */
  again(): void {
    if (this.ended) return;
    clearTimeout(this.watchdog);
    this.watchdog = setTimeout(() => this.silent(), WATCHDOG_MS);
    this.restart();
  }

  end(): void {
    this.ended = true;
    document.removeEventListener('visibilitychange', this.back);
    clearTimeout(this.watchdog);
    clearTimeout(this.quiet);
    if (this.id !== undefined) navigator.geolocation.clearWatch(this.id);
    if (this.permission) this.permission.onchange = null;
  }

  /** A user who comes back to the page may have changed the settings. */
  private readonly back = (): void => {
    if (this.refused && document.visibilityState === 'visible') this.again();
  };

  private restart(): void {
    navigator.geolocation.clearWatch(this.id!);
    this.start();
  }

  private start(): void {
    this.refused = false;
    this.told = false;
    const options = { enableHighAccuracy: true, maximumAge: 0, timeout: 20_000 };
    const fix = (position: GeolocationPosition): void => this.heard(position);
    const problem = (error: GeolocationPositionError): void => this.failed(error);
    this.id = navigator.geolocation.watchPosition(fix, problem, options);
  }

  private heard(position: GeolocationPosition): void {
    if (this.ended) return;
    const now = performance.now();
    const fix = readFix(position, Date.now(), now);
    if (!fix) {
      this.report('unavailable');
      return;
    }
    clearTimeout(this.watchdog);
    // The answer to a question is current, whatever its timestamp.
    if (!this.told && now - fix.at < (this.known ? ANSWERED_MS : FIRST_MS)) fix.at = now;
    this.told = true;
    this.known = true;
    this.patience = QUIET_MS;
    this.listen();
    this.events.fix(fix);
  }

  /** Restarts the watch after a long silence. */
  private listen(): void {
    clearTimeout(this.quiet);
    this.quiet = setTimeout(() => {
      this.patience = Math.min(QUIET_MOST_MS, this.patience * 2);
      this.listen();
      if (document.visibilityState === 'visible') this.restart();
    }, this.patience);
  }

  private failed(error: GeolocationPositionError): void {
    this.refused = error.code === error.PERMISSION_DENIED;
    this.report(this.refused ? 'refused' : 'unavailable');
  }

  private report(problem: LocationProblem): void {
    if (this.ended) return;
    clearTimeout(this.watchdog);
    // It is not silent, and will report when it has a place again.
    clearTimeout(this.quiet);
    this.told = true;
    this.events.problem(problem);
  }

  private silent(): void {
    if (!this.ended) this.events.problem(this.permission?.state === 'granted' ? 'slow' : 'ignored');
  }

  /**
   * Follows the permission, because browsers need not report one that is revoked or granted late.
   */
  private async followPermission(): Promise<void> {
    const query = navigator.permissions?.query({ name: 'geolocation' });
    const permission = await query?.catch(() => undefined);
    if (!permission || this.ended) return;
    this.permission = permission;
    permission.onchange = () => {
      // Granted, or reset until the user is asked again, which this does.
      if (permission.state !== 'denied') {
        this.again();
        return;
      }
      this.refused = true;
      this.report('refused');
    };
  }
}
