/** Opens links; the first one opens while the rest of the page still loads. */

import type { Keep } from '../storage.ts';
import type { Words } from './fault.ts';
import type { Config, Link, LinkEnd, LinkEvents, Transport } from './link.ts';
import { type Openers, openOnly, RaceError, race } from './race.ts';

/** How long connections skip WebTransport after WebSocket won a race. */
export const REMEMBER_MS = 5 * 60_000;

/** How links are opened. */
export interface OpenOptions {
  /** How each transport opens. */
  openers: Openers;
  /** The only transport to try; undefined for both. */
  transport: Transport | undefined;
  /** Where the winner of a race is remembered. */
  storage: Keep;
  /** Says why a transport did not open. */
  words: Words;
}

/** An open link. */
export interface Opened {
  /** The link. */
  link: Link;
  /** Why WebTransport lost, if it was tried lately; resolves once that is known. */
  lost?: Promise<string>;
}

/** Opens a link by the better transport. Rejects with a message for the user. */
export async function openLink(
  { openers, transport, storage, words }: OpenOptions,
  config: Config,
  events: LinkEvents,
): Promise<Opened> {
  try {
    if (transport) return { link: (await openOnly(transport, openers, config, events)).link };
    const left = Number(storage.getItem(WEBSOCKET_UNTIL)) - Date.now();
    const why = storage.getItem(LOST);
    // A longer time than is ever remembered means that the clock was set back.
    if (why !== null && left > 0 && left <= REMEMBER_MS) {
      const { link } = await openOnly('websocket', openers, config, events);
      return { link, lost: Promise.resolve(why) };
    }
    const { link, lost } = await race(openers, config, events);
    if (!lost) return { link };
    return {
      link,
      lost: lost.then((fault) => {
        const why = words.lost(fault, config);
        // A transport that was only slower may be faster next time.
        if (fault !== 'slow') {
          storage.setItem(WEBSOCKET_UNTIL, String(Date.now() + REMEMBER_MS));
          storage.setItem(LOST, why);
        }
        return why;
      }),
    };
  } catch (error) {
    if (!(error instanceof RaceError)) throw error;
    throw new Error(words.none(error.faults, config));
  }
}

/** A link that opens before its session exists. The server stays silent until it is greeted. */
export class EarlyLink implements LinkEvents {
  readonly #winner: Promise<Opened>;
  #session: LinkEvents | undefined;
  #over = false;

  constructor(options: OpenOptions, config: Config) {
    this.#winner = openLink(options, config, this);
    // A failure is reported to `take`; without a taker it does not matter.
    this.#winner.catch(() => undefined);
  }

  /** Hands the link over; undefined if the server gave it up first. */
  async take(session: LinkEvents): Promise<Opened | undefined> {
    const winner = await this.#winner;
    if (this.#over) return undefined;
    this.#session = session;
    return winner;
  }

  /** Closes the link when nothing will take it. */
  close(): void {
    this.#winner.then(({ link }) => link.close()).catch(() => undefined);
  }

  /** Passes a message on to the session. */
  message(bytes: Uint8Array): void {
    this.#session?.message(bytes);
  }

  /** Passes a datagram on to the session. */
  datagram(bytes: Uint8Array): void {
    this.#session?.datagram(bytes);
  }

  /** Passes the end on, or remembers it. */
  end(end: LinkEnd): void {
    this.#over = true;
    this.#session?.end(end);
  }
}

const WEBSOCKET_UNTIL = 'gpys.websocket-until';
const LOST = 'gpys.webtransport-lost';
