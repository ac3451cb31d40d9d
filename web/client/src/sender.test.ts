import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { type Sample, Sender } from './sender.ts';
import { NO_MOTION } from './wire/motion.ts';
import { encodeOrientation, fromEuler } from './wire/orientation.ts';

interface Sent {
  at: number;
  seq: number;
  lat: number;
  time: number;
}

let sender: Sender;
let sent: Sent[];
let busy: boolean;

const sample = (lat: number, more: Partial<Sample> = {}): Sample => ({
  lat,
  lng: 1,
  accuracy: 9,
  orientation: 0xffffffff,
  motion: NO_MOTION,
  stateLow: 0,
  stateHigh: 0,
  at: performance.now(),
  ...more,
});

function open(): void {
  sender.open({
    poseHz: 20,
    stateBits: 8,
    serverTime: (at) => at + 1000,
    sendDatagram: (bytes) => {
      if (busy) return false;
      const view = new DataView(bytes.buffer);
      const [seq, time, lat] = [
        view.getUint32(1, true),
        view.getUint32(5, true),
        view.getInt32(9, true),
      ];
      sent.push({ at: performance.now(), seq, lat, time });
      return true;
    },
  });
}

beforeEach(() => {
  vi.useFakeTimers({ now: 0 });
  sender = new Sender();
  sent = [];
  busy = false;
});

afterEach(() => vi.useRealTimers());

it('sends at once, then the newest at the regular pace, never a queue', () => {
  open();
  const start = performance.now();
  for (let i = 0; i < 100; i++) {
    sender.offer(sample(i));
    vi.advanceTimersByTime(5);
  }
  expect(sent.map((s) => s.at - start)).toEqual([
    0, 25, 75, 125, 175, 225, 275, 325, 375, 425, 475,
  ]);
  expect(sent.map((s) => s.seq)).toEqual([...sent.keys()]);
  expect(sent.slice(0, 4).map((s) => s.lat)).toEqual([0, 4, 14, 24]);
  expect(sent.every((s) => s.at + 1000 - s.time <= 5)).toBe(true);
});

it('sends no new pose while nothing changes, but repeats the last one', () => {
  open();
  const start = performance.now();
  for (let i = 0; i < 1400; i++) {
    sender.offer(sample(7, { at: start }));
    vi.advanceTimersByTime(10);
  }
  expect(sent.map((s) => s.at - start)).toEqual([0, 1000, 2000, 3000, 8000, 13_000]);
  expect(new Set(sent.map((s) => `${s.seq} ${s.time}`)).size).toBe(1);
});

it('sends slow poses twice while copies are wanted', () => {
  open();
  const start = performance.now();
  const walk = (ms: number, samples: number) => {
    for (let i = 0; i < samples; i++) {
      sender.offer(sample(100 * ms + i));
      vi.advanceTimersByTime(ms);
    }
    return sent.splice(0).map((s) => [s.at - start, s.seq]);
  };
  expect(walk(100, 2)).toEqual([
    [0, 0],
    [100, 1],
  ]);
  sender.copies = true;
  expect(walk(100, 2)).toEqual([
    [200, 2],
    [206, 2],
    [300, 3],
    [306, 3],
  ]);
  expect(walk(60, 1)).toHaveLength(2);
  sender.copies = false;
  expect(walk(100, 2)).toHaveLength(2);
});

it('confirms an unchanged pose with a newer sample', () => {
  open();
  const start = performance.now();
  for (let i = 0; i < 3000; i++) {
    sender.offer(sample(7));
    vi.advanceTimersByTime(10);
  }
  const fresh = sent.filter((it, i) => it.seq !== sent[i - 1]?.seq);
  expect(fresh.map((it) => it.at - start)).toEqual([0, 8000, 16_000, 24_000]);
  expect(fresh.every((it) => it.at + 1000 - it.time <= 10)).toBe(true);
  expect(fresh.map((it) => it.seq)).toEqual([0, 1, 2, 3]);
});

it('corrects a sample whose time was newer than its position', () => {
  open();
  vi.advanceTimersByTime(60_000);
  const now = performance.now();
  sender.offer(sample(7, { at: now }));
  vi.advanceTimersByTime(100);
  sender.offer(sample(7, { at: now - 20_000 }));
  vi.advanceTimersByTime(100);
  expect(sent.map((it) => it.time - now - 1000)).toEqual([0, -20_000]);
});

it('sends a change of state or motion alone, and only once', () => {
  open();
  const offer = (more: Partial<Sample>) => {
    sender.offer(sample(1, more));
    vi.advanceTimersByTime(200);
    return sent.length;
  };
  expect(offer({})).toBe(1);
  expect(offer({ stateLow: 1 })).toBe(2);
  expect(offer({ stateLow: 1 })).toBe(2);
  expect(offer({ stateLow: 1, stateHigh: 1 })).toBe(3);
  expect(offer({ stateLow: 1, stateHigh: 1, motion: 0 })).toBe(4);
  expect(offer({ stateLow: 1, stateHigh: 1, motion: NO_MOTION })).toBe(5);
  expect(sent.map((it) => it.seq)).toEqual([0, 1, 2, 3, 4]);
});

it('ignores the flicker of a still device', () => {
  open();
  const turned = (degrees: number) => encodeOrientation(fromEuler(degrees, 0, 0));
  sender.offer(sample(1, { orientation: turned(10) }));
  vi.advanceTimersByTime(200);
  sender.offer(sample(1, { orientation: turned(10.3) }));
  vi.advanceTimersByTime(200);
  expect(sent.length).toBe(1);
  sender.offer(sample(1, { orientation: turned(12) }));
  vi.advanceTimersByTime(200);
  expect(sent.length).toBe(2);
});

it('keeps the newest sample while the lane is busy', () => {
  open();
  busy = true;
  sender.offer(sample(1));
  vi.advanceTimersByTime(300);
  sender.offer(sample(2));
  vi.advanceTimersByTime(300);
  busy = false;
  vi.advanceTimersByTime(20);
  expect(sent.map((s) => [s.seq, s.lat])).toEqual([[0, 2]]);
});

it('restarts at 0 with the same pose on a new link', () => {
  open();
  sender.offer(sample(1));
  vi.advanceTimersByTime(100);
  sender.offer(sample(2));
  vi.advanceTimersByTime(100);
  sender.close();
  vi.advanceTimersByTime(60_000);
  open();
  vi.advanceTimersByTime(100);
  expect(sent.map((s) => [s.seq, s.lat])).toEqual([
    [0, 1],
    [1, 2],
    [0, 2],
  ]);
});

it('stops when sharing ends', () => {
  open();
  sender.offer(sample(1));
  sender.clear();
  vi.advanceTimersByTime(60_000);
  expect(sent.length).toBe(1);
});

it('sends the same pose as new when the server’s version is out of date', () => {
  open();
  sender.renew();
  vi.advanceTimersByTime(100);
  expect(sent).toEqual([]);
  sender.offer(sample(5));
  vi.advanceTimersByTime(500);
  sender.renew();
  vi.advanceTimersByTime(100);
  expect(sent.map(({ seq, lat }) => [seq, lat])).toEqual([
    [0, 5],
    [1, 5],
  ]);
});
