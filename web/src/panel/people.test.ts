import { expect, it } from 'vitest';
import { byNearness, distanceWords, leanWords, type Row, wayWords, wind } from './people';

it('words distances and directions', () => {
  expect([0, 22, 23, 180, 338, 359].map(wind)).toEqual(['N', 'N', 'NE', 'S', 'N', 'N']);
  expect([0.4, 999, 1234, 12_345, 1_234_567].map(distanceWords)).toEqual([
    '0 m',
    '999 m',
    '1.2 km',
    '12 km',
    '1,235 km',
  ]);
  expect([wayWords(0.4, 135), wayWords(12, 135)]).toEqual(['here', '12 m SE']);
  const about = [300, 12_345].map((metres) => wayWords(metres, 135, 986));
  expect(about).toEqual(['within 986 m', 'about 12 km SE']);
});

it('describes how a person leans', () => {
  const lean = (side: number | null, front: number | null): string =>
    leanWords({
      lat: 0,
      lng: 0,
      heading: 0,
      lean_left_right_deg: side,
      lean_front_back_deg: front,
      screen: { x: 0, y: 0 },
    });
  expect(lean(null, null)).toBe('');
  expect(lean(-10, 10)).toBe('');
  expect(lean(-40, 10)).toBe('leaning left');
  expect(lean(40, 10)).toBe('leaning right');
  expect(lean(0, -30)).toBe('leaning forward');
  expect(lean(20, 30)).toBe('leaning back');
});

it('gives distances no more finely than positions are known', () => {
  const words = (metres: number, unsure?: number): string => wayWords(metres, 135, unsure);
  expect([51, 230, 460, 1300].map((metres) => words(metres, 80))).toEqual([
    'within 80 m',
    'about 200 m SE',
    'about 500 m SE',
    'about 1.3 km SE',
  ]);
  expect(words(300, 320)).toBe('within 320 m');
  expect(words(51)).toBe('51 m SE');
});

it('lists the nearest first, and 2 before 10 at equal distance', () => {
  const row = (name: string, metres = Number.MAX_VALUE): Row => ({
    id: 0,
    name,
    kind: 'figure',
    metres,
    canPick: true,
    text: '',
  });
  const rows = ['swarm 10', 'swarm 2', 'Ada', 'swarm 1'].map((name) => row(name));
  const names = [...rows, row('near', 5)].sort(byNearness).map(({ name }) => name);
  expect(names).toEqual(['near', 'Ada', 'swarm 1', 'swarm 2', 'swarm 10']);
});
