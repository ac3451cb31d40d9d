import { expect, it } from 'vitest';
import { Clock } from './clock';

it('starts from the welcome and trusts the quickest pong', () => {
  const clock = new Clock();
  expect(clock.at(0)).toBeUndefined();
  clock.welcome(5000, 100);
  expect(clock.at(150)).toBe(5050);
  clock.pong(1000, 6000, 1400);
  expect(clock.at(1400)).toBe(6200);
  clock.pong(2000, 6960, 2020);
  expect(clock.at(2020)).toBe(6970);
  clock.pong(3000, 9000, 3900);
  expect(clock.at(2020)).toBe(6970);
  expect(clock.rtt).toBe(900);
});

it('forgets all but the last eight pongs', () => {
  const clock = new Clock();
  clock.pong(0, 0, 2);
  for (let i = 0; i < 8; i++) clock.pong(0, 1000, 10);
  expect(clock.at(10)).toBe(1005);
});

it('wraps with the server', () => {
  const clock = new Clock();
  clock.pong(0, 2 ** 32 - 10, 0);
  expect(clock.at(20)).toBe(10);
});
