/**
 * Opens the better of two transports: WebTransport gets a head start, and the loser is cancelled.
 */

import { type Fault, faultOf, OpenError } from './fault.ts';
import type { Config, Link, LinkEvents, Opener, Transport } from './link.ts';

/**
 * The head start, like that of IPv6 over IPv4 (RFC 8305, section 5, which asks for at least 100
 * ms). WebTransport needs no more round trips than WebSocket, so it wins where it works, however
 * long they take.
 */
export const HEAD_START_MS = 150;
/** How long a transport may stay silent (because UDP is dropped) before it is given up. */
export const OPEN_TIMEOUT_MS = 10_000;

/** An opener for each transport. */
export type Openers = Record<Transport, Opener>;

/** A wait consists of pieces of this length. */
const PIECE_MS = 25;

/** The link that won. */
export interface Winner {
  /** The link. */
  link: Link;
  /** How WebTransport lost, if it was tried and lost; it may be known only later. */
  lost?: Promise<Fault>;
}

/** The error when neither transport opened. */
export class RaceError extends Error {
  constructor(readonly faults: Partial<Record<Transport, Fault>>) {
    super('neither transport opened');
  }
}

interface Runner {
  promise: Promise<Link>;
  cancel(): void;
}

/**
 * Waits `ms` of the time in which the page was free to notice an answer: a piece during which it
 * was busy counts as one piece, however long it took.
 */
async function free(ms: number, over: () => boolean = () => false): Promise<void> {
  for (let left = ms; left > 0 && !over(); left -= PIECE_MS) {
    await new Promise((resolve) => setTimeout(resolve, Math.min(left, PIECE_MS)));
  }
}

function start(opener: Opener, config: Config, events: LinkEvents): Runner {
  const abort = new AbortController();
  let done = false;
  const opened = opener(config, events, abort.signal)
    .then((link) => {
      if (abort.signal.aborted) link.close();
      return link;
    })
    .finally(() => {
      done = true;
    });
  const silence = free(OPEN_TIMEOUT_MS, () => done || abort.signal.aborted).then(() => {
    if (done) return opened;
    abort.abort();
    throw new OpenError('silent', 'no answer');
  });
  const promise = Promise.race([opened, silence]);
  // A loser's rejection has no listener left.
  opened.catch(() => undefined);
  promise.catch(() => undefined);
  return { promise, cancel: () => abort.abort() };
}

/** Opens one transport alone: forced, or remembered as the winner of a recent race. */
export async function openOnly(
  transport: Transport,
  openers: Openers,
  config: Config,
  events: LinkEvents,
): Promise<Winner> {
  try {
    return { link: await start(openers[transport], config, events).promise };
  } catch (error) {
    throw new RaceError({ [transport]: faultOf(error) });
  }
}

/** Opens the better of the two transports. */
export async function race(openers: Openers, config: Config, events: LinkEvents): Promise<Winner> {
  let ended = false;
  // A session that opens after the other transport is closed before anything is heard of it.
  const first = start(
    openers.webtransport,
    config,
    whileNot(() => ended, events),
  );
  const fault = first.promise.then((link): Fault => {
    if (ended) link.close();
    return 'slow';
  }, faultOf);
  const early = await Promise.race([first.promise.catch(() => undefined), free(HEAD_START_MS)]);
  if (early) return { link: early };
  const second = start(openers.websocket, config, events);
  try {
    const link = await Promise.any([first.promise, second.promise]);
    if (link.transport === 'webtransport') {
      second.cancel();
      return { link };
    }
    ended = true;
    return { link, lost: fault };
  } catch {
    throw new RaceError({
      webtransport: await fault,
      websocket: await second.promise.then((): Fault => 'slow', faultOf),
    });
  }
}

function whileNot(over: () => boolean, events: LinkEvents): LinkEvents {
  return {
    message: (bytes) => over() || events.message(bytes),
    datagram: (bytes) => over() || events.datagram(bytes),
    end: (end) => over() || events.end(end),
  };
}
