/** Somebody in a room, as others see them. */
import type { Declared, PlaneOption, SpaceOption } from './declare.ts';
import { Glide, sampledAt } from './glide.ts';
import { type Figure, STALE_MS } from './view.ts';
import { decodeAccuracy } from './wire/accuracy.ts';
import { type Degrees, toDegrees, wrapDegrees } from './wire/geo.ts';
import { type Plane, type Point, pointOf } from './wire/kind.ts';
import type { Quaternion } from './wire/orientation.ts';
import { type Person as Entry, Presence } from './wire/wire.ts';

/** Where somebody is in a space. */
export type Spot<X extends SpaceOption> = X extends PlaneOption ? Point : Degrees;

/** Where somebody is at a moment, in mid-move. */
export type Seen<X extends SpaceOption> = Spot<X> & {
  /** How the device is held; absent if it does not know. */
  orientation: Quaternion | undefined;
  /** The accuracy in metres, on a plane in its unit; null if unknown. */
  accuracy: number | null;
  /** Age of the sample in ms. */
  age: number;
};

/** Whether somebody shares a position, watches, has the page in the background, or may come back. */
export type PresenceName = 'sharing' | 'watching' | 'hidden' | 'gone';

/** What somebody is: a guest, a host, or a thing that a program put into the room. */
export type RoleName = 'guest' | 'host' | 'thing';

/** The names of presences, by their numbers. */
export const PRESENCES = ['sharing', 'watching', 'hidden', 'gone'] as const;
const ROLES = ['guest', 'host', 'thing'] as const;

/** What all people of a room have in common. */
export interface Surroundings<S> {
  /** The room's state, if it is declared. */
  readonly declared: Declared<S> | undefined;
  /** The room's plane; undefined on the earth. */
  readonly plane: Plane | undefined;
  /** The figure of this peer in view. */
  figure(peer: number): Figure | undefined;
  /** The server's time at a local one. */
  serverTime(now: number): number | undefined;
}

/** Somebody in a room. The same object stands for them as long as they are in it. */
export class Person<S = unknown, P = unknown, X extends SpaceOption = SpaceOption> {
  /** Number of changes to what the roster says of them. */
  changes = 0;
  #entry: Entry;
  #profile: P | undefined;
  #figure: Figure | undefined;
  #glide: Glide | undefined;
  readonly #here: Surroundings<S>;

  /** Made by a room. */
  constructor(entry: Entry, here: Surroundings<S>) {
    this.#here = here;
    this.#entry = entry;
    this.#profile = parsed(entry.profile);
  }

  /** The public identity, which outlives links; `#` and a number until the roster names them. */
  get id(): string {
    return this.#entry.uuid || `#${this.#entry.id}`;
  }

  /** The number on the wire. It changes if the server is restarted. */
  get peer(): number {
    return this.#entry.id;
  }

  /** The name they gave, as the server made it fit to be shown; may be empty. */
  get name(): string {
    return this.#entry.name;
  }

  /** What they say of themselves; undefined for nothing. */
  get profile(): P | undefined {
    return this.#profile;
  }

  /** Their presence. */
  get presence(): PresenceName {
    return PRESENCES[this.#entry.presence]!;
  }

  /** What they are. */
  get role(): RoleName {
    return ROLES[this.#entry.role]!;
  }

  /** The same for all devices of one person, by their access tokens; null without one. */
  get subject(): string | null {
    return this.#entry.subject;
  }

  /** Their newest state; undefined while they are not in view, or if the room has none. */
  get state(): S | undefined {
    const figure = this.#here.figure(this.peer);
    return figure && this.#here.declared?.unpack(figure);
  }

  /**
   * Where they are at `time`, as `performance.now()` and animation frames count it: in mid-move
   * between samples, and carried on for at most 3 s by the motion that they sent. Undefined while
   * they are not in view.
   */
  at(time: number = performance.now()): Seen<X> | undefined {
    const figure = this.#here.figure(this.peer);
    if (!figure) this.#glide = undefined;
    if (!figure || !this.#glide) return undefined;
    const { plane } = this.#here;
    const [lng, lat] = this.#glide.point(time);
    const degrees = toDegrees({ lat, lng });
    const accuracy = decodeAccuracy(figure.accuracy);
    return {
      ...(plane ? pointOf(plane, { lat, lng }) : { ...degrees, lng: wrapDegrees(degrees.lng) }),
      orientation: this.#glide.orientation(time),
      accuracy: accuracy && accuracy * (plane?.step ?? 1),
      age: Math.max(0, time - sampledAt(figure, time, this.#here.serverTime(time))),
    } as unknown as Seen<X>;
  }

  /** Takes a figure that has just arrived. Used by the room. */
  take(figure: Figure, now: number): void {
    const since = sampledAt(figure, now, this.#here.serverTime(now));
    const old = this.#figure;
    this.#figure = figure;
    // Somebody who was out of view for long does not fly in from where they were.
    if (this.#glide && old && ((figure.time - old.time) | 0) <= STALE_MS)
      this.#glide.update(figure, now, since);
    else this.#glide = new Glide(figure, since, this.#here.plane !== undefined);
  }

  /** Takes a newer entry of the roster, and returns whether it says anything new. Used by the room. */
  read(entry: Entry): boolean {
    const old = this.#entry;
    this.#entry = entry;
    const isNews =
      old.uuid !== entry.uuid ||
      old.name !== entry.name ||
      old.presence !== entry.presence ||
      old.profile !== entry.profile ||
      old.role !== entry.role;
    if (old.profile !== entry.profile) this.#profile = parsed(entry.profile);
    if (isNews) this.changes++;
    return isNews;
  }

  /** Takes a new presence, and returns whether it is one. Used by the room. */
  become(presence: Presence): boolean {
    return this.read({ ...this.#entry, presence });
  }
}

/** Somebody whom frames show and the roster does not name. */
export function unnamed(id: number): Entry {
  const presence = Presence.Sharing;
  return { id, uuid: '', name: '', presence, role: 0, subject: null, profile: '' };
}

/** The value of JSON; undefined for nothing and for what is no JSON. */
export function parsed<T>(json: string): T | undefined {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
