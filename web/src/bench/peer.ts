/** One link of the benchmark, by one transport only: it sends the walk, and receives. */
import {
  after,
  type Config,
  encodeOrientation,
  type Fault,
  type Frame,
  fromEuler,
  type Link,
  type LinkEvents,
  messageOf,
  NO_MOTION,
  openOnly,
  Presence,
  RaceError,
  Sender,
  Session,
  stateBits,
  type Transport,
  VERSION,
  View,
  type Welcome,
  whyNoSession,
  whyNotWebSocket,
  whyNotWebTransport,
} from '@gpys/client/parts';
import { OPENERS } from '../device/policy';
import { spotOf, VIEWPORT } from './walk';

/** Sends as many bytes as a peer with a motion sensor. */
const HELD = encodeOrientation(fromEuler(0, 0, 0));

export type PeerState = 'opening' | 'live' | 'failed' | 'ended' | 'closed';

/**
 * Traffic so far. Bytes are those of the protocol's messages; a page cannot see what TLS, QUIC, TCP
 * and IP add.
 */
export interface Traffic {
  messages_received: number;
  bytes_received: number;
  messages_sent: number;
  bytes_sent: number;
  /** Moments of the room that frames showed, each counted once. */
  moments: number;
  /** The first and newest of these moments, in ms on the server's clock. */
  first: number;
  newest: number;
}

export interface PeerEvents {
  /** The peer was welcomed, failed to join, or lost its link. */
  state(peer: Peer): void;
  /** The peer's view shows something new. */
  frame(peer: Peer, now: number): void;
}

export class Peer {
  state: PeerState = 'opening';
  error: string | null = null;
  welcome: Welcome | undefined;
  /** Times since the dial, in ms. */
  readonly join = {
    open: null as number | null,
    welcome: null as number | null,
    first_frame: null as number | null,
  };
  readonly traffic: Traffic = {
    messages_received: 0,
    bytes_received: 0,
    messages_sent: 0,
    bytes_sent: 0,
    moments: 0,
    first: 0,
    newest: 0,
  };
  /** The view is not told who it is, so it shows its own peer like the others. */
  readonly view = new View();
  private readonly sender = new Sender();
  private readonly session: Session;
  private dialled = 0;

  constructor(
    readonly transport: Transport,
    private readonly events: PeerEvents,
  ) {
    this.session = new Session({
      welcome: (welcome) => this.welcomed(welcome),
      roster: (roster) => this.view.handleMessage(roster),
      frame: (frame) => this.frame(frame),
      refused: ({ reason }) => console.warn(`The server refused a value: ${reason}`),
      // A benchmark measures one link as it is.
      copies: () => undefined,
      said: () => undefined,
      announcement: () => undefined,
      suspect: () => undefined,
      end: (end, closing) => {
        const reason = closing?.reason || end.reason || 'the connection was lost';
        this.over(this.welcome ? 'ended' : 'failed', reason);
      },
    });
  }

  get roundTrip(): number | null {
    return this.session.clock.roundTrip ?? null;
  }

  async open(config: Config, room: string): Promise<void> {
    this.dialled = performance.now();
    try {
      const { link } = await openOnly(this.transport, OPENERS, config, this.counted());
      if (this.state !== 'opening') {
        link.close();
        return;
      }
      this.join.open = this.sinceDial();
      this.session.start(this.counting(link), {
        type: 'Hello',
        version: VERSION,
        room,
        name: this.transport,
        presence: Presence.Sharing,
        resume: null,
        budget: 0,
        viewport: VIEWPORT,
        access: null,
        sharing: { approximate: false, seconds: 0 },
        space: { type: 'Earth' },
        layout: null,
        profile: '',
      });
    } catch (error) {
      const fault = error instanceof RaceError ? error.faults[this.transport] : undefined;
      this.over('failed', fault ? this.whyNot(fault, config) : messageOf(error));
    }
  }

  /** Sends the walk's position with this number, taken just now. */
  walk(number: number, now: number): void {
    const { lat, lng } = spotOf(number);
    const state = { stateLow: 0, stateHigh: 0 };
    const held = { accuracy: 0, orientation: HELD, motion: NO_MOTION };
    this.sender.offer({ lat, lng, ...held, ...state, at: now });
  }

  leave(): void {
    this.sender.close();
    this.session.send({ type: 'Leave' });
    this.session.close();
    if (this.state === 'opening' || this.state === 'live') this.state = 'closed';
  }

  private whyNot(fault: Fault, config: Config): string {
    if (this.transport === 'webtransport') return whyNotWebTransport(fault, config, location);
    return whyNoSession(config, location) ?? whyNotWebSocket(fault);
  }

  private sinceDial(): number {
    return performance.now() - this.dialled;
  }

  private welcomed(welcome: Welcome): void {
    this.join.welcome = this.sinceDial();
    this.welcome = welcome;
    this.state = 'live';
    this.sender.open({
      sendDatagram: (bytes) => this.session.sendDatagram(bytes),
      serverTime: (at) => this.session.clock.at(at),
      // Samples already have a pace; a second one would only delay them.
      poseHz: Number.POSITIVE_INFINITY,
      stateBits: stateBits(welcome.kind.layout),
    });
    this.events.state(this);
  }

  private frame(frame: Frame): void {
    this.join.first_frame ??= this.sinceDial();
    const { traffic } = this;
    if (traffic.moments === 0 || after(frame.time, traffic.newest)) {
      if (traffic.moments === 0) traffic.first = frame.time;
      traffic.newest = frame.time;
      traffic.moments++;
    }
    this.view.handleFrame(frame);
    this.events.frame(this, performance.now());
  }

  private over(state: PeerState, error: string): void {
    if (this.state === 'closed') return;
    this.sender.close();
    this.state = state;
    this.error = error;
    this.events.state(this);
  }

  /** Counts what arrives before the session reads it. */
  private counted(): LinkEvents {
    const { session, traffic } = this;
    const count = (bytes: Uint8Array): void => {
      traffic.messages_received++;
      traffic.bytes_received += bytes.length;
    };
    return {
      message: (bytes) => {
        count(bytes);
        session.message(bytes);
      },
      datagram: (bytes) => {
        count(bytes);
        session.datagram(bytes);
      },
      end: (end) => session.end(end),
    };
  }

  private counting(link: Link): Link {
    const { traffic } = this;
    const count = (bytes: Uint8Array): void => {
      traffic.messages_sent++;
      traffic.bytes_sent += bytes.length;
    };
    return {
      transport: link.transport,
      send: (bytes) => {
        count(bytes);
        link.send(bytes);
      },
      sendDatagram: (bytes) => {
        const taken = link.sendDatagram(bytes);
        if (taken) count(bytes);
        return taken;
      },
      close: () => link.close(),
    };
  }
}
