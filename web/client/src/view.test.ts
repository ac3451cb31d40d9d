import { beforeEach, describe, expect, it } from 'vitest';
import {
  type ChunkIn,
  columnOf,
  encodeFrame,
  type FrameIn,
  type PersonIn,
  rowOf,
} from './testing/encode-frame.ts';
import { STALE_MS, View } from './view.ts';
import { decodeFrame } from './wire/frame.ts';
import { NO_MOTION } from './wire/motion.ts';
import type { Roster, Welcome } from './wire/server.ts';
import { Presence, Role } from './wire/wire.ts';

const LEVEL = 3;
const LAT = 457_700_000;
const LNG = 142_140_000;
const EAST = LNG + 100_000;
const UUID = '00000000-0000-0000-0000-000000000000';

const WELCOME = { type: 'Welcome', id: 1 } as Welcome;

let view: View;

const at = (id: number, more: Partial<PersonIn> = {}): PersonIn => ({
  id,
  lat: LAT,
  lng: LNG,
  ...more,
});

function apply(time: number, chunk: Partial<ChunkIn>, more: Partial<FrameIn> = {}): number[] {
  const lng = chunk.people?.[0]?.lng ?? LNG;
  const [x0, y0] = [columnOf(lng, more.level ?? LEVEL), rowOf(LAT, more.level ?? LEVEL)];
  const whole: ChunkIn = { index: 0, kind: 'delta', people: [], ...chunk };
  const frame = {
    time,
    level: LEVEL,
    x0,
    y0,
    width: 1,
    base: 0,
    span: 12,
    chunks: [whole],
    ...more,
  };
  return view.handleFrame(decodeFrame(encodeFrame(frame)));
}

function welcome(resumed: boolean): void {
  view.handleMessage({ ...WELCOME, resumed });
}

/** Frames that show one person, a second apart, after `from` and until `to`. */
function frames(from: number, to: number, id: number): void {
  for (let time = from + 1000; time < to; time += 1000) apply(time, { people: [at(id)] });
  apply(to, { people: [at(id)] });
}

function roster(time: number, more: Partial<Roster>): void {
  const online = { sharing: 0, watching: 0, hidden: 0, things: 0 };
  view.handleMessage({ type: 'Roster', time, joined: [], left: [], presence: [], online, ...more });
}

const person = (id: number, presence: Presence, name = '') => ({
  id,
  uuid: UUID,
  name,
  presence,
  role: Role.Guest,
  subject: null,
  profile: '',
});
const seen = (): number[] => [...view.figures.keys()].sort((a, b) => a - b);

beforeEach(() => {
  view = new View();
  welcome(false);
});

describe('people', () => {
  it('are where the newest frame says, in whatever order frames arrive', () => {
    apply(200, { people: [at(2, { lat: LAT + 700 })] });
    apply(100, { people: [at(2)] });
    expect(Math.abs(view.figures.get(2)!.lat - LAT - 700)).toBeLessThanOrEqual(3);
    apply(300, { people: [at(2)] });
    expect(Math.abs(view.figures.get(2)!.lat - LAT)).toBeLessThanOrEqual(3);
  });

  it('have the motion and the state that the newest frame says', () => {
    const more = { stateBits: 40 };
    const shown = () => {
      const { motion, stateLow, stateHigh } = view.figures.get(2)!;
      return [motion, stateLow, stateHigh];
    };
    apply(100, { people: [at(2, { motion: 258, stateLow: 0xffffffff, stateHigh: 7 })] }, more);
    expect(shown()).toEqual([258, 0xffffffff, 7]);
    const { changes } = view;
    apply(200, { people: [at(2, { stateLow: 0xffffffff, stateHigh: 7 })] }, more);
    expect(shown()).toEqual([NO_MOTION, 0xffffffff, 7]);
    apply(300, { people: [at(2, { stateHigh: 7 })] }, more);
    apply(400, { people: [at(2, { stateHigh: 6 })] }, more);
    expect(view.changes).toBe(changes + 3);
  });

  it('report the age of news once', () => {
    expect(apply(100, { people: [at(2, { age: 8 })] })).toEqual([]);
    expect(apply(200, { people: [at(2, { age: 128 })] })).toEqual([]);
    expect(apply(300, { people: [at(2, { age: 4 })] })).toEqual([4]);
    expect(apply(300, { people: [at(2, { age: 4 })] })).toEqual([]);
    expect(apply(3000, { people: [at(2, { age: 2896 })] })).toEqual([]);
    expect(apply(400, { kind: 'key', people: [at(3, { age: 4096 })] })).toEqual([]);
  });

  it('keep their sample time when frames can no longer express its age', () => {
    const sampled = (): number => view.figures.get(2)!.sampled;
    const old = 11_585;
    apply(1000, { people: [at(2, { age: 91 })] });
    expect(sampled()).toBe(909);
    apply(5000, { kind: 'key', people: [at(2, { age: 4096 })] });
    for (let time = 9200; time < 200_000; time += 1000) {
      apply(time, { kind: 'key', people: [at(2, { age: old })] });
    }
    expect(sampled()).toBe(909);
    // Out of view in the meantime, and back.
    apply(200_000, { kind: 'key', people: [] });
    apply(201_000, { kind: 'key', people: [at(2, { age: old })] });
    expect(sampled()).toBe(909);
    apply(202_000, { people: [at(2, { age: 64 })] });
    expect(sampled()).toBe(201_936);
    // Only the orientation was new; the position is older.
    apply(203_000, { people: [at(2, { age: old })] });
    expect(sampled()).toBe(203_000 - old);
    roster(204_000, { presence: [{ id: 2, presence: Presence.Watching }] });
    apply(205_000, { people: [at(2, { age: old })] });
    expect(sampled()).toBe(205_000 - old);
  });

  it('never include oneself, and never come back after leaving', () => {
    apply(100, { people: [at(1), at(2)] });
    expect(seen()).toEqual([2]);
    roster(110, { left: [2] });
    apply(120, { people: [at(2)] });
    expect(seen()).toEqual([]);
  });

  it('keep their accuracy, which deltas omit', () => {
    apply(100, { kind: 'key', people: [at(2, { accuracy: 9 })] });
    apply(200, { people: [at(2)] });
    expect(view.figures.get(2)!.accuracy).toBe(9);
  });

  it('expire when no frame names them for a while', () => {
    apply(100, { people: [at(2)] });
    frames(100, 100 + STALE_MS, 3);
    expect(seen()).toEqual([2, 3]);
    apply(101 + STALE_MS, { people: [at(3)] });
    expect(seen()).toEqual([3]);
  });

  it('ignore a frame that is too old, also across the wrap of time', () => {
    apply(100, { people: [at(2)] });
    apply(2 ** 32 - STALE_MS, { people: [at(3)] });
    expect(seen()).toEqual([2]);
    apply(2 ** 32 - 100, { people: [at(4)] });
    expect(seen()).toEqual([2, 4]);
  });
});

describe('a key chunk', () => {
  it('removes people it does not list from its cell, and from no other', () => {
    apply(100, { people: [at(2), at(3)] });
    apply(100, { people: [at(4, { lng: EAST })] });
    apply(200, { kind: 'key', people: [at(3)] });
    expect(seen()).toEqual([3, 4]);
    apply(300, { kind: 'key', people: [] });
    expect(seen()).toEqual([4]);
  });

  it('leaves people alone whom a newer frame named', () => {
    apply(200, { people: [at(2)] });
    apply(100, { kind: 'key', people: [] });
    expect(seen()).toEqual([2]);
  });

  it('is undone by an older delta of another cell, not of its own', () => {
    apply(100, { people: [at(2), at(3)] });
    apply(200, { kind: 'key', people: [] });
    apply(150, { people: [at(2)] });
    expect(seen()).toEqual([]);
    apply(150, { people: [at(3, { lng: EAST })] });
    expect(seen()).toEqual([3]);
  });

  it('lets a person move to another cell in the same frame', () => {
    apply(100, { people: [at(2)] });
    apply(200, { kind: 'key', people: [] });
    apply(200, { people: [at(2, { lng: EAST })] });
    expect(seen()).toEqual([2]);
  });

  it('covers only its page', () => {
    apply(100, { people: [at(10), at(11), at(12), at(13)] });
    apply(200, { kind: 'key', pageBits: 1, page: 0, people: [at(12)] });
    expect(seen()).toEqual([11, 12, 13]);
    apply(300, { kind: 'key', pageBits: 1, page: 0, people: [at(13)] }, { base: 11 });
    expect(seen()).toEqual([12, 13]);
  });
});

describe('a crowd chunk', () => {
  const crowd = { kind: 'crowd' as const, counts: [5, 0, 1, 2] };

  it('sets the counts and keeps only its sample of people', () => {
    apply(100, { people: [at(2), at(3)] });
    apply(200, { ...crowd, people: [at(3)] });
    expect(seen()).toEqual([3]);
    expect([...view.clusters.values()].map((c) => c.counts)).toEqual([[5, 0, 1, 2]]);
  });

  it('ends with a key chunk of its cell, or with the crowd of a larger one', () => {
    apply(100, { ...crowd, people: [] });
    apply(90, { kind: 'key', people: [] });
    expect(view.clusters.size).toBe(1);
    apply(200, { ...crowd, people: [] }, { level: 6 });
    expect([...view.clusters.values()].map((c) => c.cell.level)).toEqual([6]);
    apply(300, { kind: 'key', people: [] });
    expect(view.clusters.size).toBe(0);
  });

  it('expires like people', () => {
    apply(100, { ...crowd, people: [] });
    frames(100, 101 + STALE_MS, 3);
    expect(view.clusters.size).toBe(0);
  });
});

describe('the roster', () => {
  it('overrides older frames on who is hidden', () => {
    roster(50, { joined: [person(2, Presence.Sharing, 'Ada')] });
    apply(100, { kind: 'key', people: [at(2), at(3, { hidden: true })] });
    expect(view.figures.get(3)!.hidden).toBe(true);
    roster(150, { presence: [{ id: 2, presence: Presence.Hidden }] });
    expect(view.figures.get(2)!.hidden).toBe(true);
    apply(120, { people: [at(2)] });
    expect(view.figures.get(2)!.hidden).toBe(true);
    expect(view.people.get(2)!.name).toBe('Ada');
  });

  it('withdraws a pose at once, also from older frames', () => {
    roster(50, { joined: [person(2, Presence.Sharing)] });
    apply(100, { people: [at(2)] });
    roster(150, { presence: [{ id: 2, presence: Presence.Watching }] });
    apply(140, { people: [at(2)] });
    expect(seen()).toEqual([]);
    roster(200, { presence: [{ id: 2, presence: Presence.Sharing }] });
    apply(210, { people: [at(2)] });
    expect(seen()).toEqual([2]);
  });

  it('keeps people for a while after a gap without frames', () => {
    apply(100, { people: [at(2), at(3)] });
    apply(60_100, { people: [at(2)] });
    frames(60_100, 60_100 + STALE_MS, 2);
    expect(seen()).toEqual([2, 3]);
    apply(60_101 + STALE_MS, { people: [at(2)] });
    expect(seen()).toEqual([2]);
  });

  it('keeps a later frame that overtook the roster', () => {
    roster(50, { joined: [person(2, Presence.Sharing)] });
    apply(200, { people: [at(2)] });
    roster(150, { presence: [{ id: 2, presence: Presence.Watching }] });
    expect(seen()).toEqual([2]);
    apply(160, { people: [at(2)] });
    expect(view.figures.get(2)!.time).toBe(200);
  });

  it('withdraws the pose of a person who stays in the background', () => {
    const { Watching, Hidden } = Presence;
    apply(100, { people: [at(2)] });
    roster(50, { joined: [person(2, Hidden)] });
    expect(seen()).toEqual([2]);
    const both = [Watching, Hidden].map((presence) => ({ id: 2, presence }));
    roster(150, { presence: both });
    expect(seen()).toEqual([]);
    expect(view.presenceOf(2)).toBe(Hidden);
    apply(140, { people: [at(2)] });
    expect(seen()).toEqual([]);
  });

  it('is void after a welcome, as is the map for a new peer', () => {
    roster(50, { joined: [person(2, Presence.Sharing)], left: [3] });
    apply(100, { people: [at(2)] });
    welcome(true);
    expect(view.people.size).toBe(0);
    expect(seen()).toEqual([2]);
    welcome(false);
    expect(seen()).toEqual([]);
    apply(50, { people: [at(3)] });
    expect(seen()).toEqual([3]);
  });
});
