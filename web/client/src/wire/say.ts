/** Messages from one peer to others (docs/PROTOCOL.md, sections 3 and 6). */
import { Reader, Writer } from './bincode.ts';
import { DecodeError } from './bits.ts';

/** First byte of a message to others on the datagram lane. */
export const SAY_TAG = 0x55;
/** First byte of a message from another on the datagram lane. */
export const SAID_TAG = 0x56;

/** Whom a message is for: everybody in the room, those in the sender's view, its hosts, or a peer. */
export type To =
  | { type: 'Room' }
  | { type: 'Near' }
  | { type: 'Hosts' }
  | { type: 'Peer'; id: number };

/** A message to others. */
export interface Say {
  /** Whom it is for. */
  to: To;
  /** What it is about: 1 to 32 of a-z, A-Z, 0-9, `_`, `-`, `.` and `/`. */
  topic: string;
  /** What it says, in at most 512 bytes. The server does not look into it. */
  body: Uint8Array;
}

/** A message from another. */
export interface Said {
  /** Tells the messages apart. */
  type: 'Said';
  /** Who sent it. */
  from: number;
  /** Whom it is for. */
  to: To;
  /** What it is about. */
  topic: string;
  /** What it says. */
  body: Uint8Array;
}

/** Writes a message to others. */
export function writeSay(w: Writer, { to, topic, body }: Say): Writer {
  w.varint(['Room', 'Near', 'Hosts', 'Peer'].indexOf(to.type));
  if (to.type === 'Peer') w.varint(to.id);
  return w.string(topic).varint(body.length).raw(body);
}

/** Reads a message from another. */
export function readSaid(r: Reader): Said {
  return {
    type: 'Said',
    from: r.varint(),
    to: readTo(r),
    topic: r.string(),
    body: r.raw(r.varint()),
  };
}

function readTo(r: Reader): To {
  const variant = r.variant(3);
  if (variant === 3) return { type: 'Peer', id: r.varint() };
  return { type: (['Room', 'Near', 'Hosts'] as const)[variant]! };
}

/** The message's bytes on the datagram lane; `seq` numbers the peer's messages on its link. */
export function encodeSay(say: Say, seq: number): Uint8Array<ArrayBuffer> {
  return writeSay(new Writer().u8(SAY_TAG).u32(seq), say).done();
}

/**
 * A message of the datagram lane, with its time on the server's clock.
 *
 * @throws {@link DecodeError} if the bytes are not such a message.
 */
export function decodeSaid(bytes: Uint8Array): { time: number; said: Said } {
  const r = new Reader(bytes);
  if (r.u8() !== SAID_TAG) throw new DecodeError('not a message from another');
  const decoded = { time: r.u32(), said: readSaid(r) };
  r.finish();
  return decoded;
}
