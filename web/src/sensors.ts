/** What the device delivers: where it is and how it is held. */
import { fromAngles, type Quaternion } from './orientation';

export interface Fix {
  lat: number;
  lng: number;
  /** Metres. */
  accuracy: number;
  /** When it was taken, on the local clock. */
  at: number;
}

export type LocationProblem = 'insecure' | 'refused' | 'unavailable';

const OLDEST_FIX_MS = 60_000;

/** Watches the location until the returned function is called. */
export function watchLocation(
  onFix: (fix: Fix) => void,
  onProblem: (problem: LocationProblem) => void,
): () => void {
  if (!window.isSecureContext || !navigator.geolocation) {
    onProblem('insecure');
    return () => undefined;
  }
  const id = navigator.geolocation.watchPosition(
    ({ coords, timestamp }) => {
      const age = Math.max(0, Math.min(OLDEST_FIX_MS, Date.now() - timestamp));
      const { latitude: lat, longitude: lng, accuracy } = coords;
      onFix({ lat, lng, accuracy, at: performance.now() - age });
    },
    (error) => onProblem(error.code === error.PERMISSION_DENIED ? 'refused' : 'unavailable'),
    { enableHighAccuracy: true, maximumAge: 1000, timeout: 20_000 },
  );
  return () => navigator.geolocation.clearWatch(id);
}

interface PermissionAsking {
  requestPermission?(absolute?: boolean): Promise<PermissionState>;
}

interface OrientationEvent extends DeviceOrientationEvent {
  readonly webkitCompassHeading?: number | null;
}

/** Asks for the motion sensor where the browser wants to be asked; call it from a tap. */
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

/**
 * Watches how the device is held. Whether there is a sensor shows in what it delivers: angles that
 * are null mean none, whatever the browser claims, and that may change at any time.
 */
export function watchOrientation(onTurn: (q: Quaternion | undefined) => void): () => void {
  const angles = new Orientations(onTurn);
  const relative = (event: Event): void => angles.take(event as OrientationEvent, false);
  const absolute = (event: Event): void => angles.take(event as OrientationEvent, true);
  window.addEventListener('deviceorientation', relative);
  window.addEventListener('deviceorientationabsolute', absolute);
  return () => {
    window.removeEventListener('deviceorientation', relative);
    window.removeEventListener('deviceorientationabsolute', absolute);
  };
}

type Angles = Pick<
  OrientationEvent,
  'alpha' | 'beta' | 'gamma' | 'absolute' | 'webkitCompassHeading'
>;

/** Chooses between the two kinds of events: those that know north win while they deliver. */
export class Orientations {
  private hasAbsolute = false;

  constructor(private readonly onTurn: (q: Quaternion | undefined) => void) {}

  take(event: Angles, absolute: boolean): void {
    const { alpha, beta, gamma } = event;
    if (alpha === null || beta === null || gamma === null) {
      if (absolute) this.hasAbsolute = false;
      else if (!this.hasAbsolute) this.onTurn(undefined);
      return;
    }
    if (absolute) this.hasAbsolute = true;
    else if (this.hasAbsolute) return;
    // Where alpha starts anywhere, the compass says how far it is from north; it turns clockwise.
    const compass = event.webkitCompassHeading;
    const north = !event.absolute && typeof compass === 'number' && compass >= 0;
    this.onTurn(fromAngles(north ? 360 - compass : alpha, beta, gamma));
  }
}
