/** Encodes frames for tests, as docs/PROTOCOL.md, section 7, defines them. */
import { AGES, type ChunkKind, FRAME_TAG } from '../wire/frame.ts';
import { CELL, MAX_LAT, MAX_LNG } from '../wire/geo.ts';
import { NO_MOTION } from '../wire/motion.ts';
import { NO_ORIENTATION } from '../wire/orientation.ts';

export class BitWriter {
  private readonly bits: number[] = [];

  write(value: number, n: number): this {
    for (let i = 0; i < n; i++) this.bits.push(Math.floor(value / 2 ** i) % 2);
    return this;
  }

  unary(q: number): this {
    for (let i = 0; i < q; i++) this.bits.push(1);
    return this.write(0, 1);
  }

  gamma(n: number): this {
    const m = Math.floor(Math.log2(n));
    return this.unary(m).write(n - 2 ** m, m);
  }

  rice(v: number, k: number): this {
    return this.unary(Math.floor(v / 2 ** k)).write(v % 2 ** k, k);
  }

  done(): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(Math.ceil(this.bits.length / 8));
    this.bits.forEach((bit, i) => {
      bytes[i >> 3]! |= bit << (i & 7);
    });
    return bytes;
  }
}

export interface PersonIn {
  id: number;
  lat: number;
  lng: number;
  orientation?: number;
  age?: number;
  accuracy?: number;
  hidden?: boolean;
  motion?: number;
  stateLow?: number;
  stateHigh?: number;
}

export interface ChunkIn {
  /** The cell's index in the cover. */
  index: number;
  kind: ChunkKind;
  pageBits?: number;
  page?: number;
  counts?: number[];
  people: PersonIn[];
}

export interface FrameIn {
  time: number;
  level: number;
  x0: number;
  y0: number;
  width: number;
  base: number;
  span: number;
  stateBits?: number;
  chunks: ChunkIn[];
}

export function columnOf(lng: number, level: number): number {
  return Math.floor((lng + MAX_LNG) / CELL[level]!.size);
}

export function rowOf(lat: number, level: number): number {
  return Math.floor((lat + MAX_LAT) / CELL[level]!.size);
}

export function encodeFrame(frame: FrameIn): Uint8Array<ArrayBuffer> {
  const w = new BitWriter().write(FRAME_TAG, 8).write(frame.time, 32).write(frame.level, 5);
  w.write(frame.x0, Math.max(0, 19 - frame.level)).write(frame.y0, Math.max(0, 18 - frame.level));
  w.write(frame.width - 1, 5)
    .gamma(frame.base + 1)
    .write(frame.span, 5)
    .write(frame.stateBits ?? 0, 7);
  let index = 0;
  for (const chunk of frame.chunks) {
    w.write(1, 1).unary(chunk.index - index);
    index = chunk.index;
    writeChunk(w, frame, chunk);
  }
  return w.write(0, 1).done();
}

function writeChunk(w: BitWriter, frame: FrameIn, chunk: ChunkIn): void {
  const p = chunk.pageBits ?? 0;
  if (chunk.kind === 'delta') w.write(0, 1);
  else w.write(1, 1).write(chunk.kind === 'crowd' ? 1 : 0, 1);
  w.write(p > 0 ? 1 : 0, 1);
  if (p > 0) w.write(p - 1, 4).write(chunk.page ?? 0, p);
  if (chunk.kind === 'crowd') for (const count of chunk.counts!) w.gamma(count + 1);
  const people = [...chunk.people].sort((a, b) => a.id - b.id);
  w.gamma(people.length + 1);
  if (people.length === 0) return;
  const oriented = tell(w, people.map(isOriented), ALL_COMMON);
  const moving = tell(w, people.map(isMoving), NONE_COMMON);
  const k = Math.max(0, frame.span - p - Math.ceil(Math.log2(people.length + 1)));
  let previous = -1;
  for (const one of people) {
    const v = Math.floor((one.id - frame.base) / 2 ** p);
    w.rice(v - previous - 1, k);
    previous = v;
    writePerson(w, frame, one, { oriented, moving, whole: chunk.kind !== 'delta' });
  }
}

/** The bits that say which entries have a value: all, none or some. */
const ALL_COMMON = [[0], [1, 0], [1, 1]] as const;
const NONE_COMMON = [[1, 0], [0], [1, 1]] as const;

/** Writes which entries have a value; returns whether each says so itself. */
function tell(
  w: BitWriter,
  has: boolean[],
  modes: typeof ALL_COMMON | typeof NONE_COMMON,
): boolean {
  const mode = has.every((it) => it) ? 0 : has.some((it) => it) ? 2 : 1;
  for (const bit of modes[mode]) w.write(bit, 1);
  return mode === 2;
}

function isOriented(one: PersonIn): boolean {
  return one.orientation !== undefined && one.orientation !== NO_ORIENTATION;
}

function isMoving(one: PersonIn): boolean {
  return one.motion !== undefined && one.motion !== NO_MOTION;
}

function writePerson(
  w: BitWriter,
  frame: FrameIn,
  one: PersonIn,
  modes: { oriented: boolean; moving: boolean; whole: boolean },
): void {
  const { size, bits, step } = CELL[frame.level]!;
  w.write(Math.floor(((one.lng + MAX_LNG) % size) / step), bits);
  w.write(Math.floor(((one.lat + MAX_LAT) % size) / step), bits);
  if (modes.oriented) w.write(isOriented(one) ? 1 : 0, 1);
  if (isOriented(one)) w.write(one.orientation!, 27);
  const code = AGES.findIndex((age) => age >= (one.age ?? 0));
  w.write(code < 0 ? 31 : code, 5);
  if (modes.moving) w.write(isMoving(one) ? 1 : 0, 1);
  if (isMoving(one)) w.write(one.motion!, 16);
  if (modes.whole) w.write(one.accuracy ?? 0, 6).write(one.hidden ? 1 : 0, 1);
  const stateBits = frame.stateBits ?? 0;
  w.write(one.stateLow ?? 0, Math.min(32, stateBits));
  w.write(one.stateHigh ?? 0, Math.max(0, stateBits - 32));
}
