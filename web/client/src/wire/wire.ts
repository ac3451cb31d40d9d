/**
 * The reliable lane: the types of both sides, and the client's messages (docs/PROTOCOL.md, section
 * 3).
 */
import { Writer } from './bincode.ts';
import type { Viewport } from './geo.ts';
import { type Layout, type Space, writeLayout, writeSpace } from './kind.ts';
import { type Say, writeSay } from './say.ts';

/** The protocol's version. */
export const VERSION = 2;
/** First bytes from this one on belong to the datagram lane. */
export const DATAGRAM_LANE = 0x40;

/** A peer's presence, as others see it. */
export const Presence = {
  /** Sends its position. */
  Sharing: 0,
  /** Sees others and has no pin. */
  Watching: 1,
  /** Its page is in the background; drawn faded if it shared. */
  Hidden: 2,
  /** Its link is silent; neither counted nor drawn, but it may come back. */
  Gone: 3,
} as const;
/** One of these. */
export type Presence = (typeof Presence)[keyof typeof Presence];

/** What somebody in a room is. */
export const Role = {
  /** A peer without further rights. */
  Guest: 0,
  /** A peer that may announce, remove and close. */
  Host: 1,
  /** No peer: a program put it here, and it has a pose and no link. */
  Thing: 2,
} as const;
/** One of these. */
export type Role = (typeof Role)[keyof typeof Role];

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
  /** What it is. */
  role: Role;
  /**
   * The same for all devices of one person, by the subject of their access tokens; null without
   * one.
   */
  subject: string | null;
  /** What it says of itself, as JSON; may be empty. */
  profile: string;
}

/** A new presence of a peer. */
export interface Change {
  /** The peer's number. */
  id: number;
  /** Its presence from now on. */
  presence: Presence;
}

/** Number of people in the room, by presence, and of things. */
export interface Online {
  /** Sharing their position. */
  sharing: number;
  /** Watching. */
  watching: number;
  /** Hidden. */
  hidden: number;
  /** Things, which are not people. */
  things: number;
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
  /** The space that the client takes the room to have; null for any. */
  space: Space | null;
  /** The layout of state that the client takes the room to have; null for any. */
  layout: Layout | null;
  /** What the peer says of itself, as JSON of at most 512 bytes; may be empty. */
  profile: string;
}

/** What only a host may do: show a text to everybody, remove a peer, or close the room. */
export type HostAction =
  | { type: 'Announce'; text: string }
  | ({ type: 'Remove' } & Removal)
  | { type: 'Close'; reason: string };

/** Whom a host removes, and why. */
export interface Removal {
  /** The peer. */
  peer: number;
  /** The reason, as the peer is told. */
  reason: string;
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
  | ({ type: 'Pace' } & Pace)
  | { type: 'Name'; name: string }
  | { type: 'Profile'; profile: string }
  | ({ type: 'Say' } & Say)
  | { type: 'Host'; action: HostAction };

/** The message's bytes on the reliable lane. */
export function encodeMessage(m: ClientMessage): Uint8Array<ArrayBuffer> {
  const w = new Writer();
  switch (m.type) {
    case 'Hello':
      writeHello(w.varint(0), m);
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
      break;
    case 'Name':
      w.varint(7).string(m.name);
      break;
    case 'Profile':
      w.varint(8).string(m.profile);
      break;
    case 'Say':
      writeSay(w.varint(9), m);
      break;
    case 'Host':
      writeAction(w.varint(10), m.action);
  }
  return w.done();
}

function writeHello(w: Writer, m: Hello): void {
  w.varint(m.version).string(m.room).string(m.name).varint(m.presence);
  w.option(m.resume, (it) => w.raw(it)).varint(m.budget);
  w.option(m.viewport, (it) => writeViewport(w, it)).option(m.access, (it) => w.string(it));
  writeSharing(w, m.sharing);
  w.option(m.space, (it) => writeSpace(w, it)).option(m.layout, (it) => writeLayout(w, it));
  w.string(m.profile);
}

function writeAction(w: Writer, action: HostAction): void {
  if (action.type === 'Announce') w.varint(0).string(action.text);
  else if (action.type === 'Remove') w.varint(1).varint(action.peer).string(action.reason);
  else w.varint(2).string(action.reason);
}

function writeSharing(w: Writer, s: Sharing): void {
  w.u8(s.approximate ? 1 : 0).varint(s.seconds);
}

function writeViewport(w: Writer, v: Viewport): void {
  w.i32(v.south).i32(v.west).i32(v.north).i32(v.east).u8(v.zoom);
}
