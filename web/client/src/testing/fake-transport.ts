import type { Config, Link, LinkEvents, Opener, Transport } from '../link/link.ts';
import { type Hello, Presence, VERSION } from '../wire/wire.ts';

export const CONFIG: Config = {
  protocol: 2,
  webtransport: 'https://localhost:4433/wt',
  websocket: 'wss://localhost:4433/ws',
  venue: null,
  map: { style: null, pmtiles: null },
};

/** A hello of a peer that shares, and asks for nothing else. */
export const HELLO: Hello = {
  type: 'Hello',
  version: VERSION,
  room: 'lobby',
  name: '',
  presence: Presence.Sharing,
  resume: null,
  budget: 0,
  viewport: null,
  access: null,
  sharing: { approximate: false, seconds: 0 },
  space: null,
  layout: null,
  profile: '',
};

/** The bytes of a welcome for peer 5, which may share, to a room of this kind. */
export function welcomeTo(...kind: number[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from([
    ...[0, 2, 5, ...new Array(16).fill(0xaa), ...new Array(16).fill(0xbb), 0, 100, 30],
    ...[0xfb, 0, 4, 30, 0xfb, 0, 4, 0xfb, 0, 4, 0xfb, 0, 4, 0xfb, 0, 4, 0xfb, 0, 4, 1],
    ...kind,
    // The number of rosters.
    1,
  ]);
}

/** A welcome to a room on the earth, without state. */
export const WELCOME = welcomeTo(0, 0);

/** A transport that opens or fails after a while, and stands in for the server. */
export class FakeTransport {
  opens: {
    at: number;
    aborted: boolean;
    closed: boolean;
    sent: Uint8Array[];
    datagrams: Uint8Array[];
    events: LinkEvents;
  }[] = [];

  constructor(
    private readonly transport: Transport,
    public after: number,
    public fails = false,
  ) {}

  readonly open: Opener = (_config, events, signal) => {
    const attempt = {
      at: performance.now(),
      aborted: false,
      closed: false,
      sent: [] as Uint8Array[],
      datagrams: [] as Uint8Array[],
      events,
    };
    this.opens.push(attempt);
    const link: Link = {
      transport: this.transport,
      send: (message) => attempt.sent.push(message),
      sendDatagram: (bytes) => attempt.datagrams.push(bytes) > 0,
      close: () => {
        attempt.closed = true;
      },
    };
    return new Promise((resolve, reject) => {
      signal.addEventListener('abort', () => {
        attempt.aborted = true;
        reject(new Error('aborted'));
      });
      setTimeout(() => (this.fails ? reject(new Error('refused')) : resolve(link)), this.after);
    });
  };

  get last() {
    return this.opens.at(-1)!;
  }
}
