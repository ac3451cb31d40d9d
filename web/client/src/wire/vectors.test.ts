/** Golden vectors, which the Rust tests read as well: both must agree on every byte. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { encodeAccuracy } from './accuracy.ts';
import { decodePong, encodePing, encodePose, type Pose } from './datagram.ts';
import { AGES, type Chunk, decodeFrame } from './frame.ts';
import type { StateBits } from './kind.ts';
import { NO_MOTION } from './motion.ts';
import {
  decodeOrientation,
  encodeOrientation,
  fromEuler,
  NO_ORIENTATION,
  type Quaternion,
} from './orientation.ts';
import { decodeSaid, encodeSay, type Say } from './say.ts';
import { decodeMessage } from './server.ts';
import { cleanName } from './text.ts';
import { type ClientMessage, encodeMessage, Presence, Role } from './wire.ts';

const DIRECTORY = join(import.meta.dirname, '../../../../tests/vectors');

type Value = Record<string, unknown>;
type Vector = { name: string; hex: string; value: Value; kind: string };

function vectors<T = Vector>(file: string): T[] {
  const path = join(DIRECTORY, file);
  if (!existsSync(path)) return [];
  // States may have more bits than a JavaScript number.
  return JSON.parse(readFileSync(path, 'utf8').replace(/("state": )(\d+)/g, '$1"$2"'));
}

const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'));
const hexOf = (b: Uint8Array): string => Buffer.from(b).toString('hex');

/** Names of the only field of variants that have one without a name. */
const FIELDS: Record<string, string> = {
  Name: 'name',
  Profile: 'profile',
  Host: 'action',
  Announcement: 'text',
  Announce: 'text',
  Close: 'reason',
  Peer: 'id',
  Unsigned: 'bits',
};
/** Fields that are enums with fields of their own. */
const TAGGED = ['space', 'values', 'to', 'action'];

/** Makes values what they are in `wire.ts`, wherever they are: enums numbers or tagged. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value), (key, v) => {
    if (v === null) return v;
    if (key === 'presence' && typeof v === 'string') return Presence[v as keyof typeof Presence];
    if (key === 'role') return Role[v as keyof typeof Role];
    if (key === 'body') return Uint8Array.from(v);
    return TAGGED.includes(key) ? typed(v) : v;
  });
}

/** `{ Variant: { … } }` or `"Variant"` as `{ type, … }`. */
function typed(value: Value | string): Value {
  if (typeof value === 'string') return { type: value };
  const [type, fields] = Object.entries(value)[0]!;
  return { type, ...(type in FIELDS ? { [FIELDS[type]!]: fields } : (fields as Value)) };
}

function tagged(value: Value | string): Value {
  return plain(typed(value)) as Value;
}

function clientMessage(value: Value): ClientMessage {
  const message = tagged(value);
  if (typeof message.resume === 'string') message.resume = bytes(message.resume);
  return message as ClientMessage;
}

const halves = (state: string): StateBits => ({
  stateLow: Number(BigInt.asUintN(32, BigInt(state))),
  stateHigh: Number(BigInt(state) >> 32n),
});
const whole = ({ stateLow, stateHigh }: StateBits): string =>
  `${(BigInt(stateHigh) << 32n) | BigInt(stateLow)}`;

function chunkValue({ kind, cell, counts, entries, page, pageBits }: Chunk): Value {
  return {
    kind,
    cell: { level: cell.level, x: cell.x, y: cell.y },
    ...(counts && { counts }),
    page: { bits: pageBits, index: page },
    entries: entries.map(({ id, lat, lng, age, orientation, motion, ...entry }) => ({
      id,
      lat,
      lng,
      age_ms: age,
      orientation: orientation === NO_ORIENTATION ? null : orientation,
      motion: motion === NO_MOTION ? null : { speed: motion & 255, course: motion >> 8 },
      state: whole(entry),
      ...(kind !== 'delta' && { accuracy: entry.accuracy, hidden: entry.hidden }),
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
    const motion = value.motion as { speed: number; course: number } | null;
    const pose = {
      ...value,
      orientation: value.orientation ?? NO_ORIENTATION,
      motion: motion ? motion.speed | (motion.course << 8) : NO_MOTION,
      ...halves(value.state as string),
    } as Pose;
    expect(hexOf(encodePose(pose, value.state_bits as number))).toBe(hex);
  });

  it.each(vectors('pings.json'))('small datagram: $name', ({ hex, value }) => {
    const { type, ...fields } = tagged(value);
    if (type === 'Ping') expect(hexOf(encodePing(fields.echo as number))).toBe(hex);
    else if (type === 'Pong') expect(decodePong(bytes(hex))).toEqual(fields);
    else if (type === 'Say') {
      const { seq, ...say } = fields;
      expect(hexOf(encodeSay(say as unknown as Say, seq as number))).toBe(hex);
    } else {
      const { time, ...said } = fields;
      expect(decodeSaid(bytes(hex))).toEqual({ time, said: { type, ...said } });
    }
  });

  it.each(vectors('frames.json'))('frame: $name', ({ hex, value }) => {
    const { time, base, stateBits, chunks } = decodeFrame(bytes(hex));
    expect({ time, base, stateBits, chunks: chunks.map(chunkValue) }).toEqual({
      time: value.time,
      base: value.base,
      stateBits: value.state_bits,
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
