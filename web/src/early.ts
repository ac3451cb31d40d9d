/** Opens links: the first one while the rest of the page still loads. */
import type { Config, LinkEnd, LinkEvents, Transport } from './link';
import { type Openers, openOnly, race, type Winner } from './race';
import type { Keep } from './storage';

/** After WebSocket won a race, the next connections do not wait for WebTransport again. */
export const REMEMBER_MS = 5 * 60_000;

export interface OpenOptions {
  openers: Openers;
  /** `?transport=wt|ws`. */
  force: Transport | undefined;
  storage: Keep;
}

export async function openLink(
  { openers, force, storage }: OpenOptions,
  config: Config,
  events: LinkEvents,
): Promise<Winner> {
  if (force) return openOnly(force, openers, config, events);
  const left = Number(storage.getItem(WEBSOCKET_UNTIL)) - Date.now();
  // Longer than it is ever remembered: the clock was set back.
  if (left > 0 && left <= REMEMBER_MS) {
    const winner = await openOnly('websocket', openers, config, events);
    return { ...winner, lost: storage.getItem(LOST) ?? 'no answer over UDP in time' };
  }
  const winner = await race(openers, config, events);
  if (winner.lost !== undefined) {
    storage.setItem(WEBSOCKET_UNTIL, String(Date.now() + REMEMBER_MS));
    storage.setItem(LOST, winner.lost);
  }
  return winner;
}

/** A link that opens before there is a session for it; until it is greeted a server says nothing. */
export class EarlyLink implements LinkEvents {
  private readonly winner: Promise<Winner>;
  private session: LinkEvents | undefined;
  private over = false;

  constructor(options: OpenOptions, config: Config) {
    this.winner = openLink(options, config, this);
    // Whoever takes it is told; if nobody does, nobody misses it.
    this.winner.catch(() => undefined);
  }

  /** Hands the link over, or undefined if the server gave it up before anybody came. */
  async take(session: LinkEvents): Promise<Winner | undefined> {
    const winner = await this.winner;
    if (this.over) return undefined;
    this.session = session;
    return winner;
  }

  /** Closes it, because nobody will come. */
  close(): void {
    this.winner.then(({ link }) => link.close()).catch(() => undefined);
  }

  message(bytes: Uint8Array): void {
    this.session?.message(bytes);
  }

  datagram(bytes: Uint8Array): void {
    this.session?.datagram(bytes);
  }

  end(end: LinkEnd): void {
    this.over = true;
    this.session?.end(end);
  }
}

const WEBSOCKET_UNTIL = 'gpys.websocket-until';
const LOST = 'gpys.webtransport-lost';
