/** What the server says on the reliable lane (docs/PROTOCOL.md, section 3). */
import { Reader } from './bincode.ts';
import { DecodeError } from './bits.ts';
import { type Kind, readKind } from './kind.ts';
import { readSaid, type Said } from './say.ts';
import { type Change, type Online, type Person, Presence, Role } from './wire.ts';

/** What the server allows, as a welcome says. */
export interface Limits {
  /** Longest reliable message from a client, in bytes. */
  max_message: number;
  /** Poses per second that are read. */
  pose_hz: number;
  /** Longest frame, in bytes. */
  max_frame: number;
  /** Smallest budget that a client can ask for, in bytes of frames per second. */
  min_budget: number;
  /** Largest budget that a client can ask for, in bytes of frames per second. */
  max_budget: number;
  /** Time within which every cell is repeated, in ms. */
  refresh_ms: number;
  /** How long a peer may be away before it cannot come back as itself, in ms. */
  resume_ms: number;
}

/** The first message of the server. */
export interface Welcome {
  /** Tells the messages apart. */
  type: 'Welcome';
  /** The protocol's version. */
  version: number;
  /** The client's own number. */
  id: number;
  /** The client's public identity. */
  uuid: string;
  /** The secret that brings the peer back on another link. */
  token: Uint8Array;
  /** Whether the client came back as the peer it was. */
  resumed: boolean;
  /** The server's clock. */
  time: number;
  /** Ticks per second at a room's slowest pace. */
  tick_hz: number;
  /** What the server allows. */
  limits: Limits;
  /** Whether the client may share; otherwise it can only watch. */
  may_share: boolean;
  /** The kind of the room. */
  kind: Kind;
  /** Number of rosters that follow and make the first list of who is here. */
  rosters: number;
}

/** Who is in the room: a change, or a part of the first list. */
export interface Roster {
  /** Tells the messages apart. */
  type: 'Roster';
  /** The server's clock. */
  time: number;
  /** People who joined or whose entry changed. */
  joined: Person[];
  /** People who left, for good. */
  left: number[];
  /** People whose presence changed. */
  presence: Change[];
  /** Number of people here. */
  online: Online;
}

/** Why and how the link ends; the last message of the server. */
export interface Closing {
  /** Tells the messages apart. */
  type: 'Closing';
  /** The reason, as a `CloseCode` or one from a later version. */
  code: number;
  /**
   * Delay before reconnecting, in ms, plus a random part of as much again; `null`: do not
   * reconnect.
   */
  retry_ms: number | null;
  /** The reason, in words. */
  reason: string;
}

/** The server did not take a value from this client; the link goes on without it. */
export interface Refused {
  /** Tells the messages apart. */
  type: 'Refused';
  /** A `Field`, or one from a later version. */
  field: number;
  /** What is wrong with it, in words. */
  reason: string;
}

/** Whether the client is to send copies of its poses. */
export interface Copies {
  /** Tells the messages apart. */
  type: 'Copies';
  /** Whether too many of its poses are lost on their way. */
  wanted: boolean;
}

/** What a host shows everybody. */
export interface Announcement {
  /** Tells the messages apart. */
  type: 'Announcement';
  /** The text, fit to be shown; empty for nothing. */
  text: string;
}

/** A message of the reliable lane from the server, in the order of their numbers. */
export type ServerMessage = Welcome | Roster | Closing | Refused | Copies | Said | Announcement;

const READERS = [
  readWelcome,
  readRoster,
  readClosing,
  readRefused,
  readCopies,
  readSaid,
  readAnnouncement,
];

/**
 * Decodes a message of the reliable lane.
 *
 * @throws {@link DecodeError} if the bytes are not a message.
 */
export function decodeMessage(bytes: Uint8Array): ServerMessage {
  const r = new Reader(bytes);
  // One byte: in a longer form it would be the first byte of a datagram.
  const read = READERS[r.u8()];
  if (!read) throw new DecodeError('not a known message');
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
    kind: readKind(r),
    rosters: r.u16(),
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
      presence: r.variant(Presence.Gone) as Presence,
      role: r.variant(Role.Thing) as Role,
      subject: r.option(() => r.uuid()),
      profile: r.string(),
    })),
    left: r.list(() => r.varint()),
    presence: r.list(() => ({ id: r.varint(), presence: r.variant(Presence.Gone) as Presence })),
    online: {
      sharing: r.varint(),
      watching: r.varint(),
      hidden: r.varint(),
      things: r.varint(),
    },
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

function readCopies(r: Reader): Copies {
  return { type: 'Copies', wanted: r.bool() };
}

function readAnnouncement(r: Reader): Announcement {
  return { type: 'Announcement', text: r.string() };
}
