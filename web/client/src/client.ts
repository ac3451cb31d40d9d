/** One peer in one room: what it shares, what it sees, and a link that comes back by itself. */
import { Connection, type Greeting, type State } from './connection.ts';
import { Emitter } from './events.ts';
import { Hearing } from './hearing.ts';
import { TERSE } from './link/fault.ts';
import type { ClientEvents, ClientOptions, Lane } from './options.ts';
import { type PlaneReading, type Reading, Sender, sampleOf, sampleOn } from './sender.ts';
import { Memory } from './storage.ts';
import { Talk } from './talk.ts';
import { View } from './view.ts';
import type { Frame } from './wire/frame.ts';
import type { Viewport } from './wire/geo.ts';
import { stateBits } from './wire/kind.ts';
import type { Said, Say } from './wire/say.ts';
import type { Roster, Welcome } from './wire/server.ts';
import { type HostAction, Presence, type Sharing } from './wire/wire.ts';

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

/** One peer. Its link is replaced when it breaks. */
export class Client {
  /** Who is where. */
  readonly view = new View();

  readonly #events = new Emitter<ClientEvents>();
  readonly #sender = new Sender();
  readonly #talk = new Talk();
  readonly #hearing = new Hearing();
  readonly #connection: Connection;
  /** What the next hello says, but for access and terms. */
  readonly #hello: Omit<Greeting, 'access' | 'sharing'>;
  #access: NonNullable<ClientOptions['access']> | null;
  #terms: Sharing;
  #maxFramesHz: number;
  /** When sharing ends, on the wall clock in ms. */
  #ends: number | undefined;
  /** The last presence sent on this link. */
  #toldPresence: Presence | undefined;
  #denied: ReturnType<typeof setTimeout> | undefined;
  #welcomed: Welcome | undefined;
  /** What a host shows everybody. */
  #announcement = '';
  #clock: { at(now: number): number | undefined } | undefined;

  /** Prepares a client; {@link Client.connect} opens its link. */
  constructor(options: ClientOptions) {
    this.#hello = {
      room: options.room ?? 'lobby',
      name: options.name ?? '',
      presence: options.presence ?? Presence.Sharing,
      viewport: options.viewport ?? null,
      budget: options.budget ?? 0,
      space: options.space ?? null,
      layout: options.layout ?? null,
      profile: options.profile ?? '',
    };
    this.#access = options.access ?? null;
    this.#maxFramesHz = options.maxFramesHz ?? 0;
    this.#terms = options.sharing ?? { approximate: false, seconds: 0 };
    this.#ends = endOf(this.#terms);
    this.#connection = new Connection(
      {
        openers: options.openers,
        transport: options.transport,
        storage: options.storage ?? new Memory(),
        words: options.words ?? TERSE,
        early: options.early,
        config: options.config,
        greeting: () => this.#greeting(),
        mayResume: options.mayResume ?? true,
        renews: options.renews,
      },
      {
        welcome: (welcome) => this.#handleWelcome(welcome),
        roster: (roster) => this.#handleRoster(roster),
        frame: (frame) => this.#handleFrame(frame),
        refused: (refused) => this.#events.emit('refused', refused),
        copies: ({ wanted }) => {
          this.#sender.copies = wanted;
        },
        said: (said, time) => this.#handleSaid(said, time),
        announcement: ({ text }) => this.#handleAnnouncement(text),
        state: (state) => this.#handleState(state),
      },
    );
    options.signal?.addEventListener('abort', () => this.close(), { once: true });
  }

  /** Calls `listener` at each event of this name; the returned function ends that. */
  on<Name extends keyof ClientEvents>(
    name: Name,
    listener: (value: ClientEvents[Name]) => void,
  ): () => void {
    return this.#events.on(name, listener);
  }

  /** The link's state. */
  get state(): State {
    return this.#connection.state;
  }

  /** The newest welcome: who this client is, and what the server allows. */
  get welcome(): Welcome | undefined {
    return this.#welcomed;
  }

  /** The link's newest round trip in ms, once measured. */
  get roundTrip(): number | undefined {
    return this.#connection.session?.clock.roundTrip;
  }

  /** The server's time at the local time `now`, even while the link is lost. */
  serverTime(now: number): number | undefined {
    return this.#clock?.at(now);
  }

  /** How long a live link has been silent, in ms; 0 without a live link. */
  silence(now: number): number {
    return (this.state.phase === 'live' && this.#connection.session?.silence(now)) || 0;
  }

  /** Opens a new link now, replacing any current one. */
  connect(): void {
    this.#connection.connect();
  }

  /** Reconnects now instead of waiting: the network or the page is back. */
  hurry(): void {
    this.#connection.hurry();
  }

  /** Closes the link without leaving: the peer fades, and its token brings it back for a while. */
  close(): void {
    this.#undeny();
    this.#connection.close();
  }

  /** Leaves for good. Waits at most 2 s for the server to know. */
  async leave(): Promise<void> {
    this.#undeny();
    await this.#connection.leave(LEAVE_MS);
  }

  /**
   * Sends where this client is. The newest reading wins: it replaces one that still waits for its
   * turn, and one equal to the last is not sent. `null` means that there is no position any more,
   * and ends the repeats. On a plane, nothing is sent before the client knows its step, from its
   * options or the first welcome.
   */
  send(reading: Reading | PlaneReading | null): void {
    if (!reading) {
      this.#sender.clear();
      return;
    }
    const sample = 'x' in reading ? this.#sampleHere(reading) : sampleOf(reading);
    if (sample) this.#sender.offer(sample);
  }

  /**
   * Says something to others; false: there is no link. What the server does not deliver it refuses
   * on the reliable lane, and drops on the other. There, the newest on a topic replaces one that
   * still waits for its turn.
   */
  say(say: Say, lane: Lane = 'reliable'): boolean {
    if (lane === 'reliable') return this.#connection.send({ type: 'Say', ...say });
    return this.#talk.offer(say);
  }

  /** Does what only a host may do; false: there is no link. */
  host(action: HostAction): boolean {
    return this.#connection.send({ type: 'Host', action });
  }

  /**
   * Tells the server what the client shows. Four a second are plenty; more than ten end the link.
   */
  setViewport(viewport: Viewport): void {
    this.#hello.viewport = viewport;
    this.#connection.send({ type: 'Viewport', ...viewport });
  }

  /** Tells the server whether the client shares, watches or is hidden. */
  setPresence(presence: Presence): void {
    this.#hello.presence = presence;
    if (presence !== this.#toldPresence) this.#announce();
  }

  /** Sets the terms on which the client shares; `seconds` count from now. */
  setSharing(sharing: Sharing): void {
    const exact = this.#terms.approximate && !sharing.approximate;
    this.#terms = sharing;
    this.#ends = endOf(sharing);
    this.#announceTerms();
    // The server shows the cell's middle until it gets a pose on the new terms.
    if (exact) for (const wait of RENEW_MS) setTimeout(() => this.#sender.renew(), wait);
  }

  /** Limits frames to this many bytes per second; 0 lets the server choose. */
  setBudget(budget: number): void {
    this.#hello.budget = budget;
    this.#connection.send({ type: 'Budget', budget });
  }

  /** Limits frames to this many per second, 1 to 255; 0 for as many as the server can afford. */
  setMaxFramesHz(maxFramesHz: number): void {
    if (maxFramesHz === this.#maxFramesHz) return;
    this.#maxFramesHz = maxFramesHz;
    this.#announcePace();
  }

  /** Changes the name. More than two changes a second of name and profile are refused. */
  setName(name: string): void {
    if (name === this.#hello.name) return;
    this.#hello.name = name;
    this.#connection.send({ type: 'Name', name });
  }

  /** Changes what the client says of itself: JSON of at most 512 bytes, or nothing. */
  setProfile(profile: string): void {
    if (profile === this.#hello.profile) return;
    this.#hello.profile = profile;
    this.#connection.send({ type: 'Profile', profile });
  }

  /** Changes the access token, and connects with it. */
  setAccess(access: string | null): void {
    this.#access = access;
    this.connect();
  }

  #greeting() {
    this.#events.emit('hello', undefined);
    if (this.#ends !== undefined && this.#ends <= Date.now()) this.#withdraw();
    const access = typeof this.#access === 'function' ? this.#access() : this.#access;
    return { ...this.#hello, access, sharing: this.#sharing() };
  }

  #sampleHere(reading: PlaneReading) {
    const space = this.#welcomed?.kind.space ?? this.#hello.space;
    return space?.type === 'Plane' ? sampleOn(space, reading) : undefined;
  }

  #handleWelcome(welcome: Welcome): void {
    const session = this.#connection.session!;
    this.#welcomed = welcome;
    this.#clock = session.clock;
    this.view.handleMessage(welcome);
    this.#sender.open({
      sendDatagram: (bytes) => session.sendDatagram(bytes),
      serverTime: (at) => session.clock.at(at),
      poseHz: welcome.limits.pose_hz,
      stateBits: stateBits(welcome.kind.layout),
    });
    this.#talk.open(session);
    if (!welcome.resumed) this.#hearing.clear();
    // The server repeats one that still stands.
    this.#handleAnnouncement('');
    this.#events.emit('welcome', welcome);
    this.#events.emit('change', undefined);
  }

  #handleRoster(roster: Roster): void {
    this.#changing(() => this.view.handleMessage(roster));
    this.#hearing.forget(roster.left);
    this.#watchVerdict();
    this.#events.emit('roster', roster);
  }

  #handleFrame(frame: Frame): void {
    const ages = this.#changing(() => this.view.handleFrame(frame));
    this.#events.emit('frame', { frame, ages });
  }

  #handleSaid(said: Said, time: number | undefined): void {
    if (this.view.hasLeft(said.from)) return;
    if (time !== undefined && !this.#hearing.isNews(said, time)) return;
    this.#events.emit('said', { said, lane: time === undefined ? 'reliable' : 'datagram' });
  }

  #handleAnnouncement(text: string): void {
    if (text === this.#announcement) return;
    this.#announcement = text;
    this.#events.emit('announcement', text);
  }

  #handleState(state: State): void {
    if (state.phase === 'live') {
      // Changes between the hello and the welcome could not be sent, and of two hellos in a race
      // the older one may have won. So repeat everything.
      this.#announceTerms();
      this.#announce();
      if (this.#hello.viewport)
        this.#connection.send({ type: 'Viewport', ...this.#hello.viewport });
      // Every link begins without a limit.
      if (this.#maxFramesHz !== 0) this.#announcePace();
      // These are told to everybody, so they are not repeated without need.
      const { name, profile } = this.#connection.session!.hello!;
      if (name !== this.#hello.name)
        this.#connection.send({ type: 'Name', name: this.#hello.name });
      if (profile !== this.#hello.profile)
        this.#connection.send({ type: 'Profile', profile: this.#hello.profile });
    } else {
      this.#sender.close();
      this.#talk.close();
    }
    this.#events.emit('state', state);
  }

  #changing<T>(apply: () => T): T {
    const before = this.view.changes;
    const result = apply();
    if (this.view.changes !== before) this.#events.emit('change', undefined);
    return result;
  }

  #announce(): void {
    const presence = this.#hello.presence;
    if (!this.#connection.send({ type: 'Presence', presence })) return;
    this.#toldPresence = presence;
    this.#undeny();
  }

  #announceTerms(): void {
    this.#connection.send({ type: 'Sharing', ...this.#sharing() });
  }

  #announcePace(): void {
    this.#connection.send({ type: 'Pace', max_frames_hz: this.#maxFramesHz });
  }

  /** The terms with the remaining time, never more than was set, however the clock was moved. */
  #sharing(): Sharing {
    const { approximate, seconds } = this.#terms;
    const left = this.#ends === undefined ? 0 : Math.ceil((this.#ends - Date.now()) / 1000);
    return {
      approximate,
      seconds: this.#ends === undefined ? 0 : Math.max(1, Math.min(left, seconds)),
    };
  }

  /**
   * Gives up sharing when the server insists that this client only watches: the server keeps the
   * time, too.
   */
  #watchVerdict(): void {
    const isDenied = (): boolean =>
      this.#toldPresence === Presence.Sharing &&
      this.#welcomed !== undefined &&
      this.view.presenceOf(this.#welcomed.id) === Presence.Watching;
    if (!isDenied()) this.#undeny();
    else this.#denied ??= setTimeout(() => isDenied() && this.#withdraw(), DENIED_MS);
  }

  #undeny(): void {
    clearTimeout(this.#denied);
    this.#denied = undefined;
  }

  #withdraw(): void {
    this.#undeny();
    this.#ends = undefined;
    this.#sender.clear();
    this.setPresence(Presence.Watching);
    this.#events.emit('withdrawn', undefined);
  }
}

function endOf({ seconds }: Sharing): number | undefined {
  return seconds > 0 ? Date.now() + seconds * 1000 : undefined;
}
