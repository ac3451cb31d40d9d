/** One link from Hello to its end: greets, pings, keeps the clock, and hands on what arrives. */
import { Clock } from './clock';
import type { Link, LinkEnd, LinkEvents } from './link/link';
import { decodePong, encodePing, PADDING, PONG_TAG } from './wire/datagram';
import { decodeFrame, FRAME_TAG, type Frame } from './wire/frame';
import {
  type Closing,
  decodeMessage,
  type Refused,
  type Roster,
  type Welcome,
} from './wire/server';
import { type ClientMessage, encodeMessage } from './wire/wire';

const FIRST_PINGS = 4;
const FIRST_PING_MS = 250;
/** A step of the server's clock is known within this time. */
const PING_MS = 1000;
const WELCOME_MS = 6000;
/**
 * After so long without a byte the device may have another address, and the page lets the server
 * answer that. A page that shows a map hears of it once a second.
 */
const QUIET_MS = 1500;
/**
 * A link is given up when this many pings in a row and this much time went by without a byte.
 * Both: a background tab's timers may run once a minute, and then silence alone says nothing.
 */
const SILENT_PINGS = 4;
const SILENT_MS = 8000;

export interface SessionEvents {
  welcome(welcome: Welcome): void;
  roster(roster: Roster): void;
  frame(frame: Frame): void;
  refused(refused: Refused): void;
  end(end: LinkEnd, closing: Closing | undefined): void;
}

export class Session implements LinkEvents {
  readonly clock = new Clock();
  private link: Link | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private quiet: ReturnType<typeof setInterval> | undefined;
  private readonly sent = new Map<number, number>();
  private echo = 0;
  private pings = 0;
  private pinged = 0;
  private unanswered = 0;
  private heard = 0;
  private closing: Closing | undefined;
  private ended = false;

  constructor(private readonly events: SessionEvents) {}

  start(link: Link, hello: ClientMessage): void {
    this.link = link;
    this.send(hello);
    this.timer = setTimeout(() => this.fail('the server sent no welcome'), WELCOME_MS);
  }

  get transport(): Link['transport'] | undefined {
    return this.link?.transport;
  }

  /** For how long nothing has arrived, in ms. */
  silence(now: number): number {
    return now - this.heard;
  }

  send(message: ClientMessage): void {
    if (!this.ended) this.link?.send(encodeMessage(message));
  }

  sendDatagram(bytes: Uint8Array<ArrayBuffer>): boolean {
    return !this.ended && (this.link?.sendDatagram(bytes) ?? false);
  }

  /** Ends the link from this side; nothing is reported any more. */
  close(): void {
    if (this.ended) return;
    this.ended = true;
    clearTimeout(this.timer);
    clearInterval(this.quiet);
    this.link?.close();
  }

  message(bytes: Uint8Array): void {
    if (this.ended) return;
    this.listen();
    try {
      const message = decodeMessage(bytes);
      if (message.type === 'Welcome') this.welcome(message);
      else if (message.type === 'Roster') this.events.roster(message);
      else if (message.type === 'Refused') this.events.refused(message);
      else this.closing = message;
    } catch (error) {
      console.error('A message could not be read.', error);
      this.fail('the server sent a message that cannot be read');
    }
  }

  datagram(bytes: Uint8Array): void {
    if (this.ended) return;
    this.listen();
    try {
      if (bytes[0] === FRAME_TAG) this.frame(decodeFrame(bytes));
      else if (bytes[0] === PONG_TAG) this.pong(bytes);
    } catch (error) {
      // A frame that does not decode is a frame lost, and the next one heals it.
      console.warn('A datagram could not be read.', error);
    }
  }

  end(end: LinkEnd): void {
    if (this.ended) return;
    this.ended = true;
    clearTimeout(this.timer);
    clearInterval(this.quiet);
    this.events.end(end, this.closing);
  }

  private listen(): void {
    this.heard = performance.now();
    this.unanswered = 0;
  }

  private welcome(welcome: Welcome): void {
    clearTimeout(this.timer);
    this.clock.welcome(welcome.time, performance.now());
    this.events.welcome(welcome);
    this.ping();
    if (this.transport === 'webtransport') {
      this.quiet = setInterval(() => this.pad(), QUIET_MS / 2);
    }
  }

  /** Sends as much as the server needs to answer an address that is new to it. */
  private pad(): void {
    if (this.silence(performance.now()) >= QUIET_MS) this.sendDatagram(PADDING);
  }

  /** Timers of a background tab are rare, so a frame that is off its time has the clock asked. */
  private frame(frame: Frame): void {
    const now = performance.now();
    const since = now - this.pinged;
    if (since >= FIRST_PING_MS && this.clock.isOdd(frame.time, now)) this.hurry();
    this.events.frame(frame);
  }

  /** Pings at once, and soon again. */
  private hurry(): void {
    this.pings = 0;
    this.ping();
  }

  private ping(): void {
    clearTimeout(this.timer);
    const now = performance.now();
    if (this.unanswered >= SILENT_PINGS && this.silence(now) > SILENT_MS) {
      this.fail('the server does not answer any more');
      return;
    }
    this.pinged = now;
    this.echo = (this.echo + 1) >>> 0;
    if (this.sent.size > 16) this.sent.clear();
    if (this.sendDatagram(encodePing(this.echo))) this.sent.set(this.echo, now);
    this.unanswered++;
    const pause = ++this.pings < FIRST_PINGS ? FIRST_PING_MS : PING_MS;
    this.timer = setTimeout(() => this.ping(), pause);
  }

  private pong(bytes: Uint8Array): void {
    const { echo, time } = decodePong(bytes);
    const sentAt = this.sent.get(echo);
    if (sentAt === undefined) return;
    this.sent.delete(echo);
    if (this.clock.pong(sentAt, time, performance.now())) this.hurry();
  }

  private fail(reason: string): void {
    if (this.ended) return;
    this.end({ code: undefined, reason });
    this.link?.close();
  }
}
