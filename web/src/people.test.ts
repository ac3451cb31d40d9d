import { expect, it } from 'vitest';
import { distanceWords, leanWords, wayWords, wind } from './people';

it('puts numbers into words', () => {
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

it('says how somebody leans', () => {
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
