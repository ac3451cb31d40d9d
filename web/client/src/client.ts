/** One peer in one room: what it shares, what it sees, and a link that comes back by itself. */
import { Connection, type State } from './connection';
import { Emitter } from './events';
import { fetchConfig } from './link/config';
import type { EarlyLink, OpenOptions } from './link/early';
import type { Config } from './link/link';
import type { Openers } from './link/race';
import { openWebSocket } from './link/websocket';
import { openWebTransport } from './link/webtransport';
import type { Address } from './link/why';
import { type Reading, Sender, sampleOf } from './sender';
import { Memory } from './storage';
import { View } from './view';
import type { Frame } from './wire/frame';
import type { Refused, Roster, Welcome } from './wire/server';
import { Presence, type Sharing, type Viewport } from './wire/wire';

/**
 * How long rosters may say that this client only watches, in ms, before it gives up sharing: on a
 * slow path its own change may still be on its way.
 */
const DENIED_MS = 5000;
/**
 * When the pose is repeated after a change to exact sharing, in ms; the new terms have arrived by
 * then.
 */
const RENEW_MS = [500, 3000];
/** How long leaving waits for the server's farewell, in ms. */
const LEAVE_MS = 2000;

/** How a client joins. */
export interface ClientOptions extends Partial<Omit<OpenOptions, 'address'>> {
  /** The room, 1 to 64 of a-z, 0-9 and `-`; `lobby` by default. */
  room?: string;
  /** The name to show to others; empty by default. */
  name?: string;
  /** The presence to begin with; `Sharing` by default. */
  presence?: Presence;
  /** What the client shows, if it knows already. */
  viewport?: Viewport | null;
  /** The access token, for a room that asks for one. */
  access?: string | null;
  /** The terms on which the client shares; exact and without an end by default. */
  sharing?: Sharing;
  /** Maximum bytes of frames per second; 0, the default, lets the server choose. */
  budget?: number;
  /**
   * Maximum frames per second, 1 to 255, such as a display draws; 0, the default, for as many as
   * the server can afford.
   */
  maxFramesHz?: number;
  /** Whether to come back as the peer whose token is in `storage`; true by default. */
  mayResume?: boolean;
  /** Closes the client when aborted. */
  signal?: AbortSignal;
  /** The origin of the page that runs this client; taken from the runtime by default. */
  origin?: string;
  /** Fetches the server's configuration before each link; {@link fetchConfig} by default. */
  config?: () => Promise<Config>;
  /** A link opened ahead of the client, for its first connection. */
  early?: EarlyLink | undefined;
}

/** The events of a {@link Client}. */
export interface ClientEvents {
  /** The link's state has changed. */
  state: State;
  /** A hello is about to be sent. Whatever the setters are given now is part of it. */
  hello: undefined;
  /** The server has let this client in. */
  welcome: Welcome;
  /** A roster has arrived, and the view includes it. */
  roster: Roster;
  /** A frame has arrived, and the view includes it; `ages` are those of new samples, in ms. */
  frame: { frame: Frame; ages: readonly number[] };
  /** The view shows something new. */
  change: undefined;
  /** The server did not take a value. */
  refused: Refused;
  /** Sharing has ended because its time is over, or because the server ended it. */
  withdrawn: undefined;
}

/** One peer. Its link is replaced when it breaks. */
export class Client {
  /** Who is where. */
  readonly view = new View();

  private readonly events = new Emitter<ClientEvents>();
  private readonly sender = new Sender();
  private readonly connection: Connection;
  private readonly room: string;
  private name: string;
  private presence: Presence;
  private viewport: Viewport | null;
  private access: string | null;
  private terms: Sharing;
  private budget: number;
  private maxFramesHz: number;
  /** When sharing ends, on the wall clock in ms. */
  private ends: number | undefined;
  /** The last presence sent on this link. */
  private announced: Presence | undefined;
  private denied: ReturnType<typeof setTimeout> | undefined;
  private welcomed: Welcome | undefined;
  private clock: { at(now: number): number | undefined } | undefined;

  /** Prepares a client of the server at `url`; {@link Client.connect} opens its link. */
  constructor(url: string | URL, options: ClientOptions = {}) {
    const address = addressOf(url, options.origin);
    this.room = options.room ?? 'lobby';
    this.name = options.name ?? '';
    this.presence = options.presence ?? Presence.Sharing;
    this.viewport = options.viewport ?? null;
    this.access = options.access ?? null;
    this.budget = options.budget ?? 0;
    this.maxFramesHz = options.maxFramesHz ?? 0;
    this.terms = options.sharing ?? { approximate: false, seconds: 0 };
    this.ends = endOf(this.terms);
    this.connection = new Connection(
      {
        openers: options.openers ?? OPENERS,
        transport: options.transport,
        storage: options.storage ?? new Memory(),
        address,
        early: options.early,
        config: options.config ?? (() => fetchConfig(address)),
        greeting: () => this.greeting(),
        mayResume: options.mayResume ?? true,
      },
      {
        welcome: (welcome) => this.handleWelcome(welcome),
        roster: (roster) => this.handleRoster(roster),
        frame: (frame) => this.handleFrame(frame),
        refused: (refused) => this.events.emit('refused', refused),
        copies: ({ wanted }) => {
          this.sender.copies = wanted;
        },
        state: (state) => this.handleState(state),
      },
    );
    options.signal?.addEventListener('abort', () => this.close(), { once: true });
  }

  /** Calls `listener` at each event of this name; the returned function ends that. */
  on<Name extends keyof ClientEvents>(
    name: Name,
    listener: (value: ClientEvents[Name]) => void,
  ): () => void {
    return this.events.on(name, listener);
  }

  /** The link's state. */
  get state(): State {
    return this.connection.state;
  }

  /** The newest welcome: who this client is, and what the server allows. */
  get welcome(): Welcome | undefined {
    return this.welcomed;
  }

  /** The link's newest round trip in ms, once measured. */
  get roundTrip(): number | undefined {
    return this.connection.session?.clock.roundTrip;
  }

  /** The server's time at the local time `now`, even while the link is lost. */
  serverTime(now: number): number | undefined {
    return this.clock?.at(now);
  }

  /** How long a live link has been silent, in ms; 0 without a live link. */
  silence(now: number): number {
    return (this.state.phase === 'live' && this.connection.session?.silence(now)) || 0;
  }

  /** Opens a new link now, replacing any current one. */
  connect(): void {
    this.connection.connect();
  }

  /** Reconnects now instead of waiting: the network or the page is back. */
  hurry(): void {
    this.connection.hurry();
  }

  /** Closes the link without leaving: the peer fades, and its token brings it back for a while. */
  close(): void {
    this.undeny();
    this.connection.close();
  }

  /** Leaves for good. Waits at most 2 s for the server to know. */
  async leave(): Promise<void> {
    this.undeny();
    await this.connection.leave(LEAVE_MS);
  }

  /**
   * Sends where this client is. The newest reading wins: it replaces one that still waits for its
   * turn, and one equal to the last is not sent. `null` means that there is no position any more,
   * and ends the repeats.
   */
  send(reading: Reading | null): void {
    if (reading) this.sender.offer(sampleOf(reading));
    else this.sender.clear();
  }

  /**
   * Tells the server what the client shows. Four a second are plenty; more than ten end the link.
   */
  setViewport(viewport: Viewport): void {
    this.viewport = viewport;
    this.connection.send({ type: 'Viewport', ...viewport });
  }

  /** Tells the server whether the client shares, watches or is hidden. */
  setPresence(presence: Presence): void {
    this.presence = presence;
    if (presence !== this.announced) this.announce();
  }

  /** Sets the terms on which the client shares; `seconds` count from now. */
  setSharing(sharing: Sharing): void {
    const exact = this.terms.approximate && !sharing.approximate;
    this.terms = sharing;
    this.ends = endOf(sharing);
    this.announceTerms();
    // The server shows the cell's middle until it gets a pose on the new terms.
    if (exact) for (const wait of RENEW_MS) setTimeout(() => this.sender.renew(), wait);
  }

  /** Limits frames to this many bytes per second; 0 lets the server choose. */
  setBudget(budget: number): void {
    this.budget = budget;
    this.connection.send({ type: 'Budget', budget });
  }

  /** Limits frames to this many per second, 1 to 255; 0 for as many as the server can afford. */
  setMaxFramesHz(maxFramesHz: number): void {
    if (maxFramesHz === this.maxFramesHz) return;
    this.maxFramesHz = maxFramesHz;
    this.announcePace();
  }

  /**
   * Changes the name. Names travel in the hello, so a live link is replaced; the peer stays the
   * same.
   */
  setName(name: string): void {
    if (name === this.name) return;
    this.name = name;
    if (this.state.phase === 'live') this.connect();
  }

  /** Changes the access token, and connects with it. */
  setAccess(access: string | null): void {
    this.access = access;
    this.connect();
  }

  private greeting() {
    this.events.emit('hello', undefined);
    if (this.ends !== undefined && this.ends <= Date.now()) this.withdraw();
    const { room, name, presence, viewport, access, budget } = this;
    return { room, name, presence, viewport, access, budget, sharing: this.sharing() };
  }

  private handleWelcome(welcome: Welcome): void {
    const session = this.connection.session!;
    this.welcomed = welcome;
    this.clock = session.clock;
    this.view.handleMessage(welcome);
    this.sender.open({
      sendDatagram: (bytes) => session.sendDatagram(bytes),
      serverTime: (at) => session.clock.at(at),
      poseHz: welcome.limits.pose_hz,
    });
    this.events.emit('welcome', welcome);
    this.events.emit('change', undefined);
  }

  private handleRoster(roster: Roster): void {
    this.changing(() => this.view.handleMessage(roster));
    this.watchVerdict();
    this.events.emit('roster', roster);
  }

  private handleFrame(frame: Frame): void {
    const ages = this.changing(() => this.view.handleFrame(frame));
    this.events.emit('frame', { frame, ages });
  }

  private handleState(state: State): void {
    if (state.phase === 'live') {
      // Changes between the hello and the welcome could not be sent, and of two hellos in a race
      // the older one may have won. So repeat everything.
      this.announceTerms();
      this.announce();
      if (this.viewport) this.connection.send({ type: 'Viewport', ...this.viewport });
      // Every link begins without a limit.
      if (this.maxFramesHz !== 0) this.announcePace();
    } else {
      this.sender.close();
    }
    this.events.emit('state', state);
  }

  private changing<T>(apply: () => T): T {
    const before = this.view.changes;
    const result = apply();
    if (this.view.changes !== before) this.events.emit('change', undefined);
    return result;
  }

  private announce(): void {
    const { presence } = this;
    if (!this.connection.send({ type: 'Presence', presence })) return;
    this.announced = presence;
    this.undeny();
  }

  private announceTerms(): void {
    this.connection.send({ type: 'Sharing', ...this.sharing() });
  }

  private announcePace(): void {
    this.connection.send({ type: 'Pace', max_frames_hz: this.maxFramesHz });
  }

  /** The terms with the remaining time, never more than was set, however the clock was moved. */
  private sharing(): Sharing {
    const { approximate, seconds } = this.terms;
    const left = this.ends === undefined ? 0 : Math.ceil((this.ends - Date.now()) / 1000);
    return {
      approximate,
      seconds: this.ends === undefined ? 0 : Math.max(1, Math.min(left, seconds)),
    };
  }

  /**
   * Gives up sharing when the server insists that this client only watches: the server keeps the
   * time, too.
   */
  private watchVerdict(): void {
    const isDenied = (): boolean =>
      this.announced === Presence.Sharing &&
      this.welcomed !== undefined &&
      this.view.presenceOf(this.welcomed.id) === Presence.Watching;
    if (!isDenied()) this.undeny();
    else this.denied ??= setTimeout(() => isDenied() && this.withdraw(), DENIED_MS);
  }

  private undeny(): void {
    clearTimeout(this.denied);
    this.denied = undefined;
  }

  private withdraw(): void {
    this.undeny();
    this.ends = undefined;
    this.sender.clear();
    this.setPresence(Presence.Watching);
    this.events.emit('withdrawn', undefined);
  }
}

const OPENERS: Openers = { webtransport: openWebTransport, websocket: openWebSocket };

/** Pages and workers know their origin; in other runtimes the server's own stands in. */
function addressOf(url: string | URL, origin: string | undefined): Address {
  const { protocol, host, origin: own } = new URL(url);
  return { protocol, host, origin: origin ?? globalThis.origin ?? own };
}

function endOf({ seconds }: Sharing): number | undefined {
  return seconds > 0 ? Date.now() + seconds * 1000 : undefined;
}
