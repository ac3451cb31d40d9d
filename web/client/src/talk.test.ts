import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Talk } from './talk.ts';

let talk: Talk;
let busy: boolean;
/** The number, topic and body of each message. */
let sent: [number, string, number][];

const say = (topic: string, body: number) =>
  talk.offer({ to: { type: 'Room' }, topic, body: Uint8Array.of(body) });
const outlet = {
  sendDatagram: (bytes: Uint8Array) => {
    if (busy) return false;
    sent.push([bytes[1]! + 256 * bytes[2]!, String.fromCharCode(bytes[7]!), bytes.at(-1)!]);
    return true;
  },
};

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
  talk = new Talk();
  busy = false;
  sent = [];
});

afterEach(() => vi.useRealTimers());

it('keeps the newest of each topic while the lane is busy', () => {
  expect(say('a', 0)).toBe(false);
  talk.open(outlet);
  expect(say('a', 1)).toBe(true);
  busy = true;
  say('a', 2);
  say('b', 3);
  say('a', 4);
  vi.advanceTimersByTime(100);
  busy = false;
  vi.advanceTimersByTime(10);
  expect(sent).toEqual([
    [0, 'a', 1],
    [1, 'a', 4],
    [2, 'b', 3],
  ]);
});

it('stays within 60 a second and 120 at once, and sends the last', () => {
  talk.open(outlet);
  vi.advanceTimersByTime(5000);
  for (let i = 0; i < 5000; i++) {
    say('a', i % 256);
    vi.advanceTimersByTime(1);
  }
  vi.advanceTimersByTime(100);
  expect(sent.length).toBeGreaterThan(5 * 55);
  expect(sent.length).toBeLessThanOrEqual(5 * 60 + 120);
  expect(sent.at(-1)).toEqual([sent.length - 1, 'a', 4999 % 256]);
});

it('begins anew on a new link', () => {
  talk.open(outlet);
  say('a', 1);
  busy = true;
  say('a', 2);
  talk.close();
  expect(say('a', 3)).toBe(false);
  busy = false;
  talk.open(outlet);
  say('a', 4);
  vi.advanceTimersByTime(1000);
  expect(sent).toEqual([
    [0, 'a', 1],
    [0, 'a', 4],
  ]);
});
