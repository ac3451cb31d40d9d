/** Why links end and values are refused (docs/PROTOCOL.md, section 3). */

/** Why a link ends. Number 4 is not used. */
export const CloseCode = {
  /** Answer to a `Leave`. */
  Bye: 0,
  /** Bytes that do not decode, or a message out of turn. */
  BadMessage: 1,
  /** A version that the server does not speak. */
  BadVersion: 2,
  /** Not a valid name of a room. */
  BadRoom: 3,
  /** Far more messages or datagrams than allowed. */
  TooFast: 5,
  /** The client did not read its reliable lane. */
  TooSlow: 6,
  /** The same peer came back on another link. */
  Replaced: 7,
  /** No hello in time. */
  Timeout: 8,
  /** The room or the server is full. */
  Full: 9,
  /** The server is stopping. */
  Restarting: 10,
  /** The room needs an access token, and this one is invalid or does not allow what was asked. */
  Forbidden: 11,
  /** The access token has expired; a new one lets the client back in. */
  Expired: 12,
  /** The room is of another kind than the client takes it to be, or of one that no room can be of. */
  WrongKind: 13,
  /** A host removed the peer. */
  Removed: 14,
  /** A host closed the room. */
  Ended: 15,
} as const;
/** One of these. */
export type CloseCode = (typeof CloseCode)[keyof typeof CloseCode];

/** The field of a refused value. */
export const Field = {
  /** A pose's latitude or longitude. */
  Position: 0,
  /** A pose's accuracy. */
  Accuracy: 1,
  /** A pose's orientation. */
  Orientation: 2,
  /** A viewport. */
  Viewport: 3,
  /** A presence. */
  Presence: 4,
  /** A pose's state. */
  State: 5,
  /** The terms on which a peer shares. */
  Sharing: 6,
  /** A profile, or a name or profile that changes too often. */
  Profile: 7,
  /** A message to others. */
  Say: 8,
  /** What a host does. */
  Host: 9,
} as const;
/** One of these. */
export type Field = (typeof Field)[keyof typeof Field];
