import { describe, expect, it } from 'vitest';
import {
  BitWriter,
  columnOf,
  encodeFrame,
  type FrameIn,
  type PersonIn,
  rowOf,
} from '../testing/encode-frame.ts';
import { random } from '../testing/random.ts';
import { DecodeError } from './bits.ts';
import { AGES, decodeFrame, FRAME_TAG } from './frame.ts';
import { CELL, MAX_LAT, MAX_LNG } from './geo.ts';
import { NO_MOTION } from './motion.ts';
import { NO_ORIENTATION, ORIENTATION_CODES } from './orientation.ts';

const LAT = 457_700_000;
const LNG = 142_140_000;

function frameAt(level: number, chunks: FrameIn['chunks'], more: Partial<FrameIn> = {}): FrameIn {
  const [x0, y0] = [columnOf(LNG, level), rowOf(LAT, level)];
  return { time: 123_456, level, x0, y0, width: 1, base: 0, span: 12, chunks, ...more };
}

describe('decodeFrame', () => {
  it('reads every kind of chunk at every level', () => {
    const next = random(7);
    for (let level = 0; level < 20; level++) {
      const { size, step } = CELL[level]!;
      const [west, south] = [
        columnOf(LNG, level) * size - MAX_LNG,
        rowOf(LAT, level) * size - MAX_LAT,
      ];
      const people = Array.from(
        { length: 40 },
        (_, i): PersonIn => ({
          id: 100 + i * 7 + Math.floor(next() * 7),
          lat: Math.min(MAX_LAT, south + Math.floor(next() * size)),
          lng: Math.min(MAX_LNG - 1, west + Math.floor(next() * size)),
          orientation: i % 3 ? Math.floor(next() * ORIENTATION_CODES) : NO_ORIENTATION,
          age: AGES[i % 32]!,
          accuracy: i,
          hidden: i % 4 === 0,
          motion: i % 5 ? Math.floor(next() * 0x10000) : NO_MOTION,
          stateLow: Math.floor(next() * 2 ** 32),
          stateHigh: Math.floor(next() * 2 ** (level % 33)),
        }),
      );
      const kinds = (['delta', 'key', 'crowd'] as const).map((kind, index) => ({
        index: 0,
        kind,
        people: people.slice(index * 13, index * 13 + 13),
        ...(kind === 'crowd' && { counts: [5, 0, 1, 1000] }),
      }));
      const stateBits = 32 + (level % 33);
      const frame = decodeFrame(encodeFrame(frameAt(level, kinds, { base: 100, stateBits })));
      expect(frame.stateBits).toBe(stateBits);
      expect(frame.chunks.map((c) => c.kind)).toEqual(['delta', 'key', 'crowd']);
      expect(frame.chunks[2]!.counts).toEqual([5, 0, 1, 1000]);
      frame.chunks.forEach((chunk, c) => {
        chunk.entries.forEach((entry, i) => {
          const told = people[c * 13 + i]!;
          expect(entry.id).toBe(told.id);
          expect(Math.abs(entry.lat - told.lat)).toBeLessThanOrEqual(step / 2);
          expect(Math.abs(entry.lng - told.lng)).toBeLessThanOrEqual(step / 2);
          expect(entry.orientation).toBe(told.orientation);
          expect(entry.age).toBe(told.age);
          expect(entry.motion).toBe(told.motion);
          expect([entry.stateLow, entry.stateHigh]).toEqual([told.stateLow, told.stateHigh]);
          expect(entry.accuracy).toBe(c === 0 ? undefined : told.accuracy);
          expect(entry.hidden).toBe(c === 0 ? undefined : told.hidden);
        });
      });
    }
  });

  it('reads each way to say which entries have an orientation and motion', () => {
    for (const orientations of [
      [5, 6],
      [NO_ORIENTATION, NO_ORIENTATION],
      [NO_ORIENTATION, 6],
    ]) {
      for (const motions of [
        [7, 8],
        [NO_MOTION, NO_MOTION],
        [7, NO_MOTION],
      ]) {
        const people = [0, 1].map((i) => ({
          id: i,
          lat: LAT,
          lng: LNG,
          orientation: orientations[i]!,
          motion: motions[i]!,
          stateLow: 2 + i,
        }));
        const chunk = { index: 0, kind: 'delta' as const, people };
        const decoded = decodeFrame(encodeFrame(frameAt(2, [chunk], { stateBits: 3 }))).chunks[0]!;
        expect(decoded.entries.map((it) => it.orientation)).toEqual(orientations);
        expect(decoded.entries.map((it) => it.motion)).toEqual(motions);
        expect(decoded.entries.map((it) => it.stateLow)).toEqual([2, 3]);
      }
    }
  });

  it('separates pages by the low bits of the id', () => {
    const people = [3, 7, 11, 4095].map((i) => ({
      id: 50 + i,
      lat: LAT,
      lng: LNG,
      orientation: 5,
    }));
    const chunk = { index: 0, kind: 'key' as const, pageBits: 2, page: 3, people };
    const [decoded] = decodeFrame(encodeFrame(frameAt(2, [chunk], { base: 50 }))).chunks;
    expect(decoded).toMatchObject({ pageBits: 2, page: 3 });
    expect(decoded!.entries.map((e) => e.id)).toEqual([53, 57, 61, 4145]);
  });

  it('finds the cells of a cover, and wraps columns', () => {
    const empty = (index: number) => ({ index, kind: 'key' as const, people: [] });
    const { columns } = CELL[5]!;
    const frame = frameAt(5, [empty(0), empty(1), empty(4), empty(63)], {
      x0: columns - 1,
      y0: 10,
      width: 4,
    });
    expect(decodeFrame(encodeFrame(frame)).chunks.map(({ cell }) => [cell.x, cell.y])).toEqual([
      [columns - 1, 10],
      [0, 10],
      [columns - 1, 11],
      [2, 25],
    ]);
  });

  it('handles ids of 32 bits', () => {
    const people = [{ id: 4_294_967_290, lat: LAT, lng: LNG }];
    const frame = frameAt(0, [{ index: 0, kind: 'delta', people }], { base: 4_294_967_000 });
    expect(decodeFrame(encodeFrame(frame)).chunks[0]!.entries[0]!.id).toBe(4_294_967_290);
  });

  it('rejects bytes that are not a frame', () => {
    const good = encodeFrame(
      frameAt(3, [{ index: 0, kind: 'delta', people: [{ id: 1, lat: LAT, lng: LNG }] }]),
    );
    expect(() => decodeFrame(new Uint8Array(0))).toThrow(DecodeError);
    expect(() => decodeFrame(good.subarray(0, good.length - 1))).toThrow(DecodeError);
    expect(() => decodeFrame(Uint8Array.of(...good, 0))).toThrow('follow');
    const outside = { index: 64, kind: 'key' as const, people: [] };
    expect(() => decodeFrame(encodeFrame(frameAt(3, [outside])))).toThrow('outside the cover');
    const polar = frameAt(17, [{ ...outside, index: 60 }], { y0: 1 });
    expect(() => decodeFrame(encodeFrame(polar))).toThrow('outside the grid');
    const above = { index: 0, kind: 'delta' as const, people: [{ id: 4096, lat: LAT, lng: LNG }] };
    expect(() => decodeFrame(encodeFrame(frameAt(3, [above])))).toThrow('above the span');
    const odd = {
      ...above,
      people: [{ id: 1, lat: LAT, lng: LNG, orientation: ORIENTATION_CODES }],
    };
    expect(() => decodeFrame(encodeFrame(frameAt(3, [odd])))).toThrow('orientation');
    const level20 = new BitWriter()
      .write(FRAME_TAG, 8)
      .write(0, 32)
      .write(20, 5)
      .write(0, 30)
      .done();
    expect(() => decodeFrame(level20)).toThrow('level 20');
    expect(() => decodeFrame(encodeFrame(frameAt(3, [], { stateBits: 65 })))).toThrow('65 bits');
  });

  it('throws only a DecodeError on noise', () => {
    const next = random(3);
    for (let i = 0; i < 3000; i++) {
      const bytes = Uint8Array.from({ length: 60 }, () => Math.floor(next() * 256));
      bytes[0] = FRAME_TAG;
      try {
        decodeFrame(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(DecodeError);
      }
    }
  });
});
