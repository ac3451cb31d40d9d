import { attitude, fromEuler } from '@gpys/client/parts';
import { describe, expect, it, vi } from 'vitest';
import { type Angles, type Held, Orientations, onScreen, screenAngle } from './held';

const angles = (alpha: unknown, more = {}): Angles => ({
  alpha: alpha as number,
  beta: 0,
  gamma: 0,
  absolute: false,
  ...more,
});

function words(held: Held): number | string {
  return 'q' in held ? Math.round(attitude(held.q).heading) % 360 : `no ${held.lacks}`;
}

/** Feeds events at times in ms, and collects the results. */
function watch() {
  const heard: (number | string)[] = [];
  const it = new Orientations((held) => heard.push(words(held)));
  return {
    heard,
    it,
    relative: (at: number, alpha: unknown, more = {}) => it.take(angles(alpha, more), false, at),
    absolute: (at: number, alpha: unknown, more = {}) => it.take(angles(alpha, more), true, at),
    last: () => heard.at(-1),
  };
}

describe('north', () => {
  it('comes from the events that know it', () => {
    const w = watch();
    w.relative(0, 350);
    w.absolute(1, 270);
    w.relative(16, 340);
    w.relative(17, 180, { absolute: true });
    expect(w.heard).toEqual([90, 180]);
  });

  it('is not made up from relative events alone', () => {
    const w = watch();
    w.relative(0, 200);
    w.absolute(1, null);
    w.relative(16, 210);
    expect(w.heard).toEqual(['no north', 'no north']);
    const silent = watch();
    for (let at = 0; at <= 1200; at += 300) silent.relative(at, 200);
    expect(silent.heard).toEqual(['no north']);
  });

  it('is kept when absolute events stop or report their end', () => {
    const w = watch();
    w.relative(0, 30);
    w.absolute(1, 270);
    // After a rest either kind may be the first.
    w.relative(60_000, 30);
    w.absolute(60_001, 270);
    expect(w.heard).toEqual([90, 90]);
    for (let at = 61_000; at < 64_000; at += 100) w.relative(at, 50);
    expect(w.last()).toBe(70);
    w.absolute(64_000, 180);
    expect(w.last()).toBe(180);
    w.absolute(64_050, null);
    w.relative(64_060, 40);
    expect(w.last()).toBe(190);
  });

  it('is dropped after two minutes without news', () => {
    const w = watch();
    w.relative(0, 30);
    w.absolute(1, 270);
    for (let at = 100; at < 130_000; at += 100) w.relative(at, 30);
    expect(w.last()).toBe('no north');
    w.absolute(130_000, 270);
    expect(w.last()).toBe(90);
  });
});

describe('a compass', () => {
  it('finds north for an alpha that starts anywhere', () => {
    const w = watch();
    w.relative(0, 12, { webkitCompassHeading: 45, webkitCompassAccuracy: 10 });
    w.relative(16, 12, { webkitCompassHeading: 0 });
    expect(w.heard).toEqual([45, 0]);
  });

  it('is ignored when uncalibrated, and its last reading then counts', () => {
    const nothing = [
      { webkitCompassHeading: -1 },
      { webkitCompassHeading: Number.NaN },
      { webkitCompassHeading: undefined },
      { webkitCompassHeading: null },
      { webkitCompassHeading: 7000 },
      { webkitCompassHeading: 90, webkitCompassAccuracy: -1 },
      { webkitCompassHeading: 90, webkitCompassAccuracy: Number.NaN },
      { webkitCompassHeading: 90, webkitCompassAccuracy: null },
      { webkitCompassHeading: 90, webkitCompassAccuracy: 170 },
    ];
    for (const more of nothing) {
      const fresh = watch();
      for (let at = 0; at <= 2000; at += 500) fresh.relative(at, 12, more);
      expect(fresh.last()).toBe('no north');
      const w = watch();
      w.relative(0, 12, { webkitCompassHeading: 45, webkitCompassAccuracy: 10 });
      for (let at = 16; at <= 2016; at += 500) w.relative(at, 22, more);
      expect(w.last()).toBe(35);
    }
  });

  it('describes the top of a flat device, and the back of an upright one', () => {
    for (const [beta, gamma] of [
      [0, 0],
      [10, 30],
      [45, -20],
      [88, 20],
      [88, -20],
      [92, 20],
      [100, 35],
      [110, -10],
    ] as const) {
      const w = watch();
      w.relative(0, 123, { beta, gamma, webkitCompassHeading: 70 });
      expect([beta, gamma, w.last()]).toEqual([beta, gamma, 70]);
    }
  });

  it('does not change how the device leans', () => {
    const leans: number[] = [];
    const it = new Orientations((held) => {
      if ('q' in held) leans.push(attitude(held.q).leanLeftRight, attitude(held.q).leanFrontBack);
    });
    const more = { beta: 30, gamma: 15, webkitCompassHeading: 250 };
    it.take(angles(123, more), false, 0);
    const straight = attitude(fromEuler(0, 30, 15));
    expect(leans[0]).toBeCloseTo(straight.leanLeftRight);
    expect(leans[1]).toBeCloseTo(straight.leanFrontBack);
  });
});

describe('a sensor', () => {
  it('is found missing by its angles, at any time', () => {
    for (const none of [null, undefined, Number.NaN, Infinity, -Infinity, 1e9, '90']) {
      for (const which of ['alpha', 'beta', 'gamma']) {
        const w = watch();
        w.absolute(0, 350, { [which]: none });
        w.absolute(16, 350);
        w.absolute(32, 350, { [which]: none });
        expect([none, which, w.heard]).toEqual([none, which, ['no sensor', 10, 'no sensor']]);
      }
    }
  });

  it('is off if it was steady and stops; if it never was steady, it lies still', () => {
    const w = watch();
    w.absolute(0, 350);
    w.it.watch(60_000, 0);
    expect(w.heard).toEqual([10]);
    for (let at = 60_000; at < 90_000; at += 16) w.it.beat(at);
    w.it.watch(90_000, 0);
    expect(w.heard).toEqual([10]);
    // In the background no events are expected.
    w.it.watch(200_000, 199_000);
    expect(w.heard).toEqual([10]);
    w.it.watch(204_000, 199_000);
    w.it.watch(205_000, 199_000);
    expect(w.heard).toEqual([10, 'no sensor']);
    w.absolute(206_000, 180);
    expect(w.last()).toBe(180);
  });
});

describe('the screen', () => {
  const seen = (alpha: number, beta: number, gamma: number, angle: number) => {
    const held = onScreen({ q: fromEuler(alpha, beta, gamma) }, angle);
    if (!('q' in held)) throw new Error('no orientation');
    const { heading, leanLeftRight, leanFrontBack } = attitude(held.q);
    return [heading, leanLeftRight, leanFrontBack].map((it) => (Math.round(it) % 360) + 0);
  };

  it('has its own axes, however the device is rotated', () => {
    // A flat device with its top to the west, whose user looks north.
    expect(seen(90, 0, 0, 90).map(Math.abs)).toEqual([0, 0, 0]);
    expect(seen(270, 0, 0, 270).map(Math.abs)).toEqual([0, 0, 0]);
    expect(seen(180, 0, 0, 180).map(Math.abs)).toEqual([0, 0, 0]);
    // Legacy browsers count in the other direction.
    expect(seen(270, 0, 0, -90).map(Math.abs)).toEqual([0, 0, 0]);
    // Tilted towards the user, whose upper edge is the device's right one.
    expect(seen(90, 0, -40, 90)).toEqual([0, 0, 40]);
    expect(seen(0, 40, 0, 0)).toEqual([0, 0, 40]);
  });

  it('is queried by the new or the old interface, and counts as upright if neither answers', () => {
    const cases: [object | undefined, object | undefined, number][] = [
      [{ orientation: { angle: 90 } }, { orientation: 0 }, 90],
      [{}, { orientation: -90 }, -90],
      [{ orientation: { angle: Number.NaN } }, {}, 0],
      [undefined, undefined, 0],
    ];
    for (const [screen, window, angle] of cases) {
      vi.stubGlobal('screen', screen);
      vi.stubGlobal('window', window);
      expect(screenAngle()).toBe(angle);
    }
    vi.unstubAllGlobals();
  });
});
