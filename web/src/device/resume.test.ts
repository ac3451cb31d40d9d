import { NO_ORIENTATION } from '@gpys/client/parts';
import { expect, it } from 'vitest';
import { findLive, keepLive, type Live } from './resume';
import { keepIn } from './storage';

const NOW = 1_700_000_000_000;
const nothing = keepIn(() => null as unknown as Storage);
const live = (more: Partial<Live> = {}): Live => ({
  room: 'stage',
  ends: NOW + 60_000,
  wish: { approximate: true, minutes: 15 },
  access: null,
  self: {
    fix: { lat: 46, lng: 14, accuracy: 5, at: 900 },
    byHand: false,
    orientation: 12,
    keys: { turn: -15, front: 10, side: 0 },
  },
  ...more,
});

it('finds after a reload what was stored before, on the new page’s clock', () => {
  keepLive(nothing, live(), NOW, 1000);
  const found = findLive(nothing, 'stage', NOW + 2000, 50);
  expect(found).toEqual({
    ...live(),
    self: { ...live().self, fix: { lat: 46, lng: 14, accuracy: 5, at: -2050 } },
  });
  keepLive(nothing, undefined, NOW, 1000);
  expect(findLive(nothing, 'stage', NOW, 0)).toBeUndefined();
});

it('resumes only in the same room', () => {
  keepLive(nothing, live(), NOW, 1000);
  expect(findLive(nothing, 'lobby', NOW, 0)).toBeUndefined();
});

it('drops a device’s position after a minute, and keeps a place set by hand', () => {
  keepLive(nothing, live(), NOW, 1000);
  expect(findLive(nothing, 'stage', NOW + 61_000, 0)?.self.fix).toBeUndefined();
  keepLive(nothing, live({ self: { ...live().self, byHand: true } }), NOW, 1000);
  const found = findLive(nothing, 'stage', NOW + 3_600_000, 0);
  expect(found?.self).toMatchObject({ byHand: true, fix: { lat: 46, lng: 14 } });
});

it('ignores data that it did not write', () => {
  const good = JSON.stringify({ ...live(), self: { fix: null } });
  const wrong = [
    '',
    '{',
    '7',
    'null',
    '[]',
    '{"room":"stage"}',
    good.replace('"minutes":15', '"minutes":7'),
    good.replace(`"ends":${NOW + 60_000}`, '"ends":"soon"'),
    good.replace(`"ends":${NOW + 60_000}`, '"ends":null'),
  ];
  for (const words of wrong) {
    nothing.setItem('gpys.live', words);
    expect(findLive(nothing, 'stage', NOW, 0), words).toBeUndefined();
  }
  const fix = { lat: 91, lng: 14, accuracy: 5, at: NOW };
  const odd = { fix, byHand: 'yes', orientation: 1e12, keys: { turn: 'x', front: 0, side: 0 } };
  nothing.setItem('gpys.live', JSON.stringify({ ...live(), access: 7, self: odd }));
  expect(findLive(nothing, 'stage', NOW, 0)).toEqual({
    ...live(),
    self: { fix: undefined, byHand: false, orientation: NO_ORIENTATION, keys: undefined },
  });
});
