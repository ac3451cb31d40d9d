/** The peer that this program is: what it tells others of itself. */
import type { Client } from './client.ts';
import type { Declared, SpaceOption } from './declare.ts';
import { PRESENCES, type PresenceName, parsed, type Spot } from './person.ts';
import type { Manner } from './sender.ts';
import { Store } from './store.ts';
import { Presence, type Sharing } from './wire/wire.ts';

/** A place to share: where, and what is known of how. */
export type Move<X extends SpaceOption> = Spot<X> & Omit<Manner, 'state'>;

/** Longest profile, in bytes of UTF-8. */
const MAX_PROFILE = 512;

/** This program's own peer. */
export class Me<S = unknown, P = unknown, X extends SpaceOption = SpaceOption> {
  readonly #client: Client;
  readonly #declared: Declared<S> | undefined;
  readonly #store = new Store(0);
  #place: Move<X> | undefined;
  #state: S | undefined;
  #hidden = false;

  /** Made by a room. */
  constructor(client: Client, declared: Declared<S> | undefined) {
    this.#client = client;
    this.#declared = declared;
    client.on('roster', ({ joined, presence }) => {
      const { id } = client.welcome!;
      if ([...joined, ...presence].some((it) => it.id === id)) this.#changed();
    });
    client.on('welcome', () => this.#changed());
    client.on('withdrawn', () => {
      this.#place = undefined;
      this.#changed();
    });
  }

  /** The public identity. */
  get id(): string {
    return this.#client.welcome!.uuid;
  }

  /** Whether the access token allows to share a position. */
  get mayShare(): boolean {
    return this.#client.welcome!.may_share;
  }

  /** The presence that others see. */
  get presence(): PresenceName {
    return PRESENCES[this.#entry?.presence ?? Presence.Watching]!;
  }

  /** The name as others see it. Set it to be called something else: at most twice a second. */
  get name(): string {
    return this.#entry?.name ?? '';
  }

  set name(name: string) {
    this.#client.setName(name);
  }

  /** What others know of this peer. Set it to tell them: JSON of at most 512 bytes. */
  get profile(): P | undefined {
    return parsed(this.#entry?.profile ?? '');
  }

  set profile(profile: P | undefined) {
    this.#client.setProfile(profileOf(profile));
  }

  /** The state, which goes with the place: set it and it is sent, once there is a place. */
  get state(): S | undefined {
    return this.#state;
  }

  set state(state: S | undefined) {
    this.#state = state;
    this.#send();
  }

  /** Whether the page is in the background: others see that, and the place stays. */
  get hidden(): boolean {
    return this.#hidden;
  }

  set hidden(hidden: boolean) {
    this.#hidden = hidden;
    this.#announce();
  }

  /**
   * Shares a place from now on; `null` takes it back at once. Call it as often as you like: the
   * newest place wins, and none waits behind another. False: the access token does not allow it.
   *
   * @throws RangeError if the place is not made of finite numbers.
   */
  move(place: Move<X> | null): boolean {
    if (place) {
      const [a, b] = 'x' in place ? [place.x, place.y] : [place.lat, place.lng];
      if (!Number.isFinite(a) || !Number.isFinite(b)) {
        throw new RangeError(`a place needs finite numbers, not ${a} and ${b}`);
      }
      if (!this.mayShare) return false;
    }
    // A place repeated for a new state keeps its time.
    this.#place = place ? { at: performance.now(), ...place } : undefined;
    this.#announce();
    this.#send();
    return true;
  }

  /** Sets the terms of sharing: approximately (on the earth), or for so many seconds from now. */
  share(terms: Partial<Sharing>): void {
    this.#client.setSharing({ approximate: false, seconds: 0, ...terms });
  }

  /** Calls `follow` now and whenever others see something new; the returned function ends that. */
  subscribe(follow: (me: this) => void): () => void {
    return this.#store.subscribe(() => follow(this));
  }

  /** Number of changes so far. */
  get changes(): number {
    return this.#store.value;
  }

  get #entry() {
    const { view, welcome } = this.#client;
    return view.people.get(welcome!.id);
  }

  #changed(): void {
    this.#store.set(this.changes + 1);
  }

  #announce(): void {
    const shown = this.#place ? Presence.Sharing : Presence.Watching;
    this.#client.setPresence(this.#hidden ? Presence.Hidden : shown);
  }

  #send(): void {
    if (!this.#place) {
      this.#client.send(null);
      return;
    }
    const state = this.#state && this.#declared?.pack(this.#state);
    this.#client.send({ ...this.#place, state });
  }
}

/**
 * A profile as the wire carries it.
 *
 * @throws RangeError if it is too long.
 */
export function profileOf(profile: unknown): string {
  const json = JSON.stringify(profile) ?? '';
  const bytes = new TextEncoder().encode(json).length;
  if (bytes > MAX_PROFILE) throw new RangeError(`a profile of ${bytes} bytes; 512 are the most`);
  return json;
}
