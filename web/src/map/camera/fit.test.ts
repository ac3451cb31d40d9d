import { expect, it } from 'vitest';
import { boundsOf, boxAround, shotOf } from './fit';
import { areaOf } from './layout';

const box = (west: number, east: number) => ({ south: 0, north: 1, west, east });

it('bounds people along the shorter way round the world', () => {
  expect(boundsOf([])).toBeUndefined();
  expect(boundsOf([box(10, 11), box(20, 21)])).toMatchObject({ west: 10, east: 21 });
  expect(boundsOf([box(-171, -170), box(170, 171)])).toMatchObject({ west: 170, east: 190 });
  expect(boundsOf([box(179, 181)])).toMatchObject({ west: 179, east: 181 });
  expect(boundsOf([box(-180, 180)])).toMatchObject({ west: -180, east: 180 });
  // A box within another does not shrink it.
  expect(boundsOf([box(0, 50), box(10, 20), box(60, 61)])).toMatchObject({ west: 0, east: 61 });
});

it('stays within the given zoom and the world', () => {
  const area = { width: 400, height: 700, top: 0, right: 56, bottom: 180, left: 0 };
  const one = boxAround({ lat: 46, lng: 14 }, 0.1);
  expect(shotOf(one, area, 17).zoom).toBe(17);
  expect(shotOf({ south: -80, north: 80, west: -180, east: 180 }, area, 17).zoom).toBe(0.5);
});

it('finds the uncovered part of the map', () => {
  const map = new Rect(0, 50, 720, 360);
  const none = new Rect(0, 0, 0, 0);
  // A dock at the bottom centre.
  expect(areaOf(new Rect(0, 50, 390, 720), [new Rect(12, 600, 366, 120)], none)).toMatchObject({
    bottom: 170,
    left: 0,
  });
  // A low map has more room beside the dock than above it.
  expect(areaOf(map, [new Rect(12, 240, 300, 160)], none)).toMatchObject({ bottom: 0, left: 312 });
  // A hidden list, and one beside the map.
  expect(areaOf(map, [none, new Rect(720, 50, 310, 360)], none)).toMatchObject({
    bottom: 0,
    left: 0,
  });
  // A card over the right side.
  const wall = new Rect(0, 0, 1280, 720);
  expect(areaOf(wall, [new Rect(960, 15, 300, 660)], none)).toMatchObject({
    bottom: 0,
    left: 0,
    right: 320,
  });
  // A notice.
  expect(areaOf(map, [], new Rect(12, 62, 300, 50))).toMatchObject({ top: 62 });
});

class Rect {
  readonly right: number;
  readonly bottom: number;
  constructor(
    readonly left: number,
    readonly top: number,
    readonly width: number,
    readonly height: number,
  ) {
    this.right = left + width;
    this.bottom = top + height;
  }
}
