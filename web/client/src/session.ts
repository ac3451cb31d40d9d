/** One link from Hello to its end: greets, pings, keeps the clock, and passes on what arrives. */
import { Clock } from './clock.ts';
import type { Link, LinkEnd, LinkEvents } from './link/link.ts';
import { decodePong, encodePing, PADDING, PONG_TAG } from './wire/datagram.ts';
import { decodeFrame, FRAME_TAG, type Frame } from './wire/frame.ts';
import { decodeSaid, SAID_TAG, type Said } from './wire/say.ts';
import {
  type Announcement,
  type Closing,
  type Copies,
  decodeMessage,
  type Refused,
  type Roster,
  type ServerMessage,
  type Welcome,
} from './wire/server.ts';
import { type ClientMessage, encodeMessage, type Hello } from './wire/wire.ts';

const FIRST_PINGS = 4;
const FIRST_PING_MS = 250;
/**
 * Pings this often detect a step of the server's clock in time. They also say that this program
 * runs, which the server wants to hear every 10 s.
 */
const PING_MS = 1000;
const WELCOME_MS = 6000;
/**
 * After this long without a byte the device may have a new address, and padding lets the server
 * answer it. A page that shows a map hears from the server once a second.
 */
const QUIET_MS = 1500;
/**
 * A link is given up when this many pings in a row went unanswered and this much time passed
 * without a byte. Both, because a background tab's timers may run once a minute, and then silence
 * alone means nothing.
 */
const SILENT_PINGS = 4;
const SILENT_MS = 8000;
/**
 * A WebSocket that is silent this long, though a ping went out, is suspect: pongs come once a
 * second. TCP tries again more and more rarely, while a new connection tries at once; QUIC needs no
 * such help. Silence is counted in pieces, and time in which timers did not run, because the tab is
 * in the background or the computer slept, counts as one piece.
 */
const SUSPECT_MS = 1500;
const PIECE_MS = 250;

/** Receives what a session reports. */
export interface SessionEvents {
  /** Takes the welcome. */
  welcome(welcome: Welcome): void;
  /** Takes a roster. */
  roster(roster: Roster): void;
  /** Takes a frame. */
  frame(frame: Frame): void;
  /** Takes a refusal of a value. */
  refused(refused: Refused): void;
  /** Takes the server's wish for copies of poses, or for no more of them. */
  copies(copies: Copies): void;
  /** Takes a message from another; with its time on the server's clock if it is a datagram. */
  said(said: Said, time: number | undefined): void;
  /** Takes what a host shows everybody. */
  announcement(announcement: Announcement): void;
  /** Called when the link is suspect; `heard` aborts once it speaks again or ends. */
  suspect(heard: AbortSignal): void;
  /** Called once when the link ends, with the server's closing if one came. */
  end(end: LinkEnd, closing: Closing | undefined): void;
}

/** One link, from its hello to its end. */
export class Session implements LinkEvents {
  /** The server's clock. */
  readonly clock = new Clock();
  /** What this session has greeted the server with. */
  hello: Hello | undefined;
  #link: Link | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #quiet: ReturnType<typeof setInterval> | undefined;
  readonly #sent = new Map<number, number>();
  #echo = 0;
  #pings = 0;
  #pinged = 0;
  #unanswered = 0;
  #heard = 0;
  /** Pieces of silence so far. */
  #silent = 0;
  #suspected: AbortController | undefined;
  #closing: Closing | undefined;
  #ended = false;

  readonly #events: SessionEvents;

  constructor(events: SessionEvents) {
    this.#events = events;
  }

  /** Greets the server over an open link. */
  start(link: Link, hello: Hello): void {
    this.#link = link;
    this.hello = hello;
    this.send(hello);
    this.#timer = setTimeout(() => this.#fail('the server sent no welcome'), WELCOME_MS);
  }

  /** The link's transport. */
  get transport(): Link['transport'] | undefined {
    return this.#link?.transport;
  }

  /** How long nothing has arrived, in ms. */
  silence(now: number): number {
    return now - this.#heard;
  }

  /** Sends a reliable message, unless the link has ended. */
  send(message: ClientMessage): void {
    if (!this.#ended) this.#link?.send(encodeMessage(message));
  }

  /** Sends a datagram; false: the lane is busy, or the link has ended. */
  sendDatagram(bytes: Uint8Array<ArrayBuffer>): boolean {
    return !this.#ended && (this.#link?.sendDatagram(bytes) ?? false);
  }

  /** Closes the link from this side; nothing is reported afterwards. */
  close(): void {
    if (this.#ended) return;
    this.#finish();
    this.#link?.close();
  }

  /** Takes a reliable message. */
  message(bytes: Uint8Array): void {
    if (this.#ended) return;
    this.#listen();
    try {
      this.#handle(decodeMessage(bytes));
    } catch (error) {
      console.error('Invalid message:', error);
      this.#fail('the server sent an invalid message');
    }
  }

  #handle(message: ServerMessage): void {
    switch (message.type) {
      case 'Welcome':
        this.#welcome(message);
        break;
      case 'Roster':
        this.#events.roster(message);
        break;
      case 'Refused':
        this.#events.refused(message);
        break;
      case 'Copies':
        this.#events.copies(message);
        break;
      case 'Said':
        this.#events.said(message, undefined);
        break;
      case 'Announcement':
        this.#events.announcement(message);
        break;
      case 'Closing':
        this.#closing = message;
    }
  }

  /** Takes a datagram. */
  datagram(bytes: Uint8Array): void {
    if (this.#ended) return;
    this.#listen();
    try {
      if (bytes[0] === FRAME_TAG) this.#frame(decodeFrame(bytes));
      else if (bytes[0] === PONG_TAG) this.#pong(bytes);
      else if (bytes[0] === SAID_TAG) this.#said(bytes);
    } catch (error) {
      // A frame that does not decode counts as lost; the next one repairs it.
      console.warn('Invalid datagram:', error);
    }
  }

  /** Takes the link's end. */
  end(end: LinkEnd): void {
    if (this.#ended) return;
    this.#finish();
    this.#events.end(end, this.#closing);
  }

  #finish(): void {
    this.#ended = true;
    clearTimeout(this.#timer);
    clearInterval(this.#quiet);
    this.#suspected?.abort();
  }

  #listen(): void {
    this.#heard = performance.now();
    this.#unanswered = 0;
    this.#silent = 0;
    this.#suspected?.abort();
    this.#suspected = undefined;
  }

  #welcome(welcome: Welcome): void {
    clearTimeout(this.#timer);
    this.clock.welcome(welcome.time, performance.now());
    this.#events.welcome(welcome);
    this.#ping();
    this.#quiet =
      this.transport === 'webtransport'
        ? setInterval(() => this.#pad(), QUIET_MS / 2)
        : setInterval(() => this.#watch(), PIECE_MS);
  }

  #watch(): void {
    this.#silent++;
    if (this.#suspected || this.#silent * PIECE_MS < SUSPECT_MS || this.#unanswered === 0) return;
    this.#suspected = new AbortController();
    this.#events.suspect(this.#suspected.signal);
  }

  /** Sends enough bytes for the server to answer an address that is new to it. */
  #pad(): void {
    if (this.silence(performance.now()) >= QUIET_MS) this.sendDatagram(PADDING);
  }

  /** A background tab's timers rarely run, so a frame whose time is off prompts a ping. */
  #frame(frame: Frame): void {
    const now = performance.now();
    const since = now - this.#pinged;
    if (since >= FIRST_PING_MS && this.clock.isOdd(frame.time, now)) this.#hurry();
    this.#events.frame(frame);
  }

  /** Pings at once and again soon. */
  #hurry(): void {
    this.#pings = 0;
    this.#ping();
  }

  #ping(): void {
    clearTimeout(this.#timer);
    const now = performance.now();
    if (this.#unanswered >= SILENT_PINGS && this.silence(now) > SILENT_MS) {
      this.#fail('the server stopped answering');
      return;
    }
    this.#pinged = now;
    this.#echo = (this.#echo + 1) >>> 0;
    if (this.#sent.size > 16) this.#sent.clear();
    if (this.sendDatagram(encodePing(this.#echo))) this.#sent.set(this.#echo, now);
    this.#unanswered++;
    const pause = ++this.#pings < FIRST_PINGS ? FIRST_PING_MS : PING_MS;
    this.#timer = setTimeout(() => this.#ping(), pause);
  }

  #pong(bytes: Uint8Array): void {
    const { echo, time } = decodePong(bytes);
    const sentAt = this.#sent.get(echo);
    if (sentAt === undefined) return;
    this.#sent.delete(echo);
    if (this.clock.pong(sentAt, time, performance.now())) this.#hurry();
  }

  #said(bytes: Uint8Array): void {
    const { time, said } = decodeSaid(bytes);
    this.#events.said(said, time);
  }

  #fail(reason: string): void {
    if (this.#ended) return;
    this.end({ code: undefined, reason });
    this.#link?.close();
  }
}
