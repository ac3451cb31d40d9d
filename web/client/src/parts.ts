/**
 * What a room is made of, for programs that need more than {@link join}: links, sessions, views. A
 * minor release may change anything here.
 */
export { Ages } from './ages.ts';
export { Client } from './client.ts';
export type { State } from './connection.ts';
export { Glide, sampledAt } from './glide.ts';
export { fetchConfig } from './link/config.ts';
export { EarlyLink, type OpenOptions } from './link/early.ts';
export { type Address, type Fault, OpenError, type Words } from './link/fault.ts';
export {
  type Config,
  type Link,
  type LinkEnd,
  type LinkEvents,
  messageOf,
  type Opener,
  type Transport,
} from './link/link.ts';
export { type Openers, openOnly, RaceError } from './link/race.ts';
export { openWebSocket } from './link/websocket.ts';
export { openWebTransport } from './link/webtransport.ts';
export { whyNoSession, whyNotWebSocket, whyNotWebTransport, wordsFor } from './link/why.ts';
export type { ClientEvents, ClientOptions, Lane } from './options.ts';
export {
  type PlaneReading,
  type Reading,
  type Sample,
  Sender,
  sampleOf,
  sampleOn,
} from './sender.ts';
export { Session } from './session.ts';
export type { Keep } from './storage.ts';
export { after, type Cluster, type Figure, View } from './view.ts';
export * from './wire/index.ts';
