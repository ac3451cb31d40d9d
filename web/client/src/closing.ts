/** Why a room ends, as programs are told (docs/PROTOCOL.md, section 3). */

/** The names of the close codes, in the order of their numbers. */
const NAMES = [
  'bye',
  'bad-message',
  'bad-version',
  'bad-room',
  'unknown',
  'too-fast',
  'too-slow',
  'replaced',
  'timeout',
  'full',
  'restarting',
  'forbidden',
  'expired',
  'wrong-kind',
  'removed',
  'ended',
] as const;

/** Why a link ended: the name of a close code; `unknown` for a code of a later version. */
export type CloseReason = (typeof NAMES)[number];

/** The reasons after which a client comes back by itself; all others are final. */
type Passing = 'unknown' | 'too-fast' | 'too-slow' | 'timeout' | 'full' | 'restarting';

/** A reason after which a room does not come back. */
export type FinalReason = Exclude<CloseReason, Passing>;

/** The codes after which a client comes back, as bits. */
const PASSING = 0b111_0111_0000;

/** The name of a close code; undefined if the link gave none. */
export function closeReason(code: number | undefined): CloseReason | undefined {
  return code === undefined ? undefined : (NAMES[code] ?? 'unknown');
}

/** Whether a room that ended for this reason does not come back by itself. */
export function isFinal(reason: CloseReason): reason is FinalReason {
  return !((PASSING >> NAMES.indexOf(reason)) & 1);
}
