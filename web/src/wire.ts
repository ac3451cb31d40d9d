/** Every message but the frame, byte for byte (docs/PROTOCOL.md, sections 3, 4 and 6). */
import { DecodeError } from './bits';
import { FRAME } from './frame';

export const VERSION = 1;
export const DATAGRAMS_FROM = 0x40;

export const POSE = 0x50;
export const PING = 0x51;
export const PONG = 0x52;
export { FRAME };

export enum Presence {
  Sharing = 0,
  Watching = 1,
  Hidden = 2,
  Gone = 3,
}

export enum Code {
  Bye = 0,
  BadMessage = 1,
  BadVersion = 2,
  BadRoom = 3,
  BadValue = 4,
  TooFast = 5,
  TooSlow = 6,
  Replaced = 7,
  Timeout = 8,
  Full = 9,
  Restarting = 10,
}

export interface Viewport {
  south: number;
  west: number;
  north: number;
  east: number;
  /** Tenths of a zoom level. */
  zoom: number;
}

export type ClientMessage =
  | {
      type: 'Hello';
      version: number;
      room: string;
      name: string;
      presence: Presence;
      resume: Uint8Array | null;
      budget: number;
      viewport: Viewport | null;
    }
  | ({ type: 'Viewport' } & Viewport)
  | { type: 'Presence'; presence: Presence }
  | { type: 'Budget'; budget: number }
  | { type: 'Leave' };

export interface Limits {
  max_message: number;
  pose_hz: number;
  max_frame: number;
  min_budget: number;
  max_budget: number;
  refresh_ms: number;
  resume_ms: number;
}

export interface Person {
  id: number;
  uuid: string;
  name: string;
  presence: Presence;
}

export interface Change {
  id: number;
  presence: Presence;
}

export interface Online {
  sharing: number;
  watching: number;
  hidden: number;
}

export interface Welcome {
  type: 'Welcome';
  version: number;
  id: number;
  uuid: string;
  token: Uint8Array;
  resumed: boolean;
  time: number;
  tick_hz: number;
  limits: Limits;
}

export interface Roster {
  type: 'Roster';
  time: number;
  joined: Person[];
  left: number[];
  presence: Change[];
  online: Online;
}

export interface Closing {
  type: 'Closing';
  code: number;
  retry_ms: number | null;
  reason: string;
}

export type ServerMessage = Welcome | Roster | Closing;

class Writer {
  private readonly bytes: number[] = [];

  u8(n: number): this {
    this.bytes.push(n & 0xff);
    return this;
  }

  varint(n: number): this {
    if (n < 251) return this.u8(n);
    if (n <= 0xffff) return this.u8(0xfb).little(n, 2);
    return this.u8(0xfc).little(n, 4);
  }

  i32(n: number): this {
    return this.varint(((n << 1) ^ (n >> 31)) >>> 0);
  }

  raw(bytes: Uint8Array): this {
    this.bytes.push(...bytes);
    return this;
  }

  string(s: string): this {
    const utf8 = new TextEncoder().encode(s);
    return this.varint(utf8.length).raw(utf8);
  }

  done(): Uint8Array<ArrayBuffer> {
    return Uint8Array.from(this.bytes);
  }

  private little(n: number, bytes: number): this {
    for (let i = 0; i < bytes; i++) this.u8(n >>> (8 * i));
    return this;
  }
}

class Reader {
  private at = 0;

  constructor(private readonly bytes: Uint8Array) {}

  u8(): number {
    if (this.at >= this.bytes.length) throw new DecodeError('the message ends too early');
    return this.bytes[this.at++]!;
  }

  bool(): boolean {
    const b = this.u8();
    if (b > 1) throw new DecodeError(`${b} is no truth value`);
    return b === 1;
  }

  varint(): number {
    const first = this.u8();
    if (first < 251) return first;
    if (first > 0xfc) throw new DecodeError('a number wider than 32 bits');
    let n = 0;
    for (let i = 0; i < (first === 0xfb ? 2 : 4); i++) n += this.u8() * 2 ** (8 * i);
    return n;
  }

  u16(): number {
    const n = this.varint();
    if (n > 0xffff) throw new DecodeError(`${n} does not fit 16 bits`);
    return n;
  }

  raw(n: number): Uint8Array {
    if (this.at + n > this.bytes.length) throw new DecodeError('the message ends too early');
    this.at += n;
    return this.bytes.slice(this.at - n, this.at);
  }

  uuid(): string {
    const hex = Array.from(this.raw(16), (b) => b.toString(16).padStart(2, '0')).join('');
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  }

  string(): string {
    return new TextDecoder('utf-8', { fatal: true }).decode(this.raw(this.varint()));
  }

  option<T>(read: () => T): T | null {
    return this.bool() ? read() : null;
  }

  list<T>(read: () => T): T[] {
    const n = this.varint();
    const items: T[] = [];
    // Not `new Array(n)`: the count is the sender's word, and each item has to be there to be read.
    for (let i = 0; i < n; i++) items.push(read());
    return items;
  }

  presence(): Presence {
    const n = this.varint();
    if (n > Presence.Gone) throw new DecodeError(`there is no presence ${n}`);
    return n;
  }

  finish(): void {
    if (this.at !== this.bytes.length) throw new DecodeError('bytes follow the message');
  }
}

export function encodeMessage(m: ClientMessage): Uint8Array<ArrayBuffer> {
  const w = new Writer();
  switch (m.type) {
    case 'Hello':
      w.varint(0).varint(m.version).string(m.room).string(m.name).varint(m.presence);
      if (m.resume) w.u8(1).raw(m.resume);
      else w.u8(0);
      w.varint(m.budget);
      if (m.viewport) writeViewport(w.u8(1), m.viewport);
      else w.u8(0);
      break;
    case 'Viewport':
      writeViewport(w.varint(1), m);
      break;
    case 'Presence':
      w.varint(2).varint(m.presence);
      break;
    case 'Budget':
      w.varint(3).varint(m.budget);
      break;
    case 'Leave':
      w.varint(4);
  }
  return w.done();
}

function writeViewport(w: Writer, v: Viewport): void {
  w.i32(v.south).i32(v.west).i32(v.north).i32(v.east).u8(v.zoom);
}

export function decodeMessage(bytes: Uint8Array): ServerMessage {
  const r = new Reader(bytes);
  const variant = r.varint();
  const message =
    variant === 0
      ? readWelcome(r)
      : variant === 1
        ? readRoster(r)
        : variant === 2
          ? readClosing(r)
          : undefined;
  if (!message) throw new DecodeError(`there is no message ${variant}`);
  r.finish();
  return message;
}

function readWelcome(r: Reader): Welcome {
  return {
    type: 'Welcome',
    version: r.u16(),
    id: r.varint(),
    uuid: r.uuid(),
    token: r.raw(16),
    resumed: r.bool(),
    time: r.varint(),
    tick_hz: r.u8(),
    limits: {
      max_message: r.u16(),
      pose_hz: r.u8(),
      max_frame: r.u16(),
      min_budget: r.varint(),
      max_budget: r.varint(),
      refresh_ms: r.u16(),
      resume_ms: r.varint(),
    },
  };
}

function readRoster(r: Reader): Roster {
  return {
    type: 'Roster',
    time: r.varint(),
    joined: r.list(() => ({
      id: r.varint(),
      uuid: r.uuid(),
      name: r.string(),
      presence: r.presence(),
    })),
    left: r.list(() => r.varint()),
    presence: r.list(() => ({ id: r.varint(), presence: r.presence() })),
    online: { sharing: r.varint(), watching: r.varint(), hidden: r.varint() },
  };
}

function readClosing(r: Reader): Closing {
  return {
    type: 'Closing',
    code: r.u8(),
    retry_ms: r.option(() => r.varint()),
    reason: r.string(),
  };
}

export interface Pose {
  seq: number;
  /** When the sample was taken, on the server's clock. */
  time: number;
  lat: number;
  lng: number;
  accuracy: number;
  orientation: number;
}

export function encodePose(p: Pose): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(22));
  view.setUint8(0, POSE);
  view.setUint32(1, p.seq, true);
  view.setUint32(5, p.time, true);
  view.setInt32(9, p.lat, true);
  view.setInt32(13, p.lng, true);
  view.setUint8(17, p.accuracy);
  view.setUint32(18, p.orientation, true);
  return new Uint8Array(view.buffer);
}

export function encodePing(echo: number): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(5));
  view.setUint8(0, PING);
  view.setUint32(1, echo, true);
  return new Uint8Array(view.buffer);
}

export function decodePong(bytes: Uint8Array): { echo: number; time: number } {
  if (bytes.length !== 9 || bytes[0] !== PONG) throw new DecodeError('not a pong');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { echo: view.getUint32(1, true), time: view.getUint32(5, true) };
}

/** The smallest code whose radius, 0.5 · 1.25^(code - 1) metres, is at least `metres`. */
export function encodeAccuracy(metres: number | null | undefined): number {
  if (metres === null || metres === undefined || !(metres >= 0)) return 0;
  for (let code = 1; code < 63; code++) if (decodeAccuracy(code)! >= metres) return code;
  return 63;
}

export function decodeAccuracy(code: number): number | null {
  return code === 0 ? null : 0.5 * 1.25 ** (code - 1);
}
