/** The datagram lane but for frames: poses (docs/PROTOCOL.md, section 4), pings and pongs (6). */
import { DecodeError } from './bits.ts';
import type { StateBits } from './kind.ts';
import { NO_MOTION } from './motion.ts';

/** First byte of a pose. */
export const POSE_TAG = 0x50;
/** First byte of a pose with motion. */
export const MOVING_TAG = 0x54;
/** First byte of a ping. */
export const PING_TAG = 0x51;
/** First byte of a pong. */
export const PONG_TAG = 0x52;
/**
 * Sent by a client that hears nothing: more than a third of a packet of 1,200 bytes, so that the
 * server may answer the address it came from.
 */
export const PADDING = new Uint8Array(500).fill(0x53, 0, 1);
/** Length of a pose without motion and state, in bytes. */
export const POSE_LEN = 22;
/** Length of a pong, in bytes. */
export const PONG_LEN = 9;

/** A sample of a pose as a client numbers it. */
export interface Pose extends StateBits {
  /** The link's count of samples. */
  seq: number;
  /** When the sample was taken, on the server's clock. */
  time: number;
  /** Latitude in units of 1e-7 degree. */
  lat: number;
  /** Longitude in units of 1e-7 degree. */
  lng: number;
  /** The accuracy's code. */
  accuracy: number;
  /** The orientation's code, or `NO_ORIENTATION`. */
  orientation: number;
  /** The motion's code, or `NO_MOTION`. */
  motion: number;
}

/** The pose's bytes on the wire, in a room with so many bits of state. */
export function encodePose(p: Pose, stateBits: number): Uint8Array<ArrayBuffer> {
  const moves = p.motion !== NO_MOTION;
  const at = moves ? POSE_LEN + 2 : POSE_LEN;
  const view = new DataView(new ArrayBuffer(at + Math.ceil(stateBits / 8)));
  view.setUint8(0, moves ? MOVING_TAG : POSE_TAG);
  view.setUint32(1, p.seq, true);
  view.setUint32(5, p.time, true);
  view.setInt32(9, p.lat, true);
  view.setInt32(13, p.lng, true);
  view.setUint8(17, p.accuracy);
  view.setUint32(18, p.orientation, true);
  if (moves) view.setUint16(POSE_LEN, p.motion, true);
  for (let i = at; i < view.byteLength; i++) {
    const bit = (i - at) * 8;
    view.setUint8(i, bit < 32 ? p.stateLow >>> bit : p.stateHigh >>> (bit - 32));
  }
  return new Uint8Array(view.buffer);
}

/** A ping with this number. */
export function encodePing(echo: number): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(5));
  view.setUint8(0, PING_TAG);
  view.setUint32(1, echo, true);
  return new Uint8Array(view.buffer);
}

/**
 * The number and the server's clock in a pong.
 *
 * @throws {@link DecodeError} if the bytes are not a pong.
 */
export function decodePong(bytes: Uint8Array): { echo: number; time: number } {
  if (bytes.length !== PONG_LEN || bytes[0] !== PONG_TAG) throw new DecodeError('not a pong');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { echo: view.getUint32(1, true), time: view.getUint32(5, true) };
}
