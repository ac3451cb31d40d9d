import { expect, it } from 'vitest';
import { Clock } from './clock.ts';

it('starts from the welcome and trusts the fastest pong', () => {
  const clock = new Clock();
  expect(clock.at(0)).toBeUndefined();
  clock.welcome(5000, 100);
  expect(clock.at(150)).toBe(5050);
  clock.pong(1000, 6000, 1400);
  expect(clock.at(1400)).toBe(6200);
  clock.pong(2000, 6960, 2020);
  expect(clock.at(2020)).toBe(6970);
  clock.pong(3000, 8500, 3900);
  expect(clock.at(2020)).toBe(6970);
  expect(clock.roundTrip).toBe(900);
});

it('forgets all but the last eight pongs', () => {
  const clock = new Clock();
  clock.pong(0, 1000, 2);
  for (let i = 0; i < 8; i++) clock.pong(0, 1003, 10);
  expect(clock.at(10)).toBe(1008);
});

it('wraps with the server', () => {
  const clock = new Clock();
  clock.pong(0, 2 ** 32 - 10, 0);
  expect(clock.at(20)).toBe(10);
});

it.each([
  ['a server that was suspended', -6000],
  ['a server whose clock was set ahead', 3000],
  ['a laptop that slept while its clock stood still', 60_000],
])('learns a step from one pong: %s', (_, step) => {
  const clock = new Clock();
  for (let at = 0; at < 8000; at += 1000) {
    expect(clock.pong(at, 1_000_002 + at, at + 4)).toBe(false);
  }
  const server = 1_010_000 + step;
  expect(clock.isOdd(server, 10_000)).toBe(true);
  expect(clock.isOdd(1_010_200, 10_000)).toBe(false);
  expect(clock.pong(9970, server, 10_030)).toBe(true);
  expect(clock.at(10_000)).toBe(server);
  // A better pong refines the estimate and is not a step.
  expect(clock.pong(11_000, server + 1012, 11_004)).toBe(false);
  expect(clock.at(11_002)).toBe(server + 1012);
});

it('does not take a pong delayed by the server’s sleep for a step', () => {
  const clock = new Clock();
  clock.pong(0, 1002, 4);
  expect(clock.pong(1000, 2000, 7000)).toBe(false);
  expect(clock.pong(1000, 8000, 7000)).toBe(false);
});

it('does not take the wrap for a step', () => {
  const clock = new Clock();
  clock.pong(0, 2 ** 32 - 10, 0);
  expect(clock.isOdd(5, 15)).toBe(false);
  expect(clock.pong(20, 11, 22)).toBe(false);
  expect(clock.at(30)).toBe(20);
});
