/** Presence that moves: joins a room, shares a place in it, and follows everybody else. */
export { type CloseReason, type FinalReason, isFinal } from './closing.ts';
export {
  type Declared,
  type Field,
  type Fields,
  flag,
  type PlaneOption,
  plane,
  q,
  type SpaceOption,
  type StateOf,
  state,
  u,
  u8,
} from './declare.ts';
export { JoinError, type JoinOptions, join, type Network } from './join.ts';
export type { Config, Link, LinkEnd, LinkEvents, Opener, Transport } from './link/link.ts';
export type { Me, Move } from './me.ts';
export type { People } from './people.ts';
export type { Person, PresenceName, RoleName, Seen, Spot } from './person.ts';
export type {
  EarthBounds,
  Look,
  Message,
  Room,
  RoomClock,
  RoomEvents,
  SayOptions,
  Status,
} from './room.ts';
export type { Keep } from './storage.ts';
export type { Store } from './store.ts';
export { fromEuler, type Quaternion } from './wire/orientation.ts';
