/** Opens links: the first one while the rest of the page still loads. */

import type { Keep } from '../storage';
import type { Config, Link, LinkEnd, LinkEvents, Transport } from './link';
import { type Openers, openOnly, RaceError, race } from './race';
import { type Address, whyNoLink, whyNotWebTransport } from './why';

/** After WebSocket won a race, the next connections do not wait for WebTransport again. */
export const REMEMBER_MS = 5 * 60_000;

export interface OpenOptions {
  openers: Openers;
  /** The only transport to use. */
  transport: Transport | undefined;
  storage: Keep;
  /** The page's own address. */
  address: Address;
}

export interface Opened {
  link: Link;
  /** Why it is not WebTransport, if that was tried lately and lost, once it is known. */
  lost?: Promise<string>;
}

/** Rejects with words for a person. */
export async function openLink(
  { openers, transport, storage, address }: OpenOptions,
  config: Config,
  events: LinkEvents,
): Promise<Opened> {
  try {
    if (transport) return { link: (await openOnly(transport, openers, config, events)).link };
    const left = Number(storage.getItem(WEBSOCKET_UNTIL)) - Date.now();
    const why = storage.getItem(LOST);
    // Longer than it is ever remembered: the clock was set back.
    if (why !== null && left > 0 && left <= REMEMBER_MS) {
      const { link } = await openOnly('websocket', openers, config, events);
      return { link, lost: Promise.resolve(why) };
    }
    const { link, lost } = await race(openers, config, events);
    if (!lost) return { link };
    return {
      link,
      lost: lost.then((fault) => {
        const why = whyNotWebTransport(fault, config, address);
        // One that was only slower may be the faster one next time.
        if (fault !== 'slow') {
          storage.setItem(WEBSOCKET_UNTIL, String(Date.now() + REMEMBER_MS));
          storage.setItem(LOST, why);
        }
        return why;
      }),
    };
  } catch (error) {
    if (!(error instanceof RaceError)) throw error;
    throw new Error(whyNoLink(error.faults, config, address));
  }
}

/** A link that opens before there is a session for it; until it is greeted a server says nothing. */
export class EarlyLink implements LinkEvents {
  private readonly winner: Promise<Opened>;
  private session: LinkEvents | undefined;
  private over = false;

  constructor(options: OpenOptions, config: Config) {
    this.winner = openLink(options, config, this);
    // Whoever takes it is told; if nobody does, nobody misses it.
    this.winner.catch(() => undefined);
  }

  /** Hands the link over, or undefined if the server gave it up before anybody came. */
  async take(session: LinkEvents): Promise<Opened | undefined> {
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
