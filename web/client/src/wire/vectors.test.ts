/** Golden vectors, which the Rust tests read as well: both must agree on every byte. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { encodeAccuracy } from './accuracy';
import { decodePong, encodePing, encodePose, type Pose } from './datagram';
import { AGES, type Chunk, decodeFrame } from './frame';
import {
  decodeOrientation,
  encodeOrientation,
  fromEuler,
  NO_ORIENTATION,
  type Quaternion,
} from './orientation';
import { decodeMessage } from './server';
import { cleanName } from './text';
import { type ClientMessage, encodeMessage, Presence } from './wire';

const DIRECTORY = join(import.meta.dirname, '../../../../tests/vectors');

type Value = Record<string, unknown>;
type Vector = { name: string; hex: string; value: Value; kind: string };

function vectors<T = Vector>(file: string): T[] {
  const path = join(DIRECTORY, file);
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : [];
}

const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'));
const hexOf = (b: Uint8Array): string => Buffer.from(b).toString('hex');

/** Replaces presences' names by numbers, as in `wire.ts`, wherever they are. */
function numbered(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value), (key, v) =>
    key === 'presence' && typeof v === 'string' ? Presence[v as keyof typeof Presence] : v,
  );
}

/** `{ Hello: { … } }` or `"Leave"` as `{ type, … }`. */
function tagged(value: Value | string): Value {
  if (typeof value === 'string') return { type: value };
  const [type, fields] = Object.entries(value)[0]!;
  return { type, ...(numbered(fields) as Value) };
}

function clientMessage(value: Value): ClientMessage {
  const message = tagged(value);
  if (typeof message.resume === 'string') message.resume = bytes(message.resume);
  return message as ClientMessage;
}

function chunkValue({ kind, cell, counts, entries, page, pageBits }: Chunk): Value {
  return {
    kind,
    cell: { level: cell.level, x: cell.x, y: cell.y },
    ...(counts && { counts }),
    page: { bits: pageBits, index: page },
    entries: entries.map(({ age, orientation, accuracy, hidden, ...entry }) => ({
      ...entry,
      age_ms: age,
      orientation: orientation === NO_ORIENTATION ? null : orientation,
      ...(kind !== 'delta' && { accuracy, hidden }),
    })),
  };
}

describe.runIf(existsSync(DIRECTORY))('golden vectors', () => {
  it.each(vectors('client_messages.json'))('client message: $name', ({ hex, value }) => {
    expect(hexOf(encodeMessage(clientMessage(value)))).toBe(hex);
  });

  it.each(vectors('server_messages.json'))('server message: $name', ({ hex, value }) => {
    const message = decodeMessage(bytes(hex));
    const plain = 'token' in message ? { ...message, token: hexOf(message.token) } : message;
    expect(plain).toEqual(tagged(value));
  });

  it.each(vectors('poses.json'))('pose: $name', ({ hex, value }) => {
    const pose = { ...value, orientation: value.orientation ?? NO_ORIENTATION } as Pose;
    expect(hexOf(encodePose(pose))).toBe(hex);
  });

  it.each(vectors('pings.json'))('ping or pong: $name', ({ hex, value }) => {
    const { type, ...fields } = tagged(value);
    if (type === 'Ping') expect(hexOf(encodePing(fields.echo as number))).toBe(hex);
    else expect(decodePong(bytes(hex))).toEqual(fields);
  });

  it.each(vectors('frames.json'))('frame: $name', ({ hex, value }) => {
    const { time, base, chunks } = decodeFrame(bytes(hex));
    expect({ time, base, chunks: chunks.map(chunkValue) }).toEqual({
      time: value.time,
      base: value.base,
      chunks: value.chunks,
    });
    for (const entry of chunks.flatMap((chunk) => chunk.entries)) expect(AGES).toContain(entry.age);
  });

  it.each(
    vectors<{
      name: string;
      alpha: number;
      beta: number;
      gamma: number;
      code: number;
      quaternion: number[];
    }>('orientations.json'),
  )('orientation: $name', ({ alpha, beta, gamma, code, quaternion }) => {
    expect(encodeOrientation(fromEuler(alpha, beta, gamma))).toBe(code);
    const decoded: Quaternion = decodeOrientation(code);
    decoded.forEach((c, i) => {
      expect(c).toBeCloseTo(quaternion[i]!, 10);
    });
  });

  it.each(vectors<{ name: string; metres: number; code: number }>('accuracies.json'))(
    'accuracy: $name',
    ({ metres, code }) => {
      expect(encodeAccuracy(metres)).toBe(code);
    },
  );

  it.each(vectors<{ name: string; text: string; cleaned: string }>('texts.json'))(
    'text: $name',
    ({ text, cleaned }) => {
      expect(cleanName(text)).toBe(cleaned);
      expect(cleanName(cleaned)).toBe(cleaned);
    },
  );

  it.each(
    vectors<Vector & { short: string }>('varints.json').filter((v) => v.kind === 'server_message'),
  )('number in a longer form: $name', ({ hex, short }) => {
    expect(decodeMessage(bytes(hex))).toEqual(decodeMessage(bytes(short)));
  });

  const invalid = vectors('invalid.json');
  it.each(invalid.filter((v) => v.kind === 'frame'))('no frame: $name', ({ hex }) => {
    expect(() => decodeFrame(bytes(hex))).toThrow();
  });

  it.each(invalid.filter((v) => v.kind === 'server_message'))('no message: $name', ({ hex }) => {
    expect(() => decodeMessage(bytes(hex))).toThrow();
  });
});
