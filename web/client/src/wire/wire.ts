/**
 * The reliable lane: the types of both sides, and the client's messages (docs/PROTOCOL.md, section
 * 3).
 */
import { Writer } from './bincode';

/** The protocol's version. */
export const VERSION = 1;
/** First bytes from this one on belong to the datagram lane. */
export const DATAGRAM_LANE = 0x40;

/** A peer's presence, as others see it. */
export enum Presence {
  /** Sends its position. */
  Sharing = 0,
  /** Sees others and has no pin. */
  Watching = 1,
  /** Its page is in the background; drawn faded if it shared. */
  Hidden = 2,
  /** Its link is silent; neither counted nor drawn, but it may come back. */
  Gone = 3,
}

/** What a client shows: edges in units of 1e-7 degree, and the map's zoom. */
export interface Viewport {
  /** Southern edge. */
  south: number;
  /** Western edge. */
  west: number;
  /** Northern edge. */
  north: number;
  /** Eastern edge; below `west` if the viewport crosses the antimeridian. */
  east: number;
  /** Zoom of the map in tenths (512-pixel tiles, as MapLibre counts). */
  zoom: number;
}

/** The terms on which a peer shares its position. */
export interface Sharing {
  /** Whether others get the middle of a cell of about 1 km. */
  approximate: boolean;
  /** Seconds until the sharing ends by itself; 0 sets no end. */
  seconds: number;
}

/** One person in a roster. */
export interface Person {
  /** Its number on the wire. */
  id: number;
  /** Its public identity. */
  uuid: string;
  /** The name it gave; may be empty. */
  name: string;
  /** Its presence. */
  presence: Presence;
}

/** A new presence of a peer. */
export interface Change {
  /** The peer's number. */
  id: number;
  /** Its presence from now on. */
  presence: Presence;
}

/** Number of people in the room, by presence. */
export interface Online {
  /** Sharing their position. */
  sharing: number;
  /** Watching. */
  watching: number;
  /** Hidden. */
  hidden: number;
}

/** The first message of a client. */
export interface Hello {
  /** Tells the messages apart. */
  type: 'Hello';
  /** {@link VERSION}. */
  version: number;
  /** The room to join. */
  room: string;
  /** The name to show to others. */
  name: string;
  /** The presence to begin with. */
  presence: Presence;
  /** The token of an earlier welcome, to come back as the same peer. */
  resume: Uint8Array | null;
  /** Maximum bytes of frames per second; 0 for the default. */
  budget: number;
  /** What the client shows, if it knows already. */
  viewport: Viewport | null;
  /** The access token, for a room that asks for one. */
  access: string | null;
  /** The terms on which the peer shares. */
  sharing: Sharing;
}

/** How often a client wants frames. */
export interface Pace {
  /** Most frames per second, such as its display draws; 0 for as many as the server can afford. */
  max_frames_hz: number;
}

/** A message of the reliable lane from a client, in the order of their numbers. */
export type ClientMessage =
  | Hello
  | ({ type: 'Viewport' } & Viewport)
  | { type: 'Presence'; presence: Presence }
  | { type: 'Budget'; budget: number }
  | { type: 'Leave' }
  | ({ type: 'Sharing' } & Sharing)
  | ({ type: 'Pace' } & Pace);

/** The message's bytes on the reliable lane. */
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
      break;
    case 'Pace':
      w.varint(6).u8(m.max_frames_hz);
  }
  return w.done();
}

function writeSharing(w: Writer, s: Sharing): void {
  w.u8(s.approximate ? 1 : 0).varint(s.seconds);
}

function writeViewport(w: Writer, v: Viewport): void {
  w.i32(v.south).i32(v.west).i32(v.north).i32(v.east).u8(v.zoom);
}
