/** A GPyS client for browsers and other runtimes: shares a live pose and follows a room. */
export { Client } from './client';
export { ConnectError, connect } from './connect';
export type { State } from './connection';
export { fetchConfig } from './link/config';
export { EarlyLink, type OpenOptions } from './link/early';
export {
  type Config,
  type Link,
  type LinkEnd,
  type LinkEvents,
  messageOf,
  type Opener,
  type Transport,
} from './link/link';
export { type Openers, openOnly, RaceError } from './link/race';
export { openWebSocket } from './link/websocket';
export { openWebTransport } from './link/webtransport';
export {
  type Address,
  type Fault,
  OpenError,
  whyNoSession,
  whyNotWebSocket,
  whyNotWebTransport,
} from './link/why';
export type { ClientEvents, ClientOptions, Lane } from './options';
export {
  type PlaneReading,
  type Reading,
  type Sample,
  Sender,
  sampleOf,
  sampleOn,
} from './sender';
export { Session } from './session';
export type { Keep } from './storage';
export { after, type Cluster, type Figure, View } from './view';
export * from './wire';
