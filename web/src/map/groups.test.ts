import { describe, expect, it } from 'vitest';
import { groupUp, mergeDiscs } from './groups';
import { overlap, type Placed, place, shorten, type Wish } from './placement';

const none = new Map<number, number>();
const at = (id: number, dx: number, dy = 0) => ({ id, dx, dy });

describe('people on top of each other', () => {
  it('are one group whose first one stays the same', () => {
    const heap = [at(9, 3), at(2, 0), at(5, -4), at(7, 100)];
    const groups = groupUp(heap, 10, none);
    expect(groups.map(({ first, members }) => [first.id, members.length])).toEqual([
      [2, 3],
      [7, 1],
    ]);
  });

  it('do not chain across the map', () => {
    const row = Array.from({ length: 40 }, (_, i) => at(i, i * 8));
    for (const { first, members } of groupUp(row, 10, none)) {
      for (const it of members) expect(Math.abs(it.dx - first.dx)).toBeLessThanOrEqual(10);
    }
  });

  it('do not flicker at the edge', () => {
    const before = new Map([[2, 1]]);
    expect(groupUp([at(1, 0), at(2, 12)], 10, none).length).toBe(2);
    expect(groupUp([at(1, 0), at(2, 12)], 10, before).length).toBe(1);
    expect(groupUp([at(1, 0), at(2, 15)], 10, before).length).toBe(2);
  });
});

it('merges overlapping discs where their people are on average', () => {
  const merged = mergeDiscs(
    [at(0, 0), at(0, 30), at(0, 200)].map((it, i) => ({ ...it, count: [10, 30, 5][i]! })),
    56,
  );
  expect(merged).toEqual([
    expect.objectContaining({ dx: 22.5, count: 40 }),
    expect.objectContaining({ dx: 200, count: 5 }),
  ]);
});

describe('labels', () => {
  const screen = { x: -200, y: -200, width: 400, height: 400 };
  const measure = (text: string): number => text.length * 7;
  const wish = (key: string, x: number, y: number, more: Partial<Wish> = {}): Wish => {
    const text = more.text ?? key;
    const width = measure(text) + 10;
    const spots = [
      { x, y: y + 20 },
      { x: x + 20 + width / 2, y },
      { x: x - 20 - width / 2, y },
      { x, y: y - 60 },
    ];
    return { key, text, width, height: 16, spots, must: false, short: true, ...more };
  };
  const rect = (it: Placed) => ({
    x: it.x - (measure(it.text) + 10) / 2,
    y: it.y - 8,
    width: measure(it.text) + 10,
    height: 16,
  });
  const put = (
    wishes: Wish[],
    faces: { x: number; y: number; width: number; height: number }[] = [],
    before = new Map<string, number>(),
  ) => place(wishes, faces, screen, before, measure);

  it('are moved, not dropped, when they collide', () => {
    const placed = put([wish('Main stage', 0, 0), wish('Cy Jean-Baptiste', 10, 4)]);
    expect(placed.map(({ text }) => text)).toEqual(['Main stage', 'Cy Jean-Baptiste']);
    expect(overlap(rect(placed[0]!), rect(placed[1]!))).toBe(0);
  });

  it('are cut where they do not fit', () => {
    const faces = [
      { x: -200, y: -200, width: 400, height: 200 },
      { x: -200, y: 40, width: 400, height: 160 },
      { x: 45, y: 0, width: 155, height: 40 },
      { x: -200, y: 0, width: 145, height: 40 },
    ];
    const [only] = put([wish('rather a long name', 0, 0)], faces);
    expect(only?.text).toMatch(/^rather.*…$/);
  });

  it('cover no face', () => {
    const face = { x: -10, y: 10, width: 20, height: 20 };
    const [only] = put([wish('Ada', 0, 0)], [face]);
    expect(overlap(rect(only!), face)).toBe(0);
  });

  it('of the venue and the user are always shown', () => {
    const crowd = Array.from({ length: 60 }, (_, i) =>
      wish(`p${i}`, (i % 10) * 40 - 180, Math.floor(i / 10) * 60 - 160),
    );
    const faces = crowd.map(({ spots }) => ({
      x: spots[0]!.x - 10,
      y: spots[0]!.y - 50,
      width: 20,
      height: 20,
    }));
    const placed = put([wish('Main stage', 0, 0, { must: true, short: false }), ...crowd], faces);
    expect(placed[0]?.text).toBe('Main stage');
  });

  it('stay in place while that place is free', () => {
    const before = new Map<string, number>();
    const blocked = put([wish('x', 0, 0), wish('Ada', 0, 2)], [], before);
    expect(before.get('Ada')).toBe(1);
    const [freed] = put([wish('Ada', 0, 2)], [], before);
    expect(freed).toMatchObject({ x: blocked[1]!.x, y: blocked[1]!.y });
  });

  it('stay on the map', () => {
    const [only] = put([wish('somebody at the edge', -195, 0)]);
    expect(rect(only!).x).toBeGreaterThanOrEqual(-200);
  });

  it('are cut between graphemes', () => {
    expect(
      shorten('👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦', 0.6),
    ).toBe('👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦…');
    expect(shorten('Ada', 0.6)).toBe('Ada');
  });
});
