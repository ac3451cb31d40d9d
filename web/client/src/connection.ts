/** Stays connected: chooses a transport, reconnects after a loss, and keeps the identity. */
import { openBeside } from './link/beside.ts';
import { type EarlyLink, type OpenOptions, openLink } from './link/early.ts';
import { type Config, type LinkEnd, messageOf, type Transport } from './link/link.ts';
import { Session, type SessionEvents } from './session.ts';
import type { Keep } from './storage.ts';
import type { Closing, Welcome } from './wire/server.ts';
import { type ClientMessage, type Hello, VERSION } from './wire/wire.ts';

/** The first wait before reconnecting, in ms. */
export const BACKOFF_MS = 500;
/** The longest wait before reconnecting, in ms. */
export const BACKOFF_MAX_MS = 20_000;
/** The close code of who has left. */
const BYE = 0;
/** A link that lived this long was good: the next loss starts the backoff afresh. */
const GOOD_MS = 5000;

/** The state of a connection. */
export type State =
  | { phase: 'connecting' }
  | { phase: 'live'; transport: Transport; lost: string | undefined }
  | { phase: 'waiting'; until: number; reason: string; code: number | undefined }
  | { phase: 'ended'; reason: string; code: number | undefined };

/** What a hello says besides the version and the token. */
export type Greeting = Omit<Hello, 'type' | 'version' | 'resume'>;

/** How to connect. */
export interface ConnectOptions extends OpenOptions {
  /** Fetches the server's configuration before each link. */
  config(): Promise<Config>;
  /** Returns what the next hello says. */
  greeting(): Greeting;
  /** A link opened earlier, for the first connection. */
  early?: EarlyLink | undefined;
  /** Whether the stored token is this tab's own; a duplicated tab has its twin's. */
  mayResume: boolean;
  /** Whether to reconnect although the server says with this code not to. */
  renews?: ((code: number) => boolean) | undefined;
  /** Numbers from 0 to 1; `Math.random` by default. */
  random?: () => number;
}

/** Receives what a connection reports. */
export interface ConnectEvents extends Omit<SessionEvents, 'suspect' | 'end'> {
  /** Takes the new state. */
  state(state: State): void;
}

/** The wait before the reconnect with this number, in ms. */
export function backoff(attempt: number, random: () => number): number {
  const base = Math.min(BACKOFF_MAX_MS, BACKOFF_MS * 2 ** attempt);
  return Math.min(BACKOFF_MAX_MS, Math.max(BACKOFF_MS, base * (0.75 + random() / 2)));
}

/** One peer's link, replaced whenever it breaks. */
export class Connection {
  /** The current state. */
  state: State = { phase: 'connecting' };
  /** The current link's session. */
  session: Session | undefined;
  /** A session that has greeted beside the current one, which is silent. */
  #second: Session | undefined;
  /** Aborted once the current link, if it is silent, speaks. */
  #heard: AbortSignal | undefined;

  #attempt = 0;
  #turn = 0;
  #welcomedAt: number | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #token: Uint8Array | null = null;
  #config: Config | undefined;
  #early: EarlyLink | undefined;
  /** Called when the link ends after a `Leave`. */
  #left: (() => void) | undefined;
  readonly #random: () => number;

  readonly #options: ConnectOptions;
  readonly #events: ConnectEvents;

  constructor(options: ConnectOptions, events: ConnectEvents) {
    this.#options = options;
    this.#events = events;
    this.#random = options.random ?? Math.random;
    this.#early = options.early;
    if (options.mayResume) this.#token = loadToken(options.storage);
  }

  /** Connects now, whatever the state: at the start, after a wait, or for a new name. */
  connect(): void {
    this.#stop();
    this.#set({ phase: 'connecting' });
    void this.#open(this.#turn);
  }

  /** Reconnects now if a reconnect is due later: the network or the tab is back. */
  hurry(): void {
    if (this.state.phase === 'waiting') this.connect();
  }

  /**
   * Ends the link without a `Leave`, so that the token still brings the peer back, for instance
   * after a reload.
   */
  close(): void {
    this.#stop();
  }

  /** Leaves for good: sends a `Leave`, then waits up to `patience` ms for the link to end. */
  async leave(patience: number): Promise<void> {
    if (this.send({ type: 'Leave' })) {
      await new Promise<void>((done) => {
        this.#left = done;
        setTimeout(done, patience);
      });
    }
    this.#stop();
    this.#left = undefined;
    this.#token = null;
    this.#options.storage.removeItem(TOKEN);
    this.#set({ phase: 'ended', reason: 'left', code: BYE });
  }

  /** Sends the message if the link is live, and returns whether it was. */
  send(message: ClientMessage): boolean {
    if (this.state.phase !== 'live') return false;
    this.session?.send(message);
    return true;
  }

  #stop(): void {
    this.#turn++;
    clearTimeout(this.#timer);
    this.session?.close();
    this.#second?.close();
    this.session = undefined;
    this.#second = undefined;
  }

  #set(state: State): void {
    this.state = state;
    this.#events.state(state);
  }

  async #open(turn: number): Promise<void> {
    let lost: string | undefined;
    const session = this.#newSession(() => lost);
    try {
      const config = await this.#options.config();
      if (turn !== this.#turn) return;
      this.#config = config;
      const early = this.#early;
      this.#early = undefined;
      const winner =
        (await early?.take(session)) ?? (await openLink(this.#options, config, session));
      // The reason may be known only some time after the link went live.
      void winner.lost?.then((why) => {
        lost = why;
        if (session === this.session && this.state.phase === 'live') {
          this.#set({ ...this.state, lost });
        }
      });
      if (turn !== this.#turn) {
        winner.link.close();
        return;
      }
      this.session = session;
      session.start(winner.link, this.#hello());
    } catch (error) {
      if (turn === this.#turn) this.#retry(messageOf(error), undefined, undefined);
    }
  }

  #newSession(lost: () => string | undefined): Session {
    const session: Session = new Session({
      ...this.#events,
      welcome: (welcome) => this.#welcome(session, welcome, lost()),
      suspect: (heard) => {
        this.#heard = heard;
        void this.#openSecond(heard);
      },
      end: (end, closing) => this.#ended(session, end, closing),
    });
    return session;
  }

  #hello(): Hello {
    const token = this.#token;
    return { ...this.#options.greeting(), type: 'Hello', version: VERSION, resume: token };
  }

  /**
   * Opens a second link beside one that has fallen silent. The one that speaks first is kept: the
   * second is dropped if the first speaks before it, else greeted, and the server then closes the
   * first.
   */
  async #openSecond(heard: AbortSignal): Promise<void> {
    const { session: first } = this;
    const turn = this.#turn;
    const config = this.#config;
    if (!first || !config || this.#second) return;
    const second = this.#newSession(() =>
      this.state.phase === 'live' ? this.state.lost : undefined,
    );
    const open = (signal: AbortSignal) => this.#options.openers.websocket(config, second, signal);
    const link = await openBeside(open, heard, first.clock.roundTrip ?? 0);
    if (!link) return;
    const hello = turn === this.#turn && !heard.aborted ? this.#hello() : undefined;
    // What the hello says may have made the client connect again.
    if (!hello || turn !== this.#turn) {
      link.close();
      return;
    }
    this.#second = second;
    second.start(link, hello);
  }

  #welcome(session: Session, welcome: Welcome, lost: string | undefined): void {
    if (session === this.#second) {
      this.session?.close();
      this.session = session;
      this.#second = undefined;
    }
    this.#token = welcome.token;
    saveToken(this.#options.storage, welcome.token);
    this.#welcomedAt = performance.now();
    this.#events.welcome(welcome);
    this.#set({ phase: 'live', transport: session.transport!, lost });
  }

  #ended(session: Session, end: LinkEnd, closing: Closing | undefined): void {
    // Of two links, the end of one leaves the other.
    if (session === this.#second) {
      this.#second = undefined;
      if (this.session && this.#heard) void this.#openSecond(this.#heard);
      if (this.session) return;
    } else {
      this.session = undefined;
      if (this.#second) return;
    }
    if (this.#left) {
      this.#left();
      return;
    }
    const good = this.#welcomedAt !== undefined && performance.now() - this.#welcomedAt > GOOD_MS;
    if (good) this.#attempt = 0;
    this.#welcomedAt = undefined;
    const code = closing?.code ?? end.code;
    const reason = closing?.reason || end.reason;
    const isFinal = closing?.retry_ms === null && !this.#options.renews?.(closing.code);
    if (isFinal) this.#set({ phase: 'ended', code, reason });
    else this.#retry(reason, code, closing?.retry_ms ?? undefined);
  }

  #retry(reason: string, code: number | undefined, after: number | undefined): void {
    this.#turn++;
    const own = backoff(this.#attempt++, this.#random);
    const wait = after === undefined ? own : after * (1 + this.#random());
    // Set before the state, because its listeners may close the connection.
    this.#timer = setTimeout(() => this.connect(), wait);
    this.#set({ phase: 'waiting', until: performance.now() + wait, reason, code });
  }
}

const TOKEN = 'gpys.token';

function loadToken(storage: Keep): Uint8Array | null {
  const bytes = storage.getItem(TOKEN)?.split(',').map(Number) ?? [];
  const isToken = bytes.length === 16 && bytes.every((it) => it >= 0 && it < 256);
  return isToken ? Uint8Array.from(bytes) : null;
}

function saveToken(storage: Keep, token: Uint8Array): void {
  storage.setItem(TOKEN, token.join(','));
}
