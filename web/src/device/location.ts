/** Where the device says it is, as far as it can be believed, and why it says nothing. */

export interface Fix {
  lat: number;
  lng: number;
  /** Metres; NaN: unknown. */
  accuracy: number;
  /** When it was taken, on the local clock. */
  at: number;
}

/** `ignored`: nobody has answered the browser's question. `slow`: allowed, but nothing comes. */
export type LocationProblem = 'insecure' | 'refused' | 'ignored' | 'slow' | 'unavailable';

/** A person who wants to answer has answered by then, and a device under the sky has found itself. */
const WATCHDOG_MS = 8000;
/** Many devices tell only when they have moved, so a watch that is silent for this long is begun
 * anew, which makes them tell where they are. What does not answer is asked less and less often. */
export const QUIET_MS = 10_000;
const QUIET_MOST_MS = 80_000;
/** A watch that has just begun and answers with an older stamp than this has not looked. Of a device
 * that was heard before, the stamp may be of when it moved last. */
const FIRST_MS = 2 * 60_000;
const ANSWERED_MS = 60 * 60_000;
/** A fix that claims to be older than this, or from the future, was stamped by a wrong clock. */
const BELIEVED_MS = 24 * 3_600_000;

const within = (value: unknown, most: number): value is number =>
  typeof value === 'number' && Math.abs(value) <= most;

/** A fix, or undefined for what is not a place on earth. `wall` and `now`: the two clocks. */
export function readFix(
  position: { coords?: Partial<GeolocationCoordinates> | null; timestamp?: number },
  wall: number,
  now: number,
): Fix | undefined {
  const { latitude: lat, longitude: lng, accuracy } = position.coords ?? {};
  if (!within(lat, 90) || !within(lng, 180)) return undefined;
  const said = wall - (position.timestamp ?? Number.NaN);
  const age = said > 0 && said <= BELIEVED_MS ? said : 0;
  // No device is exact, so one that says 0 does not know.
  const isAccuracy = typeof accuracy === 'number' && accuracy > 0 && accuracy < Infinity;
  return { lat, lng, accuracy: isAccuracy ? accuracy : Number.NaN, at: now - age };
}

export interface LocationEvents {
  fix(fix: Fix): void;
  problem(problem: LocationProblem): void;
}

/** Watches the location, asks again while nothing is heard, and follows what the browser may do. */
export class LocationWatch {
  private id: number | undefined;
  private permission: PermissionStatus | undefined;
  private watchdog: ReturnType<typeof setTimeout> | undefined;
  private quiet: ReturnType<typeof setTimeout> | undefined;
  private patience = QUIET_MS;
  private refused = false;
  /** This watch has told of a place or of a problem. */
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

  /** Asks the browser anew, as after a refusal that may have been taken back. */
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

  /** Whoever comes back to the page may have been to the settings. */
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
    // The answer to a question is of now, whatever its stamp.
    if (!this.told && now - fix.at < (this.known ? ANSWERED_MS : FIRST_MS)) fix.at = now;
    this.told = true;
    this.known = true;
    this.patience = QUIET_MS;
    this.listen();
    this.events.fix(fix);
  }

  /** Begins the watch anew when it has been silent for long. */
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
    // It is not silent, and tells by itself when it has a place again.
    clearTimeout(this.quiet);
    this.told = true;
    this.events.problem(problem);
  }

  private silent(): void {
    if (!this.ended) this.events.problem(this.permission?.state === 'granted' ? 'slow' : 'ignored');
  }

  /** Browsers need not tell a page whose permission was taken away, or given at last. */
  private async followPermission(): Promise<void> {
    const query = navigator.permissions?.query({ name: 'geolocation' });
    const permission = await query?.catch(() => undefined);
    if (!permission || this.ended) return;
    this.permission = permission;
    permission.onchange = () => {
      // Given, or taken back until the person is asked again, which this does.
      if (permission.state !== 'denied') {
        this.again();
        return;
      }
      this.refused = true;
      this.report('refused');
    };
  }
}
