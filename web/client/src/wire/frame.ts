/** Decodes a frame: part of the world at one moment (docs/PROTOCOL.md, section 7). */
import { BitReader, DecodeError } from './bits.ts';
import { CELL, type Cell, MAX_LAT, MAX_LNG } from './geo.ts';
import { MAX_STATE_BITS, type StateBits } from './kind.ts';
import { NO_MOTION } from './motion.ts';
import { NO_ORIENTATION, ORIENTATION_CODES } from './orientation.ts';

/** First byte of a frame. */
export const FRAME_TAG = 0x47;

/** The kind of a chunk: a delta, or the whole truth about its cell as people or as a crowd. */
export type ChunkKind = 'delta' | 'key' | 'crowd';

/** One person in a chunk. */
export interface Entry extends StateBits {
  /** The person's number. */
  id: number;
  /** Latitude in units of 1e-7 degree. */
  lat: number;
  /** Longitude in units of 1e-7 degree. */
  lng: number;
  /** The orientation's code, or {@link NO_ORIENTATION}. */
  orientation: number;
  /** Age of the sample at the frame's time, in ms. */
  age: number;
  /** The motion's code, or {@link NO_MOTION}. */
  motion: number;
  /** The accuracy's code, 0 to 63; absent in a delta. */
  accuracy: number | undefined;
  /** Whether the person's page is in the background; absent in a delta. */
  hidden: boolean | undefined;
}

/** Counts of a cell's quarters: south-west, south-east, north-west, north-east. */
export type Quarters = readonly [number, number, number, number];

/** One cell's part of a frame. */
export interface Chunk {
  /** Its kind. */
  kind: ChunkKind;
  /** The cell. */
  cell: Cell;
  /** Bits of the chunk's page, which holds the ids with (id - base) mod 2^pageBits = page. */
  pageBits: number;
  /** The chunk's page. */
  page: number;
  /** The counts of a crowd. */
  counts: Quarters | undefined;
  /** The people that it shows. */
  entries: Entry[];
}

/** Part of the world at one moment. */
export interface Frame {
  /** The moment, on the server's clock. */
  time: number;
  /** No id in the frame is below this; pages count from it. */
  base: number;
  /** The room's number of state bits. */
  stateBits: number;
  /** The cells that it shows. */
  chunks: Chunk[];
}

interface Header {
  level: number;
  x0: number;
  y0: number;
  width: number;
  base: number;
  span: number;
  stateBits: number;
}

/** Age of each code, in ms. */
export const AGES = [
  ...Array.from({ length: 16 }, (_, code) => 4 * code),
  ...[64, 91, 128, 181, 256, 362, 512, 724],
  ...[1024, 1448, 2048, 2896, 4096, 5793, 8192, 11585],
];

/** Which entries of a chunk have a value; with `some`, each entry says. */
type Told = 'all' | 'none' | 'some';

function has(r: BitReader, told: Told): boolean {
  return told === 'all' || (told === 'some' && r.bit());
}

/** Decodes a frame. Throws a {@link DecodeError} if the bytes are not a frame. */
export function decodeFrame(bytes: Uint8Array): Frame {
  const r = new BitReader(bytes);
  if (r.read(8) !== FRAME_TAG) throw new DecodeError('not a frame');
  const time = r.read(32);
  const level = r.read(5);
  if (level > 19) throw new DecodeError(`there is no level ${level}`);
  const x0 = r.read(Math.max(0, 19 - level));
  const y0 = r.read(Math.max(0, 18 - level));
  const width = r.read(5) + 1;
  const base = r.gamma() - 1;
  const span = r.read(5);
  const stateBits = r.read(7);
  if (stateBits > MAX_STATE_BITS) throw new DecodeError(`a state of ${stateBits} bits`);
  const grid = CELL[level]!;
  if (x0 >= grid.columns || y0 >= grid.rows) throw new DecodeError('a cover outside the grid');
  const header = { level, x0, y0, width, base, span, stateBits };
  const chunks: Chunk[] = [];
  let index = 0;
  while (r.bit()) {
    index += r.unary();
    chunks.push(readChunk(r, header, index));
  }
  const rest = r.bitsLeft;
  if (rest > 7 || r.read(rest) !== 0) throw new DecodeError('bytes follow the end of the frame');
  return { time, base, stateBits, chunks };
}

function readChunk(r: BitReader, header: Header, index: number): Chunk {
  const cell = cellAt(header, index);
  const kind = r.bit() ? (r.bit() ? 'crowd' : 'key') : 'delta';
  let pageBits = 0;
  let page = 0;
  if (r.bit()) {
    pageBits = r.read(4) + 1;
    page = r.read(pageBits);
  }
  const counts: Quarters | undefined =
    kind === 'crowd' ? [r.gamma() - 1, r.gamma() - 1, r.gamma() - 1, r.gamma() - 1] : undefined;
  const n = r.gamma() - 1;
  // The smallest entry takes more than a byte, so a larger count is a lie.
  if (n * 8 > r.bitsLeft) throw new DecodeError('more entries than bytes');
  const entries = n > 0 ? readEntries(r, header, cell, kind, pageBits, page, n) : [];
  return { kind, cell, pageBits, page, counts, entries };
}

function cellAt(header: Header, index: number): Cell {
  if (index > 63) throw new DecodeError('a cell outside the cover');
  const { columns, rows } = CELL[header.level]!;
  const x = (header.x0 + (index % header.width)) % columns;
  const y = header.y0 + Math.floor(index / header.width);
  if (y >= rows) throw new DecodeError('a cell outside the grid');
  return { level: header.level, x, y };
}

function readEntries(
  r: BitReader,
  header: Header,
  cell: Cell,
  kind: ChunkKind,
  pageBits: number,
  page: number,
  n: number,
): Entry[] {
  const { size, bits, step, half } = CELL[cell.level]!;
  const west = cell.x * size - MAX_LNG + half;
  const south = cell.y * size - MAX_LAT + half;
  // 32 - clz32(n) is ceil(log2(n + 1)) for every n from 1 on.
  const k = Math.max(0, header.span - pageBits - (32 - Math.clz32(n)));
  const limit = 2 ** header.span;
  const pages = 2 ** pageBits;
  // Whatever most rooms have takes a bit.
  const oriented: Told = r.bit() ? (r.bit() ? 'some' : 'none') : 'all';
  const moving: Told = r.bit() ? (r.bit() ? 'some' : 'all') : 'none';
  const lowBits = Math.min(32, header.stateBits);
  const highBits = header.stateBits - lowBits;
  const whole = kind !== 'delta';
  const entries = new Array<Entry>(n);
  let v = -1;
  for (let i = 0; i < n; i++) {
    v += r.rice(k) + 1;
    const offset = v * pages + page;
    if (offset >= limit || header.base + offset > 0xffffffff) {
      throw new DecodeError('an id above the span');
    }
    const lng = Math.min(MAX_LNG - 1, west + r.read(bits) * step);
    const lat = Math.min(MAX_LAT, south + r.read(bits) * step);
    const orientation = has(r, oriented) ? r.read(27) : NO_ORIENTATION;
    if (orientation >= ORIENTATION_CODES && orientation !== NO_ORIENTATION) {
      throw new DecodeError('an invalid orientation');
    }
    entries[i] = {
      id: header.base + offset,
      lat,
      lng,
      orientation,
      age: AGES[r.read(5)]!,
      motion: has(r, moving) ? r.read(16) : NO_MOTION,
      accuracy: whole ? r.read(6) : undefined,
      hidden: whole ? r.bit() : undefined,
      stateLow: r.read(lowBits),
      stateHigh: r.read(highBits),
    };
  }
  return entries;
}
