import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Link } from './link/link.ts';
import { Session } from './session.ts';
import { encodeFrame } from './testing/encode-frame.ts';
import { HELLO, WELCOME } from './testing/fake-transport.ts';
import { PONG_TAG } from './wire/datagram.ts';

/** One way to the server takes 5 ms; its clock is `ahead` ms ahead. */
const WAY_MS = 5;
let ahead: number;
let session: Session;
let pings: number[];

const serverTime = (): number => (performance.now() + ahead) >>> 0;

function answer(ping: Uint8Array): void {
  pings.push(performance.now());
  setTimeout(() => {
    const pong = new DataView(new ArrayBuffer(9));
    pong.setUint8(0, PONG_TAG);
    pong.setUint32(1, new DataView(ping.buffer, ping.byteOffset).getUint32(1, true), true);
    pong.setUint32(5, serverTime(), true);
    setTimeout(() => session.datagram(new Uint8Array(pong.buffer)), WAY_MS);
  }, WAY_MS);
}

function frame(): void {
  const none = { level: 0, x0: 0, y0: 0, width: 1, base: 0, span: 0, chunks: [] };
  session.datagram(encodeFrame({ ...none, time: serverTime() }));
}

const error = (): number => Math.abs(session.clock.at(performance.now())! - serverTime());

beforeEach(() => {
  vi.useFakeTimers();
  ahead = 100_000;
  pings = [];
  const nothing = (): void => {};
  const events = {
    welcome: nothing,
    roster: nothing,
    refused: nothing,
    copies: nothing,
    said: nothing,
    announcement: nothing,
    frame: nothing,
    suspect: nothing,
  };
  session = new Session({ ...events, end: nothing });
  const link: Link = {
    transport: 'websocket',
    send: nothing,
    sendDatagram: (ping) => {
      answer(ping);
      return true;
    },
    close: nothing,
  };
  session.start(link, HELLO);
  session.message(WELCOME);
});

afterEach(() => {
  session.close();
  vi.useRealTimers();
});

it.each([-6000, 4000, 3_600_000])(
  'learns within a second that a clock stepped by %d ms',
  async (step) => {
    await vi.advanceTimersByTimeAsync(20_000);
    expect(error()).toBeLessThan(3);
    ahead += step;
    await vi.advanceTimersByTimeAsync(1020);
    expect(error()).toBeLessThan(3);
  },
);

it('says at least every 10 s that its program runs', async () => {
  await vi.advanceTimersByTimeAsync(120_000);
  const gaps = pings.map((at, i) => at - (pings[i - 1] ?? at));
  expect(pings.at(-1)).toBeGreaterThan(performance.now() - 10_000);
  expect(Math.max(...gaps)).toBeLessThan(10_000);
});

it('pings at once when a frame’s time is off, but not for every such frame', async () => {
  await vi.advanceTimersByTimeAsync(20_500);
  ahead -= 6000;
  pings = [];
  for (let sent = 0; sent < 8; sent++) {
    frame();
    await vi.advanceTimersByTimeAsync(2);
  }
  expect(pings.length).toBe(2);
  expect(error()).toBeLessThan(3);
  await vi.advanceTimersByTimeAsync(5000);
  expect(pings.length).toBeLessThan(11);
});
