import { expect, it } from 'vitest';
import type { Traffic } from './peer';
import { Tally } from './result';

const traffic = (more: Partial<Traffic>): Traffic => ({
  messages_received: 0,
  bytes_received: 0,
  messages_sent: 0,
  bytes_sent: 0,
  moments: 0,
  first: 0,
  newest: 0,
  ...more,
});

it('adds up the traffic while it counted', () => {
  const tally = new Tally();
  tally.start(traffic({ messages_received: 10, bytes_received: 1000 }));
  tally.stop(traffic({ messages_received: 40, bytes_received: 4000, bytes_sent: 220 }));
  tally.start(traffic({ messages_received: 400, bytes_received: 9000, bytes_sent: 220 }));
  tally.stop(traffic({ messages_received: 430, bytes_received: 9500, bytes_sent: 220 }));
  expect(tally.perSecond(2)).toEqual({
    messages_per_second: 30,
    bytes_per_second: 1750,
    sent_messages_per_second: 0,
    sent_bytes_per_second: 110,
  });
});

it('reports the ticks without a frame', () => {
  const tally = new Tally();
  tally.start(traffic({ moments: 5, newest: 0xffff_ff00 }));
  // 2 s later, past the wrap of the server's clock: of 60 ticks there were 45.
  tally.stop(traffic({ moments: 50, newest: 2000 - 0x100 }));
  expect(tally.ticksMissed(60, 30)).toBe(0.25);
  expect(tally.ticksMissed(10, 30)).toBeNull();
});

it('starts with the very first frame', () => {
  const tally = new Tally();
  tally.start(traffic({}));
  tally.stop(traffic({ moments: 31, first: 500, newest: 1500 }));
  expect(tally.ticksMissed(30, 30)).toBe(0);
});
