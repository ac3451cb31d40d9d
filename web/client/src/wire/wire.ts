/** Every message but the frame, byte for byte (docs/PROTOCOL.md, sections 3, 4 and 6). */
import { Reader, Writer } from './bincode';
import { DecodeError } from './bits';
import { FRAME } from './frame';

export const VERSION = 1;
export const DATAGRAMS_FROM = 0x40;

export const POSE = 0x50;
export const PING = 0x51;
export const PONG = 0x52;
export const PADDING = 0x53;
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
  TooFast = 5,
  TooSlow = 6,
  Replaced = 7,
  Timeout = 8,
  Full = 9,
  Restarting = 10,
  Forbidden = 11,
  Expired = 12,
}

/** What a refused value was for. */
export enum Field {
  Position = 0,
  Accuracy = 1,
  Orientation = 2,
  Viewport = 3,
  Presence = 4,
}

export interface Viewport {
  south: number;
  west: number;
  north: number;
  east: number;
  /** Tenths of a zoom level. */
  zoom: number;
}

/** On which terms a peer shares where it is. */
export interface Sharing {
  /** Whether others get the middle of a cell of about 1 km. */
  approximate: boolean;
  /** After how many seconds the sharing ends by itself; 0: it does not. */
  seconds: number;
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
      access: string | null;
      sharing: Sharing;
    }
  | ({ type: 'Viewport' } & Viewport)
  | { type: 'Presence'; presence: Presence }
  | { type: 'Budget'; budget: number }
  | { type: 'Leave' }
  | ({ type: 'Sharing' } & Sharing);

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
  may_share: boolean;
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

/** A value that this client sent was not taken; the link goes on without it. */
export interface Refused {
  type: 'Refused';
  /** A `Field`, or one that is yet to come. */
  field: number;
  reason: string;
}

export type ServerMessage = Welcome | Roster | Closing | Refused;

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
      if (m.access === null) w.u8(0);
      else w.u8(1).string(m.access);
      writeSharing(w, m.sharing);
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
      break;
    case 'Sharing':
      writeSharing(w.varint(5), m);
  }
  return w.done();
}

function writeSharing(w: Writer, s: Sharing): void {
  w.u8(s.approximate ? 1 : 0).varint(s.seconds);
}

function writeViewport(w: Writer, v: Viewport): void {
  w.i32(v.south).i32(v.west).i32(v.north).i32(v.east).u8(v.zoom);
}

export function decodeMessage(bytes: Uint8Array): ServerMessage {
  const r = new Reader(bytes);
  // One byte: in a longer form it would be the first byte of a datagram.
  const read = [readWelcome, readRoster, readClosing, readRefused][r.u8()];
  if (!read) throw new DecodeError('a message that this page does not know');
  const message = read(r);
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
    may_share: r.bool(),
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
      presence: r.variant(Presence.Gone),
    })),
    left: r.list(() => r.varint()),
    presence: r.list(() => ({ id: r.varint(), presence: r.variant(Presence.Gone) })),
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

function readRefused(r: Reader): Refused {
  return { type: 'Refused', field: r.u8(), reason: r.string() };
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

/**
 * What a client sends that hears nothing: more than a third of a packet of 1,200 bytes, so that a
 * server may answer from which address it came.
 */
export function encodePadding(): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(500);
  bytes[0] = PADDING;
  return bytes;
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
