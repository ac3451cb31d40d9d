import type { Degrees } from '@gpys/client/parts';
import { beforeEach, describe, expect, it } from 'vitest';
import { mercator } from '../geo';
import { CameraControl, type CameraPorts, CLOSE_ZOOM, type Known, type Target } from './camera';
import { type Area, boxAround, isClear, middleOf, type Shot, shotOf } from './fit';

const PHONE: Area = { width: 390, height: 720, top: 0, right: 56, bottom: 180, left: 0 };
const STAGE = { lat: 46.3639, lng: 14.0952 };
const NOBODY: Known = { boxes: [], unsure: 0, count: 0, expected: 0 };

/** A map that moves at once, and remembers how. */
class Desk implements CameraPorts {
  shown: Shot = { center: { lat: 25, lng: 10 }, zoom: 1.4 };
  went: { shot: Shot; how: string }[] = [];
  free = PHONE;
  moving = false;
  whole = false;
  facts: Known = { ...NOBODY, expected: undefined };
  me: Target | undefined;
  people = new Map<number, Target>();
  stage: Degrees | undefined;
  lost: (number | undefined)[] = [];

  area = (): Area => this.free;
  zoom = (): number => this.shown.zoom;
  isMoving = (): boolean => this.moving;
  known = (): Known => this.facts;
  self = (): Target | undefined => this.me;
  person = (id: number): Target | undefined => this.people.get(id);
  venue = (): Degrees | undefined => this.stage;
  changed(): void {}
  missing = (id: number | undefined): void => void this.lost.push(id);

  survey(whole: boolean): void {
    this.whole = whole;
  }

  pixel({ lat, lng }: Degrees): { x: number; y: number } {
    const world = 512 * 2 ** this.shown.zoom;
    const [x, y] = mercator(lat, lng);
    const [cx, cy] = mercator(this.shown.center.lat, this.shown.center.lng);
    const { width, height } = this.free;
    return { x: width / 2 + (x - cx) * world, y: height / 2 + (y - cy) * world };
  }

  go(shot: Shot, [ox, oy]: [number, number], how: string): void {
    this.went.push({ shot, how });
    const world = 512 * 2 ** shot.zoom;
    const [x, y] = mercator(shot.center.lat, shot.center.lng);
    const lng = (x - ox / world) * 360 - 180;
    const phi = 2 * Math.atan(Math.exp((0.5 - (y - oy / world)) * 2 * Math.PI)) - Math.PI / 2;
    this.shown = { center: { lat: (phi * 180) / Math.PI, lng }, zoom: shot.zoom };
  }

  /** Shows people at these places, `unsure` metres off at most. */
  see(unsure: number, ...places: Degrees[]): void {
    const boxes = places.map((at) => boxAround(at, unsure));
    this.facts = { boxes, unsure, count: places.length, expected: places.length };
  }

  isInSight(at: Degrees): boolean {
    return isClear(this.pixel(at), this.free);
  }
}

const beside = ({ lat, lng }: Degrees, north: number, east: number): Degrees => ({
  lat: lat + north / 111_320,
  lng: lng + east / 111_320 / Math.cos((lat * Math.PI) / 180),
});

let desk: Desk;
let camera: CameraControl;
beforeEach(() => {
  desk = new Desk();
  camera = new CameraControl(desk);
});

describe('where the page opens', () => {
  it('is the stored place, if there is one', () => {
    desk.see(300, STAGE);
    camera.open({ center: { lat: 1, lng: 2 }, zoom: 15 }, 0);
    camera.update(1000);
    expect(desk.went).toEqual([{ shot: { center: { lat: 1, lng: 2 }, zoom: 15 }, how: 'jump' }]);
    expect(desk.whole).toBe(false);
  });

  it('is where people are, first roughly, then closely, without flying', () => {
    desk.stage = beside(STAGE, 9000, 0);
    camera.open(undefined, 0);
    expect(desk.whole).toBe(true);
    camera.update(100);
    expect(desk.went).toEqual([]);
    const [a, b] = [beside(STAGE, 60, 10), beside(STAGE, -70, -40)];
    desk.see(300, beside(a, 150, 120), beside(b, -100, 60));
    camera.update(200);
    expect(desk.whole).toBe(false);
    expect([a, b].every((it) => desk.isInSight(it))).toBe(true);
    const rough = desk.shown.zoom;
    expect(rough).toBeGreaterThan(12);
    desk.see(0.04, a, b);
    camera.update(600);
    expect([a, b].every((it) => desk.isInSight(it))).toBe(true);
    expect(desk.shown.zoom).toBeGreaterThan(rough + 1);
    expect(desk.went.map(({ how }) => how)).toEqual(['jump', 'jump']);
  });

  it('waits for people yet to be shown, but not for long', () => {
    camera.open(undefined, 0);
    desk.see(300, STAGE);
    desk.facts.expected = 2;
    camera.update(100);
    camera.update(1500);
    expect(desk.went).toEqual([]);
    camera.update(1700);
    expect(desk.went.length).toBe(1);
  });

  it('is the venue until the first person shares, then where people are', () => {
    desk.stage = STAGE;
    camera.open(undefined, 0);
    desk.facts = NOBODY;
    camera.update(100);
    expect(desk.went.map(({ shot }) => shot)).toEqual([{ center: STAGE, zoom: 16 }]);
    camera.update(60_000);
    expect(desk.went.length).toBe(1);
    const far = beside(STAGE, 5000, 0);
    desk.facts = { ...NOBODY, expected: 1 };
    camera.update(60_300);
    expect(desk.whole).toBe(true);
    desk.see(300, far);
    camera.update(60_500);
    expect(desk.isInSight(far)).toBe(true);
  });

  it('is the venue while the server is silent', () => {
    desk.stage = STAGE;
    camera.open(undefined, 0);
    camera.update(2900);
    expect(desk.went).toEqual([]);
    camera.update(3100);
    expect(desk.isInSight(STAGE)).toBe(true);
    expect(desk.whole).toBe(true);
  });

  it('never changes once the user has moved the map', () => {
    camera.open(undefined, 0);
    camera.touched(true);
    desk.see(300, STAGE);
    for (let now = 100; now < 20_000; now += 250) camera.update(now);
    expect(desk.went).toEqual([]);
    expect(desk.whole).toBe(false);
  });
});

describe('picking a person', () => {
  const ada = beside(STAGE, 0, 40);

  it('brings them into sight from any zoom, however coarse their position', () => {
    for (const zoom of [0.5, 1.4, 5, 9, 13, 17, 20]) {
      desk.shown = { center: { lat: 25, lng: 10 }, zoom };
      desk.people.set(7, { at: beside(ada, 218, -128), metres: 320 });
      camera.pick(7, 0);
      expect(desk.isInSight(ada)).toBe(true);
      desk.people.set(7, { at: ada, metres: 0.04 });
      camera.update(500);
      expect(desk.shown.zoom).toBeCloseTo(Math.max(CLOSE_ZOOM, zoom), 5);
      expect(desk.isInSight(ada)).toBe(true);
      desk.people.clear();
      camera.unpick();
    }
  });

  it('keeps them in the middle until the map is panned', () => {
    desk.people.set(7, { at: ada, metres: 0.04 });
    camera.pick(7, 0);
    for (let i = 1; i <= 20; i++) {
      desk.people.set(7, { at: beside(ada, 10 * i, 0), metres: 0.04 });
      camera.update(100 * i);
    }
    const middle = middleOf(PHONE);
    expect(desk.pixel(beside(ada, 200, 0)).y).toBeCloseTo(middle.y, 0);
    camera.touched(false);
    desk.people.set(7, { at: beside(ada, 0, 0), metres: 0.04 });
    camera.update(2200);
    expect(desk.pixel(ada).y).toBeCloseTo(middle.y, 0);
    camera.touched(true);
    const times = desk.went.length;
    desk.people.set(7, { at: beside(ada, 400, 0), metres: 0.04 });
    camera.update(2300);
    expect(desk.went.length).toBe(times);
    expect(camera.picked).toBe(7);
  });

  it('searches the whole world for a person out of view', () => {
    camera.pick(7, 0);
    expect(desk.whole).toBe(true);
    expect(desk.went).toEqual([]);
    desk.people.set(7, { at: ada, metres: 320 });
    camera.update(200);
    expect(desk.whole).toBe(false);
    expect(desk.isInSight(ada)).toBe(true);
  });

  it('finds a person again who jumped out of view', () => {
    desk.people.set(7, { at: ada, metres: 0.04 });
    camera.pick(7, 0);
    camera.update(100);
    desk.people.clear();
    camera.update(200);
    camera.update(1800);
    expect(desk.whole).toBe(true);
    const there = beside(ada, 300, 260);
    desk.people.set(7, { at: beside(there, 218, -128), metres: 320 });
    camera.update(1900);
    camera.update(2000);
    expect(desk.whole).toBe(false);
    expect(desk.isInSight(there)).toBe(true);
    desk.people.set(7, { at: there, metres: 0.04 });
    camera.update(2500);
    expect(desk.isInSight(there)).toBe(true);
    expect(desk.shown.zoom).toBeCloseTo(CLOSE_ZOOM, 5);
  });

  it('reports a person who cannot be found, and shows where people are', () => {
    desk.see(300, STAGE);
    camera.pick(7, 0);
    camera.update(2900);
    expect(desk.lost).toEqual([]);
    camera.update(3100);
    expect(desk.lost).toEqual([7]);
    expect(desk.whole).toBe(false);
    expect(desk.isInSight(STAGE)).toBe(true);
  });

  it('shows the whole circle of an approximate person', () => {
    desk.people.set(7, { at: ada, metres: 986 });
    camera.pick(7, 0);
    for (const [n, e] of [
      [900, 0],
      [-900, 0],
      [0, 900],
      [0, -900],
    ] as const) {
      expect(desk.isInSight(beside(ada, n, e))).toBe(true);
    }
  });
});

describe('the user’s figure', () => {
  it('is centred in the uncovered area, at every size', () => {
    for (const free of [
      PHONE,
      { width: 720, height: 340, top: 0, right: 56, bottom: 0, left: 312 },
      { width: 320, height: 460, top: 60, right: 56, bottom: 200, left: 0 },
      { width: 1130, height: 820, top: 0, right: 56, bottom: 140, left: 0 },
    ]) {
      desk.free = free;
      desk.me = { at: STAGE, metres: 5 };
      camera.appeared(false);
      const { x, y } = desk.pixel(STAGE);
      expect([Math.round(x), Math.round(y)]).toEqual(Object.values(middleOf(free)).map(Math.round));
    }
  });

  it('is brought back into sight, and followed after a second press', () => {
    desk.me = { at: STAGE, metres: 5 };
    camera.appeared(false);
    const times = desk.went.length;
    desk.me = { at: beside(STAGE, 0, 20), metres: 5 };
    camera.update(100);
    expect(desk.went.length).toBe(times);
    desk.me = { at: beside(STAGE, 0, 190), metres: 5 };
    camera.update(200);
    expect(desk.isInSight(desk.me.at)).toBe(true);
    camera.touched(true);
    expect(camera.mode).toBe('free');
    camera.locate();
    expect(camera.mode).toBe('found');
    camera.locate();
    expect(camera.mode).toBe('follow');
    camera.locate();
    expect(camera.mode).toBe('follow');
  });

  it('moves out from under a growing dock', () => {
    desk.me = { at: STAGE, metres: 5 };
    camera.appeared(false);
    camera.touched(true);
    desk.go({ center: STAGE, zoom: 17 }, [0, 130], 'jump');
    camera.update(100);
    expect(desk.isInSight(STAGE)).toBe(true);
    desk.free = { ...PHONE, bottom: 300 };
    expect(desk.isInSight(STAGE)).toBe(false);
    camera.areaChanged();
    expect(desk.isInSight(STAGE)).toBe(true);
  });

  it('cannot be found before it shares', () => {
    expect(camera.locate()).toBe(false);
  });
});

it('fits everyone including the user, and reports an empty room', () => {
  const far = { lat: 20.5, lng: 80.2 };
  desk.me = { at: STAGE, metres: 5 };
  desk.see(300, far, STAGE);
  camera.fitEverybody(0);
  camera.update(100);
  expect(desk.isInSight(far) && desk.isInSight(STAGE)).toBe(true);
  desk.facts = NOBODY;
  camera.fitEverybody(1000);
  camera.update(1100);
  expect(desk.lost).toEqual([undefined]);
});

it('shows boxes on both sides of the antimeridian as one', () => {
  const shot = shotOf({ south: -1, north: 1, west: 179, east: 181 }, PHONE, 17);
  expect(Math.abs(shot.center.lng)).toBeCloseTo(180, 5);
});
