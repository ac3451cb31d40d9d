import { expect, it } from 'vitest';
import type { LocationProblem } from '../device/location';
import { agoWords } from '../device/old';
import { browserOf, leftWords, liveWords, locationWords, oldWords } from './sharing-words';

const AGENTS = {
  chrome: [
    'Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36',
    'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/140.0.0.0 Safari/537.36',
  ],
  firefox: ['Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0'],
  safari: [
    'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15',
  ],
  ios: [
    'Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1',
    'Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/140.0.0.0 Mobile/15E148 Safari/604.1',
  ],
  other: ['curl/8', ''],
} as const;

it('distinguishes the browsers that differ', () => {
  for (const [browser, agents] of Object.entries(AGENTS)) {
    for (const userAgent of agents) expect(browserOf({ userAgent })).toBe(browser);
  }
  const tablet = { userAgent: AGENTS.safari[0], maxTouchPoints: 5 };
  expect(browserOf(tablet)).toBe('ios');
});

it('always says what to do about a missing position', () => {
  const problems: LocationProblem[] = ['insecure', 'refused', 'ignored', 'slow', 'unavailable'];
  for (const browser of ['chrome', 'firefox', 'safari', 'ios', 'other'] as const) {
    for (const problem of problems) {
      expect(locationWords(problem, browser)).toMatch(/place yourself by hand\.$/);
    }
    expect(locationWords('refused', browser)).toMatch(/llow it|allow location|lift the block/);
    expect(oldWords('refused', browser)).toContain('turned off');
  }
});

it('words how long ago something was', () => {
  const times = [0, 9999, 31_000, 59_999, 60_000, 179_000, 3_600_000, 7e6, 86_400_000];
  expect(times.map(agoWords)).toEqual([
    '0 s ago',
    '0 s ago',
    '30 s ago',
    '50 s ago',
    '1 min ago',
    '2 min ago',
    '1 h ago',
    '1 h ago',
    '1 d ago',
  ]);
});

it('calls only live positions live', () => {
  const facts = {
    fix: { lat: 46, lng: 14, accuracy: 5, at: 0 },
    byHand: false,
    approximate: false,
    connected: true,
    old: undefined,
    waiting: false,
  };
  expect(liveWords(facts)).toBe('Live, ±5 m');
  const fix = (accuracy: number) => ({ ...facts.fix, accuracy });
  expect(liveWords({ ...facts, fix: fix(35_000) })).toBe('Live, ±35 km');
  expect(liveWords({ ...facts, fix: fix(Number.NaN) })).toBe('Live');
  expect(liveWords({ ...facts, approximate: true })).toBe('Live, approximate');
  expect(liveWords({ ...facts, byHand: true })).toBe('Live, placed by hand');
  expect(liveWords({ ...facts, old: 125_000 })).toBe('Last position 2 min ago');
  expect(liveWords({ ...facts, connected: false })).toBe('Not connected');
  expect(liveWords({ ...facts, fix: undefined })).toBe('Looking for your position');
  expect(liveWords({ ...facts, fix: undefined, waiting: true })).toBe('Not on the map yet');
});

it('words the remaining time', () => {
  expect([undefined, 59_999, 60_000, 60_001, 900_000].map(leftWords)).toEqual([
    '',
    'less than 1 min left',
    '1 min left',
    '2 min left',
    '15 min left',
  ]);
});
