/** A network that is as bad as a program wants it, between a room and its real links. */
import type { Link, LinkEvents, Network, Opener } from '@gpys/client';

/** How bad a network is. */
export interface Weather {
  /** Delay each way, in ms. */
  delay: number;
  /** Share of what is lost each way, 0 to 1. */
  loss: number;
}

/** What has passed a network. */
export interface Traffic {
  /** Messages and datagrams that came. */
  received: number;
  /** Their bytes, without those of TLS, QUIC, TCP and IP. */
  receivedBytes: number;
  /** Messages and datagrams that were sent. */
  sent: number;
  /** Their bytes. */
  sentBytes: number;
  /** Of both, those that this network has lost. */
  lost: number;
}

/** TCP and QUIC repeat what was lost after at least this long, in ms. */
const REPEAT_MS = 200;

/**
 * Delays and loses what a room sends and gets, as its transport would: a lost datagram of
 * WebTransport is gone; what is reliable, and everything over WebSocket, waits for its repeat, and
 * all that follows waits behind it.
 */
export class BadNetwork implements Network {
  /** What has passed so far. */
  readonly traffic: Traffic = { received: 0, receivedBytes: 0, sent: 0, sentBytes: 0, lost: 0 };
  readonly #random: () => number;
  #weather: Weather = { delay: 0, loss: 0 };

  /** Starts with this weather; `random` returns numbers from 0 to 1. */
  constructor(weather: Partial<Weather> = {}, random: () => number = Math.random) {
    this.#random = random;
    this.set(weather);
  }

  /** How bad it is now. */
  get weather(): Readonly<Weather> {
    return this.#weather;
  }

  /** Changes how bad it is, for what is sent from now on. */
  set(weather: Partial<Weather>): void {
    this.#weather = { ...this.#weather, ...weather };
  }

  /** Puts this network before the links that `open` opens. */
  wrap(open: Opener): Opener {
    return async (config, events, signal) => {
      const opened: { link?: Link } = {};
      const link = await open(config, this.#down(events, opened), signal);
      opened.link = link;
      return this.#up(link);
    };
  }

  #down(events: LinkEvents, opened: { link?: Link }): LinkEvents {
    const reliable = this.#lane();
    const count = (bytes: Uint8Array): void => {
      this.traffic.received++;
      this.traffic.receivedBytes += bytes.length;
    };
    return {
      message: (bytes) => {
        count(bytes);
        reliable(() => events.message(bytes));
      },
      datagram: (bytes) => {
        count(bytes);
        if (opened.link?.transport === 'websocket') reliable(() => events.datagram(bytes));
        else this.#datagram(() => events.datagram(bytes));
      },
      end: (end) => events.end(end),
    };
  }

  #up(link: Link): Link {
    const reliable = this.#lane();
    const count = (bytes: Uint8Array): void => {
      this.traffic.sent++;
      this.traffic.sentBytes += bytes.length;
    };
    return {
      transport: link.transport,
      send: (bytes) => {
        count(bytes);
        reliable(() => link.send(bytes));
      },
      sendDatagram: (bytes) => {
        count(bytes);
        const send = (): void => void link.sendDatagram(bytes);
        if (link.transport === 'websocket') reliable(send);
        else this.#datagram(send);
        return true;
      },
      // What was sent before still leaves.
      close: () => reliable(() => link.close()),
    };
  }

  /** Lets what is given to it happen in order, however late. */
  #lane(): (happen: () => void) => void {
    let due = 0;
    return (happen) => {
      const repeat = this.#isLost() ? REPEAT_MS + 2 * this.#weather.delay : 0;
      const now = performance.now();
      due = Math.max(due, now + this.#weather.delay + repeat);
      if (due <= now) happen();
      else setTimeout(happen, due - now);
    };
  }

  #datagram(happen: () => void): void {
    if (this.#isLost()) return;
    if (this.#weather.delay > 0) setTimeout(happen, this.#weather.delay);
    else happen();
  }

  #isLost(): boolean {
    const isLost = this.#random() < this.#weather.loss;
    if (isLost) this.traffic.lost++;
    return isLost;
  }
}
