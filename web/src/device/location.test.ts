import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Fix, LocationWatch, placeAt, QUIET_MS, readFix } from './location';

const NOW = 1_700_000_000_000;

describe('a fix', () => {
  const read = (coords: object, timestamp: unknown = NOW): Fix | undefined =>
    readFix({ coords, timestamp: timestamp as number }, NOW, 5000);

  it('is a place on earth, or nothing', () => {
    expect(read({ latitude: 46, longitude: -180, accuracy: 5 })).toEqual({
      lat: 46,
      lng: -180,
      accuracy: 5,
      at: 5000,
    });
    for (const wrong of [null, undefined, Number.NaN, Infinity, 91, -90.1, '46']) {
      expect(read({ latitude: wrong, longitude: 14, accuracy: 5 })).toBeUndefined();
    }
    for (const wrong of [null, undefined, Number.NaN, -Infinity, 180.1, '14']) {
      expect(read({ latitude: 46, longitude: wrong, accuracy: 5 })).toBeUndefined();
    }
    expect(readFix({}, NOW, 5000)).toBeUndefined();
    expect(readFix({ coords: null }, NOW, 5000)).toBeUndefined();
  });

  it('claims no accuracy that it does not have', () => {
    for (const wrong of [null, undefined, Number.NaN, Infinity, -1, 0, '5']) {
      expect(read({ latitude: 46, longitude: 14, accuracy: wrong })?.accuracy).toBeNaN();
    }
  });

  it('has motion if both its parts are known', () => {
    const motion = (speed: unknown, heading: unknown) =>
      read({ latitude: 46, longitude: 14, accuracy: 5, speed, heading })?.motion;
    expect(motion(1.5, 359.5)).toEqual({ speed: 1.5, course: 359.5 });
    expect(motion(0, 0)).toEqual({ speed: 0, course: 0 });
    for (const wrong of [null, undefined, Number.NaN, -1, Infinity, '1']) {
      expect(motion(wrong, 90)).toBeUndefined();
    }
    for (const wrong of [null, undefined, Number.NaN, Infinity, '1']) {
      expect(motion(1, wrong)).toBeUndefined();
    }
  });

  it('is carried on to a later orientation, for 3 s at most', () => {
    const fix = { lat: 0, lng: 14, accuracy: 5, at: 1000 };
    const motion = { speed: 10, course: 0 };
    const metres = (lat: number) => lat * 111_319.49;
    expect(placeAt(fix, 2000)).toEqual({ lat: 0, lng: 14 });
    expect(placeAt({ ...fix, motion }, 1000)).toEqual({ lat: 0, lng: 14, ...motion });
    expect(metres(placeAt({ ...fix, motion }, 2000).lat)).toBeCloseTo(10, 3);
    const late = placeAt({ ...fix, motion }, 9000);
    expect(metres(late.lat)).toBeCloseTo(30, 3);
    expect(late.speed).toBeUndefined();
  });

  it('is as old as its timestamp, unless a wrong clock made it', () => {
    const at = (timestamp: unknown): number | undefined =>
      read({ latitude: 46, longitude: 14, accuracy: 5 }, timestamp)?.at;
    expect(at(NOW - 3000)).toBe(2000);
    expect(at(NOW - 3_600_000)).toBe(5000 - 3_600_000);
    for (const wrong of [
      NOW + 60_000,
      0,
      -5,
      Number.NaN,
      undefined,
      null,
      NOW * 1000,
      NOW / 1000,
    ]) {
      expect(at(wrong)).toBe(5000);
    }
  });
});

describe('watching', () => {
  let heard: string[];
  let watched: [(p: object) => void, (e: object) => void][];
  let permission: { state: string; onchange: (() => void) | null };
  let cleared: number;
  let watch: LocationWatch;

  const place = (accuracy = 5, timestamp = Date.now()) => ({
    coords: { latitude: 46, longitude: 14, accuracy },
    timestamp,
  });
  const error = (code: number) => ({ code, PERMISSION_DENIED: 1 });
  const begin = async (): Promise<void> => {
    watch = new LocationWatch({
      fix: (fix) => heard.push(`${Math.round((performance.now() - fix.at) / 1000)} s old`),
      problem: (problem) => heard.push(problem),
    });
    await vi.advanceTimersByTimeAsync(0);
  };

  beforeEach(() => {
    vi.useFakeTimers();
    [heard, watched, cleared] = [[], [], 0];
    permission = { state: 'prompt', onchange: null };
    vi.stubGlobal('window', { isSecureContext: true });
    vi.stubGlobal('document', {
      visibilityState: 'visible',
      addEventListener: () => undefined,
      removeEventListener: () => undefined,
    });
    vi.stubGlobal('navigator', {
      permissions: { query: async () => permission },
      geolocation: {
        watchPosition: (ok: () => void, no: () => void) => watched.push([ok, no]),
        clearWatch: () => void cleared++,
      },
    });
  });

  afterEach(() => {
    watch.end();
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  it('reports after 8 s that the prompt is unanswered or the device is slow', async () => {
    await begin();
    await vi.advanceTimersByTimeAsync(7900);
    expect(heard).toEqual([]);
    await vi.advanceTimersByTimeAsync(200);
    expect(heard).toEqual(['ignored']);
    watch.end();
    permission.state = 'granted';
    await begin();
    await vi.advanceTimersByTimeAsync(8100);
    expect(heard).toEqual(['ignored', 'slow']);
  });

  it('restarts after silence, less and less often', async () => {
    await begin();
    watched[0]![0](place());
    await vi.advanceTimersByTimeAsync(QUIET_MS);
    expect([watched.length, cleared]).toEqual([2, 1]);
    // The timestamp is from the last movement, but the answer is current.
    watched[1]![0](place(5, Date.now() - QUIET_MS));
    expect(heard).toEqual(['0 s old', '0 s old']);
    await vi.advanceTimersByTimeAsync(QUIET_MS);
    expect(watched.length).toBe(3);
    await vi.advanceTimersByTimeAsync(119_000);
    expect(watched.length).toBe(5);
    expect(heard.length).toBe(2);
  });

  it('keeps a watch that reports problems', async () => {
    await begin();
    watched[0]![0](place());
    watched[0]![1](error(3));
    await vi.advanceTimersByTimeAsync(120_000);
    expect([watched.length, heard.at(-1)]).toEqual([1, 'unavailable']);
    watched[0]![0](place(5, Date.now() - 50_000));
    expect(heard.at(-1)).toBe('50 s old');
  });

  it('treats a position that a browser remembers from long ago as old', async () => {
    await begin();
    watched[0]![0](place(5, Date.now() - 300_000));
    expect(heard).toEqual(['300 s old']);
  });

  it('follows a permission that is revoked and granted again', async () => {
    await begin();
    watched[0]![0](place());
    permission.state = 'denied';
    permission.onchange!();
    expect(heard.at(-1)).toBe('refused');
    await vi.advanceTimersByTimeAsync(60_000);
    expect(watched.length).toBe(1);
    permission.state = 'granted';
    permission.onchange!();
    expect([watched.length, cleared]).toEqual([2, 1]);
    watched[1]![0](place());
    expect(heard.at(-1)).toBe('0 s old');
  });

  it('rejects nonsense', async () => {
    await begin();
    watched[0]![0]({ coords: { latitude: null, longitude: null, accuracy: 5 }, timestamp: 0 });
    expect(heard).toEqual(['unavailable']);
  });
});
