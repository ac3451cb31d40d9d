/** Opens the better of two transports: WebTransport has a head start, the loser is cancelled. */
import {
  type Config,
  type Link,
  type LinkEvents,
  messageOf,
  type Opener,
  type Transport,
} from './link';

/**
 * As for IPv6 over IPv4 (RFC 8305, section 5, which asks for no less than 100 ms): WebTransport needs
 * no more round trips than WebSocket, so with this it wins where it can, however long they take.
 */
export const HEAD_START_MS = 150;
/** A transport that says nothing at all (UDP that is dropped) is given up after this. */
export const OPEN_TIMEOUT_MS = 10_000;

export type Openers = Record<Transport, Opener>;

export interface Winner {
  link: Link;
  /** Why WebTransport did not make it, if it was tried and lost. */
  lost: string | undefined;
}

interface Runner {
  promise: Promise<Link>;
  cancel(): void;
}

function start(opener: Opener, config: Config, events: LinkEvents): Runner {
  const abort = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const opened = opener(config, events, abort.signal).then((link) => {
    if (abort.signal.aborted) link.close();
    return link;
  });
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      abort.abort();
      reject(new Error('no answer'));
    }, OPEN_TIMEOUT_MS);
  });
  const promise = Promise.race([opened, silence]).finally(() => clearTimeout(timer));
  // A loser's rejection has nobody left to hear it.
  opened.catch(() => undefined);
  promise.catch(() => undefined);
  return { promise, cancel: () => abort.abort() };
}

/** One transport alone: forced, or remembered from a race that it won lately. */
export async function openOnly(
  transport: Transport,
  openers: Openers,
  config: Config,
  events: LinkEvents,
): Promise<Winner> {
  return { link: await start(openers[transport], config, events).promise, lost: undefined };
}

export async function race(openers: Openers, config: Config, events: LinkEvents): Promise<Winner> {
  let lost: string | undefined;
  const first = start(openers.webtransport, config, events);
  first.promise.catch((error) => {
    lost = messageOf(error);
  });
  let timer: ReturnType<typeof setTimeout> | undefined;
  const headStart = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, HEAD_START_MS);
  });
  const early = await Promise.race([first.promise.catch(() => undefined), headStart]);
  clearTimeout(timer);
  if (early) return { link: early, lost: undefined };
  const second = start(openers.websocket, config, events);
  try {
    const link = await Promise.any([first.promise, second.promise]);
    if (link.transport === 'webtransport') {
      second.cancel();
      return { link, lost: undefined };
    }
    first.cancel();
    return { link, lost: lost ?? 'no answer over UDP in time' };
  } catch {
    const words = await second.promise.catch(messageOf);
    throw new Error(`WebTransport: ${lost}. WebSocket: ${words}.`);
  }
}
