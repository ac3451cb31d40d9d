/** A room that one has joined: the whole of the SDK hangs on it. */
import { Ages } from './ages.ts';
import { Client } from './client.ts';
import { type CloseReason, closeReason } from './closing.ts';
import type { State } from './connection.ts';
import type { Declared, PlaneOption, SpaceOption } from './declare.ts';
import { Emitter } from './events.ts';
import type { Transport } from './link/link.ts';
import { Me } from './me.ts';
import { Messages } from './messages.ts';
import type { ClientOptions } from './options.ts';
import { type Happening, People } from './people.ts';
import { type Person, parsed } from './person.ts';
import { Store } from './store.ts';
import type { Frame } from './wire/frame.ts';
import { CIRCLE, toUnits, type Viewport } from './wire/geo.ts';
import { type Bounds, type Plane, viewportOf, zoomFor } from './wire/kind.ts';
import type { Said, To } from './wire/say.ts';
import type { Refused } from './wire/server.ts';
import type { HostAction, Online } from './wire/wire.ts';

/** How a room is connected. */
export interface Status {
  /** Whether there is a link; `waiting` for the next attempt; `ended` for good. */
  readonly phase: State['phase'];
  /** What carries the link. */
  readonly transport: Transport | undefined;
  /** The newest round trip in ms. */
  readonly roundTrip: number | undefined;
  /** Age of information: the median of how old positions were on arrival, lately, in ms. */
  readonly age: number | undefined;
  /** Why there is no link, or why it is not the better one, in words. */
  readonly reason: string;
  /** Why the last link ended, if the server said so. */
  readonly close: CloseReason | undefined;
}

/** A message from somebody. */
export interface Message<T, S, P, X extends SpaceOption> {
  /** Who said it; null if it was a program at the server. */
  readonly from: Person<S, P, X> | null;
  /** What it is about. */
  readonly topic: string;
  /** What they said: null for nothing, and bytes if it is not JSON. */
  readonly body: T;
  /** Whom it is for. */
  readonly to: To['type'];
}

/** Whom a message is for, and how it travels. */
export interface SayOptions {
  /** Everybody in the room, those in one's view, the hosts, or one person; the room by default. */
  to?: 'room' | 'near' | 'hosts' | Pick<Person, 'peer'>;
  /** Surely and in order, as by default; or as a datagram, of which the newest on a topic counts. */
  reliable?: boolean;
}

/** What is in sight on the earth, in degrees. */
export interface EarthBounds {
  /** Southern edge. */
  south: number;
  /** Western edge. */
  west: number;
  /** Northern edge. */
  north: number;
  /** Eastern edge. */
  east: number;
}

/** What is in sight: `width` is that of the view in CSS pixels, 1024 by default. */
export type Look<X extends SpaceOption> = (X extends PlaneOption ? Bounds : EarthBounds) & {
  width?: number;
};

/** The events of a room. None of them fires because a link was replaced. */
export interface RoomEvents<S, P, X extends SpaceOption> {
  /** Somebody has come. */
  enter: Person<S, P, X>;
  /** Somebody has left, for good. */
  leave: Person<S, P, X>;
  /** Somebody has another name, profile, presence or role. */
  change: Person<S, P, X>;
  /** The server did not take a value. */
  refused: Refused;
  /** A host shows this text to everybody; empty for nothing. */
  announcement: string;
}

/** The server's clock, in ms. It begins near zero, and wraps after 49.7 days. */
export interface RoomClock {
  /** The server's time at a time of `performance.now()`, which is now by default. */
  at(local?: number): number;
  /** The time of `performance.now()` at a time of the server. */
  local(server: number): number;
}

/** Between two changes of the viewport, in ms. */
const LOOK_MS = 250;
const STATUS_MS = 1000;
const MAX_BODY = 512;
/** Without bounds, one sees so many steps of a plane in each direction, which are exact. */
const SIGHT_STEPS = 8192;

/** A room. {@link join} makes it. */
export class Room<S = unknown, P = unknown, X extends SpaceOption = SpaceOption> {
  /** This program's own peer. */
  readonly me: Me<S, P, X>;
  /** Everybody else. */
  readonly people: People<S, P, X>;
  /** How the room is connected: changes about once a second. */
  readonly status: Store<Status>;
  /** The server's clock. */
  readonly clock: RoomClock;

  readonly #client: Client;
  readonly #plane: Plane | undefined;
  readonly #events = new Emitter<RoomEvents<S, P, X>>();
  readonly #topics = new Map<string, Set<Messages<Message<unknown, S, P, X>>>>();
  readonly #ages = new Ages();
  #close: number | undefined;
  #looked = Number.NEGATIVE_INFINITY;
  #looking: ReturnType<typeof setTimeout> | undefined;
  #ticking: ReturnType<typeof setInterval> | undefined;

  /** Made by {@link join}. */
  constructor(options: ClientOptions, declared: Declared<S> | undefined, plane: Plane | undefined) {
    const client = new Client(options);
    this.#client = client;
    this.#plane = plane;
    const serverTime = (now: number) => client.serverTime(now);
    const here = {
      declared,
      plane,
      serverTime,
      figure: (id: number) => client.view.figures.get(id),
    };
    this.me = new Me(client, declared);
    this.people = new People(here, (what: Happening, person) => this.#events.emit(what, person));
    this.status = new Store(this.#status());
    this.clock = {
      at: (local = performance.now()) => client.serverTime(local)!,
      local: (server) => {
        const now = performance.now();
        return now + ((server - client.serverTime(now)!) | 0);
      },
    };
    client.on('welcome', (welcome) => this.people.welcome(welcome));
    client.on('roster', (roster) => this.people.roster(roster));
    client.on('frame', ({ frame, ages }) => this.#frame(frame, ages));
    client.on('said', ({ said }) => this.#said(said));
    client.on('refused', (refused) => this.#events.emit('refused', refused));
    client.on('announcement', (text) => this.#events.emit('announcement', text));
    client.on('state', (state) => this.#changed(state));
  }

  /** Number of people in the room, by presence. */
  get online(): Online {
    return this.#client.view.online;
  }

  /** Calls `listener` at each event of this name; the returned function ends that. */
  on<Name extends keyof RoomEvents<S, P, X>>(
    name: Name,
    listener: (value: RoomEvents<S, P, X>[Name]) => void,
  ): () => void {
    return this.#events.on(name, listener);
  }

  /**
   * Says something to others, as JSON of at most 512 bytes; false: there is no link. What the
   * server does not deliver it refuses (event `refused`).
   *
   * @throws RangeError if it is too long.
   */
  say(topic: string, body: unknown, { to = 'room', reliable = true }: SayOptions = {}): boolean {
    const bytes = new TextEncoder().encode(JSON.stringify(body));
    if (bytes.length > MAX_BODY) {
      throw new RangeError(`a message of ${bytes.length} bytes; 512 are the most`);
    }
    const say = { to: toOf(to), topic, body: bytes };
    return this.#client.say(say, reliable ? 'reliable' : 'datagram');
  }

  /** What others say on a topic from now on, until the loop is left or the room ends. */
  messages<T = unknown>(topic: string): AsyncIterableIterator<Message<T, S, P, X>> {
    const all = this.#topics.get(topic) ?? new Set();
    const messages = new Messages<Message<unknown, S, P, X>>(() => all.delete(messages));
    if (this.status.value.phase === 'ended') void messages.return();
    else this.#topics.set(topic, all.add(messages));
    return messages as unknown as AsyncIterableIterator<Message<T, S, P, X>>;
  }

  /**
   * Says what is in sight, and so who is: people outside of it are not sent. Call it as often as you
   * like; the newest is told the server, four times a second.
   *
   * @throws RangeError if the bounds are not finite, or upside down.
   */
  look(bounds: Look<X>): void {
    const viewport = viewportFor(this.#plane, bounds);
    clearTimeout(this.#looking);
    const wait = this.#looked + LOOK_MS - performance.now();
    if (wait > 0) {
      this.#looking = setTimeout(() => this.look(bounds), wait);
      return;
    }
    this.#looked = performance.now();
    this.#client.setViewport(viewport);
  }

  /** Does what only a host may do; false: there is no link. */
  host(action: HostAction): boolean {
    return this.#client.host(action);
  }

  /** Tries again now instead of waiting: the network is back. */
  hurry = (): void => this.#client.hurry();

  /** Leaves for good. Others see it at once; waits at most 2 s for the server to know. */
  async leave(): Promise<void> {
    await this.#client.leave();
  }

  /** Opens the first link. Used by {@link join}. */
  open(): void {
    this.#client.connect();
    // A page's or a worker's network may come back before the next attempt is due.
    globalThis.addEventListener?.('online', this.hurry);
    this.#ticking = setInterval(() => this.status.set(this.#status()), STATUS_MS);
  }

  #frame({ time, chunks }: Frame, ages: readonly number[]): void {
    const now = performance.now();
    const late = (this.clock.at(now) - time) | 0;
    for (const age of ages) this.#ages.add(Math.max(0, late + age), now);
    const { figures } = this.#client.view;
    for (const { entries } of chunks) {
      for (const { id } of entries) {
        const figure = figures.get(id);
        if (figure?.time === time) this.people.take(figure, now);
      }
    }
  }

  #said({ from, topic, body, to }: Said): void {
    const all = this.#topics.get(topic);
    if (!all) return;
    const said = body.length > 0 ? parsed(new TextDecoder().decode(body)) : null;
    const message = {
      from: this.people.sender(from),
      topic,
      body: said === undefined ? body : said,
      to: to.type,
    };
    for (const messages of all) messages.push(message);
  }

  #changed(state: State): void {
    if ('code' in state) this.#close = state.code;
    this.status.set(this.#status());
    if (state.phase !== 'ended') return;
    clearInterval(this.#ticking);
    clearTimeout(this.#looking);
    globalThis.removeEventListener?.('online', this.hurry);
    this.people.close();
    for (const all of this.#topics.values()) for (const messages of all) void messages.return();
  }

  #status(): Status {
    const { state, roundTrip } = this.#client;
    const isLive = state.phase === 'live';
    return {
      phase: state.phase,
      transport: isLive ? state.transport : undefined,
      roundTrip: isLive ? roundTrip : undefined,
      age: isLive ? this.#ages.median(performance.now()) : undefined,
      reason: ('reason' in state && state.reason) || (isLive && state.lost) || '',
      close: closeReason(this.#close),
    };
  }
}

function toOf(to: NonNullable<SayOptions['to']>): To {
  if (typeof to === 'object') return { type: 'Peer', id: to.peer };
  return { type: ({ room: 'Room', near: 'Near', hosts: 'Hosts' } as const)[to] };
}

/**
 * The viewport of who sees these bounds; of a plane's middle by default.
 *
 * @throws RangeError if there is none.
 */
export function viewportFor(plane: Plane | undefined, bounds?: Look<SpaceOption>): Viewport {
  const { width = 1024, ...edges } = bounds ?? aroundOrigin(plane!);
  let found: Viewport | undefined;
  if ('left' in edges) {
    found = plane && viewportOf(plane, edges, (edges.right - edges.left) / width);
  } else {
    const { south, west, north, east } = edges;
    const [low, high] = [toUnits({ lat: south, lng: west }), toUnits({ lat: north, lng: east })];
    // Someone who sees all of the circle sees it from edge to edge.
    const wide = east - west >= 360 ? CIRCLE : (high.lng - low.lng + CIRCLE) % CIRCLE;
    found = {
      south: low.lat,
      west: wide < CIRCLE ? low.lng : -CIRCLE / 2,
      north: high.lat,
      east: wide < CIRCLE ? high.lng : CIRCLE / 2,
      zoom: zoomFor(wide / width),
    };
  }
  const isWhole = found && Object.values(found).every(Number.isFinite);
  if (!isWhole || found!.south > found!.north) {
    throw new RangeError('bounds need finite edges, and the lower one first');
  }
  return found!;
}

function aroundOrigin({ step }: Plane): Look<PlaneOption> {
  const reach = SIGHT_STEPS * step;
  return { left: -reach, bottom: -reach, right: reach, top: reach };
}
