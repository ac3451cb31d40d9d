/** Who else is in a room: the roster of the wire, as people who stay the same over links. */
import type { SpaceOption } from './declare.ts';
import { Person, type Surroundings, unnamed } from './person.ts';
import { Store } from './store.ts';
import type { Figure } from './view.ts';
import type { Roster, Welcome } from './wire/server.ts';
import { type Person as Entry, Presence } from './wire/wire.ts';

/** A roster names everybody in rooms of up to so many people. */
const WHOLE = 1024;
/** News of somebody takes 2 s and a tick at most. Whoever is unnamed for longer stays so. */
const UNNAMED_MS = 3000;

/** The number of a program at the server, which is no peer. */
const PROGRAM = 0xffff_ffff;

/** What happened to somebody. */
export type Happening = 'enter' | 'leave' | 'change';

/** Everybody else in a room, by {@link Person.id}. */
export class People<S, P, X extends SpaceOption> extends Map<string, Person<S, P, X>> {
  readonly #byPeer = new Map<number, Person<S, P, X>>();
  /** Those whom no roster has named since the last welcome. */
  #unheard = new Set<Person<S, P, X>>();
  /** Number of rosters that the first list still needs. */
  #listing = 1;
  #listed = 0;
  #me = -1;
  #grace: ReturnType<typeof setTimeout> | undefined;
  readonly #here: Surroundings<S>;
  readonly #tell: (what: Happening, person: Person<S, P, X>) => void;
  readonly #list = new Store<readonly Person<S, P, X>[]>([]);

  /** Made by a room. */
  constructor(here: Surroundings<S>, tell: (what: Happening, person: Person<S, P, X>) => void) {
    super();
    this.#here = here;
    this.#tell = tell;
  }

  /** Everybody, as a list that is a new one after each change of the roster. */
  get list(): readonly Person<S, P, X>[] {
    return this.#list.value;
  }

  /**
   * Calls `follow` now and whenever somebody enters, leaves, or changes anything but place and
   * state; the returned function ends that.
   */
  subscribe(follow: (people: this) => void): () => void {
    return this.#list.subscribe(() => follow(this));
  }

  /** Whether the first list since the welcome is complete. */
  get isListed(): boolean {
    return this.#listing === 0;
  }

  /**
   * The person with this number, whom a frame or a message may name before a roster does; in a large
   * room, no roster may. Used by the room.
   */
  peer(id: number): Person<S, P, X> {
    const known = this.#byPeer.get(id);
    if (known) return known;
    const person = this.#made(unnamed(id));
    setTimeout(() => {
      if (this.#byPeer.get(id) !== person || this.has(person.id)) return;
      this.#enter(person);
      this.#changed();
    }, UNNAMED_MS);
    return person;
  }

  /** Who said something; null if it was a program at the server. Used by the room. */
  sender(id: number): Person<S, P, X> | null {
    return id === PROGRAM ? null : this.peer(id);
  }

  /** Takes a welcome. Used by the room. */
  welcome({ id, rosters, resumed, limits }: Welcome): void {
    this.#me = id;
    this.#listing = rosters;
    this.#listed = 0;
    this.#unheard = new Set(this.values());
    if (resumed || this.size === 0) return;
    // The server may have been restarted: its numbers mean others now, and people are coming back.
    this.#byPeer.clear();
    for (const person of this.#unheard) {
      if (person.id.startsWith('#')) this.#leave(person);
      else if (person.become(Presence.Gone)) this.#tell('change', person);
    }
    clearTimeout(this.#grace);
    this.#grace = setTimeout(() => this.#sweep(), limits.resume_ms);
    this.#changed();
  }

  /** Takes a roster. Used by the room. */
  roster({ joined, left, presence }: Roster): void {
    for (const entry of joined) this.#read(entry);
    for (const change of presence) {
      const person = this.#byPeer.get(change.id);
      if (person?.become(change.presence)) this.#tell('change', person);
    }
    for (const id of left) this.#leave(this.#byPeer.get(id));
    this.#listed += joined.length;
    if (this.#listing > 0 && --this.#listing === 0 && this.#listed < WHOLE) {
      if (this.#grace === undefined) this.#sweep();
    }
    this.#changed();
  }

  /** Takes a figure that has just arrived. Used by the room. */
  take(figure: Figure, now: number): void {
    this.peer(figure.id).take(figure, now);
  }

  /** Ends the wait for people who may come back. Used by the room. */
  close(): void {
    clearTimeout(this.#grace);
    this.#byPeer.clear();
  }

  #read(entry: Entry): void {
    if (entry.id === this.#me) return;
    const person = this.get(entry.uuid) ?? this.#byPeer.get(entry.id) ?? this.#made(entry);
    const { id, peer } = person;
    const isHere = this.has(id);
    this.#unheard.delete(person);
    if (this.#byPeer.get(peer) === person) this.#byPeer.delete(peer);
    this.#byPeer.set(entry.id, person);
    const isNews = person.read(entry);
    if (!isHere) {
      this.#enter(person);
      return;
    }
    if (id !== person.id) {
      this.delete(id);
      this.set(person.id, person);
    }
    if (isNews) this.#tell('change', person);
  }

  #made(entry: Entry): Person<S, P, X> {
    const person = new Person<S, P, X>(entry, this.#here);
    this.#byPeer.set(entry.id, person);
    return person;
  }

  #enter(person: Person<S, P, X>): void {
    this.set(person.id, person);
    this.#tell('enter', person);
  }

  #leave(person: Person<S, P, X> | undefined): void {
    if (!person) return;
    // In the meantime, the number may have become another's.
    if (this.#byPeer.get(person.peer) === person) this.#byPeer.delete(person.peer);
    this.#unheard.delete(person);
    if (this.delete(person.id)) this.#tell('leave', person);
  }

  /** Those who have not been named again have left. */
  #sweep(): void {
    this.#grace = undefined;
    for (const person of this.#unheard) this.#leave(person);
    this.#unheard.clear();
    this.#changed();
  }

  #changed(): void {
    this.#list.set([...this.values()]);
  }
}
