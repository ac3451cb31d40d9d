import { bench, describe } from 'vitest';
import { View } from '../view.ts';
import { decodeFrame } from '../wire/frame.ts';
import { decodeOrientation } from '../wire/orientation.ts';
import { columnOf, encodeFrame, rowOf } from './encode-frame.ts';
import { random } from './random.ts';

const [LAT, LNG] = [457_700_000, 142_140_000];
const next = random(5);
const people = Array.from({ length: 100 }, (_, i) => ({
  id: i * 3 + 1,
  lat: LAT + Math.floor(next() * 3000),
  lng: LNG + Math.floor(next() * 3000),
  orientation: Math.floor(next() * 133_544_992),
  age: 4,
}));
const at = { level: 3, x0: columnOf(LNG, 3), y0: rowOf(LAT, 3), width: 1, base: 0, span: 12 };
const chunks = [{ index: 0, kind: 'delta' as const, people }];
const frames = Array.from({ length: 64 }, (_, i) => encodeFrame({ ...at, time: i * 33, chunks }));

// The bar is 50 us for a frame of 100 people.
describe('a frame of 100 people', () => {
  let i = 0;
  bench('decode, with orientations', () => {
    const frame = decodeFrame(frames[i++ % 64]!);
    for (const chunk of frame.chunks) {
      for (const entry of chunk.entries) decodeOrientation(entry.orientation);
    }
  });

  const view = new View();
  bench('decode and apply', () => {
    const frame = decodeFrame(frames[i++ % 64]!);
    view.handleFrame({ ...frame, time: i * 33 });
  });
});
